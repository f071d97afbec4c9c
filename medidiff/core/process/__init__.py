"""Noising processes: kernels, noise laws, grids, samplers and the one loop."""

from medidiff.core.process.grids import karras_grid, logsnr_grid, uniform_grid
from medidiff.core.process.kernels import (
    EDM,
    RDDM,
    VP,
    Cosine,
    DiscreteVP,
    Interpolant,
    Kernel,
    MeanReverting,
    RectifiedFlow,
    ResShift,
)
from medidiff.core.process.loop import sample
from medidiff.core.process.noise import Gaussian, NoiseLaw, NoiseStreams, ZCorrelated
from medidiff.core.process.samplers import (
    DDIM,
    Churn,
    Heun,
    Multistep,
    PredictorCorrector,
    Renoise,
    Sampler,
)

__all__ = [
    "DDIM",
    "EDM",
    "RDDM",
    "VP",
    "Churn",
    "Cosine",
    "DiscreteVP",
    "Gaussian",
    "Heun",
    "Interpolant",
    "Kernel",
    "MeanReverting",
    "Multistep",
    "NoiseLaw",
    "NoiseStreams",
    "PredictorCorrector",
    "RectifiedFlow",
    "Renoise",
    "ResShift",
    "Sampler",
    "ZCorrelated",
    "karras_grid",
    "logsnr_grid",
    "sample",
    "uniform_grid",
]
