"""Denoising: the squared error of D at noise levels drawn in the logarithm.

    loss = mean over images and pixels of w |D(x0 + sigma n) - x0|^2,   w = (sigma^2 + sd^2)/(sigma sd)^2

which is the plain squared error of the network F behind its preconditioning (Karras et al. 2022, arXiv
2206.00364, section 5). A share of the levels is log-uniform over the whole trained range, so that the ends,
where the normal law has little mass, are learned too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from medidiff.core.denoisers.estimate import Context
from medidiff.core.denoisers.network import NetDenoiser
from medidiff.core.process.kernels import EDM
from medidiff.core.process.noise import NoiseStreams
from medidiff.core.training.randomness import generator
from medidiff.core.training.strategies import Batch, Strategy

Batches = Callable[[int], Tensor]
"""Step -> a batch of clean images (B, C, H, W), float32, scaled; a pure function of the step."""


class NoiseLevels(BaseModel):
    """The law of the training noise: log-normal, with a share that is log-uniform over the kernel's range."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    median: float = Field(0.074, gt=0, description="of the log-normal part")
    log_sd: float = Field(1.1, gt=0, description="its standard deviation in the natural logarithm")
    uniform_share: float = Field(0.2, ge=0, le=1, description="share that is log-uniform")

    def draw(self, count: int, kernel: EDM, rng: torch.Generator) -> Tensor:
        """`count` levels, float32, clipped to the kernel's range."""
        low, high = math.log(kernel.sigma_min), math.log(kernel.sigma_max)
        normal = math.log(self.median) + self.log_sd * torch.randn(count, generator=rng)
        uniform = low + (high - low) * torch.rand(count, generator=rng)
        chosen = torch.rand(count, generator=rng) < self.uniform_share
        return torch.where(chosen, uniform, normal).clamp(low, high).exp()

    def at(self, u: Tensor, kernel: EDM) -> Tensor:
        """The levels of uniform numbers u in [0, 1), of the same law: the uniform share, then the rest."""
        low, high = math.log(kernel.sigma_min), math.log(kernel.sigma_max)
        share = self.uniform_share
        uniform = low + (high - low) * u / max(share, 1e-12)
        rest = ((u - share) / max(1 - share, 1e-12)).clamp(1e-9, 1 - 1e-9)
        normal = math.log(self.median) + self.log_sd * torch.special.ndtri(rest)
        return torch.where(u < share, uniform, normal).clamp(low, high).exp()


@dataclass(frozen=True)
class Denoising:
    """The objective of a plain (white-noise) prior on images drawn by `batches`.

    `conditions` gives what the network sees beside the images of the same step.
    """

    batches: Batches
    levels: NoiseLevels
    seed: int
    strategies: tuple[Strategy, ...] = ()
    conditions: Batches | None = None

    def loss(self, denoiser: NetDenoiser, step: int) -> Tensor:
        """The weighted squared error of one batch."""
        device = next(denoiser.net.parameters()).device
        clean = self.batches(step).to(device)
        batch = white_batch(denoiser, clean, self.levels, generator(self.seed, step, 1))
        if self.conditions is not None:
            batch = replace(batch, condition=self.conditions(step).to(device))
        for strategy in self.strategies:
            batch = batch if strategy.on_batch is None else strategy.on_batch(batch, self.seed, step)
        return batch_loss(denoiser, batch, self.strategies)

    def state(self) -> dict[str, Tensor]:
        """Nothing lives longer than a step."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing to take back."""


def white_loss(denoiser: NetDenoiser, clean: Tensor, levels: NoiseLevels, rng: torch.Generator) -> Tensor:
    """The denoising loss of one batch `clean` (B, C, H, W) with fresh levels and noise from `rng`."""
    return batch_loss(denoiser, white_batch(denoiser, clean, levels, rng))


def white_batch(denoiser: NetDenoiser, clean: Tensor, levels: NoiseLevels, rng: torch.Generator) -> Batch:
    """Images (B, C, H, W) with fresh levels and noise from `rng`, on their device."""
    sigma = levels.draw(len(clean), _edm(denoiser), rng).to(clean.device)
    noise = torch.randn(clean.shape, generator=rng).to(clean.device)
    return Batch(clean, noise, sigma)


def batch_loss(denoiser: NetDenoiser, batch: Batch, strategies: tuple[Strategy, ...] = ()) -> Tensor:
    """The weighted squared error of D on a batch."""
    kernel, column = _edm(denoiser), batch.sigma[:, None, None, None]
    context = None if batch.condition is None else Context(NoiseStreams(0), condition=batch.condition)
    time = kernel.time(-batch.sigma.double().log())
    estimate = denoiser.denoise(batch.clean + column * batch.noise, time, context).x0
    weight = (column**2 + denoiser.sigma_data**2) / (column * denoiser.sigma_data) ** 2
    for strategy in strategies:
        if strategy.weight is not None:
            weight = weight * strategy.weight(column)
    return (weight * (estimate - batch.clean) ** 2).mean()


def _edm(denoiser: NetDenoiser) -> EDM:
    kernel = denoiser.kernel
    assert isinstance(kernel, EDM)  # the trainer builds it
    return kernel
