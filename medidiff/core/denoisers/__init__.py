"""Denoisers: what they are asked and answer, networks, wrappers and the exact one of Gaussians.

Networks (`network.py`, `unet.py`, `monai_unet.py`) are imported by their modules' names, so that
reading a prior's card does not load MONAI.
"""

from medidiff.core.denoisers.estimate import Carry, Context, Denoiser, Estimate
from medidiff.core.denoisers.gaussian_field import GaussianField
from medidiff.core.denoisers.mixture import MixtureOracle
from medidiff.core.denoisers.oracle import GaussianOracle, Moments
from medidiff.core.denoisers.wrappers import Ensemble, Flipped, Guided, OnKernel, Sliced, Stacked, Tiled

__all__ = [
    "Carry",
    "Context",
    "Denoiser",
    "Ensemble",
    "Estimate",
    "Flipped",
    "GaussianField",
    "GaussianOracle",
    "Guided",
    "MixtureOracle",
    "Moments",
    "OnKernel",
    "Sliced",
    "Stacked",
    "Tiled",
]
