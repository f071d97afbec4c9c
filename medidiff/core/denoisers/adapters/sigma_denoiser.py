"""Denoisers of the form D(x, sigma), as k-diffusion and EDM code has them: x = x0 + sigma n.

They already answer with the clean image (Karras et al. 2022, arXiv 2206.00364, equation 7), so nothing is
converted; for the loop of another kernel wrap it in `OnKernel`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Estimate
from medidiff.core.process.kernels import EDM
from medidiff.errors import InputError


@dataclass(frozen=True)
class SigmaDenoiser:
    """D of `model(x, sigma)`: x (B, C, *space) float32, sigma (B,) float32; `kernel` bounds the levels.

    Runs without a graph. Raises InputError for a time map and for a condition.
    """

    model: Callable[[Tensor, Tensor], Tensor]
    kernel: EDM

    @torch.no_grad()
    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """The model's answer, in x's dtype."""
        if t.numel() not in (1, x.shape[0]) or context.condition is not None:
            raise InputError(
                "denoiser D(x, sigma)",
                expected="one level, or one a row, and no condition",
                got="a time map or a condition",
                fix="Bind the condition into the model.",
            )
        sigma = self.kernel.sigma(t).float().reshape(-1).expand(x.shape[0]).to(x.device)
        x0 = self.model(x.float(), sigma).to(x.dtype)
        if x0.shape != x.shape:
            raise InputError(
                "denoiser D(x, sigma)",
                expected=f"an answer of shape {tuple(x.shape)}",
                got=str(tuple(x0.shape)),
                fix="A network behind a wrapper that preconditions it is wanted, not the network alone.",
            )
        return Estimate(x0, x0)
