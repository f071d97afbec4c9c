"""Kernels between a clean image and a known one: x_t = a x0 + b y + s n with b > 0.

y is the degraded partner of x0 (a low dose, a thick slice, haze). The chain begins at y with some noise,
not at noise alone, and the denoiser estimates x0 given x_t and y.

    ResShift        a = 1 - eta,      b = eta,    s = kappa sqrt(eta),    sqrt(eta) = e0 (0.99/e0)^(t^p)
    RDDM            a = (1 - t)^2,    b = 1 - a,  s = sqrt(V) t
    MeanReverting   a = exp(-theta),  b = 1 - a,  s = lambda sqrt(1 - a^2)
                    theta = -log(end) (t - sin(pi t)/pi)
    Interpolant     a = 1 - t,        b = t,      s = sqrt(g t (1 - t))

Sources: Yue et al. 2023, arXiv 2307.12348, equation 2; Liu et al. 2024, arXiv 2308.13712 (decreasing
residual, increasing variance); Luo et al. 2023, arXiv 2301.11699, and Li et al. 2025, arXiv 2502.07856
(whose solvers are the core's multistep step on this kernel); Albergo et al. 2023, arXiv 2303.08797, equation
2.1 with the straight path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.core.process.kernels.base import Kernel
from medidiff.errors import InputError

_LAST_SHARE = 0.99  # of sqrt(eta) at the top, as published: a little of x0 is left there


class ResidualMarkov(Kernel):
    """A kernel whose forward chain adds y - x0 and noise in independent steps; s grows with t."""

    def bridge(self, t: Tensor, u: Tensor) -> Tensor:
        """The chain's own reverse step: v = s_u sqrt(1 - s_u^2 / s_t^2); y drops out of ResShift's."""
        (_, _, s_t), (_, _, s_u) = self.coeffs(t), self.coeffs(u)
        return s_u * torch.sqrt(torch.clamp(1 - (s_u / s_t) ** 2, min=0.0))


@dataclass(frozen=True)
class ResShift(ResidualMarkov):
    """Residual shifting, in a handful of steps. `least` m is about the smallest noise, s/a at t_min (kappa m
    for kappa below 1).

    kappa 2, p 0.3 and m 0.04 are the source's for 15 steps (m 0.2 for 4); e0 = min(m / kappa, m).
    """

    kappa: float = 2.0
    power: float = 0.3
    least: float = 0.04
    t_min: float = 0.0
    t_max: float = 1.0

    def __post_init__(self) -> None:
        """Raise InputError unless the settings are positive and `least` is below 0.99."""
        _positive("ResShift kernel", kappa=self.kappa, power=self.power, least=self.least)
        if not self._first < _LAST_SHARE:
            raise InputError(
                "ResShift kernel", expected="least < 0.99", got=f"{self.least:g}", fix="0.04 is usual."
            )

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1 - eta, eta, kappa sqrt(eta)."""
        root = self._first * (_LAST_SHARE / self._first) ** (t.to(torch.float64) ** self.power)
        return 1 - root**2, root**2, self.kappa * root

    def time(self, h: Tensor) -> Tensor:
        """From the positive root of eta + kappa exp(h) sqrt(eta) = 1."""
        half = self.kappa * torch.exp(torch.as_tensor(h, dtype=torch.float64)) / 2
        depth = -torch.log(half + torch.sqrt(half**2 + 1)) - math.log(self._first)
        return (depth.clamp_min(0) / math.log(_LAST_SHARE / self._first)) ** (1 / self.power)

    @property
    def _first(self) -> float:
        return min(self.least / self.kappa, self.least)


@dataclass(frozen=True)
class RDDM(ResidualMarkov):
    """Residual denoising: the residual and the noise come with schedules of their own.

    `variance` V is the noise's at the top: 1 to generate, the source takes 0.01 to restore.
    """

    variance: float = 1.0
    t_min: float = 1e-3
    t_max: float = 1.0

    def __post_init__(self) -> None:
        """Raise InputError for a variance that is not positive."""
        _positive("RDDM kernel", variance=self.variance)

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(1 - t)^2, 1 - (1 - t)^2, sqrt(V) t."""
        t = t.to(torch.float64)
        return (1 - t) ** 2, t * (2 - t), math.sqrt(self.variance) * t

    def time(self, h: Tensor) -> Tensor:
        """The root below 1 of (1 - t)^2 = q t, q = sqrt(V) exp(h)."""
        q = math.sqrt(self.variance) * torch.exp(torch.as_tensor(h, dtype=torch.float64))
        return 2 / (2 + q + torch.sqrt(q * (q + 4)))


@dataclass(frozen=True)
class MeanReverting(Kernel):
    """An Ornstein-Uhlenbeck process about y, with theta on a cosine schedule.

    `spread` lambda is the noise it settles at, in units of the scaled image; `end` what is left of x0 - y.
    """

    spread: float = 0.4
    end: float = 0.005
    t_min: float = 0.01
    t_max: float = 1.0

    def __post_init__(self) -> None:
        """Raise InputError unless spread > 0 and 0 < end < 1."""
        _positive("mean-reverting kernel", spread=self.spread, end=self.end)
        if not self.end < 1:
            raise InputError(
                "mean-reverting kernel", expected="end < 1", got=f"{self.end:g}", fix="0.005 is usual."
            )

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """exp(-theta), 1 - exp(-theta), lambda sqrt(1 - exp(-2 theta))."""
        t = t.to(torch.float64)
        theta = -math.log(self.end) * (t - torch.sin(math.pi * t) / math.pi)
        s = self.spread * torch.sqrt(-torch.expm1(-2 * theta))
        return torch.exp(-theta), -torch.expm1(-theta), s


@dataclass(frozen=True)
class Interpolant(Kernel):
    """The stochastic interpolant of a straight path; `spread` g is four times the noise's variance half way.

    At both ends s is 0, and at t = 1 x is y, a point that no deterministic step leaves: t ends before.
    """

    spread: float = 2.0
    t_min: float = 1e-4
    t_max: float = 0.999

    def __post_init__(self) -> None:
        """Raise InputError for a spread that is not positive."""
        _positive("interpolant", spread=self.spread)

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1 - t, t, sqrt(g t (1 - t))."""
        t = t.to(torch.float64)
        return 1 - t, t, torch.sqrt(self.spread * t * (1 - t))

    def time(self, h: Tensor) -> Tensor:
        """1 / (1 + g exp(2 h))."""
        return 1 / (1 + self.spread * torch.exp(2 * torch.as_tensor(h, dtype=torch.float64)))


def _positive(what: str, **settings: float) -> None:
    for name, value in settings.items():
        if not 0 < value < math.inf:
            raise InputError(
                what,
                expected=f"{name} > 0 and finite",
                got=f"{value:g}",
                fix="Levels are in units of the scaled image.",
            )
