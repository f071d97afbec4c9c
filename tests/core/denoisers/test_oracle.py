"""The oracle against Gaussian algebra done another way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers import Context, GaussianOracle
from medidiff.core.linear import Dense
from medidiff.core.process import (
    DDIM,
    EDM,
    VP,
    Heun,
    Interpolant,
    Kernel,
    Multistep,
    NoiseStreams,
    Renoise,
    logsnr_grid,
    sample,
)

_CONTEXT = Context(NoiseStreams(0))


def covariance(d: int) -> Tensor:
    n = torch.arange(d, dtype=torch.float64)
    return 0.5 * torch.exp(-(n[:, None] - n).abs() / 3)


def oracle(kernel: Kernel, d: int = 12) -> GaussianOracle:
    mean = torch.linspace(-1, 2, d, dtype=torch.float64).reshape(1, 1, 3, -1)
    return GaussianOracle.from_covariance(kernel, mean, covariance(d))


@pytest.mark.parametrize("kernel", [EDM(), VP()])
def test_estimate_is_the_conditional_mean(kernel: Kernel) -> None:
    """Solve the joint Gaussian of (x0, x_t) densely, without eigenpairs."""
    one, t = oracle(kernel), kernel.at_sigma(0.7)
    a, _, s = kernel.coeffs(t)
    x = torch.randn(2, 1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    C, m = covariance(12), one.mean.flatten()
    gain = a * C @ torch.linalg.inv(a**2 * C + s**2 * torch.eye(12))
    expected = m + (x.flatten(1) - a * m) @ gain.mT
    torch.testing.assert_close(one.denoise(x, t, _CONTEXT).x0.flatten(1), expected)


def test_jacobian_is_the_derivative() -> None:
    one, t = oracle(VP()), VP().at_sigma(0.7)
    x, v = torch.randn(2, 1, 1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ahead, behind = (one.denoise(x + e * v, t, _CONTEXT).x0 for e in (1e-3, -1e-3))
    torch.testing.assert_close(one.jacobian(v, t), (ahead - behind) / 2e-3, rtol=1e-8, atol=1e-10)


def test_posterior_is_the_precision_form() -> None:
    """Covariance (C^-1 + A'A/s^2)^-1 and mean by the normal equations; one mean a row of y."""
    generator = torch.Generator().manual_seed(1)
    A = torch.randn(5, 12, generator=generator, dtype=torch.float64)
    y = torch.randn(2, 1, 5, generator=generator, dtype=torch.float64)
    one = oracle(EDM())
    posterior = one.posterior(Dense(A, (1, 3, 4), (1, 5)), y, 0.3)
    C = torch.linalg.inv(torch.linalg.inv(covariance(12)) + A.mT @ A / 0.09)
    m = one.mean.flatten()
    expected = m + (y.flatten(1) - A @ m) @ (C @ A.mT / 0.09).mT
    torch.testing.assert_close(posterior.covariance, C, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(posterior.mean.flatten(1), expected, rtol=1e-9, atol=1e-12)


def test_draws_have_the_covariance() -> None:
    """20 000 draws: each entry within 4.5 standard errors (144 entries)."""
    count = 20_000
    draws = oracle(EDM()).draw(count, NoiseStreams(3)).flatten(1)
    C = covariance(12)
    error = (torch.cov(draws.mT) - C).abs() / ((C**2 + C.diag()[:, None] * C.diag()) / count).sqrt()
    assert error.max() < 4.5
    assert ((draws.mean(0) - oracle(EDM()).mean.flatten()).abs() / (0.5 / count) ** 0.5).max() < 4


@pytest.mark.parametrize("sampler", [DDIM(0.0), DDIM(0.6), Heun(), Renoise(1.0, 0.85)])
def test_moments_are_those_of_the_runs_they_describe(sampler: DDIM | Heun | Renoise) -> None:
    """Mean and response to the start from runs without noise; the rest of the variance is the noise's."""
    kernel = EDM()
    grid = logsnr_grid(kernel, 9, sigma_max=5.0, sigma_min=0.05)
    mode = GaussianOracle(kernel, torch.full((1, 1, 1), 0.3).double(), torch.tensor([0.25]).double())
    context = Context(NoiseStreams(0), noise=Silent())
    starts = torch.tensor([2.0, 3.0], dtype=torch.float64).reshape(2, 1, 1)
    low, high = sample(mode, kernel, sampler, grid, start=starts, context=context).flatten().tolist()
    moments = mode.moments(sampler, grid, start_mean=2.0, start_variance=9.0)
    noise = float(moments.variance) - (high - low) ** 2 * 9.0
    assert float(moments.mean) == pytest.approx(low)
    if isinstance(sampler, Heun) or sampler.eta == 0:
        assert abs(noise) < 1e-12
    else:
        assert noise > 1e-4


def test_moments_know_the_known_image() -> None:
    """Kernel with b, voxels that hang together: the mean is that of a run without noise from the start's."""
    kernel = Interpolant()
    one, grid = oracle(kernel), logsnr_grid(kernel, 6)
    y = torch.randn(1, 1, 3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    a, b, _ = kernel.coeffs(grid[0])
    context = Context(NoiseStreams(0), noise=Silent(), y=y)
    start = a * one.mean + b * y + 0.5  # so that the mean is not found again whatever y
    ended = sample(one, kernel, Multistep(1.0), grid, start=start, context=context)
    moments = one.moments(
        Multistep(1.0), grid, start_mean=start.flatten() @ one.basis, start_variance=1.0, y=y
    )
    torch.testing.assert_close(moments.mean, (ended.flatten(1) @ one.basis)[0])
    exact = one.moments(Multistep(1.0), grid, y=y)
    assert exact.mean_error < 1e-10


def test_output_is_the_law_of_an_exact_estimate() -> None:
    """D(x_t) of x_t ~ N(a m, a^2 C + s^2): covariance J (a^2 C + s^2) J'."""
    one, t = oracle(VP()), VP().at_sigma(0.3)
    a, _, s = VP().coeffs(t)
    J = one.jacobian(torch.eye(12, dtype=torch.float64).reshape(12, 1, 3, 4), t).flatten(1)
    dense = J @ (a**2 * covariance(12) + s**2 * torch.eye(12)) @ J.mT
    assert one.basis is not None
    torch.testing.assert_close(one.output(t).variance, (one.basis.mT @ dense @ one.basis).diagonal())


class Silent:
    """A noise law that is 0."""

    def draw(self, shape, streams, purpose, step) -> Tensor:
        return torch.zeros(tuple(shape))


def test_exact_start_keeps_the_mean() -> None:
    """With the exact mean at the start every affine sampler returns it, to rounding."""
    assert oracle(EDM()).moments(DDIM(1.0), logsnr_grid(EDM(), 12)).mean_error < 1e-10
