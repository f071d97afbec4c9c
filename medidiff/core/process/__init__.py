"""Noising processes: kernels, noise laws, grids, samplers and the one loop."""

from medidiff.core.process.grids import karras_grid, logsnr_grid, uniform_grid
from medidiff.core.process.kernels import EDM, VP, Kernel
from medidiff.core.process.loop import sample
from medidiff.core.process.noise import Gaussian, NoiseLaw, NoiseStreams, ZCorrelated
from medidiff.core.process.samplers import DDIM, Heun, PredictorCorrector, Renoise, Sampler

__all__ = [
    "DDIM",
    "EDM",
    "VP",
    "Gaussian",
    "Heun",
    "Kernel",
    "NoiseLaw",
    "NoiseStreams",
    "PredictorCorrector",
    "Renoise",
    "Sampler",
    "ZCorrelated",
    "karras_grid",
    "logsnr_grid",
    "sample",
    "uniform_grid",
]
