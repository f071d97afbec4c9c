"""What every denoiser, wrapper and posterior method must do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from medidiff.core.contracts import Entry, Example
from medidiff.core.denoisers import Context, Denoiser, Estimate, GaussianOracle
from medidiff.core.linear import Dense
from medidiff.core.process import EDM, Kernel, NoiseStreams, logsnr_grid


def state(kernel: Kernel, t: Tensor, shape: tuple[int, ...], rows: int = 3) -> Tensor:
    """Noise around zero at the level t, float32."""
    x0, n = torch.randn(2, rows, *shape, generator=torch.Generator().manual_seed(0))
    return kernel.perturb(x0, t, n=n)


@pytest.fixture
def example(denoiser_entry: Entry) -> Example:
    return denoiser_entry.make()


def test_estimates_have_the_shape_of_the_state_and_are_finite(example: Example) -> None:
    """At nine levels over the whole range of the kernel; x0 and prior are one tensor."""
    for t in logsnr_grid(example.kernel, 9):
        x = state(example.kernel, t, example.shape)
        estimate = example.denoiser.denoise(x, t, Context(NoiseStreams(0)))
        assert estimate.x0.shape == x.shape
        assert estimate.x0.dtype == x.dtype
        assert torch.isfinite(estimate.x0).all()
        assert estimate.prior is estimate.x0


def test_a_batch_is_its_rows(example: Example) -> None:
    """Three rows at once equal each alone to 1e-4, the rounding of a float32 network."""
    t = example.kernel.at_sigma(0.3)
    x = state(example.kernel, t, example.shape)
    context = Context(NoiseStreams(0))
    alone = [example.denoiser.denoise(row[None], t, context).x0 for row in x]
    torch.testing.assert_close(
        example.denoiser.denoise(x, t, context).x0, torch.cat(alone), rtol=0, atol=1e-4
    )


def test_little_noise_is_left_alone(example: Example) -> None:
    """D(x, t) approaches x / a as the noise goes: within 10 noise standard deviations."""
    t = torch.tensor(example.kernel.t_min, dtype=torch.float64)
    a, _, s = example.kernel.coeffs(t)
    x = state(example.kernel, t, example.shape)
    gap = example.denoiser.denoise(x, t, Context(NoiseStreams(0))).x0 - x / a
    assert gap.square().mean().sqrt() < 10 * s / a


class Shrinking:
    """Voxel by voxel, x / (1 + sigma^2) + y / 2: the same in any plane, mirror or chunk."""

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        x0 = x / float(1 + EDM().sigma(t) ** 2)
        x0 = x0 if context.y is None else x0 + context.y / 2
        return Estimate(x0, x0)


@pytest.mark.parametrize("with_y", [False, True])
def test_wrapper_leaves_a_voxelwise_denoiser_as_it_is(wrapper_entry: Entry, with_y: bool) -> None:
    """Bit-equal on odd, unequal sizes; shape, dtype and memory layout kept."""
    x = torch.randn(2, 2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    context = Context(NoiseStreams(0), y=x.flip(2) if with_y else None)
    t = torch.tensor(0.5, dtype=torch.float64)
    wrapped: Denoiser = wrapper_entry.make(Shrinking())
    estimate = wrapped.denoise(x, t, context)
    assert torch.equal(estimate.x0, Shrinking().denoise(x, t, context).x0)
    assert estimate.prior is estimate.x0


def test_wrapper_hands_the_carry_on(wrapper_entry: Entry) -> None:
    """What an outer wrapper keeps in the carry survives the inner ones."""
    context = Context(NoiseStreams(0), carry={"outer": 1})
    wrapped: Denoiser = wrapper_entry.make(Shrinking())
    estimate = wrapped.denoise(torch.zeros(1, 2, 2, 3, 4), torch.tensor(0.5), context)
    assert {**context.carry, **estimate.carry}["outer"] == 1


def problem(rows: int = 3) -> tuple[GaussianOracle, Dense, Tensor]:
    """A Gaussian prior on 12 voxels and 7 mixed measurements of each row."""
    generator = torch.Generator().manual_seed(4)
    n = torch.arange(12, dtype=torch.float64)
    prior = GaussianOracle.from_covariance(
        EDM(), torch.zeros(1, 1, 3, 4).double(), torch.exp(-(n[:, None] - n).abs() / 3)
    )
    A = Dense(torch.randn(7, 12, generator=generator, dtype=torch.float64), (1, 3, 4), (1, 7))
    truth = prior.draw(rows, NoiseStreams(2))
    return prior, A, A(truth) + 0.1 * torch.randn(rows, 1, 7, generator=generator, dtype=torch.float64)


def test_posterior_without_information_is_the_prior(posterior_entry: Entry) -> None:
    """sigma_y = 1e6: the correction vanishes."""
    prior, A, y = problem()
    x, t, context = torch.randn(3, 1, 3, 4).double(), EDM().at_sigma(0.4), Context(NoiseStreams(0))
    estimate = posterior_entry.make(prior, A, y, 1e6).denoise(x, t, context)
    torch.testing.assert_close(estimate.x0, prior.denoise(x, t, context).x0, rtol=0, atol=1e-8)


def test_posterior_fits_the_data_and_keeps_the_prior_estimate(posterior_entry: Entry) -> None:
    """The residual shrinks in each row; `prior` is still the inner estimate."""
    prior, A, y = problem()
    x, t, context = torch.randn(3, 1, 3, 4).double(), EDM().at_sigma(0.4), Context(NoiseStreams(0))
    before = prior.denoise(x, t, context).x0
    estimate = posterior_entry.make(prior, A, y, 0.1).denoise(x, t, context)
    assert torch.equal(estimate.prior, before)
    assert ((A(estimate.x0) - y).flatten(1).norm(dim=1) < 0.5 * (A(before) - y).flatten(1).norm(dim=1)).all()


def test_posterior_rows_do_not_know_of_each_other(posterior_entry: Entry) -> None:
    """One row's measurement a thousand times larger leaves the others as they are alone."""
    prior, A, y = problem()
    y[2] *= 1000
    x, t, context = torch.randn(3, 1, 3, 4).double(), EDM().at_sigma(0.4), Context(NoiseStreams(0))
    together = posterior_entry.make(prior, A, y, 0.1).denoise(x, t, context).x0
    for k in range(3):
        alone = posterior_entry.make(prior, A, y[k : k + 1], 0.1).denoise(x[k : k + 1], t, context).x0
        torch.testing.assert_close(together[k : k + 1], alone, rtol=1e-9, atol=1e-9)
