"""Single steps by hand, and the published table of moments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers import Context, Estimate, GaussianOracle
from medidiff.core.process import (
    DDIM,
    EDM,
    VP,
    Heun,
    NoiseStreams,
    PredictorCorrector,
    Renoise,
    Sampler,
    logsnr_grid,
    sample,
)
from medidiff.errors import InputError

_SD = torch.tensor([1.0, 0.5, 0.2, 0.1, 0.05, 0.02], dtype=torch.float64)


class Refusing:
    """A noise law that must not be asked."""

    def draw(self, shape: Sequence[int], streams: NoiseStreams, purpose: str, step: int) -> Tensor:
        pytest.fail("random numbers were drawn")


class Ones:
    """A noise law that is 1."""

    def draw(self, shape: Sequence[int], streams: NoiseStreams, purpose: str, step: int) -> Tensor:
        return torch.ones(tuple(shape))


def nothing(x: Tensor, t: Tensor, context: Context) -> Estimate:
    pytest.fail("a one-evaluation sampler evaluated again")


def full(value: float) -> Tensor:
    return torch.full((1, 1, 2), value, dtype=torch.float64)


@pytest.mark.parametrize("sampler", [DDIM(0.0), Heun(), Renoise(0.0, 0.85), Renoise(1.0, 0.0)])
def test_deterministic_samplers_draw_nothing(sampler: Sampler) -> None:
    kernel, start = EDM(), torch.ones(1, 1, 6)
    oracle = GaussianOracle(kernel, torch.zeros(1, 1, 6).double(), _SD**2)
    context = Context(NoiseStreams(0), noise=Refusing())
    sample(oracle, kernel, sampler, logsnr_grid(kernel, 5), start=start, context=context)


@pytest.mark.parametrize(
    ("sampler", "evaluations", "error"),
    [
        (DDIM(0.0), 10, 0.45),
        (DDIM(0.0), 20, 0.24),
        (DDIM(0.0), 60, 0.086),
        (DDIM(0.0), 100, 0.052),
        (DDIM(1.0), 10, 0.62),
        (DDIM(1.0), 20, 0.40),
        (DDIM(1.0), 60, 0.16),
        (DDIM(1.0), 100, 0.10),
    ],
)
def test_table_of_covariance_errors(sampler: DDIM, evaluations: int, error: float) -> None:
    """EDM 80, exact start, an independent implementation's numbers to the digits it printed."""
    oracle = GaussianOracle(EDM(), torch.zeros(1, 1, 6).double(), _SD**2)
    moments = oracle.moments(sampler, logsnr_grid(EDM(), evaluations))
    assert moments.covariance_error == pytest.approx(error, rel=0.04)


def test_ddim_step_by_hand() -> None:
    """EDM: x_u = D + (sigma_u / sigma_t)(x - D)."""
    kernel, t, u = EDM(), EDM().at_sigma(2.0), EDM().at_sigma(0.5)
    x, _ = DDIM().step(
        kernel, full(5.0), t, u, Estimate(full(1.0), full(9.0)), Context(NoiseStreams(0)), nothing
    )
    assert x.flatten().tolist() == pytest.approx([2.0, 2.0])


def test_ancestral_step_by_hand() -> None:
    """EDM: v^2 = sigma_u^2 (1 - sigma_u^2/sigma_t^2) and c = sigma_u^2/sigma_t^2, here 15/64 and 1/16."""
    kernel, t, u = EDM(), EDM().at_sigma(2.0), EDM().at_sigma(0.5)
    context = Context(NoiseStreams(0), noise=Ones())
    x, _ = DDIM(1.0).step(kernel, full(5.0), t, u, Estimate(full(1.0), full(1.0)), context, nothing)
    assert x.flatten().tolist() == pytest.approx([1 + 4 / 16 + math.sqrt(15 / 64)] * 2)


@pytest.mark.parametrize("kernel", [EDM(), VP()])
def test_renoising_by_hand(kernel: EDM | VP) -> None:
    """x_u / a_u = z + kappa sigma_u (sqrt(1 - eta^2) e + eta n), e = (x_t / a_t - prior)/sigma_t = 2."""
    t, u = kernel.at_sigma(2.0), kernel.at_sigma(0.5)
    (a_t, _, _), (a_u, _, _) = kernel.coeffs(t), kernel.coeffs(u)
    estimate = Estimate(full(7.0), full(1.0), {"kept": 3})
    context = Context(NoiseStreams(0), noise=Ones())
    x, carry = Renoise(0.5, 0.6).step(kernel, a_t * full(5.0), t, u, estimate, context, nothing)
    assert (x / a_u).flatten().tolist() == pytest.approx([7 + 0.5 * 0.5 * (0.8 * 2 + 0.6)] * 2)
    assert carry == {"kept": 3}


