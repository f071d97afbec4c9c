"""The mixture against its definition, and what samplers make of two modes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers import Context, GaussianOracle, MixtureOracle
from medidiff.core.process import (
    DDIM,
    EDM,
    Churn,
    Heun,
    Kernel,
    Multistep,
    NoiseStreams,
    ResShift,
    Sampler,
    logsnr_grid,
    sample,
)
from medidiff.errors import InputError

_Y = torch.tensor([[[0.3, -0.2]]], dtype=torch.float64)


class Whole:
    """White noise for all rows at once: a generator a row, as elsewhere, is slow for thousands of them."""

    def draw(self, shape: Sequence[int], streams: NoiseStreams, purpose: str, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(1000 * step + len(purpose))
        return torch.randn(tuple(shape), generator=generator)


_CONTEXT = Context(NoiseStreams(4), noise=Whole(), y=_Y)


def mixture(kernel: Kernel) -> MixtureOracle:
    """Two modes of sd 0.3 at -1 and 1 in both of two voxels, nine sd apart, with shares 0.3 and 0.7."""
    parts = tuple(
        GaussianOracle(kernel, torch.full((1, 1, 2), m).double(), torch.full((2,), 0.09, dtype=torch.float64))
        for m in (-1.0, 1.0)
    )
    return MixtureOracle(parts, (0.3, 0.7))


@pytest.mark.parametrize("kernel", [EDM(), ResShift()])
def test_estimate_is_the_mean_of_the_weighted_truth(kernel: Kernel) -> None:
    """Bayes by sums over a fine grid of x0, without Gaussian algebra."""
    one, t = mixture(kernel), kernel.at_sigma(0.8)
    a, b, s = kernel.coeffs(t)
    x = torch.tensor([[[0.2, 0.1]], [[-0.3, 0.4]]], dtype=torch.float64)
    u = torch.linspace(-4, 4, 401, dtype=torch.float64)
    first, second = torch.meshgrid(u, u, indexing="ij")
    law = sum(
        share * torch.exp(-((first - m) ** 2 + (second - m) ** 2) / 0.18)
        for share, m in zip(one.shares, (-1.0, 1.0), strict=True)
    )
    for row, found in zip(x, one.denoise(x, t, _CONTEXT).x0, strict=True):
        gap = row[0] - b * _Y[0, 0]
        weight = law * torch.exp(-((gap[0] - a * first) ** 2 + (gap[1] - a * second) ** 2) / (2 * s**2))
        expected = torch.stack([(weight * v).sum() / weight.sum() for v in (first, second)])
        torch.testing.assert_close(found[0], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kernel", [EDM(), ResShift()])
@pytest.mark.parametrize(
    "sampler",
    [DDIM(), DDIM(1.0), Multistep(), Multistep(1.0), Heun(), Churn()],
    ids=["ddim", "ancestral", "2m", "2m-sde", "heun", "heun-churn"],
)
def test_samplers_keep_both_modes_and_their_shares(kernel: Kernel, sampler: Sampler) -> None:
    """2000 chains, 60 levels: the share within 4 standard errors, and 0.02 for the step; the modes' means.

    Not the predictor-corrector: its step size comes from the norm of an image, and two voxels have none.
    """
    count, one, grid = 2000, mixture(kernel), logsnr_grid(kernel, 60)
    generator = torch.Generator().manual_seed(2**20)
    n = torch.randn(count, 1, 2, generator=generator, dtype=torch.float64)
    start = kernel.start(n, mean=0.4, var=0.93, y=_Y)
    out = sample(one, kernel, sampler, grid, start=start, context=_CONTEXT)
    upper = out.sum((1, 2)) > 0
    assert abs(float(upper.double().mean()) - 0.7) < 4 * math.sqrt(0.21 / count) + 0.02
    for mask, mean in ((upper, 1.0), (~upper, -1.0)):
        assert float(out[mask].mean()) == pytest.approx(mean, abs=0.05)


def test_shares_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(InputError):
        MixtureOracle(mixture(EDM()).parts, (0.3, 0.3))
    with pytest.raises(InputError):
        MixtureOracle(mixture(EDM()).parts, (1.0,))
