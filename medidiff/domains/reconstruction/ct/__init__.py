"""CT from few views: geometry, simulation, FBP, total variation, and reconstruction with a diffusion prior.

simulate_ct(volume) -> (measurement, reference)      the only one that sees the truth
reconstruct_ct(measurement) -> Result
score(result, reference) -> Result
retrospective_ct(volume) -> Result                   the three together

Names are handed on lazily (PEP 562): what reads a report (`methods_text`) need not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medidiff.domains.reconstruction.ct.methods.choice import METHODS
    from medidiff.domains.reconstruction.ct.reconstruct import reconstruct_ct
    from medidiff.domains.reconstruction.ct.retrospective import retrospective_ct, score
    from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Geometry, Grid, ParallelBeam
    from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
    from medidiff.domains.reconstruction.ct.simulate import simulate_ct

__all__ = [
    "METHODS",
    "CTMeasurement",
    "FanBeam",
    "Geometry",
    "Grid",
    "ParallelBeam",
    "reconstruct_ct",
    "retrospective_ct",
    "score",
    "simulate_ct",
]

_HOMES = {
    "METHODS": "methods.choice",
    "CTMeasurement": "scan.measurement",
    "FanBeam": "scan.geometry",
    "Geometry": "scan.geometry",
    "Grid": "scan.geometry",
    "ParallelBeam": "scan.geometry",
    "reconstruct_ct": "reconstruct",
    "retrospective_ct": "retrospective",
    "score": "retrospective",
    "simulate_ct": "simulate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medidiff.domains.reconstruction.ct' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
