"""Small instrument files made for a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.chromatogram import Chromatogram, VendorPeak


@pytest.fixture
def save(tmp_path: Path) -> Callable[[bytes | str, str], Path]:
    """`save(content, name)`: a file in a fresh folder, and its path."""

    def write(content: bytes | str, name: str = "run.dat") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def trace() -> Chromatogram:
    """Two peaks at 0.1 s a sample, of numbers with all their bits, with a table of peaks."""
    time = -0.3 + 0.1 * np.arange(400)
    signal = 1e5 * np.exp(-((time - 12) ** 2)) + 3e4 * np.exp(-((time - 25) ** 2) / 3) + np.pi
    peaks = (
        VendorPeak(12.0, 9.5, 14.5, 177245.0, 1e5, "Toluol µ"),
        VendorPeak(25.0, None, None, None, 3e4),
    )
    return Chromatogram(time, signal, signal_unit="µV", detector="FID", vendor_peaks=peaks)
