"""One matrix for up to eight views: the square's symmetries.

For an orthogonal M that maps the pixel grid to itself, and f' = f(M .),

    p_f(M n, s) = p_f'(n, s)        n the direction of a parallel view, s untouched
    p_f(M S, gamma) = p_f'(S, det(M) gamma)        S the source of a fan

so that every view whose direction (or source) is M times another's is that other view of the image turned or
mirrored by M. Only the views between 0 and 45 degrees (90 for pixels or images that are not square, or for a
fan whose detector is off centre) need entries; the turned images are further columns of the same product.
Mirroring a fan mirrors its bins, which needs a detector that is centred.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medidiff.domains.reconstruction.ct.projection.system_matrix import SystemMatrix, build_matrix
from medidiff.domains.reconstruction.ct.projection.tiles import WIDEST, tile_order, tiled_pixels
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Geometry, Grid

_SAME_DEG = 1e-9
_WORTH = 1.5  # as many views for one with entries, or the turned images do not pay

Mirror = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Turned:
    """The views that are one symmetry away from views with entries.

    views, base: their numbers in the scan and among the views with entries. order: packed pixels, so that
    image[order] is the turned image. mirrored: whether their bins run the other way.
    """

    views: Tensor
    base: Tensor
    order: Tensor
    back_order: Tensor
    mirrored: bool


@dataclass(frozen=True)
class SymmetricMatrix:
    """A' as `SystemMatrix` has it, with entries for the views of one sector only."""

    matrix: SystemMatrix
    turned: tuple[Turned, ...]
    views: int
    base_views: int
    detectors: int

    @property
    def pixel_count(self) -> int:
        """Pixels of the filled grid: the rows of an image."""
        return self.matrix.pixel_count

    @property
    def ray_count(self) -> int:
        """Views times detectors: the rows of a sinogram."""
        return self.views * self.detectors

    @property
    def dtype(self) -> torch.dtype:
        """Of the entries."""
        return self.matrix.dtype

    @property
    def device(self) -> torch.device:
        """Where the entries lie."""
        return self.matrix.device

    @property
    def bytes(self) -> int:
        """Memory of the entries and of the orders of pixels."""
        return self.matrix.bytes + sum(2 * part.order.nbytes for part in self.turned)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """A' x: (..., pixels, s) to (..., rays, s)."""
        images = x.reshape(-1, *x.shape[-2:])
        width = x.shape[-1]
        out = images.new_empty((len(images), self.views, self.detectors, width))
        for image, sinogram in zip(images, out, strict=True):
            for parts in self._side_by_side(width):
                wide = torch.cat([image.index_select(0, part.order) for part in parts], 1)
                seen = self.matrix.forward(wide).reshape(self.base_views, self.detectors, -1)
                for place, part in enumerate(parts):
                    own = seen[:, :, place * width : (place + 1) * width].index_select(0, part.base)
                    sinogram[part.views] = own.flip(1) if part.mirrored else own
        return out.reshape(*x.shape[:-2], self.ray_count, width)

    @torch.no_grad()
    def back(self, y: Tensor) -> Tensor:
        """A'^T y: (..., rays, s) to (..., pixels, s); padding pixels get 0."""
        width = y.shape[-1]
        sinograms = y.reshape(-1, self.views, self.detectors, width)
        out = sinograms.new_zeros((len(sinograms), self.pixel_count, width))
        for sinogram, image in zip(sinograms, out, strict=True):
            for parts in self._side_by_side(width):
                wide = y.new_zeros((self.base_views, self.detectors, len(parts) * width))
                for place, part in enumerate(parts):
                    own = sinogram.index_select(0, part.views)
                    own = own.flip(1) if part.mirrored else own
                    wide[:, :, place * width : (place + 1) * width].index_add_(0, part.base, own)
                seen = self.matrix.back(wide.reshape(-1, len(parts) * width))
                for place, part in enumerate(parts):
                    own = seen[:, place * width : (place + 1) * width]
                    image += own.index_select(0, part.back_order)
        return out.reshape(*y.shape[:-2], self.pixel_count, width)

    def _side_by_side(self, width: int) -> Iterator[tuple[Turned, ...]]:
        """As many turned images as a product takes at once."""
        each = max(WIDEST // width, 1)
        for start in range(0, len(self.turned), each):
            yield self.turned[start : start + each]

    def to(self, device: torch.device) -> SymmetricMatrix:
        """A copy on a device."""
        turned = tuple(
            replace(
                part,
                **{name: getattr(part, name).to(device) for name in ("views", "base", "order", "back_order")},
            )
            for part in self.turned
        )
        return replace(self, matrix=self.matrix.to(device), turned=turned)


def sector(geometry: Geometry, grid: Grid) -> Geometry | None:
    """The same scan with the views that need entries only; None where that saves too little."""
    base = sorted({round(angle, 9) for angle, _ in _folded(geometry, grid)})
    if len(base) * _WORTH > geometry.views:
        return None
    return replace(geometry, angles_deg=tuple(base))


def build_symmetric(
    geometry: Geometry, grid: Grid, base: Geometry, dtype: torch.dtype = torch.float32
) -> SymmetricMatrix:
    """The projector of a scan from the entries of `base`, its `sector`. Raises as `build_matrix`."""
    folded = _folded(geometry, grid)
    numbers = {angle: number for number, angle in enumerate(base.angles_deg)}
    fan = isinstance(geometry, FanBeam)
    turned = []
    for mirror in dict.fromkeys(mirror for _, mirror in folded):
        views = [k for k, (_, other) in enumerate(folded) if other == mirror]
        order = _turned_order(grid, mirror)
        back_order = np.empty_like(order)
        back_order[order] = np.arange(len(order), dtype=np.int32)
        turned.append(
            Turned(
                torch.tensor(views),
                torch.tensor([numbers[round(folded[k][0], 9)] for k in views]),
                torch.from_numpy(order),
                torch.from_numpy(back_order),
                mirrored=fan and _determinant(mirror) < 0,
            )
        )
    return SymmetricMatrix(
        build_matrix(base, grid, dtype), tuple(turned), geometry.views, base.views, geometry.detectors
    )


def _folded(geometry: Geometry, grid: Grid) -> list[tuple[float, Mirror]]:
    """Of every view the angle of the view with entries, and the symmetry that maps that one to it."""
    square = grid.ny == grid.nx and abs(grid.dy_mm - grid.dx_mm) <= _SAME_DEG * grid.dx_mm
    # The source of a fan at beta lies in the direction beta - 90.
    offset, mirrors = (90.0, geometry.offset_mm == 0) if isinstance(geometry, FanBeam) else (0.0, True)
    out = []
    for angle in geometry.angles_deg:
        base, mirror = _fold((angle - offset) % 360.0, square, mirrors)
        out.append((base + offset, mirror))
    return out


def _fold(angle: float, square: bool, mirrors: bool) -> tuple[float, Mirror]:
    """An angle in degrees as M of one in the sector."""
    step = 90.0 if square else 180.0
    turns, rest = divmod(angle, step)
    if step - rest < _SAME_DEG:
        turns, rest = turns + 1, 0.0
    turn = _turn(int(turns * step / 90) % 4)
    if not mirrors or rest <= step / 2 + _SAME_DEG:
        return rest, turn
    # n(90 - r) is n(r) with x and y exchanged; n(180 - r) is n(r) with x reversed.
    swap: Mirror = ((0, 1), (1, 0)) if square else ((-1, 0), (0, 1))
    return step - rest, _product(turn, swap)


def _turn(quarters: int) -> Mirror:
    cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters]
    return (cos, -sin), (sin, cos)


def _product(a: Mirror, b: Mirror) -> Mirror:
    (p, q), (r, s) = (tuple(sum(a[i][k] * b[k][j] for k in range(2)) for j in range(2)) for i in range(2))
    return (p, q), (r, s)


def _determinant(mirror: Mirror) -> int:
    (a, b), (c, d) = mirror
    return a * d - b * c


def _turned_order(grid: Grid, mirror: Mirror) -> NDArray[Any]:
    """Packed pixels `order` with image[order](z) = image(M z); pixels that were filled up stay."""
    place = tile_order(grid)
    rows, columns = np.mgrid[: grid.ny, : grid.nx]
    x, y = 2 * columns - (grid.nx - 1), (grid.ny - 1) - 2 * rows
    (a, b), (c, d) = mirror
    there_x, there_y = a * x + b * y, c * x + d * y
    order = np.arange(tiled_pixels(grid), dtype=np.int32)
    order[place] = place[(grid.ny - 1 - there_y) // 2, (there_x + grid.nx - 1) // 2]
    return order
