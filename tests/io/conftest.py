"""DICOM series and CT-like volumes made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ..dicoms import write_slice as _write_slice

WriteSlice = Callable[..., Path]


@pytest.fixture(scope="session")
def write_slice() -> WriteSlice:
    """The function that writes one CT slice."""
    return _write_slice


@pytest.fixture(scope="session")
def body_hu() -> np.ndarray:
    """(6, 9, 7) whole HU: air around soft tissue, every voxel different enough to find it again."""
    z, y, x = np.meshgrid(np.arange(6), np.arange(9), np.arange(7), indexing="ij")
    inside = (abs(y - 4) < 4) & (abs(x - 3) < 3)
    return np.where(inside, 40 + z + 2 * y + 3 * x, -1000 + z + y + x).astype(np.int16)


@pytest.fixture
def write_series(body_hu: np.ndarray) -> Callable[..., Path]:
    """Write slices of `body_hu` (bottom up, every 2.5 mm) under names in another order; the folder."""

    def write(
        folder: Path, *, keep: Callable[[int], bool] = lambda k: True, first_mm: float = -5.0, **tags: Any
    ) -> Path:
        folder.mkdir(exist_ok=True)
        for k, plane in enumerate(body_hu):
            if keep(k):
                name = f"{tags.get('SeriesInstanceUID', 'a')}-{(k * 5) % 6}"
                place = {"ImagePositionPatient": [-10, -20, first_mm + 2.5 * k], "InstanceNumber": 99 - k}
                resolved = {tag: value(k) if callable(value) else value for tag, value in tags.items()}
                _write_slice(folder / name, plane + np.int16(1024), **{**place, **resolved})
        return folder

    return write
