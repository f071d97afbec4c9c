"""Samplers of first order: D is taken constant within a step.

DDIM without noise is Euler's step of the probability-flow equation dx/dsigma = (x - D)/sigma (Karras et al.
2022, arXiv 2206.00364), written so that it holds on every kernel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from medidiff.core.process.kernels import Kernel, known, like
from medidiff.core.process.samplers.base import check_share, residual, toward

if TYPE_CHECKING:  # the denoisers import this package, so only their names may come here
    from medidiff.core.denoisers.estimate import Carry, Context, Estimate
    from medidiff.core.process.samplers.base import Denoise


@dataclass(frozen=True, slots=True)
class DDIM:
    """First-order step with a share `eta` of the full fresh noise: 0 deterministic, 1 ancestral."""

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
        """x_u with v = eta times the bridge; draws nothing when eta is 0."""
        return toward(kernel, x, t, u, estimate.x0, context, self.eta), estimate.carry


@dataclass(frozen=True, slots=True)
class Renoise:
    """Step from the corrected estimate, with a part of the noise that the denoiser took out.

        e = (x_t - a_t prior - b_t y) / s_t
        x_u = a_u z + b_u y + kappa s_u (sqrt(1 - eta^2) e + eta n),        z = estimate.x0

    kappa 1 is DDS (Chung et al. 2024, arXiv 2303.05754), kappa 0 plug-and-play half-quadratic splitting:
    an estimate of the posterior mean, not a sample. Draws nothing when kappa or eta is 0.
    """

    kappa: float = 0.0
    eta: float = 0.85
    evaluations: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        """Raise InputError unless kappa and eta lie in [0, 1]."""
        check_share("kappa", self.kappa)
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
        """a_u z + b_u y and the noise that kappa and eta ask for."""
        a, b, s = kernel.coeffs(u)
        x_u = like(a, x) * estimate.x0 + known(b, context.y, x)
        if self.kappa > 0:
            _, _, s_t = kernel.coeffs(t)
            kept = self.kappa * math.sqrt(1 - self.eta**2) * s / s_t
            x_u = x_u + like(kept, x) * residual(kernel, x, t, estimate.prior, context)
            if self.eta > 0:
                x_u = x_u + like(self.kappa * self.eta * s, x) * context.draw(x, "step")
        return x_u, estimate.carry
