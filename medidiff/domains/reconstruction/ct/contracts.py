"""CT's operators for the registry of `medidiff.core.contracts`; every subject must be listed."""

from __future__ import annotations

import torch

from medidiff.core.contracts import Entry, Kind
from medidiff.domains.reconstruction.ct.projection.projector import PackedProjector, Projector
from medidiff.domains.reconstruction.ct.projection.symmetry import build_symmetric
from medidiff.domains.reconstruction.ct.projection.view_by_view import ViewByView
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Grid, ParallelBeam

_GRID = Grid(17, 20, 1.3, 0.8)
_BEAM = ParallelBeam((0.0, 45.0, 77.3, 90.0), 29, 1.1, 0.2)
_FAN = FanBeam(_BEAM.angles_deg, 29, 2.0, 0.3, 90.0, 160.0)
_TURN, _SECTOR = (ParallelBeam(angles, 29, 1.1) for angles in ((30.0, 150.0, 210.0, 330.0), (30.0,)))


def _projector(dtype: torch.dtype) -> Projector:
    return Projector(_BEAM, _GRID, dtype)


def _folded(dtype: torch.dtype) -> PackedProjector:
    return PackedProjector(build_symmetric(_TURN, _GRID, _SECTOR, dtype))


def _view_by_view(dtype: torch.dtype) -> PackedProjector:
    return PackedProjector(ViewByView(_BEAM, _GRID, dtype, torch.device("cpu")))


CONTRACTS: dict[Kind, tuple[Entry, ...]] = {
    "operator": (
        Entry("projector", Projector, _projector),
        Entry("fan-projector", Projector, lambda dtype: Projector(_FAN, _GRID, dtype)),
        Entry("packed-projector", PackedProjector, lambda dtype: _projector(dtype).packed),
        Entry("folded-projector", PackedProjector, _folded),
        Entry("view-by-view-projector", PackedProjector, _view_by_view),
    ),
}
