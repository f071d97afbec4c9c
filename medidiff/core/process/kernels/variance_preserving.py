"""Kernels that keep the variance of data of unit variance: a^2 + s^2 = 1.

    VP           log a = -t^2 (b1 - b0)/4 - t b0/2                      continuous linear beta
    DiscreteVP   a(k + 1 over T)^2 = product of 1 - beta_0 ... beta_k   a table, in between by interpolation
    Cosine       a = cos(phi) / cos(phi_0),  phi = (t + o)/(1 + o) pi/2

Sources: Song et al. 2021, arXiv 2011.13456, equation 33; Ho et al. 2020, arXiv 2006.11239, section 4 (linear
betas); Rombach et al. 2022, arXiv 2112.10752 (scaled-linear); Nichol and Dhariwal 2021, arXiv 2102.09672,
equation 17 (cosine).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from medidiff.core.process.kernels.base import Kernel
from medidiff.errors import InputError


@dataclass(frozen=True)
class VP(Kernel):
    """Variance preserving with linear beta: a = exp(-t^2 (b1 - b0)/4 - t b0/2), s = sqrt(1 - a^2).

    b0 = `beta_min`, b1 = `beta_max`. At the usual t_min of 1e-3 s/a is 0.0105; 1e-4 goes to 0.0032, below
    the last level that posterior work needs.
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
class DiscreteVP(Kernel):
    """T levels given by their betas, level k at t = (k + 1)/T; h is linear in t between two levels.

    So a network trained at the index k is asked at exactly its own level, and every other t has a level too.
    The first betas bound how clean the last level is: scaled-linear ends at s/a = 0.029, and begins at
    a = 0.068, where a start without the mean of the data loses 6 to 7 % of it.
    """

    betas: tuple[float, ...] = field(repr=False)
    t_min: float = field(init=False)
    t_max: float = 1.0

    def __post_init__(self) -> None:
        """Raise InputError unless there are two betas or more, each in (0, 1), and t_max lies in (1/T, 1]."""
        wrong = [beta for beta in self.betas if not 0 < beta < 1]
        if len(self.betas) < 2 or wrong:
            raise InputError(
                "discrete schedule",
                expected="at least two betas between 0 and 1",
                got=f"{len(self.betas)} betas" + (f", among them {wrong[0]:g}" if wrong else ""),
                fix="Take the betas that the network was trained with; a beta of 1 leaves no image at all.",
            )
        object.__setattr__(self, "t_min", 1 / len(self.betas))
        if not self.t_min < self.t_max <= 1:
            raise InputError(
                "discrete schedule",
                expected=f"t_max above {self.t_min:g}, up to 1",
                got=f"{self.t_max:g}",
                fix="Leave it out for all levels.",
            )

    @classmethod
    def linear(cls, first: float = 1e-4, last: float = 0.02, steps: int = 1000) -> DiscreteVP:
        """Evenly spaced betas, DDPM's by default."""
        return cls(tuple(torch.linspace(first, last, steps, dtype=torch.float64).tolist()))

    @classmethod
    def scaled_linear(cls, first: float = 0.00085, last: float = 0.012, steps: int = 1000) -> DiscreteVP:
        """Evenly spaced roots of the betas, latent diffusion's by default."""
        roots = torch.linspace(math.sqrt(first), math.sqrt(last), steps, dtype=torch.float64)
        return cls(tuple((roots**2).tolist()))

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """a, 0, s from h: 1/a^2 = 1 + exp(-2 h), 1/s^2 = 1 + exp(2 h)."""
        h = self.half_logsnr(t)
        return torch.sigmoid(2 * h).sqrt(), torch.zeros_like(h), torch.sigmoid(-2 * h).sqrt()

    def half_logsnr(self, t: Tensor) -> Tensor:
        """Linear between the levels of the table, and beyond its ends."""
        place = t.to(torch.float64) * len(self.betas) - 1
        left = place.floor().clamp(0, len(self.betas) - 2)
        levels = self._levels.to(t.device)
        low, high = levels[left.long()], levels[left.long() + 1]
        return low + (place - left) * (high - low)

    def time(self, h: Tensor) -> Tensor:
        """The inverse of the interpolation."""
        h = torch.as_tensor(h, dtype=torch.float64)
        levels = self._levels.to(h.device)
        right = torch.searchsorted(-levels, -h.contiguous()).clamp(1, len(self.betas) - 1)
        low, high = levels[right - 1], levels[right]
        return (right + (h - low) / (high - low)) / len(self.betas)

    @cached_property
    def _levels(self) -> Tensor:
        """H of every level, decreasing."""
        log_a = torch.log1p(-torch.tensor(self.betas, dtype=torch.float64)).cumsum(0) / 2
        return log_a - torch.log(-torch.expm1(2 * log_a)) / 2


@dataclass(frozen=True)
class Cosine(Kernel):
    """a = cos(phi)/cos(phi_0): even steps of t are nearly even steps of the noise's share.

    `offset` o keeps the first steps from being too small. t ends at 0.9995: at 1 there is no image left.
    """

    offset: float = 0.008
    t_min: float = 1e-3
    t_max: float = 0.9995

    def __post_init__(self) -> None:
        """Raise InputError for an offset that is not positive."""
        if not 0 < self.offset < math.inf:
            raise InputError(
                "cosine kernel", expected="offset > 0", got=f"{self.offset:g}", fix="0.008 is usual."
            )

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """a, 0, s; cos^2 phi_0 - cos^2 phi = sin(phi + phi_0) sin(phi - phi_0) keeps a small s exact."""
        quarter = math.pi / 2 / (1 + self.offset)
        first, turn = self.offset * quarter, t.to(torch.float64) * quarter
        a = torch.cos(turn + first) / math.cos(first)
        s = torch.sqrt(torch.sin(turn + 2 * first) * torch.sin(turn)) / math.cos(first)
        return a, torch.zeros_like(a), s

    def time(self, h: Tensor) -> Tensor:
        """From cos(phi) = a cos(phi_0), a^2 = 1 / (1 + exp(-2 h))."""
        quarter = math.pi / 2 / (1 + self.offset)
        a = torch.sigmoid(2 * torch.as_tensor(h, dtype=torch.float64)).sqrt()
        return torch.acos(a * math.cos(self.offset * quarter)) / quarter - self.offset
