"""Facts of single kernels; what all share is in the contract."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from medidiff.core.denoisers import GaussianOracle
from medidiff.core.process import (
    DDIM,
    EDM,
    RDDM,
    VP,
    Cosine,
    DiscreteVP,
    Interpolant,
    Kernel,
    MeanReverting,
    Multistep,
    NoiseStreams,
    RectifiedFlow,
    ResShift,
    logsnr_grid,
)
from medidiff.errors import InputError


def test_vp_at_known_times() -> None:
    """By hand: log a(1) = -(19.9/4 + 0.05) = -5.025; s(1)^2 = 1 - exp(-10.05)."""
    a, b, s = VP().coeffs(torch.tensor([0.0, 1.0]))
    assert a.tolist() == pytest.approx([1.0, math.exp(-5.025)], rel=1e-12)
    assert s.tolist() == pytest.approx([0.0, math.sqrt(1 - math.exp(-10.05))], rel=1e-12)
    assert not b.any()


def test_edm_is_log_uniform() -> None:
    """sigma(1/2) is the geometric mean of the ends."""
    assert EDM(0.01, 4.0).sigma(torch.tensor(0.5)).item() == pytest.approx(0.2, rel=1e-12)
    assert EDM(0.01, 4.0).at_sigma(0.2).item() == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("make", [DiscreteVP.linear, DiscreteVP.scaled_linear])
def test_discrete_levels_are_the_products_of_the_betas(make) -> None:
    """At t = (k + 1)/T a^2 is the product of 1 - beta up to k, for every k; in between, h is linear."""
    kernel = make()
    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    a, _, s = kernel.coeffs(t)
    product = np.cumprod(1 - np.array(kernel.betas))
    np.testing.assert_allclose(a.numpy() ** 2, product, rtol=1e-10)
    np.testing.assert_allclose(s.numpy() ** 2, 1 - product, rtol=1e-10)
    h = kernel.half_logsnr(t)
    torch.testing.assert_close(kernel.half_logsnr((t[1:] + t[:-1]) / 2), (h[1:] + h[:-1]) / 2)


def test_published_betas() -> None:
    """DDPM ends at a^2 = 4.04e-5, scaled-linear at a = 0.068 (their papers' and checkpoints' schedules)."""
    top = torch.tensor(1.0).double()
    assert DiscreteVP.linear().betas[::999] == pytest.approx((1e-4, 0.02))
    assert float(DiscreteVP.linear().coeffs(top)[0] ** 2) == pytest.approx(4.04e-5, rel=2e-3)
    assert DiscreteVP.scaled_linear().betas[::999] == pytest.approx((0.00085, 0.012))
    assert float(DiscreteVP.scaled_linear().coeffs(top)[0]) == pytest.approx(0.068, abs=5e-4)


def test_kernels_at_known_times() -> None:
    """By hand, half way or where a term is known."""
    half = torch.tensor(0.5).double()
    phi, first = (0.5 + 0.008) / 1.008 * math.pi / 2, 0.008 / 1.008 * math.pi / 2
    a, theta = math.cos(phi) / math.cos(first), -math.log(0.005) * (0.5 - 1 / math.pi)
    e0 = 0.02  # min(0.04 / 2, 0.04)
    root = e0 * (0.99 / e0) ** (0.5**0.3)
    cases = [
        (Cosine(), (a, 0.0, math.sqrt(1 - a**2))),
        (RectifiedFlow(), (0.5, 0.0, 0.5)),
        (ResShift(), (1 - root**2, root**2, 2 * root)),
        (RDDM(0.01), (0.25, 0.75, 0.05)),
        (
            MeanReverting(),
            (math.exp(-theta), 1 - math.exp(-theta), 0.4 * math.sqrt(1 - math.exp(-2 * theta))),
        ),
        (Interpolant(), (0.5, 0.5, math.sqrt(0.5))),
    ]
    for kernel, expected in cases:
        assert [float(v) for v in kernel.coeffs(half)] == pytest.approx(expected, rel=1e-12), kernel


@pytest.mark.parametrize(
    ("kernel", "lost"),
    [
        (DiscreteVP.scaled_linear(), 0.031),
        (EDM(), 0.006),
        (EDM(sigma_max=20.0), 0.023),
        (EDM(sigma_max=10.0), 0.045),
        (EDM(sigma_max=5.0), 0.090),
    ],
)
def test_start_law_keeps_the_mean_of_the_data(kernel: Kernel, lost: float) -> None:
    """Modes of mean 0.45: a start from noise alone loses what an independent implementation printed, in sd
    (its last digit); a start from the mean image loses nothing.
    """
    sd = torch.tensor([1.0, 0.5, 0.2, 0.1, 0.05, 0.02], dtype=torch.float64)
    oracle, grid = (
        GaussianOracle(kernel, torch.full((1, 1, 6), 0.45).double(), sd**2),
        logsnr_grid(kernel, 60),
    )
    blind = oracle.moments(Multistep(), grid, start_mean=0.0)
    assert blind.mean_error == pytest.approx(lost, abs=0.0015)
    assert oracle.moments(Multistep(), grid).mean_error < 5e-4


@pytest.mark.parametrize("sampler", [DDIM(), DDIM(1.0), Multistep(), Multistep(1.0)])
def test_pairs_without_a_known_image_are_a_plain_kernel(sampler) -> None:
    """With y = 0 and the same levels RDDM's deterministic chain is EDM's; its noise is its own."""
    sigma = torch.logspace(0.5, -1.5, 12, dtype=torch.float64)
    sd = torch.tensor([1.0, 0.3, 0.05], dtype=torch.float64)
    law = [
        GaussianOracle(kernel, torch.ones(1, 1, 3).double(), sd**2).moments(
            sampler, kernel.at_sigma(sigma), y=torch.zeros(1, 1, 3)
        )
        for kernel in (EDM(), RDDM())
    ]
    torch.testing.assert_close(law[0].mean, law[1].mean)
    if sampler.eta == 0:
        torch.testing.assert_close(law[0].variance, law[1].variance, rtol=1e-10, atol=0)
    else:
        assert not torch.allclose(law[0].variance, law[1].variance, rtol=1e-3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: VP(beta_min=-1.0),
        lambda: VP(beta_min=2.0, beta_max=1.0),
        lambda: EDM(0.0, 1.0),
        lambda: EDM(2.0, 1.0),
        lambda: DiscreteVP((0.1,)),
        lambda: DiscreteVP((0.1, 1.0)),
        lambda: Cosine(0.0),
        lambda: ResShift(kappa=0.0),
        lambda: ResShift(kappa=0.5, least=0.99),
        lambda: RDDM(-1.0),
        lambda: MeanReverting(spread=math.nan),
        lambda: MeanReverting(end=1.0),
        lambda: Interpolant(0.0),
    ],
)
def test_impossible_schedules_are_refused(make) -> None:
    with pytest.raises(InputError):
        make()


def test_kernel_with_a_known_image_asks_for_it() -> None:
    """The interpolant at t = 1/4: 3/4 x0 + 1/4 y + sqrt(2 3/16) n."""
    t, n = torch.tensor(0.25).double(), torch.ones(1, 1, 3).double()
    x = Interpolant().perturb(4 * n, t, n=n, y=8 * n)
    assert x.flatten().tolist() == pytest.approx([5 + math.sqrt(0.375)] * 3)
    with pytest.raises(InputError) as error:
        Interpolant().perturb(4 * n, t, n=n)
    assert error.value.got == "none"


def test_full_noise_bridge_from_pure_noise_is_all_noise() -> None:
    """Where a is 0 nothing of the state is kept: v = s_u."""
    one, half = torch.tensor(1.0), torch.tensor(0.5)
    assert RectifiedFlow().bridge(one, half) == 0.5


def test_one_level_per_slice() -> None:
    """A time map gives each slice its own level."""
    kernel, n = EDM(), NoiseStreams(0).white((1, 1, 3, 4, 5), "n", 0, 0, 0)
    t = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    x = kernel.perturb(torch.zeros_like(n), t.reshape(1, 1, 3, 1, 1), n=n)
    for z in range(3):
        assert torch.equal(x[:, :, z], kernel.perturb(torch.zeros_like(n), t[z], n=n)[:, :, z])
