"""The packed layout in which products are fast: slices contiguous, pixels in tiles of 8 x 8.

A block holds up to `WIDEST` slices side by side, so that one entry of the matrix serves all of them, and
neighbours in a tile are seen by the same rays, so that what a ray needs is in the cache.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medidiff.domains.reconstruction.ct.scan.grid import Grid

TILE = 8
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


def tiled_pixels(grid: Grid) -> int:
    """Pixels of the grid after each side is filled up to a multiple of the tile."""
    return fill(grid.ny) * fill(grid.nx)


def fill(side: int) -> int:
    """The next multiple of the tile."""
    return TILE * math.ceil(side / TILE)


def pixel_centres(grid: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
    """X and y in mm of every pixel of the filled grid, in tile order; NaN where it was filled up."""
    y, x = np.full(fill(grid.ny), np.nan), np.full(fill(grid.nx), np.nan)
    y[: grid.ny], x[: grid.nx] = grid.y_mm(), grid.x_mm()
    shape = (len(y) // TILE, len(x) // TILE, TILE, TILE)
    rows = np.broadcast_to(y.reshape(-1, 1, TILE, 1), shape)
    columns = np.broadcast_to(x.reshape(1, -1, 1, TILE), shape)
    filled = np.isnan(rows) | np.isnan(columns)
    return np.where(filled, np.nan, columns).ravel(), np.where(filled, np.nan, rows).ravel()


def tile_order(grid: Grid) -> NDArray[np.int32]:
    """The packed number of every pixel (row, column), (ny, nx)."""
    rows, columns = np.mgrid[: grid.ny, : grid.nx]
    tile = (rows // TILE) * (fill(grid.nx) // TILE) + columns // TILE
    return np.asarray((tile * TILE + rows % TILE) * TILE + columns % TILE, np.int32)
