"""The projector without a matrix: footprints are made for a few views, used, and dropped.

For scans whose matrix would not fit. Both directions use the same numbers (`footprints`), so that the
transpose is exact: back-projection gathers the rays of every pixel, projection scatters every pixel to its
rays. A group of views and a patch of pixels are small enough that their footprints, and the rays they meet,
stay in the cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medidiff.domains.reconstruction.ct.projection.footprints import footprints
from medidiff.domains.reconstruction.ct.projection.system_matrix import CHUNK, Rows
from medidiff.domains.reconstruction.ct.projection.tiles import pixel_centres, tiled_pixels
from medidiff.domains.reconstruction.ct.scan.geometry import Geometry, Grid, check_source

_VIEWS = 8  # at a time: an image is read and written once for all of them


@dataclass(frozen=True, slots=True)
class ViewByView:
    """A' of a geometry and grid as `SystemMatrix` has it, nothing kept."""

    geometry: Geometry
    grid: Grid
    dtype: torch.dtype
    device: torch.device

    def __post_init__(self) -> None:
        check_source(self.geometry, self.grid)

    @property
    def pixel_count(self) -> int:
        """Pixels of the filled grid: the rows of an image."""
        return tiled_pixels(self.grid)

    @property
    def ray_count(self) -> int:
        """Views times detectors: the rows of a sinogram."""
        return self.geometry.rays

    @property
    def bytes(self) -> int:
        """Nothing stays."""
        return 0

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """A' x: (..., pixels, s) to (..., rays, s)."""
        images = x.reshape(-1, *x.shape[-2:]).contiguous()
        out = images.new_zeros((len(images), self.ray_count, x.shape[-1]))
        for rays, pixels, rows in self._parts():
            for image, sinogram in zip(images, out, strict=True):
                sinogram[rays] += _scatter(rows, image[pixels])
        return out.reshape(*x.shape[:-2], *out.shape[-2:])

    @torch.no_grad()
    def back(self, y: Tensor) -> Tensor:
        """A'^T y: (..., rays, s) to (..., pixels, s); padding pixels get 0."""
        sinograms = y.reshape(-1, *y.shape[-2:]).contiguous()
        out = sinograms.new_zeros((len(sinograms), self.pixel_count, y.shape[-1]))
        for rays, pixels, rows in self._parts():
            for sinogram, image in zip(sinograms, out, strict=True):
                image[pixels] += rows @ sinogram[rays]
        return out.reshape(*y.shape[:-2], *out.shape[-2:])

    def _parts(self) -> Iterator[tuple[slice, slice, Rows]]:
        """Rays of a group of views, a patch of pixels, and the rows of A'^T between them."""
        kind = np.float32 if self.dtype == torch.float32 else np.float64
        x, y = pixel_centres(self.grid)
        patch = max(CHUNK // _VIEWS, 1)
        for start in range(0, self.geometry.views, _VIEWS):
            some = self.geometry.some_views(start, min(start + _VIEWS, self.geometry.views))
            rays = slice(start * some.detectors, start * some.detectors + some.rays)
            for pixel in range(0, len(x), patch):
                pixels = slice(pixel, min(pixel + patch, len(x)))
                yield rays, pixels, _rows(some, self.grid, x[pixels], y[pixels], kind).to(self.device)


def _rows(geometry: Geometry, grid: Grid, x: NDArray[Any], y: NDArray[Any], kind: type[np.floating]) -> Rows:
    """As many entries in each row, those that do not count 0; NaN marks a pixel that was filled up."""
    real = ~np.isnan(x)
    index, share, keep = footprints(geometry, grid, np.where(real, x, 0), np.where(real, y, 0), kind)
    keep &= real[:, None, None]
    share *= keep
    index *= keep
    each = math.prod(index.shape[1:])
    starts = np.arange(len(x) + 1, dtype=np.int32) * np.int32(each)
    return Rows(
        torch.from_numpy(starts),
        torch.from_numpy(index.ravel()),
        torch.from_numpy(share.ravel()),
        geometry.rays,
    )


def _scatter(rows: Rows, x: Tensor) -> Tensor:
    """The transpose of rows times x: (rows, s) to (width, s)."""
    if x.device.type != "cpu":
        each = (rows.values.reshape(len(x), -1, 1) * x[:, None]).reshape(-1, x.shape[1])
        return x.new_zeros((rows.width, x.shape[1])).index_add_(0, rows.columns, each)
    from scipy import sparse

    shape = (len(x), rows.width)
    matrix = sparse.csr_array((rows.values.numpy(), rows.columns.numpy(), rows.starts.numpy()), shape=shape)
    return torch.from_numpy(matrix.T @ x.numpy())
