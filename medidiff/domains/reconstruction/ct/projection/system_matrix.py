"""The parallel-beam system matrix: area-weighted strips, built once, applied to many slices at a time.

A pixel of dx by dy seen at theta casts a trapezoid of area dx dy on the detector; with
w1 = |cos theta| dx, w2 = |sin theta| dy, half base b = (w1+w2)/2 and half plateau a = |w1-w2|/2, the entry
of ray (theta, j) and pixel p is the mean over bin j of the line integral through p:

    A'[(theta, j), p] = mu_w (dx dy / du) [F(e_{j+1} - t_p) - F(e_j - t_p)]

with t_p = x cos(theta) + y sin(theta), e_j the bin edges and F the cumulative of the unit-area trapezoid:
the exact strip integral (Lo 1988, IEEE Trans Med Imaging 7:355). mu_w makes it dimensionless: images are in
water units.

The matrix and its transpose hold the same numbers, both by rows, so that both directions gather. A product
is memory-bound: slices stand side by side in blocks of up to 32 columns and pixels in tiles of 8 x 8, so that
what a ray needs is in the cache. FBGEMM's weighted sum of rows (`embedding_bag`) is the product for such
blocks, at 0.6 of the time of torch's CSR product, which narrow blocks, float64 and GPUs take.
"""

from __future__ import annotations

import hashlib
import math
import threading
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam
from medidiff.errors import MissingError
from medidiff.runs.clock import require_memory

TILE = 8
CACHE_BYTES = 2 << 30
_FORMAT = "strip/1"
_NARROW = 12  # columns; below it the CSR product is faster
_MOST_ENTRIES = 1 << 31  # their places are counted in 32 bits
_FIX = "Use fewer views or a coarser --matrix."
_CHUNK = 1 << 16  # pixel-view pairs at a time while building: they stay in the cache


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
    def bytes(self) -> int:
        """Memory of A and A^T."""
        return self.rays.bytes + self.pixels.bytes

    def column_sums(self) -> Tensor:
        """A'^T 1 (pixels,)."""
        return self.back(self.rays.values.new_ones((self.pixels.width, 1)))[:, 0]

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


