"""Samplers of second order: D is taken linear in h, the half log-SNR, within a step.

Heun evaluates at the end of the step, Multistep looks back at the step before: one evaluation, the same
order. Sources: Karras et al. 2022, arXiv 2206.00364, algorithm 1; Lu et al. 2022, arXiv 2211.01095, algorithm
2 (DPM-Solver++(2M)) and its stochastic form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medidiff.core.process.kernels import Kernel, like
from medidiff.core.process.samplers.base import check_share, toward

if TYPE_CHECKING:  # the denoisers import this package, so only their names may come here
    from medidiff.core.denoisers.estimate import Carry, Context, Estimate
    from medidiff.core.process.samplers.base import Denoise


@dataclass(frozen=True, slots=True)
class Heun:
    """Second order: D is taken linear in log-SNR between the levels, its end found by a DDIM step.

        x_u = c x_t + (a_u - c a_t) D_t + q (D_u - D_t),   q = a_u - (a_u - c a_t) / (h_u - h_t)

    Two evaluations a step; first order where the step begins at pure noise.
    """

    evaluations: int = field(default=2, init=False)

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
        """Predict, evaluate at u, and add the correction q (D_u - D_t)."""
        predicted = toward(kernel, x, t, u, estimate.x0, context)
        second = denoise(predicted, u, context.keeping(estimate.carry))
        (a_t, _, s_t), (a_u, _, s_u) = kernel.coeffs(t), kernel.coeffs(u)
        gap = kernel.half_logsnr(u) - kernel.half_logsnr(t)
        q = a_u - (a_u - s_u / s_t * a_t) / gap
        q = torch.where((gap > 0) & torch.isfinite(gap), q, 0.0)
        return predicted + like(q, x) * (second.x0 - estimate.x0), second.carry


_PREVIOUS = "multistep"  # the carry's name for the estimate of the step before


@dataclass(frozen=True, slots=True, eq=False)
class _Previous:
    """The estimate at the level before, and the h of that level."""

    x0: Tensor
    h: Tensor


@dataclass(frozen=True, slots=True)
class Multistep:
    """DPM-Solver++(2M), at `eta` 1 its stochastic form: the step with D extrapolated to its middle.

        D~ = D + (D - D_before) / (2 r),        r = (h_t - h_before) / (h_u - h_t)

    `eta` is the share of the full fresh noise, as for DDIM. One evaluation a step; the first step, one after
    pure noise, and a voxel whose level has just rested, are first order.
    """

    eta: float = 0.0
    evaluations: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        """Raise InputError unless 0 <= eta <= 1."""
        check_share("eta", self.eta)

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
        """The first-order step of D~; draws nothing when eta is 0."""
        h, x0 = kernel.half_logsnr(t), estimate.x0
        before = context.carry.get(_PREVIOUS)
        if isinstance(before, _Previous):
            ahead = (kernel.half_logsnr(u) - h) / (h - before.h) / 2
            x0 = x0 + like(torch.where(torch.isfinite(ahead), ahead, 0.0), x) * (x0 - before.x0)
        x_u = toward(kernel, x, t, u, x0, context, self.eta)
        return x_u, {**estimate.carry, _PREVIOUS: _Previous(estimate.x0, h)}
