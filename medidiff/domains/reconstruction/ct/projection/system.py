"""How A' is held: as a matrix, folded by symmetry, or not at all; the choice is made by bytes.

    SystemMatrix      A and its transpose                          while both take at most 1 GB
    SymmetricMatrix   the views of one sector, for turned images   while these take at most 1 GB
    ViewByView        footprints made for each product             else

All three have the same entries, up to rounding. What was built is kept for the next call.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Protocol

import torch
from torch import Tensor

from medidiff.domains.reconstruction.ct.projection.symmetry import build_symmetric, sector
from medidiff.domains.reconstruction.ct.projection.system_matrix import build_matrix, forecast_bytes
from medidiff.domains.reconstruction.ct.projection.view_by_view import ViewByView
from medidiff.domains.reconstruction.ct.scan.geometry import Geometry, Grid

MOST_BYTES = 10**9  # of A and A^T
CACHE_BYTES = 2 << 30


class System(Protocol):
    """A' and its exact transpose on packed images (..., pixels, s) and sinograms (..., rays, s).

    Leading axes are blocks, done one after another.
    """

    @property
    def pixel_count(self) -> int:
        """Pixels of the filled grid: the rows of an image."""

    @property
    def ray_count(self) -> int:
        """Views times detectors: the rows of a sinogram."""

    @property
    def bytes(self) -> int:
        """Memory that stays."""

    @property
    def dtype(self) -> torch.dtype:
        """Of images and sinograms."""

    @property
    def device(self) -> torch.device:
        """Of images and sinograms."""

    def forward(self, x: Tensor) -> Tensor:
        """A' x."""

    def back(self, y: Tensor) -> Tensor:
        """A'^T y; padding pixels get 0."""


def system_of(
    geometry: Geometry, grid: Grid, dtype: torch.dtype = torch.float32, device: torch.device | None = None
) -> System:
    """A' of a geometry and grid, from memory when it was built before (least recently used leave first).

    Raises InputError when the source turns inside of the grid, MissingError when it would not fit into the
    memory that is free.
    """
    device = device or torch.device("cpu")
    key = (geometry, grid, dtype, device)
    return _CACHE.get(key) or _CACHE.put(key, _build(geometry, grid, dtype, device))


def system_bytes(geometry: Geometry, grid: Grid, dtype: torch.dtype = torch.float32) -> int:
    """Memory of what `system_of` builds, before it does, a few per cent above what it takes."""
    kept = _kept(geometry, grid, dtype)
    return 0 if kept is None else forecast_bytes(kept, grid, dtype)


def _kept(geometry: Geometry, grid: Grid, dtype: torch.dtype) -> Geometry | None:
    """The views whose entries are kept: all, those of one sector, or none."""
    if forecast_bytes(geometry, grid, dtype) <= MOST_BYTES:
        return geometry
    base = sector(geometry, grid)
    return base if base and forecast_bytes(base, grid, dtype) <= MOST_BYTES else None


def _build(geometry: Geometry, grid: Grid, dtype: torch.dtype, device: torch.device) -> System:
    kept = _kept(geometry, grid, dtype)
    if kept is None:
        return ViewByView(geometry, grid, dtype, device)
    built = (
        build_matrix(geometry, grid, dtype)
        if kept is geometry
        else build_symmetric(geometry, grid, kept, dtype)
    )
    return built.to(device)


class _Cache:
    """Systems by what they are of, at most `CACHE_BYTES` of them; the last one built always stays."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, System] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object) -> System | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: object, system: System) -> System:
        with self._lock:
            self._kept[key] = system
            while len(self._kept) > 1 and sum(s.bytes for s in self._kept.values()) > CACHE_BYTES:
                self._kept.popitem(last=False)
        return system

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


_CACHE = _Cache()


def forget_systems() -> None:
    """Empty the cache."""
    _CACHE.clear()
