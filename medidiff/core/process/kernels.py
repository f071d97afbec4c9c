"""Noising kernels: the law of x_t given the clean x0 (and, for some, a known image y).

    x_t = a(t) x0 + b(t) y + s(t) n,        n ~ N(0, 1) per voxel, from a noise law

t in [0, 1] grows with noise. h = log(a / s), half the log signal-to-noise ratio, is the clock that all
kernels share; sigma = s / a = exp(-h). Coefficients are float64: a 0-dim t gives 0-dim coefficients, a
time map that broadcasts to x (one level per slice, say) gives maps.

A new kernel writes `coeffs`, and `time` where the inverse has a closed form.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.errors import InputError

_HALVINGS = 80


class Kernel(ABC):
    """x_t = a x0 + b y + s n; `t_min` and `t_max` bound the usable times."""

    t_min: float
    t_max: float

    @abstractmethod
    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """a, b, s in float64, of the shape of t."""

    def half_logsnr(self, t: Tensor) -> Tensor:
        """H = log(a / s), strictly decreasing in t."""
        a, _, s = self.coeffs(t)
        return torch.log(a / s)

    def time(self, h: Tensor) -> Tensor:
        """The t with half_logsnr(t) = h: by bisection between t_min and t_max unless overridden."""
        h = torch.as_tensor(h, dtype=torch.float64)
        low, high = torch.full_like(h, self.t_min), torch.full_like(h, self.t_max)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            noisier = self.half_logsnr(middle) > h
            low, high = torch.where(noisier, middle, low), torch.where(noisier, high, middle)
        return (low + high) / 2

    def sigma(self, t: Tensor) -> Tensor:
        """The noise in units of the clean image, s / a."""
        return torch.exp(-self.half_logsnr(t))

    def at_sigma(self, sigma: float | Tensor) -> Tensor:
        """The time at which s / a is `sigma`."""
        return self.time(-torch.log(torch.as_tensor(sigma, dtype=torch.float64)))

    def bridge(self, t: Tensor, u: Tensor) -> Tensor:
        """The fresh noise v of the full-noise step from t down to u: s_u sqrt(1 - (a_t s_u / s_t a_u)^2).

        Any v in [0, s_u] keeps the marginals; this one makes the chain Markov (ancestral sampling).
        """
        _, _, s = self.coeffs(u)
        gap = self.half_logsnr(t) - self.half_logsnr(u)
        return s * torch.sqrt(-torch.expm1(2 * torch.clamp(gap, max=0.0)))

    def perturb(self, x0: Tensor, t: Tensor, *, n: Tensor, y: Tensor | None = None) -> Tensor:
        """x_t of a clean image (a warm start, where x0 is an estimate); n from a noise law."""
        a, b, s = self.coeffs(t)
        return like(a, x0) * x0 + like(s, x0) * n + known(b, y, x0)

    def start(
        self,
        n: Tensor,
        *,
        t: Tensor | None = None,
        mean: float | Tensor = 0.0,
        var: float | Tensor = 0.0,
        y: Tensor | None = None,
    ) -> Tensor:
        """From the prior's mean and variance: a m + b y + sqrt(a^2 var + s^2) n at t (default t_max)."""
        a, b, s = self.coeffs(torch.tensor(self.t_max, dtype=torch.float64) if t is None else t)
        a, s = like(a, n), like(s, n)
        return a * mean + torch.sqrt(a**2 * torch.as_tensor(var).to(n) + s**2) * n + known(b, y, n)


@dataclass(frozen=True)
class VP(Kernel):
    """Variance preserving with linear beta: a = exp(-t^2 (b1 - b0)/4 - t b0/2), s = sqrt(1 - a^2).

    b0 = `beta_min`, b1 = `beta_max`. Source: Song et al. 2021, arXiv 2011.13456, equation 33. At the usual
    t_min of 1e-3 s/a is 0.0105; 1e-4 goes to 0.0032, below the last level that posterior work needs.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    t_min: float = 1e-4
    t_max: float = 1.0

    def __post_init__(self) -> None:
        """Raise InputError unless 0 < beta_min <= beta_max."""
        if not 0 < self.beta_min <= self.beta_max < math.inf:
            raise InputError(
                "VP kernel",
                expected="0 < beta_min <= beta_max",
                got=f"beta_min={self.beta_min:g}, beta_max={self.beta_max:g}",
                fix="The usual values are 0.1 and 20.",
            )

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """a, 0, s."""
        log_a = self._log_a(t)
        return torch.exp(log_a), torch.zeros_like(log_a), torch.sqrt(-torch.expm1(2 * log_a))

    def half_logsnr(self, t: Tensor) -> Tensor:
        """Log a - log s, with full precision where s is small."""
        log_a = self._log_a(t)
        return log_a - torch.log(-torch.expm1(2 * log_a)) / 2

    def time(self, h: Tensor) -> Tensor:
        """The positive root of t^2 (b1 - b0)/4 + t b0/2 = log(1 + exp(-2 h))/2."""
        depth = torch.nn.functional.softplus(-2 * torch.as_tensor(h, dtype=torch.float64), threshold=700) / 2
        half = self.beta_min / 2
        return 2 * depth / (half + torch.sqrt(half**2 + (self.beta_max - self.beta_min) * depth))

    def _log_a(self, t: Tensor) -> Tensor:
        t = t.to(torch.float64)
        return -t * (t * (self.beta_max - self.beta_min) / 4 + self.beta_min / 2)


@dataclass(frozen=True)
class EDM(Kernel):
    """Variance exploding: a = 1, s = sigma_min^(1-t) sigma_max^t, so that t is linear in log sigma.

    Source: Karras et al. 2022, arXiv 2206.00364 (a = 1); the time is ours. `time` goes on beyond [0, 1].
    """

    sigma_min: float = 0.002
    sigma_max: float = 80.0
    t_min: float = 0.0
    t_max: float = 1.0

    def __post_init__(self) -> None:
        """Raise InputError unless 0 < sigma_min < sigma_max."""
        if not 0 < self.sigma_min < self.sigma_max < math.inf:
            raise InputError(
                "EDM kernel",
                expected="0 < sigma_min < sigma_max",
                got=f"sigma_min={self.sigma_min:g}, sigma_max={self.sigma_max:g}",
                fix="Give noise levels in units of the scaled image.",
            )

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1, 0, sigma."""
        h = self.half_logsnr(t)
        return torch.ones_like(h), torch.zeros_like(h), torch.exp(-h)

    def half_logsnr(self, t: Tensor) -> Tensor:
        """-log sigma."""
        return -(math.log(self.sigma_min) + t.to(torch.float64) * self._span())

    def time(self, h: Tensor) -> Tensor:
        """(-h - log sigma_min) / log(sigma_max / sigma_min)."""
        return (-torch.as_tensor(h, dtype=torch.float64) - math.log(self.sigma_min)) / self._span()

    def _span(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)


def like(coefficient: Tensor, x: Tensor) -> Tensor:
    """A float64 coefficient ready to multiply x without changing its dtype; a scalar stays float64."""
    return coefficient if coefficient.ndim == 0 else coefficient.to(x.device, x.real.dtype)


def known(b: Tensor, y: Tensor | None, x: Tensor) -> Tensor | float:
    """The term b y of the state x; 0 where the kernel has none. Raises InputError when y is missing."""
    if not bool(b.any()):
        return 0.0
    if y is None:
        raise InputError(
            "kernel with a known image", expected="the image y", got="none", fix="Put y into the context."
        )
    return like(b, x) * y
