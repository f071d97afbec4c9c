"""A body that has a closed form: discs in HU on any grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medidiff.domains.reconstruction.ct.scan.geometry import Grid
from medidiff.io.volume import Volume


@pytest.fixture(scope="session")
def body() -> Callable[..., Volume]:
    """`body(slices, ny, nx, dy, dx)`: soft tissue in air with a lung and a rib, growing with z."""

    def make(slices: int = 2, ny: int = 64, nx: int = 64, dy: float = 4.0, dx: float = 4.0) -> Volume:
        grid = Grid(ny, nx, dy, dx)
        x, y = grid.x_mm()[None], grid.y_mm()[:, None]
        half = min(ny * dy, nx * dx) / 2
        hu = np.full((slices, ny, nx), -1000.0, np.float32)
        for z, plane in enumerate(hu):
            size = half * (0.8 + 0.02 * z)
            plane[x**2 + y**2 < size**2] = 40
            plane[(x + 0.35 * half) ** 2 + (y - 0.1 * half) ** 2 < (0.25 * half) ** 2] = -820
            plane[(x - 0.4 * half) ** 2 + (y + 0.3 * half) ** 2 < (0.1 * half) ** 2] = 700
        return Volume.from_array(hu, spacing_mm=(2.5, dy, dx))

    return make
