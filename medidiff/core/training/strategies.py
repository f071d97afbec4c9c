"""What may be added to the training of a denoiser: hooks that see a batch, or weigh its images.

    on_batch(batch, seed, step) -> batch      before the loss: levels, noise, conditions
    weight(sigma) -> (B,)                     times the error of each image

A strategy at its zero setting is absent, so a training without it is the same bit for bit. Its random numbers
have a purpose of their own: adding one changes no other draw.

Levels: u_k = (u_0 + k/B) mod 1 through the law (Kingma et al. 2021, arXiv 2107.00630, appendix I.1).
Min-SNR: the x0 error weighs min(S, gamma), S = (sd/sigma)^2 (Hang et al. 2023, arXiv 2303.09556, equation
10); the plain error of the network weighs S + 1, so the factor is min(S, gamma)/(S + 1).
Drop-out: a share of images sees zeros for a condition (Ho and Salimans 2022, arXiv 2207.12598, algorithm 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medidiff.core.training.randomness import generator
from medidiff.core.training.settings import StrategySettings

_LEVELS, _DROPS = 2, 3  # purposes of the random numbers


@dataclass(frozen=True)
class Batch:
    """One step's images: clean and noise (B, C, H, W), sigma (B,), a condition (B, C', H, W) or None."""

    clean: Tensor
    noise: Tensor
    sigma: Tensor
    condition: Tensor | None = None


@dataclass(frozen=True)
class Strategy:
    """Two hooks; one that is None changes nothing."""

    on_batch: Callable[[Batch, int, int], Batch] | None = None
    weight: Callable[[Tensor], Tensor] | None = None


def strategies_of(
    settings: StrategySettings, sigma_data: float, law: Callable[[Tensor], Tensor]
) -> tuple[Strategy, ...]:
    """The strategies that `settings` turn on. `law` maps uniform numbers (B,) to noise levels sigma (B,)."""
    found = []
    if settings.low_discrepancy_levels:
        found.append(low_discrepancy(law))
    if settings.condition_dropout > 0:
        found.append(condition_dropout(settings.condition_dropout))
    if settings.min_snr > 0:
        found.append(min_snr(settings.min_snr, sigma_data))
    return tuple(found)


def low_discrepancy(law: Callable[[Tensor], Tensor]) -> Strategy:
    """Levels of a batch spread evenly over their law: less variance of the loss at the same mean."""

    def on_batch(batch: Batch, seed: int, step: int) -> Batch:
        count = len(batch.sigma)
        first = torch.rand((), generator=generator(seed, step, _LEVELS), dtype=torch.float64)
        uniform = (first + torch.arange(count, dtype=torch.float64) / count) % 1
        return replace(batch, sigma=law(uniform).to(batch.sigma))

    return Strategy(on_batch=on_batch)


def condition_dropout(share: float) -> Strategy:
    """Zeros in place of the condition for a share of the images, so that the network learns to do without."""

    def on_batch(batch: Batch, seed: int, step: int) -> Batch:
        if batch.condition is None:
            return batch
        kept = torch.rand(len(batch.sigma), generator=generator(seed, step, _DROPS)) >= share
        rows = kept.to(batch.condition).reshape(-1, *[1] * (batch.condition.ndim - 1))
        return replace(batch, condition=batch.condition * rows)

    return Strategy(on_batch=on_batch)


def min_snr(gamma: float, sigma_data: float) -> Strategy:
    """Less weight for the low levels, where the plain error of the network asks for detail that is noise."""

    def weight(sigma: Tensor) -> Tensor:
        snr = (sigma_data / sigma) ** 2
        return snr.clamp(max=gamma) / (snr + 1)

    return Strategy(weight=weight)
