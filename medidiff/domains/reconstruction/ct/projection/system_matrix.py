"""The system matrix of strips: built once for a geometry and grid, applied to many slices at a time.

The matrix and its transpose hold the same numbers, both by rows, so that both directions gather. A product
is memory-bound: slices stand side by side in blocks of up to 32 columns and pixels in tiles of 8 x 8, so that
what a ray needs is in the cache. FBGEMM's weighted sum of rows (`embedding_bag`) is the product for such
blocks, at 0.6 of the time of torch's CSR product, which narrow blocks, float64 and GPUs take.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medidiff.domains.reconstruction.ct.projection.footprints import bins_per_view, footprints
from medidiff.domains.reconstruction.ct.projection.tiles import TILE, pixel_centres, tiled_pixels
from medidiff.domains.reconstruction.ct.scan.geometry import Geometry, Grid, check_source
from medidiff.errors import MissingError
from medidiff.runs.clock import require_memory

_NARROW = 12  # columns; below it the CSR product is faster
_MOST_ENTRIES = 1 << 31  # their places are counted in 32 bits
_FIX = "Use fewer views or a coarser --matrix."
CHUNK = 1 << 16  # pixel-view pairs at a time while building: they stay in the cache


@dataclass(frozen=True, slots=True)
class Rows:
    """A sparse matrix by rows: values and columns of row i lie at starts[i]:starts[i+1]."""

    starts: Tensor
    columns: Tensor
    values: Tensor
    width: int

    def __matmul__(self, x: Tensor) -> Tensor:
        """(rows, s) from a contiguous (width, s)."""
        if x.shape[1] >= _NARROW and x.dtype == torch.float32 and x.device.type == "cpu":
            return torch.nn.functional.embedding_bag(
                self.columns,
                x,
                self.starts,
                mode="sum",
                per_sample_weights=self.values,
                include_last_offset=True,
            )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*(CSR|invariant).*", category=UserWarning)
            size = (len(self.starts) - 1, self.width)
            return torch.sparse_csr_tensor(self.starts, self.columns, self.values, size) @ x

    @property
    def bytes(self) -> int:
        """Memory of the three arrays."""
        return sum(t.numel() * t.element_size() for t in (self.starts, self.columns, self.values))

    def to(self, device: torch.device) -> Rows:
        """A copy on a device."""
        return Rows(self.starts.to(device), self.columns.to(device), self.values.to(device), self.width)


@dataclass(frozen=True, slots=True)
class SystemMatrix:
    """A' of one geometry and grid, and its exact transpose.

    `forward` takes images packed by `Tiles` (..., pixels of the tiled grid, s) to (..., views x detectors, s)
    and `back` is its transpose. Leading axes are blocks, done one after another.
    """

    rays: Rows
    pixels: Rows

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """A' x: (..., pixels, s) to (..., rays, s)."""
        return _by_block(self.rays, x)

    @torch.no_grad()
    def back(self, y: Tensor) -> Tensor:
        """A'^T y: (..., rays, s) to (..., pixels, s); padding pixels get 0."""
        return _by_block(self.pixels, y)

    @property
    def pixel_count(self) -> int:
        """Pixels of the filled grid: the rows of an image."""
        return self.rays.width

    @property
    def ray_count(self) -> int:
        """Views times detectors: the rows of a sinogram."""
        return self.pixels.width

    @property
    def dtype(self) -> torch.dtype:
        """Of the entries."""
        return self.rays.values.dtype

    @property
    def device(self) -> torch.device:
        """Where the entries lie."""
        return self.rays.values.device

    @property
    def bytes(self) -> int:
        """Memory of A and A^T."""
        return self.rays.bytes + self.pixels.bytes

    def to(self, device: torch.device) -> SystemMatrix:
        """A copy on a device."""
        return SystemMatrix(self.rays.to(device), self.pixels.to(device))


def _by_block(matrix: Rows, x: Tensor) -> Tensor:
    if x.ndim == 2:
        return matrix @ x.contiguous()
    blocks = x.reshape(-1, *x.shape[-2:])
    out = (
        torch.stack([matrix @ block.contiguous() for block in blocks])
        if len(blocks) > 1
        else matrix @ blocks[0]
    )
    return out.reshape(*x.shape[:-2], *out.shape[-2:])


def forecast_bytes(geometry: Geometry, grid: Grid, dtype: torch.dtype = torch.float32) -> int:
    """Memory of A and A^T before they are built, 2 to 4 per cent above what they take."""
    entries = forecast_entries(geometry, grid)
    return 2 * int(entries * (4 + dtype.itemsize)) + 4 * (tiled_pixels(grid) + geometry.rays + 2)


def forecast_entries(geometry: Geometry, grid: Grid) -> float:
    """Numbers other than 0 in A, 2 to 4 per cent above what there are."""
    return grid.pixels * float(bins_per_view(geometry, grid).sum()) * 1.02


def build_matrix(geometry: Geometry, grid: Grid, dtype: torch.dtype = torch.float32) -> SystemMatrix:
    """Build A^T pixel by pixel in tile order, and A' from it.

    Raises InputError when the source turns inside of the grid, MissingError when the matrix would not fit
    into the memory that is free.
    """
    from scipy import sparse

    check_source(geometry, grid)
    _require_size(geometry, grid)
    _require_memory(geometry, grid, dtype)
    shape = (tiled_pixels(grid), geometry.rays)
    starts, columns, values = _pixel_rows(
        geometry, grid, np.float32 if dtype == torch.float32 else np.float64
    )
    transposed = sparse.csr_matrix((values, columns, starts), shape=shape)
    by_ray = transposed.tocsc()
    return SystemMatrix(
        _rows(by_ray.indptr, by_ray.indices, by_ray.data, shape[0]), _rows(starts, columns, values, shape[1])
    )


def _rows(starts: NDArray[Any], columns: NDArray[Any], values: NDArray[Any], width: int) -> Rows:
    return Rows(torch.from_numpy(starts), torch.from_numpy(columns), torch.from_numpy(values), width)


def _pixel_rows(
    geometry: Geometry, grid: Grid, kind: type[np.floating]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    x, y = pixel_centres(grid)
    real = ~np.isnan(x)
    x, y = np.where(real, x, 0), np.where(real, y, 0)
    counts, columns, values = [], [], []
    step = max(CHUNK // geometry.views, TILE)
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        index, weight, keep = footprints(geometry, grid, x[part], y[part], kind)
        keep &= real[part, None, None]
        counts.append(np.count_nonzero(keep, axis=(1, 2)))
        columns.append(index[keep])
        values.append(weight[keep])
    starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int32)
    return starts, np.concatenate(columns), np.concatenate(values)


def _require_size(geometry: Geometry, grid: Grid) -> None:
    entries = forecast_entries(geometry, grid)
    if entries >= _MOST_ENTRIES:
        raise MissingError(
            f"room for {_described(geometry, grid)}",
            expected=f"fewer than {_MOST_ENTRIES} entries",
            got=f"about {entries:.0f}",
            fix=_FIX,
        )


def _require_memory(geometry: Geometry, grid: Grid, dtype: torch.dtype) -> None:
    # While it is built, the transpose exists twice.
    need = 1.5 * forecast_bytes(geometry, grid, dtype)
    require_memory(need / 2**20, f"memory for {_described(geometry, grid)}", fix=_FIX)


def _described(geometry: Geometry, grid: Grid) -> str:
    return f"the system matrix of {grid.ny} x {grid.nx} pixels and {geometry.views} views"
