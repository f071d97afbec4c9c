"""What every sampler must do on every kernel, by the Gaussian oracle: moments, order, count, invariance."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from medidiff.core.contracts import Entry
from medidiff.core.denoisers import Context, Estimate, GaussianOracle, Moments
from medidiff.core.process import EDM, Kernel, NoiseStreams, ResShift, Sampler, logsnr_grid, sample

_SD = torch.tensor([1.0, 0.5, 0.2, 0.1, 0.05, 0.02], dtype=torch.float64)
_MEAN = torch.tensor([0.3, -0.2, 0.1, 0.0, 1.0, 0.5], dtype=torch.float64)
_Y = torch.tensor([[[0.1, 0.4, -0.3, 0.2, 0.7, -0.5]]], dtype=torch.float64)  # for kernels with b


def oracle(kernel: Kernel, copies: int = 1) -> GaussianOracle:
    """Six independent modes of standard deviation 1 to 0.02, side by side `copies` times."""
    return GaussianOracle(kernel, _MEAN.repeat(copies)[None, None], (_SD**2).repeat(copies))


def intervals(kernel: Kernel, count: int) -> Tensor:
    """`count` steps from h = -4 to 3, or as far as the kernel reaches."""
    high, low = (
        float(kernel.sigma(torch.tensor(t, dtype=torch.float64))) for t in (kernel.t_max, kernel.t_min)
    )
    return logsnr_grid(
        kernel, count + 1, sigma_max=min(np.exp(4), high * 0.999), sigma_min=max(np.exp(-3), low * 1.001)
    )


@pytest.fixture
def sampler(sampler_entry: Entry) -> Sampler:
    return sampler_entry.make()


@pytest.fixture
def kernel(kernel_entry: Entry) -> Kernel:
    return kernel_entry.make()


@pytest.mark.fact("sampler", "covariance")
def test_moments_at_60_evaluations(sampler_entry: Entry, kernel: Kernel) -> None:
    """Mean within 0.02 sd, covariance within the entry's bound; the start has one variance for all modes."""
    sampler = sampler_entry.make()
    grid = logsnr_grid(kernel, 59 // sampler.evaluations + 1)
    a, _, s = kernel.coeffs(grid[0])
    start = float(a**2 * (_SD**2).mean() + s**2)
    moments = oracle(kernel).moments(sampler, grid, start_variance=start, y=_Y)
    assert moments.mean_error < 0.02
    assert moments.covariance_error < sampler_entry.facts["covariance"]


@pytest.mark.fact("sampler", "order")
def test_order_of_convergence(sampler_entry: Entry, kernel: Kernel) -> None:
    """Slope of log error on log step, 24 to 96 intervals, within 0.1 of the order."""
    sampler, steps = sampler_entry.make(), [24, 96]
    grids = [intervals(kernel, n) for n in steps]
    errors = [
        oracle(kernel).moments(sampler, g, y=_Y).wasserstein(oracle(kernel).output(g[-1])) for g in grids
    ]
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert -slope == pytest.approx(sampler_entry.facts["order"], abs=0.1)


class Standard(Kernel):
    """A kernel with the full-noise step that all share, where it has one of its own."""

    def __init__(self, inner: Kernel) -> None:
        self.inner, self.t_min, self.t_max = inner, inner.t_min, inner.t_max

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.inner.coeffs(t)


def test_numbers_do_not_depend_on_the_kernel(sampler: Sampler, kernel: Kernel) -> None:
    """Same log-SNR levels, same start in units of x0, same noise: the same image, to 1e-10.

    The start differs from y in units of x0 by the same n, so b y drops out as well.
    """
    reference = EDM(sigma_min=1e-3, sigma_max=4.0)
    sigma = reference.sigma(logsnr_grid(reference, 9, sigma_max=3.0, sigma_min=0.06))
    n = torch.randn(3, 1, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    images, context = [], Context(NoiseStreams(3), y=_Y)
    for one in (reference, Standard(kernel)):
        grid = one.at_sigma(sigma)
        start = one.perturb(_MEAN.expand(3, 1, 6), grid[0], n=n, y=_Y)
        images.append(sample(oracle(one), one, sampler, grid, start=start, context=context))
    torch.testing.assert_close(images[1], images[0], rtol=0, atol=1e-10)


@pytest.mark.fact("sampler", "voxelwise")
def test_levels_by_slice(sampler_entry: Entry, kernel: Kernel) -> None:
    """A time map steps each slice as alone, twice, and leaves the slice whose level does not change."""
    sampler, size = sampler_entry.make(), (1, 1, 3, 2, 2)
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(size, generator=generator, dtype=torch.float64) for _ in range(2))
    levels = torch.tensor([[3.0, 1.0, 0.5], [2.0, 2.0, 2.0], [1.0, 0.7, 0.1]], dtype=torch.float64)
    maps = [kernel.at_sigma(levels[:, k]).reshape(1, 1, 3, 1, 1) for k in range(3)]
    context = Context(NoiseStreams(0), noise=Ones(), y=y)

    def twice(times: list[Tensor]) -> Tensor:
        state, now = x, context
        for t, u in pairwise(times):
            state, carry = sampler.step(kernel, state, t, u, voxelwise(state, t, now), now, voxelwise)
            now = now.keeping(carry)
        return state

    def voxelwise(x: Tensor, t: Tensor, context: Context) -> Estimate:
        a, b, s = kernel.coeffs(t)
        x0 = a * (x - b * y) / (a**2 + s**2)
        return Estimate(x0, x0)

    together = twice(maps)
    torch.testing.assert_close(together[:, :, 1], x[:, :, 1], rtol=0, atol=1e-13)
    for z in (0, 2):
        alone = twice([t[0, 0, z, 0, 0] for t in maps])
        torch.testing.assert_close(together[:, :, z], alone[:, :, z])


class Ones:
    """A noise law that is 1."""

    def draw(self, shape: Sequence[int], streams: NoiseStreams, purpose: str, step: int) -> Tensor:
        return torch.ones(tuple(shape))


class Counting:
    """A denoiser that counts."""

    def __init__(self, inner: GaussianOracle) -> None:
        self.inner, self.calls = inner, 0

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        self.calls += 1
        return self.inner.denoise(x, t, context)


@pytest.mark.parametrize("levels", [1, 2, 7])
def test_evaluations_are_counted(sampler: Sampler, levels: int) -> None:
    """One for the last level and `evaluations` for each step before it."""
    kernel = EDM()
    denoiser, start = Counting(oracle(kernel)), torch.zeros(2, 1, 6)
    grid = logsnr_grid(kernel, levels)
    sample(denoiser, kernel, sampler, grid, start=start, context=Context(NoiseStreams(0)))
    assert denoiser.calls == (levels - 1) * sampler.evaluations + 1


def test_rows_do_not_know_of_each_other(sampler: Sampler) -> None:
    """Three samples at once are the three alone, each under its own name."""
    kernel = EDM()
    start = 80 * torch.randn(3, 1, 6, generator=torch.Generator().manual_seed(0))
    start[2] *= 100
    run = lambda x, s: sample(  # noqa: E731  one line of the same call
        oracle(kernel), kernel, sampler, logsnr_grid(kernel, 5), start=x, context=Context(s)
    )
    streams = NoiseStreams(1)
    together = run(start, streams)
    for k in range(3):
        torch.testing.assert_close(run(start[k : k + 1], streams.block(first_sample=k)), together[k : k + 1])


@pytest.mark.fact("sampler", "closed_form")
@pytest.mark.parametrize("kernel", [EDM(), ResShift()])
def test_chains_have_the_moments_of_the_closed_form(sampler_entry: Entry, kernel: Kernel) -> None:
    """16 384 float32 chains a mode: mean to 4/sqrt(n) sd and variance to 4 sqrt(2/n) of the closed form.

    A row holds 256 voxels of each mode, enough for a step size that is taken from norms.
    """
    sampler, copies = sampler_entry.make(), 256
    grid = logsnr_grid(kernel, 8)
    expected = oracle(kernel).moments(sampler, grid, y=_Y)
    assert max(chain_errors(oracle(kernel, copies), sampler, grid, expected)) <= 1


def chain_errors(
    denoiser: GaussianOracle, sampler: Sampler, grid: Tensor, expected: Moments, rows: int = 64
) -> tuple[float, float]:
    """The worst errors of mean and variance, in units of what chance allows (4 standard errors)."""
    size, copies = denoiser.mean.shape[-1], denoiser.mean.shape[-1] // len(_SD)
    context = Context(NoiseStreams(11), y=_Y.float().repeat(1, 1, copies))
    n = context.draw(torch.empty(rows, 1, size), "start")
    start = denoiser.kernel.start(n, mean=denoiser.mean.float(), var=denoiser.variances.float(), y=context.y)
    out = sample(denoiser, denoiser.kernel, sampler, grid, start=start, context=context)
    chains = out.reshape(-1, len(_SD)).double()
    count = len(chains)
    mean = (chains.mean(0) - expected.mean).abs() / expected.variance.sqrt() * count**0.5 / 4
    variance = (chains.var(0) / expected.variance - 1).abs() * (count / 2) ** 0.5 / 4
    return float(mean.max()), float(variance.max())
