"""Langevin steps after those of another sampler."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medidiff.core.process.kernels import Kernel, like
from medidiff.core.process.samplers.base import Sampler, residual
from medidiff.core.process.samplers.first_order import DDIM
from medidiff.errors import InputError

if TYPE_CHECKING:  # the denoisers import this package, so only their names may come here
    from medidiff.core.denoisers.estimate import Carry, Context, Estimate
    from medidiff.core.process.samplers.base import Denoise


@dataclass(frozen=True, slots=True)
class PredictorCorrector:
    """A step of `predictor`, then Langevin steps at the new level (Song et al. 2021, algorithm 2).

        x <- x + e score + sqrt(2 e) n,   score = -(x - a D - b y) / s^2,   e = 2 (snr |n| / |score|)^2

    The norms are of each row alone. snr 0.16 is the source's; one evaluation a correction.
    """

    predictor: Sampler = field(default_factory=lambda: DDIM(eta=1.0))
    corrections: int = 1
    snr: float = 0.16

    def __post_init__(self) -> None:
        """Raise InputError for a negative count or signal-to-noise ratio."""
        if self.corrections < 0 or not 0 <= self.snr < math.inf:
            raise InputError(
                "predictor-corrector",
                expected="corrections >= 0 and snr >= 0",
                got=f"corrections={self.corrections}, snr={self.snr:g}",
                fix="One correction with snr 0.16 is usual.",
                argument=True,
            )

    @property
    def evaluations(self) -> int:
        """Those of the predictor, and one a correction."""
        return self.predictor.evaluations + self.corrections

    def step(
        self,
        kernel: Kernel,
        x: Tensor,
        t: Tensor,
        u: Tensor,
        estimate: Estimate,
        context: Context,
        denoise: Denoise,
    ) -> tuple[Tensor, Carry]:
        """Predict to u, then correct there."""
        x, carry = self.predictor.step(kernel, x, t, u, estimate, context, denoise)
        _, _, s = kernel.coeffs(u)
        for number in range(self.corrections):
            estimate = denoise(x, u, context.keeping(carry))
            score = -residual(kernel, x, u, estimate.x0, context) / like(s**2, x)
            n = context.draw(x, f"corrector {number}")
            size = _norm(score)
            e = torch.where(size > 0, 2 * (self.snr * _norm(n) / size) ** 2, 0)  # at a mode there is no step
            x, carry = x + e * score + torch.sqrt(2 * e) * n, {**carry, **estimate.carry}
        return x, carry


def _norm(x: Tensor) -> Tensor:
    """The 2-norm of each row, shaped to multiply it."""
    norm: Tensor = torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim)), keepdim=True)
    return norm
