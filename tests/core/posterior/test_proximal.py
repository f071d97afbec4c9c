"""The data step against dense solutions, its limits, and total variation down z by ADMM."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers import Context, Estimate, GaussianOracle
from medidiff.core.linear import CGInfo, Dense, Identity, ZDifference
from medidiff.core.posterior import ProximalData, ZTotalVariation
from medidiff.core.process import EDM, NoiseStreams, Renoise, karras_grid, sample
from medidiff.errors import InputError

_CONTEXT = Context(NoiseStreams(0))
_T = torch.tensor(0.5, dtype=torch.float64)
_GENERATOR = torch.Generator().manual_seed(0)
_M = torch.randn(7, 12, generator=_GENERATOR, dtype=torch.float64)
_A = Dense(_M, (1, 3, 4), (1, 7))
_Y = torch.randn(2, 1, 7, generator=_GENERATOR, dtype=torch.float64)
_X = torch.randn(2, 1, 3, 4, generator=_GENERATOR, dtype=torch.float64)
_W = torch.rand(1, 1, 7, generator=_GENERATOR, dtype=torch.float64) + 0.5


class Same:
    """A denoiser that returns the state, and something in the carry."""

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        return Estimate(x, x, {"inner": 5})


def solve(**options) -> Estimate:
    settings = {"weights": _W, "error": lambda t: 0.7, "max_iterations": 50, "tol": 1e-12} | options
    return ProximalData(Same(), _A, _Y, **settings).denoise(_X, _T, _CONTEXT)


@pytest.mark.parametrize("weights", [_W, 3.0])
@pytest.mark.parametrize("diagonal", [None, (_M**2 * _W.flatten()[:, None]).sum(0).reshape(1, 3, 4)])
def test_z_is_the_minimiser(weights: Tensor | float, diagonal: Tensor | None) -> None:
    """(M^T W M + g I) z = M^T W y + g x0, solved densely; a preconditioner changes only the path."""
    g = 1 / 0.7**2
    W = (weights if isinstance(weights, Tensor) else torch.full((7,), weights).double()).flatten()
    system = _M.mT @ (W[:, None] * _M) + g * torch.eye(12)
    b = (_Y.flatten(1) * W) @ _M + g * _X.flatten(1)
    estimate = solve(weights=weights, diagonal=diagonal)
    torch.testing.assert_close(estimate.x0.flatten(1), torch.linalg.solve(system, b.mT).mT)
    assert torch.equal(estimate.prior, _X)
    assert estimate.carry == {"inner": 5}


def test_one_measurement_serves_all_samples() -> None:
    """A y of one row is broadcast to the rows of the state."""
    one = ProximalData(Same(), _A, _Y[:1], _W, lambda t: 0.7).denoise(_X, _T, _CONTEXT)
    both = ProximalData(Same(), _A, _Y[:1].expand(2, 1, 7), _W, lambda t: 0.7).denoise(_X, _T, _CONTEXT)
    assert torch.equal(one.x0, both.x0)


def test_trust_in_the_denoiser_decides() -> None:
    """r_eff to 0 keeps x0; r_eff large fits the data."""
    assert (solve(error=lambda t: 1e-6).x0 - _X).abs().max() < 1e-9
    assert (_A(solve(error=lambda t: 1e4).x0) - _Y).abs().max() < 1e-6


def test_without_r_eff_the_steps_are_those_of_the_normal_equations() -> None:
    """One step from x0 is steepest descent on |W^(1/2)(A z - y)|^2 / 2 with exact line search."""
    r = (((_Y - _A(_X)) * _W).flatten(1)) @ _M
    q = ((r @ _M.mT) * _W.flatten()) @ _M
    step = (r * r).sum(1, keepdim=True) / (r * q).sum(1, keepdim=True)
    torch.testing.assert_close(solve(error=None, max_iterations=1).x0.flatten(1), _X.flatten(1) + step * r)


def test_lower_bound() -> None:
    free = solve()
    assert free.x0.min() < -0.5
    torch.testing.assert_close(solve(lower=-0.5).x0, free.x0.clamp_min(-0.5))


def test_solves_are_reported() -> None:
    heard: list[CGInfo] = []
    solve(watch=lambda t, info: heard.append(info), max_iterations=3, tol=1e-9)
    assert heard[0].iterations == 3


@pytest.mark.parametrize("weights", [-1.0, math.nan, torch.tensor([1.0, math.inf])])
def test_weights_that_are_no_inverse_variances_are_refused(weights: float | Tensor) -> None:
    with pytest.raises(InputError):
        ProximalData(Same(), _A, _Y, weights)


def test_an_error_table_that_gives_no_positive_number_is_refused() -> None:
    for value in (0.0, -1.0, math.nan):
        with pytest.raises(InputError):
            solve(error=lambda t, value=value: value)


def volume_problem(weight: float, factor: float = 2.0) -> tuple[ProximalData, Tensor]:
    """Denoising of a column of six slices: A = I, W = 4, g = 1, differences over uneven gaps."""
    y = torch.tensor([0.0, 0.1, -0.1, 1.0, 1.1, 0.9], dtype=torch.float64).reshape(1, 1, 6, 1, 1)
    D = ZDifference(6, (1.0, 2.0, 1.0, 0.5, 1.0), torch.float64)
    coupling = ZTotalVariation(D, weight, factor)
    shape = (1, 6, 1, 1)
    return ProximalData(
        Same(), Identity(shape, torch.float64), y, 4.0, lambda t: 1.0, 50, 1e-12, coupling=coupling
    ), y


def repeated(problem: ProximalData, x: Tensor, levels: int) -> Tensor:
    """The data step at the same x0 over and over, with its carry."""
    context = _CONTEXT
    estimate = problem.denoise(x, _T, context)
    for _ in range(levels):
        context = context.keeping(estimate.carry)
        estimate = problem.denoise(x, _T, context)
    return estimate.x0


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_z_total_variation_converges_to_the_optimum(factor: float) -> None:
    """Optimality: 4 (z - y) + (z - x0) + D^T w = 0 with w = mu sign(D z), |w| <= mu where D z = 0."""
    mu = 0.8
    problem, y = volume_problem(mu, factor)
    assert problem.coupling is not None
    D, x0 = problem.coupling.difference, torch.zeros_like(y)
    z = repeated(problem, x0, 600)
    gradient = (4 * (z - y) + (z - x0)).flatten()
    gaps = torch.tensor([1.0, 2.0, 1.0, 0.5, 1.0], dtype=torch.float64)
    w = gradient.cumsum(0)[:-1] * gaps  # D^T w = -gradient, summed from the first slice
    assert abs(float(gradient.sum())) < 1e-8
    assert (w.abs() <= mu + 1e-6).all()
    moving = D(z).flatten().abs() > 1e-6
    assert 0 < moving.sum() < 5
    torch.testing.assert_close(w[moving], mu * D(z).flatten().sign()[moving], rtol=0, atol=1e-6)


def test_coupling_of_weight_zero_ends_at_the_uncoupled_image() -> None:
    """(4 y + x0) / 5 with x0 = 0; the split variable only delays it."""
    problem, y = volume_problem(0.0)
    torch.testing.assert_close(repeated(problem, torch.zeros_like(y), 80), 0.8 * y)


def test_first_level_is_coupled_already() -> None:
    """Before any carry exists, the dual is the subgradient at x0: roughness falls at once."""
    (rough, y), (smooth, _) = volume_problem(0.0), volume_problem(0.3)
    D = ZDifference(6, 1.0)
    one, other = (p.denoise(y, _T, _CONTEXT).x0 for p in (rough, smooth))
    assert D(other).abs().sum() < 0.95 * D(one).abs().sum()


def test_total_variation_settings_are_checked() -> None:
    for weight, factor in ((-1.0, 1.0), (1.0, 0.0), (math.nan, 1.0)):
        with pytest.raises(InputError):
            ZTotalVariation(ZDifference(3), weight, factor)


def views(size: int, count: int) -> Tensor:
    """A small tomograph: pixels (size, size) split linearly onto bins of one pixel, `count` directions."""
    centre = (size - 1) / 2
    yy, xx = torch.meshgrid(*[torch.arange(size, dtype=torch.float64) - centre] * 2, indexing="ij")
    bins = 2 * size
    out = torch.zeros(count, bins, size * size, dtype=torch.float64)
    for k in range(count):
        angle = math.pi * k / count
        u = (xx * math.cos(angle) + yy * math.sin(angle)).flatten() + size
        low = u.floor().long()
        out[k, low, torch.arange(size * size)] += 1 - (u - low)
        out[k, low + 1, torch.arange(size * size)] += u - low
    rows = out.reshape(-1, size * size)
    return rows[rows.abs().sum(1) > 0]


def toy(size: int = 16) -> tuple[GaussianOracle, GaussianOracle, Dense, Tensor]:
    """Prior exp(-distance / 3 px), six views, noise 0.3: prior, exact posterior, operator, measurements."""
    M = views(size, 6)
    A = Dense(M, (1, size, size), (1, len(M)))
    yy, xx = torch.meshgrid(*[torch.arange(size, dtype=torch.float64)] * 2, indexing="ij")
    points = torch.stack([yy.flatten(), xx.flatten()], 1)
    mean = torch.zeros(1, 1, size, size, dtype=torch.float64)
    prior = GaussianOracle.from_covariance(EDM(), mean, torch.exp(-torch.cdist(points, points) / 3))
    truth = prior.draw(8, NoiseStreams(1))
    y = A(truth)
    y = y + 0.3 * torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return prior, prior.posterior(A, y, 0.3), A, y


def test_plug_and_play_is_nearly_the_posterior_mean() -> None:
    """With kappa 0, 15 levels, r_eff the exact denoising error: 8 truths, mean error below 0.15 posterior sd.

    Seen 0.05; a published toy of this kind gives 0.05 to 0.08. A data step with the sign of the residual or
    the weights wrong is above 1.
    """
    prior, posterior, A, y = toy()
    sd = (posterior.variances.mean()).sqrt()
    kernel = EDM()

    def error(t: Tensor) -> float:
        sigma = float(kernel.sigma(t))
        return float((prior.variances * sigma**2 / (prior.variances + sigma**2)).mean().sqrt())

    denoiser = ProximalData(prior, A, y, 1 / 0.3**2, error, max_iterations=30, tol=1e-6)
    grid = karras_grid(kernel, 15, sigma_max=2.0, sigma_min=0.1)
    image = sample(
        denoiser,
        kernel,
        Renoise(),
        grid,
        start=torch.zeros_like(prior.mean).expand(8, -1, -1, -1),
        context=_CONTEXT,
    )
    assert ((image - posterior.mean).square().mean().sqrt() / sd) < 0.15