def system_matrix(
    geometry: ParallelBeam, grid: Grid, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> SystemMatrix:
    """The matrix, from memory when it was built before (least recently used leave first).

    Raises MissingError when it would not fit into the memory that is free.
    """
    device = device or torch.device("cpu")
    key = _key(geometry, grid, dtype)
    if device.type != "cpu":
        return _CACHE.get(f"{key} {device}") or _CACHE.put(
            f"{key} {device}", system_matrix(geometry, grid, dtype).to(device)
        )
    return _CACHE.get(key) or _CACHE.put(key, build_matrix(geometry, grid, dtype))


def forecast_bytes(geometry: ParallelBeam, grid: Grid, dtype: torch.dtype = torch.float32) -> int:
    """Memory of A and A^T before they are built, 2 to 4 per cent above what they take."""
    entries = forecast_entries(geometry, grid)
    return 2 * int(entries * (4 + dtype.itemsize)) + 4 * (tiled_pixels(grid) + geometry.rays + 2)


def forecast_entries(geometry: ParallelBeam, grid: Grid) -> float:
    """Numbers other than 0 in A, 2 to 4 per cent above what there are."""
    theta = geometry.angles_rad()
    base = np.abs(np.cos(theta)) * grid.dx_mm + np.abs(np.sin(theta)) * grid.dy_mm
    return grid.pixels * float((base / geometry.spacing_mm + 1).sum()) * 1.02


def build_matrix(geometry: ParallelBeam, grid: Grid, dtype: torch.dtype = torch.float32) -> SystemMatrix:
    """Build A^T pixel by pixel in tile order, and A' from it. Raises MissingError as `system_matrix`."""
    from scipy import sparse

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


def _pixel_rows(
    geometry: ParallelBeam, grid: Grid, kind: type[np.floating]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    x, y = pixel_centres(grid)
    real = ~np.isnan(x)
    x, y = np.where(real, x, 0), np.where(real, y, 0)
    counts, columns, values = [], [], []
    step = max(_CHUNK // geometry.views, TILE)
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        index, weight, keep = _footprints(geometry, grid, x[part], y[part], kind)
        keep &= real[part, None, None]
        counts.append(np.count_nonzero(keep, axis=(1, 2)))
        columns.append(index[keep])
        values.append(weight[keep])
    starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int32)
    return starts, np.concatenate(columns), np.concatenate(values)


def _footprints(
    geometry: ParallelBeam,
    grid: Grid,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    kind: type[np.floating],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Ray numbers, entries and which of them count, each (pixels, views, bins)."""
    du, theta = geometry.spacing_mm, geometry.angles_rad()
    w1, w2 = np.abs(np.cos(theta)) * grid.dx_mm, np.abs(np.sin(theta)) * grid.dy_mm
    b, a = (w1 + w2) / (2 * du), np.abs(w1 - w2) / (2 * du)  # in bins
    t = (x[:, None] * np.cos(theta) + y[:, None] * np.sin(theta) - geometry.offset_mm) / du
    left = t - b + geometry.detectors / 2
    first = np.floor(left)
    bins = math.floor(2 * float(b.max())) + 2
    edges = (first - left).astype(kind)[..., None] + np.arange(1, bins + 1, dtype=kind)
    cumulative = _trapezoid(edges, b.astype(kind)[:, None], a.astype(kind)[:, None])
    share = np.diff(cumulative, axis=-1, prepend=kind(0))
    index = first.astype(np.int32)[..., None] + np.arange(bins, dtype=np.int32)
    keep = (share > 4 * np.finfo(kind).eps) & (index >= 0) & (index < geometry.detectors)
    index += (np.arange(geometry.views, dtype=np.int32) * geometry.detectors)[:, None]
    share *= kind(MU_WATER * grid.dx_mm * grid.dy_mm / du)
    return index, share, keep


def _trapezoid(r: NDArray[Any], b: NDArray[Any], a: NDArray[Any]) -> NDArray[Any]:
    """F at a distance r from the left foot: flank b - a, plateau 2a, flank b - a, unit area."""
    flank, height = b - a, 1 / (a + b)
    curve = height / (2 * np.maximum(flank, 1e-6))  # a flank of no length adds nothing
    rise = np.minimum(r, flank)
    fall = np.clip(r - (a + b), 0, flank)
    out: NDArray[Any] = curve * (rise * rise - fall * fall)
    out += height * (np.clip(r - flank, 0, 2 * a) + fall)
    return out


def _require_size(geometry: ParallelBeam, grid: Grid) -> None:
    entries = forecast_entries(geometry, grid)
    if entries >= _MOST_ENTRIES:
        raise MissingError(
            f"room for {_described(geometry, grid)}",
            expected=f"fewer than {_MOST_ENTRIES} entries",
            got=f"about {entries:.0f}",
            fix=_FIX,
        )


def _require_memory(geometry: ParallelBeam, grid: Grid, dtype: torch.dtype) -> None:
    # While it is built, the transpose exists twice.
    need = 1.5 * forecast_bytes(geometry, grid, dtype)
    require_memory(need / 2**20, f"memory for {_described(geometry, grid)}", fix=_FIX)


def _described(geometry: ParallelBeam, grid: Grid) -> str:
    return f"the system matrix of {grid.ny} x {grid.nx} pixels and {geometry.views} views"


def _key(geometry: ParallelBeam, grid: Grid, dtype: torch.dtype) -> str:
    parts = (_FORMAT, grid, geometry.detectors, geometry.spacing_mm, geometry.offset_mm, dtype, MU_WATER)
    digest = hashlib.sha256(repr(parts).encode())
    digest.update(np.asarray(geometry.angles_deg, np.float64).tobytes())
    return digest.hexdigest()


class _Cache:
    """Matrices by key, at most `CACHE_BYTES` of them; the last one built always stays."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, SystemMatrix] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> SystemMatrix | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, matrix: SystemMatrix) -> SystemMatrix:
        with self._lock:
            self._kept[key] = matrix
            while len(self._kept) > 1 and sum(m.bytes for m in self._kept.values()) > CACHE_BYTES:
                self._kept.popitem(last=False)
        return matrix

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


_CACHE = _Cache()


def forget_matrices() -> None:
    """Empty the cache."""
    _CACHE.clear()
