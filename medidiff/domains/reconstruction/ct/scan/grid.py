"""The pixels of one slice, in millimetres about the rotation axis.

Slice index (r, c) with r = 0 on top; the rotation centre (0, 0) is the middle of the image:

    x_c = (c - (nx-1)/2) dx,   y_r = ((ny-1)/2 - r) dy                                   [mm]
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError

SMALLEST_SIDE = 16  # pixels; below it there is nothing to reconstruct


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixels of one slice: (ny, nx) of dy by dx millimetres, centred on the rotation axis."""

    ny: int
    nx: int
    dy_mm: float
    dx_mm: float

    def __post_init__(self) -> None:
        if min(self.ny, self.nx) < SMALLEST_SIDE:
            raise InputError(
                "slice size",
                expected=f"at least {SMALLEST_SIDE} pixels a side",
                got=f"{self.ny} x {self.nx}",
                fix="Give whole axial slices.",
            )
        if not all(math.isfinite(d) and d > 0 for d in (self.dy_mm, self.dx_mm)):
            raise InputError(
                "pixel size",
                expected="positive millimetres",
                got=f"{self.dy_mm:g} x {self.dx_mm:g}",
                fix="Mend the spacing of the file.",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.ny, self.nx

    @property
    def pixels(self) -> int:
        """Ny nx."""
        return self.ny * self.nx

    @property
    def pixel_mm(self) -> float:
        """The longer side of a pixel."""
        return max(self.dy_mm, self.dx_mm)

    @property
    def diagonal_mm(self) -> float:
        """The longest line through the grid."""
        return math.hypot(self.ny * self.dy_mm, self.nx * self.dx_mm)

    def x_mm(self) -> NDArray[Any]:
        """Pixel centres (nx,), rising with the column."""
        return (np.arange(self.nx) - (self.nx - 1) / 2) * self.dx_mm

    def y_mm(self) -> NDArray[Any]:
        """Pixel centres (ny,), falling with the row."""
        return ((self.ny - 1) / 2 - np.arange(self.ny)) * self.dy_mm

    def finer(self, factor: int) -> Grid:
        """The same field in `factor` times as many pixels a side."""
        return Grid(self.ny * factor, self.nx * factor, self.dy_mm / factor, self.dx_mm / factor)