def test_heun_uses_the_carry_of_its_second_evaluation() -> None:
    """D_u is asked with what D_t left, and the next level gets what D_u left."""

    def second(x: Tensor, t: Tensor, context: Context) -> Estimate:
        assert context.carry == {"k": 1}
        return Estimate(full(1.0), full(1.0), {"k": 2})

    t, u = EDM().at_sigma(2.0), EDM().at_sigma(0.5)
    first = Estimate(full(1.0), full(1.0), {"k": 1})
    x, carry = Heun().step(EDM(), full(5.0), t, u, first, Context(NoiseStreams(0)), second)
    assert carry == {"k": 2}
    assert x.flatten().tolist() == pytest.approx([2.0, 2.0])


@pytest.mark.parametrize("sampler", [DDIM(0.0), DDIM(0.7), Heun()])
def test_levels_by_slice(sampler: Sampler) -> None:
    """A time map steps each slice as alone, and leaves the slice whose level does not change."""
    kernel = EDM()
    oracle = GaussianOracle(kernel, torch.zeros(1, 1, 3, 2, 2).double(), torch.ones(12).double())
    x = torch.randn(1, 1, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sigma = (torch.tensor([3.0, 2.0, 1.0]), torch.tensor([0.5, 2.0, 0.7]))
    t, u = (kernel.at_sigma(v).reshape(1, 1, 3, 1, 1) for v in sigma)
    context = Context(NoiseStreams(0), noise=Ones())

    def voxelwise(x: Tensor, t: Tensor, context: Context) -> Estimate:
        x0 = x / (1 + kernel.sigma(t) ** 2)
        return Estimate(x0, x0)

    step = sampler.step(kernel, x, t, u, voxelwise(x, t, context), context, voxelwise)[0]
    torch.testing.assert_close(step[:, :, 1], x[:, :, 1], rtol=0, atol=1e-14)
    for z in (0, 2):
        t_z, u_z = t[0, 0, z, 0, 0], u[0, 0, z, 0, 0]
        alone = sampler.step(kernel, x, t_z, u_z, oracle.denoise(x, t_z, context), context, oracle.denoise)[0]
        torch.testing.assert_close(step[:, :, z], alone[:, :, z])


def test_corrector_improves_the_ancestral_spread() -> None:
    """24 ancestral levels miss variance in the wide mode; one Langevin correction each brings it back.

    512 chains of 32 voxels each: the standard error of the variance is 1.1 %; ancestral alone is 27 % low.
    """
    kernel, grid = EDM(0.01, 20.0), logsnr_grid(EDM(0.01, 20.0), 24)
    oracle = GaussianOracle(kernel, torch.zeros(1, 1, 32).double(), torch.ones(32).double())
    context = Context(NoiseStreams(5))
    start = kernel.start(context.draw(torch.empty(512, 1, 32), "start"), var=1.0)
    spread = {
        corrections: sample(
            oracle, kernel, PredictorCorrector(corrections=corrections), grid, start=start, context=context
        ).var()
        for corrections in (0, 1)
    }
    assert spread[0] == pytest.approx(float(oracle.moments(DDIM(1.0), grid).variance[0]), rel=0.05)
    assert abs(spread[1] - 1) < abs(spread[0] - 1) / 2


def test_corrector_step_by_hand() -> None:
    """With |score| = |n| the step is e = 2 snr^2; at a mode, where there is no score, x stays."""
    kernel, u = EDM(), EDM().at_sigma(1.0)
    context = Context(NoiseStreams(0), noise=Ones())
    still = replace(PredictorCorrector(snr=0.5), predictor=DDIM())

    def one_below(x: Tensor, t: Tensor, context: Context) -> Estimate:
        return Estimate(x - 1, x - 1)  # score = -(x - D)/sigma^2 = -1

    x, _ = still.step(kernel, full(5.0), u, u, Estimate(full(5.0), full(5.0)), context, one_below)
    assert x.flatten().tolist() == pytest.approx([5 - 0.5 + math.sqrt(1.0)] * 2)
    at_mode = lambda x, t, context: Estimate(x, x)  # noqa: E731  one line of a denoiser
    x, _ = still.step(kernel, full(5.0), u, u, Estimate(full(5.0), full(5.0)), context, at_mode)
    assert torch.equal(x, full(5.0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: DDIM(-0.1),
        lambda: DDIM(math.nan),
        lambda: Renoise(1.5, 0.0),
        lambda: Renoise(0.5, -1.0),
        lambda: PredictorCorrector(corrections=-1),
        lambda: PredictorCorrector(snr=math.inf),
    ],
)
def test_settings_out_of_range_are_refused(make) -> None:
    with pytest.raises(InputError):
        make()
