"""Kernels that add noise to the image as it is: variance exploding, in the notation of EDM."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.core.process.kernels.base import Kernel
from medidiff.errors import InputError


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
