"""Samplers: pure steps of first and second order, and what goes around them (churn, Langevin correction)."""

from medidiff.core.process.samplers.base import Sampler
from medidiff.core.process.samplers.churn import Churn
from medidiff.core.process.samplers.corrected import PredictorCorrector
from medidiff.core.process.samplers.first_order import DDIM, Renoise
from medidiff.core.process.samplers.second_order import Heun, Multistep

__all__ = ["DDIM", "Churn", "Heun", "Multistep", "PredictorCorrector", "Renoise", "Sampler"]
