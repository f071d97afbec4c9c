"""Denoisers from other people's networks: MONAI, diffusers' 2D U-Nets, and anything of the form D(x, sigma).

Only the network, its schedule and what it predicts are taken over; their samplers are not (at few steps they
are wrong). Sizes are padded to what a network needs and cropped back; nothing is clipped.
"""

from medidiff.core.denoisers.adapters.diffusers_files import read_diffusers
from medidiff.core.denoisers.adapters.monai_network import from_monai
from medidiff.core.denoisers.adapters.predicting import Predicting
from medidiff.core.denoisers.adapters.sigma_denoiser import SigmaDenoiser

__all__ = ["Predicting", "SigmaDenoiser", "from_monai", "read_diffusers"]
