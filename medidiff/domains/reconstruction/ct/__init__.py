"""CT from few views: geometry, simulation, FBP, total variation, and reconstruction with a diffusion prior.

simulate_ct(volume) -> (measurement, reference)      the only one that sees the truth
reconstruct_ct(measurement) -> Result
score(result, reference) -> Result
retrospective_ct(volume) -> Result                   the three together
"""

from medidiff.domains.reconstruction.ct.reconstruct import METHODS, reconstruct_ct
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
