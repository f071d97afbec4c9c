"""The parallel-beam projector as a linear operator, and the layout in which it is fast.

    Projector        (K, 1, z, ny, nx) -> (K, 1, z, views, detectors)      converts the layout at both ends
    PackedProjector  (K, blocks, pixels, s) -> (K, blocks, rays, s)        what it does in between

Images are in water units; a sinogram is a line integral of attenuation, dimensionless. An iteration that
calls the operator many times packs once (`Tiles.pack`), works in the packed layout, where the padding is zero
and stays zero, and unpacks at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.core.linear.operators import LinearOperator
from medidiff.domains.reconstruction.ct.projection.system_matrix import (
    TILE,
    SystemMatrix,
    fill,
    system_matrix,
    tiled_pixels,
)
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam

WIDEST = 32  # slices in a block: wider ones leave the cache


@dataclass(frozen=True, slots=True)
class Tiles:
    """The packed layout of slices on a grid: (blocks, pixels, s), slices contiguous, pixels in tiles.

    Sides are filled up to multiples of the tile, and the last block up to s slices, with zeros.
    """

    grid: Grid
    rays: tuple[int, int]
    slices: int

    @property
    def blocks(self) -> int:
        """Number of blocks, each of at most `WIDEST` slices."""
        return math.ceil(self.slices / WIDEST)

    @property
    def width(self) -> int:
        """Slices in a block, alike in all."""
        return math.ceil(self.slices / self.blocks)

    @property
    def pixels(self) -> int:
        """Pixels of the filled grid."""
        return tiled_pixels(self.grid)

    def pack(self, image: Tensor) -> Tensor:
        """(slices, ny, nx), with any strides, to (blocks, pixels, s)."""
        filled = self._filled(image, fill(self.grid.ny), fill(self.grid.nx))
        tiles = filled.reshape(self.blocks, self.width, filled.shape[1] // TILE, TILE, -1, TILE)
        return tiles.permute(0, 2, 4, 3, 5, 1).reshape(self.blocks, -1, self.width)

    def unpack(self, packed: Tensor) -> Tensor:
        """(blocks, pixels, s) to (slices, ny, nx)."""
        ny, nx = fill(self.grid.ny), fill(self.grid.nx)
        tiles = packed.reshape(self.blocks, ny // TILE, nx // TILE, TILE, TILE, self.width)
        image = tiles.permute(0, 5, 1, 3, 2, 4).reshape(-1, ny, nx)
        return image[: self.slices, : self.grid.ny, : self.grid.nx].contiguous()

    def unpack_columns(self, packed: Tensor) -> Tensor:
        """(blocks, pixels, s) to (ny, nx, slices): the layout for stencils, cheap to go back and forth."""
        ny, nx = fill(self.grid.ny), fill(self.grid.nx)
        tiles = packed.reshape(self.blocks, ny // TILE, nx // TILE, TILE, TILE, self.width)
        columns = tiles.permute(1, 3, 2, 4, 0, 5).reshape(ny, nx, -1)
        return columns[: self.grid.ny, : self.grid.nx, : self.slices].contiguous()

    def pack_rays(self, sinogram: Tensor) -> Tensor:
        """(slices, views, detectors) to (blocks, rays, s)."""
        filled = self._filled(sinogram, *self.rays)
        return filled.reshape(self.blocks, self.width, -1).mT.contiguous()

    def unpack_rays(self, packed: Tensor) -> Tensor:
        """(blocks, rays, s) to (slices, views, detectors)."""
        return packed.mT.reshape(-1, *self.rays)[: self.slices].contiguous()

    def _filled(self, x: Tensor, rows: int, columns: int) -> Tensor:
        more = (0, columns - x.shape[2], 0, rows - x.shape[1], 0, self.blocks * self.width - x.shape[0])
        return torch.nn.functional.pad(x, more) if any(more) else x


class PackedProjector(LinearOperator):
    """A' on packed blocks: (K, blocks, pixels, s) to (K, blocks, rays, s)."""

    def __init__(self, matrix: SystemMatrix) -> None:
        self.matrix = matrix
        self.shape_in = (None, matrix.rays.width, None)
        self.shape_out = (None, matrix.pixels.width, None)
        self.dtype, self.device = matrix.rays.values.dtype, matrix.rays.values.device

    def _forward(self, x: Tensor) -> Tensor:
        return self.matrix.forward(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.matrix.back(y)


class Projector(LinearOperator):
    """A' of parallel rays: (K, 1, z, ny, nx) in water units to (K, 1, z, views, detectors).

    The matrix is built once for a geometry and grid and kept. K and z together are the columns of one
    product. Raises MissingError when the matrix does not fit into memory.
    """

    def __init__(
        self,
        geometry: ParallelBeam,
        grid: Grid,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self.geometry, self.grid, self.dtype = geometry, grid, dtype
        self.device = device or torch.device("cpu")
        self.matrix = system_matrix(geometry, grid, dtype, self.device)
        self.packed = PackedProjector(self.matrix)
        self.shape_in = (1, None, *grid.shape)
        self.shape_out = (1, None, geometry.views, geometry.detectors)

    def tiles(self, slices: int) -> Tiles:
        """The packed layout of so many slices (K z of them)."""
        return Tiles(self.grid, (self.geometry.views, self.geometry.detectors), slices)

    def _forward(self, x: Tensor) -> Tensor:
        slices, tiles = self._slices(x)
        rays = self.matrix.forward(tiles.pack(slices))
        return tiles.unpack_rays(rays).reshape(*x.shape[:3], *self.tiles(1).rays)

    def _adjoint(self, y: Tensor) -> Tensor:
        slices, tiles = self._slices(y)
        pixels = self.matrix.back(tiles.pack_rays(slices))
        return tiles.unpack(pixels).reshape(*y.shape[:3], *self.grid.shape)

    def _normal(self, x: Tensor) -> Tensor:
        slices, tiles = self._slices(x)
        pixels = self.matrix.back(self.matrix.forward(tiles.pack(slices)))
        return tiles.unpack(pixels).reshape(x.shape)

    def _slices(self, x: Tensor) -> tuple[Tensor, Tiles]:
        slices = x.reshape(-1, *x.shape[3:])
        return slices, self.tiles(len(slices))
