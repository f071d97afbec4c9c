"""Samplers: pure steps from the state at t to the state at u < t.

With D the estimate of x0, n-hat = (x_t - a_t D - b_t y) / s_t and any fresh noise v in [0, s_u],

    x_u = b_u y + c (x_t - b_t y) + (a_u - c a_t) D + v n,        c = sqrt(s_u^2 - v^2) / s_t

has the right marginal. v = 0 is DDIM, v = `kernel.bridge` ancestral sampling; in this form the numbers
depend on the log-SNR of the levels only, not on the kernel. A step keeps nothing: what must survive goes
through the carry. Sources: Song et al. 2021 (DDIM, arXiv 2010.02502, equation 12); Karras et al. 2022
(Heun); Lu et al. 2022 (exponential integrators, arXiv 2211.01095).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from medidiff.core.process.kernels import Kernel, known, like
from medidiff.errors import InputError

if TYPE_CHECKING:  # the denoisers import this package, so only their names may come here
    from medidiff.core.denoisers.estimate import Carry, Context, Estimate

    Denoise = Callable[[Tensor, Tensor, Context], Estimate]


class Sampler(Protocol):
    """One step of a sampler; `evaluations` is how often a step denoises, the loop's own included."""

    @property
    def evaluations(self) -> int:
        """Evaluations a step."""
        ...

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
        """The state at u, and what the next estimate is given back."""
        ...


@dataclass(frozen=True, slots=True)
class DDIM:
    """First-order step with a share `eta` of the full fresh noise: 0 deterministic, 1 ancestral."""

    eta: float = 0.0
    evaluations: int = field(default=1, init=False)

    def __post_init__(self) -> None:
        """Raise InputError unless 0 <= eta <= 1."""
        _check_share("eta", self.eta)

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
        if self.eta == 0:
            return _toward(kernel, x, t, u, estimate.x0, context), estimate.carry
        v = self.eta * kernel.bridge(t, u)
        x_u = _toward(kernel, x, t, u, estimate.x0, context, v)
        return x_u + like(v, x) * context.draw(x, "step"), estimate.carry


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
        predicted = _toward(kernel, x, t, u, estimate.x0, context)
        second = denoise(predicted, u, context.keeping(estimate.carry))
        (a_t, _, s_t), (a_u, _, s_u) = kernel.coeffs(t), kernel.coeffs(u)
        gap = kernel.half_logsnr(u) - kernel.half_logsnr(t)
        q = a_u - (a_u - s_u / s_t * a_t) / gap
        q = torch.where((gap > 0) & torch.isfinite(gap), q, 0.0)
        return predicted + like(q, x) * (second.x0 - estimate.x0), second.carry


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
            score = -_residual(kernel, x, u, estimate.x0, context) / like(s**2, x)
            n = context.draw(x, f"corrector {number}")
            size = _norm(score)
            e = torch.where(size > 0, 2 * (self.snr * _norm(n) / size) ** 2, 0)  # at a mode there is no step
            x, carry = x + e * score + torch.sqrt(2 * e) * n, estimate.carry
        return x, carry


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
        _check_share("kappa", self.kappa)
        _check_share("eta", self.eta)

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
            x_u = x_u + like(kept, x) * _residual(kernel, x, t, estimate.prior, context)
            if self.eta > 0:
                x_u = x_u + like(self.kappa * self.eta * s, x) * context.draw(x, "step")
        return x_u, estimate.carry


def _toward(
    kernel: Kernel, x: Tensor, t: Tensor, u: Tensor, x0: Tensor, context: Context, v: Tensor | float = 0.0
) -> Tensor:
    """The deterministic part of the step: b_u y + c (x_t - b_t y) + (a_u - c a_t) D."""
    (a_t, b_t, s_t), (a_u, b_u, s_u) = kernel.coeffs(t), kernel.coeffs(u)
    c = torch.sqrt(torch.clamp(s_u**2 - v**2, min=0.0)) / s_t
    return like(c, x) * x + like(a_u - c * a_t, x) * x0 + known(b_u - c * b_t, context.y, x)


def _residual(kernel: Kernel, x: Tensor, t: Tensor, x0: Tensor, context: Context) -> Tensor:
    """The noise part s n-hat = x_t - a x0 - b y."""
    a, b, _ = kernel.coeffs(t)
    return x - like(a, x) * x0 - known(b, context.y, x)


def _norm(x: Tensor) -> Tensor:
    """The 2-norm of each row, shaped to multiply it."""
    norm: Tensor = torch.linalg.vector_norm(x, dim=tuple(range(1, x.ndim)), keepdim=True)
    return norm


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(
            name, expected="a number from 0 to 1", got=f"{value:g}", fix="0 is none, 1 is all.", argument=True
        )
