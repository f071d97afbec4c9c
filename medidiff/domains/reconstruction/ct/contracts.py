"""CT's operators for the registry of `medidiff.core.contracts`; every subject must be listed."""

from __future__ import annotations

import torch

from medidiff.core.contracts import Entry, Kind
from medidiff.domains.reconstruction.ct.projection.projector import PackedProjector, Projector
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam

_GRID = Grid(17, 20, 1.3, 0.8)
_BEAM = ParallelBeam((0.0, 45.0, 77.3, 90.0), 29, 1.1, 0.2)


def _projector(dtype: torch.dtype) -> Projector:
    return Projector(_BEAM, _GRID, dtype)


CONTRACTS: dict[Kind, tuple[Entry, ...]] = {
    "operator": (
        Entry("projector", Projector, _projector),
        Entry("packed-projector", PackedProjector, lambda dtype: _projector(dtype).packed),
    ),
}
