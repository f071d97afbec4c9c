"""Noising processes: kernels, noise laws, grids, samplers and the one loop."""

from medidiff.core.process.kernels import EDM, VP, Kernel
from medidiff.core.process.noise import Gaussian, NoiseLaw, NoiseStreams, ZCorrelated

__all__ = ["EDM", "VP", "Gaussian", "Kernel", "NoiseLaw", "NoiseStreams", "ZCorrelated"]
