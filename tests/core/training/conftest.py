"""A training that takes milliseconds, with an objective that carries state from step to step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers.network import NetDenoiser
from medidiff.core.training.objectives import Denoising, NoiseLevels
from medidiff.core.training.randomness import generator
from medidiff.core.training.settings import TrainSettings


def images(step: int) -> Tensor:
    """Four images of two halves each, brighter or darker: something to learn."""
    rng = generator(7, step)
    edge = torch.where(torch.arange(8) < 4, 1.0, -1.0).expand(4, 1, 8, 8)
    return edge * torch.randint(0, 2, (4, 1, 1, 1), generator=rng).mul(2).sub(1)


class Remembering:
    """Denoising plus a pull on the weights that grows with the number of steps it has seen."""

    def __init__(self, hook: Callable[[int, NetDenoiser], None] | None = None) -> None:
        self.inner, self.seen, self.hook = Denoising(images, NoiseLevels(median=0.5), 3), torch.zeros(2), hook

    def loss(self, denoiser: NetDenoiser, step: int) -> Tensor:
        self.seen = self.seen + torch.tensor([1.0, step])
        if self.hook is not None:
            self.hook(step, denoiser)
        pull = sum((w**2).sum() for w in denoiser.net.parameters())
        return self.inner.loss(denoiser, step) + 1e-3 * self.seen[0] * pull

    def state(self) -> dict[str, Tensor]:
        return {"seen": self.seen}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.seen = state["seen"]


@pytest.fixture
def remembering() -> type[Remembering]:
    return Remembering


@pytest.fixture
def settings() -> Callable[..., TrainSettings]:
    """`settings(**changes)`: a small network on 8 x 8 pixels; optimiser options may be given by name."""

    def make(**changes: Any) -> TrainSettings:
        optimiser = {"rate": 3e-3, "warm_up_steps": 2, "ema": 0.9, **changes.pop("optimiser", {})}
        network = {"kind": "unet", "channels": [12, 16], "blocks": [1, 1]}
        values = {
            "name": "tiny",
            "task": "none",
            "network": network,
            "sigma_data": 1.0,
            "steps": 10,
            "batch": 4,
        }
        return TrainSettings.model_validate({**values, "optimiser": optimiser, **changes})

    return make
