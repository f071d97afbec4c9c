"""The exact denoiser of a mixture of Gaussians, for tests: the law that no affine sampler can imitate.

    x0 ~ sum of p_k N(m_k, C_k):     D(x, t) = sum of w_k D_k(x, t),
    w_k proportional to p_k N(x; a m_k + b y, a^2 C_k + s^2 I)

A sampler that is right on one Gaussian may still lose a mode, or the balance between two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Estimate
from medidiff.core.denoisers.oracle import GaussianOracle
from medidiff.errors import InputError


@dataclass(frozen=True)
class MixtureOracle:
    """`parts`, Gaussians on one kernel and of one shape, with probabilities `shares` that sum to 1."""

    parts: tuple[GaussianOracle, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise InputError unless there is one positive share a part, and they sum to 1."""
        fits = len(self.parts) == len(self.shares) > 0 and all(share > 0 for share in self.shares)
        if not fits or not math.isclose(sum(self.shares), 1.0):
            raise InputError(
                "mixture",
                expected=f"{len(self.parts)} positive shares that sum to 1",
                got=str(self.shares),
                fix="Give one share for each part.",
            )

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """E[x0 | x_t] of rows (K, C, *space); t is a 0-dim tensor."""
        weights = self.responsibilities(x, t, context)
        x0 = torch.zeros_like(x)
        for weight, part in zip(weights.to(x), self.parts, strict=True):
            x0 = x0 + weight.reshape(-1, *[1] * (x.ndim - 1)) * part.denoise(x, t, context).x0
        return Estimate(x0, x0)

    def responsibilities(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        """The probability of each part given each row of x_t, (parts, K), float64."""
        logs = [
            math.log(share) + part.log_density(x, t, context)
            for share, part in zip(self.shares, self.parts, strict=True)
        ]
        return torch.softmax(torch.stack(logs), 0)
