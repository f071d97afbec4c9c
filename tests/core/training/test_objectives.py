"""The denoising loss against theory, and the law of its noise levels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.process.kernels import EDM
from medidiff.core.training.objectives import Denoising, NoiseLevels, white_loss
from medidiff.core.training.randomness import generator

KERNEL = EDM(sigma_min=0.01, sigma_max=4.0)
NET = {"kind": "unet", "channels": [4], "blocks": [1]}


class Constant(nn.Module):
    """F = c."""

    def __init__(self, c: float) -> None:
        super().__init__()
        self.c = nn.Parameter(torch.tensor(c))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.c.expand_as(x)


@pytest.mark.parametrize("c", [0.0, 0.7])
def test_the_loss_of_a_known_denoiser_is_known(c: float) -> None:
    """Data N(m, sd^2): F = 0 is exact, its weighted error has unit variance at every level; c adds c^2.

    128 x 256 pixels, a mean of squares of unit normals: standard error 0.008; five of them.
    """
    clean = 0.3 + 1.6 * torch.randn(128, 1, 16, 16, generator=generator(0, 0))
    denoiser = NetDenoiser(Constant(c), KERNEL, 1.6, 0.3)
    loss = white_loss(denoiser, clean, NoiseLevels(uniform_share=0.5), generator(1, 0))
    assert loss.item() == pytest.approx(1 + c**2, abs=0.05)


def test_levels_follow_their_law() -> None:
    """Shares of levels below a few sigmas, against the mixture's closed form.

    4000 draws: standard error below 0.008, so 0.035 is more than four; both ends are reached, none passed.
    """
    levels = NoiseLevels(median=0.1, log_sd=1.0, uniform_share=0.3)
    drawn = levels.draw(4000, KERNEL, generator(0, 0))
    assert drawn.dtype == torch.float32
    assert drawn.min().item() == pytest.approx(0.01, rel=1e-5)
    assert drawn.max().item() <= 4.0 * (1 + 1e-6)
    assert drawn.max().item() > 3.5
    for sigma in (0.02, 0.1, 0.5, 2.0):
        normal = 0.5 * (1 + math.erf((math.log(sigma / 0.1)) / math.sqrt(2)))
        even = math.log(sigma / 0.01) / math.log(400)
        assert float((drawn < sigma).float().mean()) == pytest.approx(0.7 * normal + 0.3 * even, abs=0.035)


def test_a_step_draws_the_same_again_and_another_does_not() -> None:
    denoiser = NetDenoiser(build_network(NET), KERNEL, 1.0)
    objective = Denoising(lambda step: torch.ones(2, 1, 8, 8), NoiseLevels(), seed=4)
    first, again, other = (objective.loss(denoiser, step).item() for step in (5, 5, 6))
    assert first == again != other
    assert Denoising(objective.batches, objective.levels, seed=5).loss(denoiser, 5).item() != first
    assert objective.state() == {}


def test_levels_and_noise_of_a_step_do_not_share_numbers() -> None:
    """The loss of noise alone, weighted, does not depend on which level was drawn: levels are independent.

    With F = 0 and data 0 the estimate is c_skip sigma n; its square over (c_skip sigma)^2 is n^2.
    """
    levels = NoiseLevels(median=0.3, log_sd=1.0, uniform_share=0)
    rng = generator(2, 0)
    sigma = levels.draw(4000, KERNEL, rng)
    noise = torch.randn(4000, generator=rng)
    correlation = torch.corrcoef(torch.stack([sigma.log(), noise]))[0, 1]
    assert abs(correlation.item()) < 5 / math.sqrt(4000)
