"""Rectified flow: the straight line from the image to noise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.core.process.kernels.base import Kernel


@dataclass(frozen=True)
class RectifiedFlow(Kernel):
    """a = 1 - t, s = t: it begins at pure noise, and a network's velocity is n - x0.

    Source: Liu et al. 2023, arXiv 2209.03003, equation 1, with image and noise exchanged.
    """

    t_min: float = 1e-3
    t_max: float = 1.0

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1 - t, 0, t."""
        t = t.to(torch.float64)
        return 1 - t, torch.zeros_like(t), t

    def time(self, h: Tensor) -> Tensor:
        """1 / (1 + exp(h))."""
        return torch.sigmoid(-torch.as_tensor(h, dtype=torch.float64))
