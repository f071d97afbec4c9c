"""Noising kernels: plain ones (variance preserving, EDM, rectified flow) and those with a known image."""

from medidiff.core.process.kernels.base import Kernel, known, like
from medidiff.core.process.kernels.edm import EDM
from medidiff.core.process.kernels.flow import RectifiedFlow
from medidiff.core.process.kernels.paired import RDDM, Interpolant, MeanReverting, ResShift
from medidiff.core.process.kernels.variance_preserving import VP, Cosine, DiscreteVP

__all__ = [
    "EDM",
    "RDDM",
    "VP",
    "Cosine",
    "DiscreteVP",
    "Interpolant",
    "Kernel",
    "MeanReverting",
    "RectifiedFlow",
    "ResShift",
    "known",
    "like",
]
