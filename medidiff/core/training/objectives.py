"""Denoising: the squared error of D at noise levels drawn in the logarithm.

    loss = mean over images and pixels of w |D(x0 + sigma n) - x0|^2,   w = (sigma^2 + sd^2)/(sigma sd)^2

which is the plain squared error of the network F behind its preconditioning (Karras et al. 2022, arXiv
2206.00364, section 5). A share of the levels is log-uniform over the whole trained range, so that the ends,
where the normal law has little mass, are learned too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from medidiff.core.denoisers.network import NetDenoiser
from medidiff.core.process.kernels import EDM
from medidiff.core.training.trainer import generator

Batches = Callable[[int], Tensor]
"""Step -> a batch of clean images (B, C, H, W), float32, scaled; a pure function of the step."""


class NoiseLevels(BaseModel):
    """The law of the training noise: log-normal, with a share that is log-uniform over the kernel's range."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    median: float = Field(0.074, gt=0)
    log_sd: float = Field(1.1, gt=0)
    uniform_share: float = Field(0.2, ge=0, le=1)

    def draw(self, count: int, kernel: EDM, rng: torch.Generator) -> Tensor:
        """`count` levels, float32, clipped to the kernel's range."""
        low, high = math.log(kernel.sigma_min), math.log(kernel.sigma_max)
        normal = math.log(self.median) + self.log_sd * torch.randn(count, generator=rng)
        uniform = low + (high - low) * torch.rand(count, generator=rng)
        chosen = torch.rand(count, generator=rng) < self.uniform_share
        return torch.where(chosen, uniform, normal).clamp(low, high).exp()


@dataclass(frozen=True)
class Denoising:
    """The objective of a plain (white-noise) prior on images drawn by `batches`."""

    batches: Batches
    levels: NoiseLevels
    seed: int

    def loss(self, denoiser: NetDenoiser, step: int) -> Tensor:
        """The weighted squared error of one batch."""
        device = next(denoiser.net.parameters()).device
        clean = self.batches(step).to(device)
        return white_loss(denoiser, clean, self.levels, generator(self.seed, step, 1))

    def state(self) -> dict[str, Tensor]:
        """Nothing lives longer than a step."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing to take back."""


def white_loss(denoiser: NetDenoiser, clean: Tensor, levels: NoiseLevels, rng: torch.Generator) -> Tensor:
    """The denoising loss of one batch `clean` (B, C, H, W) with fresh levels and noise from `rng`."""
    kernel = denoiser.kernel
    assert isinstance(kernel, EDM)  # the trainer builds it
    sigma = levels.draw(len(clean), kernel, rng).to(clean.device)
    noise = torch.randn(clean.shape, generator=rng).to(clean.device)
    column = sigma[:, None, None, None]
    estimate = denoiser.denoise(clean + column * noise, kernel.time(-sigma.double().log())).x0
    weight = (column**2 + denoiser.sigma_data**2) / (column * denoiser.sigma_data) ** 2
    return (weight * (estimate - clean) ** 2).mean()
