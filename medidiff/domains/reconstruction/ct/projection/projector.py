"""The projector as a linear operator, and the layout in which it is fast.

    Projector        (K, 1, z, ny, nx) -> (K, 1, z, views, detectors)      converts the layout at both ends
    PackedProjector  (K, blocks, pixels, s) -> (K, blocks, rays, s)        what it does in between

Images are in water units; a sinogram is a line integral of attenuation, dimensionless. An iteration that
calls the operator many times packs once (`Tiles.pack`), works in the packed layout, where the padding is zero
and stays zero, and unpacks at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medidiff.core.linear.operators import LinearOperator
from medidiff.domains.reconstruction.ct.projection.system import System, system_of
from medidiff.domains.reconstruction.ct.projection.tiles import Tiles
from medidiff.domains.reconstruction.ct.scan.geometry import Geometry, Grid

__all__ = ["PackedProjector", "Projector", "Tiles"]


class PackedProjector(LinearOperator):
    """A' on packed blocks: (K, blocks, pixels, s) to (K, blocks, rays, s)."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.shape_in = (None, system.pixel_count, None)
        self.shape_out = (None, system.ray_count, None)
        self.dtype, self.device = system.dtype, system.device

    def _forward(self, x: Tensor) -> Tensor:
        return self.system.forward(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.system.back(y)


class Projector(LinearOperator):
    """A' of a geometry: (K, 1, z, ny, nx) in water units to (K, 1, z, views, detectors).

    What it is made of (`system_of`) is built once for a geometry and grid and kept. K and z together are the
    columns of one product. Raises MissingError when that does not fit into memory.
    """

    def __init__(
        self,
        geometry: Geometry,
        grid: Grid,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self.geometry, self.grid, self.dtype = geometry, grid, dtype
        self.device = device or torch.device("cpu")
        self.system = system_of(geometry, grid, dtype, self.device)
        self.packed = PackedProjector(self.system)
        self.shape_in = (1, None, *grid.shape)
        self.shape_out = (1, None, geometry.views, geometry.detectors)

    def tiles(self, slices: int) -> Tiles:
        """The packed layout of so many slices (K z of them)."""
        return Tiles(self.grid, (self.geometry.views, self.geometry.detectors), slices)

    def _forward(self, x: Tensor) -> Tensor:
        slices, tiles = self._slices(x)
        rays = self.system.forward(tiles.pack(slices))
        return tiles.unpack_rays(rays).reshape(*x.shape[:3], *self.tiles(1).rays)

    def _adjoint(self, y: Tensor) -> Tensor:
        slices, tiles = self._slices(y)
        pixels = self.system.back(tiles.pack_rays(slices))
        return tiles.unpack(pixels).reshape(*y.shape[:3], *self.grid.shape)

    def _normal(self, x: Tensor) -> Tensor:
        slices, tiles = self._slices(x)
        pixels = self.system.back(self.system.forward(tiles.pack(slices)))
        return tiles.unpack(pixels).reshape(x.shape)

    def _slices(self, x: Tensor) -> tuple[Tensor, Tiles]:
        slices = x.reshape(-1, *x.shape[3:])
        return slices, self.tiles(len(slices))
