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
    RDDM,
    VP,
    Churn,
    Heun,
    Kernel,
    Multistep,
    NoiseStreams,
    PredictorCorrector,
    RectifiedFlow,
    Renoise,
    ResShift,
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


@pytest.mark.parametrize(
    "sampler", [DDIM(0.0), Heun(), Multistep(), Churn(Heun(), 0.0), Renoise(0.0, 0.85), Renoise(1.0, 0.0)]
)
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
        (Multistep(), 10, 0.09),
        (Multistep(), 20, 0.035),
        (Multistep(), 30, 0.016),
        (Multistep(), 60, 0.004),
        (Multistep(1.0), 10, 0.08),
        (Multistep(1.0), 20, 0.079),
        (Multistep(1.0), 30, 0.040),
        (Multistep(1.0), 60, 0.011),
        (Heun(), 10, 0.53),
        (Heun(), 20, 0.17),
        (Heun(), 30, 0.08),
        (Heun(), 60, 0.021),
    ],
)
def test_table_of_covariance_errors(sampler: Sampler, evaluations: int, error: float) -> None:
    """EDM 80, exact start, an independent implementation's numbers to the digits it printed."""
    oracle = GaussianOracle(EDM(), torch.zeros(1, 1, 6).double(), _SD**2)
    moments = oracle.moments(sampler, logsnr_grid(EDM(), (evaluations - 1) // sampler.evaluations + 1))
    assert moments.covariance_error == pytest.approx(error, rel=0.05)


def test_ddim_step_by_hand() -> None:
    """EDM: x_u = D + (sigma_u / sigma_t)(x - D)."""
    kernel, t, u = EDM(), EDM().at_sigma(2.0), EDM().at_sigma(0.5)
    x, _ = DDIM().step(
        kernel, full(5.0), t, u, Estimate(full(1.0), full(9.0)), Context(NoiseStreams(0)), nothing
    )
    assert x.flatten().tolist() == pytest.approx([2.0, 2.0])


def test_ddim_is_the_step_of_euler_in_sigma() -> None:
    """x_u = x + (sigma_u - sigma_t) dx/dsigma with dx/dsigma = (x - D)/sigma, on EDM."""
    t, u, x, x0 = EDM().at_sigma(2.0), EDM().at_sigma(0.5), full(5.0), full(1.0)
    x_u, _ = DDIM().step(EDM(), x, t, u, Estimate(x0, x0), Context(NoiseStreams(0)), nothing)
    torch.testing.assert_close(x_u, x + (0.5 - 2.0) * (x - x0) / 2.0)


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


@pytest.mark.parametrize("kernel", [ResShift(), RDDM()])
def test_ancestral_step_of_residual_kernels_is_bayes_rule(kernel: Kernel) -> None:
    """Forward, the residual R = y - x0 and noise come in independent steps: given x_t, x0 and R, the state at
    u has mean x0 + b_u R + q (x_t - x0 - b_t R) and variance s_u^2 (1 - q), q = s_u^2 / s_t^2. For ResShift
    that is q x_t + (1 - q) x0, its equation 7.
    """
    x, x0, y = (torch.tensor([[v]], dtype=torch.float64) for v in ([1.7, -0.3], [0.4, 0.2], [2.0, -1.0]))
    t, u = torch.tensor(0.8, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)
    (_, b_t, s_t), (_, b_u, s_u) = kernel.coeffs(t), kernel.coeffs(u)
    context = Context(NoiseStreams(0), noise=Ones(), y=y)
    x_u, _ = DDIM(1.0).step(kernel, x, t, u, Estimate(x0, x0), context, nothing)
    q = s_u**2 / s_t**2
    mean = x0 + b_u * (y - x0) + q * (x - x0 - b_t * (y - x0))
    torch.testing.assert_close(x_u, mean + s_u * torch.sqrt(1 - q), rtol=0, atol=1e-12)
    if isinstance(kernel, ResShift):
        torch.testing.assert_close(mean, q * x + (1 - q) * x0, rtol=0, atol=1e-12)


def test_multistep_by_hand() -> None:
    """EDM, h: -log 4, -log 2, -log 0.5. r = log 2 / log 4 = 1/2, so D~ = D + (D - D_before) = 2 - 1 = 3."""
    kernel = EDM()
    t, u, w = (kernel.at_sigma(sigma) for sigma in (4.0, 2.0, 0.5))
    context = Context(NoiseStreams(0))
    first = Estimate(full(1.0), full(1.0), {"kept": 7})
    x, carry = Multistep().step(kernel, full(5.0), t, u, first, context, nothing)
    assert x.flatten().tolist() == pytest.approx([3.0, 3.0])  # as DDIM: 1 + (2/4) 4
    assert carry["kept"] == 7
    second = Estimate(full(2.0), full(2.0))
    x, _ = Multistep().step(kernel, x, u, w, second, context.keeping(carry), nothing)
    assert x.flatten().tolist() == pytest.approx([3.0, 3.0])  # 3 + (0.5/2)(3 - 3)
    third = Estimate(full(4.0), full(4.0))
    x, _ = Multistep().step(kernel, full(9.0), u, w, third, context.keeping(carry), nothing)
    assert x.flatten().tolist() == pytest.approx([7.5, 7.5])  # D~ = 4 + 3 = 7, 7 + (9 - 7)/4


def test_multistep_after_pure_noise_is_first_order() -> None:
    """There the step before was infinitely long in h."""
    kernel, context = RectifiedFlow(), Context(NoiseStreams(0))
    t, u, w = (torch.tensor(v, dtype=torch.float64) for v in (1.0, 0.6, 0.3))
    one, two = Estimate(full(1.0), full(1.0)), Estimate(full(2.0), full(2.0))
    x, carry = Multistep().step(kernel, full(5.0), t, u, one, context, nothing)
    with_past, _ = Multistep().step(kernel, x, u, w, two, context.keeping(carry), nothing)
    without, _ = DDIM().step(kernel, x, u, w, two, context, nothing)
    assert torch.equal(with_past, without)


def test_multistep_is_unmoved_by_corrections_between_its_steps() -> None:
    """The predictor finds its past again although the corrector's denoiser carries nothing."""
    kernel, context = EDM(), Context(NoiseStreams(0), noise=Ones())
    sampler = PredictorCorrector(Multistep(), snr=0.0)
    answer = lambda x, t, context: Estimate(full(3.0), full(3.0))  # noqa: E731  one line of a denoiser
    t, u = kernel.at_sigma(4.0), kernel.at_sigma(2.0)
    first, second = Estimate(full(1.0), full(1.0)), Estimate(full(2.0), full(2.0))
    ends = []
    for one in (sampler, Multistep()):
        x, carry = one.step(kernel, full(5.0), t, u, first, context, answer)
        ends.append(one.step(kernel, x, u, kernel.at_sigma(0.5), second, context.keeping(carry), answer)[0])
    assert torch.equal(ends[0], ends[1])
    assert ends[0].flatten().tolist() == pytest.approx([3.0, 3.0])


@pytest.mark.parametrize("kernel", [EDM(), ResShift()])
def test_churned_euler_is_the_one_step_with_another_noise(kernel: Kernel) -> None:
    """The noise is s_u sqrt(1 - (1 + g)^-2) with log(1 + g) = share (h_u - h_t), capped at log(2)/2."""
    x, x0, y = full(5.0), full(1.0), full(0.5)
    context = Context(NoiseStreams(0), noise=Ones(), y=y)
    for sigma, share in (((2.0, 1.6), 0.5), ((2.0, 0.5), 0.9)):
        t, u = (kernel.at_sigma(v) for v in sigma)
        g = math.exp(min(share * math.log(sigma[0] / sigma[1]), math.log(2) / 2)) - 1
        (a_t, b_t, s_t), (a_u, b_u, s_u) = kernel.coeffs(t), kernel.coeffs(u)
        v = s_u * math.sqrt(1 - (1 + g) ** -2)
        c = torch.sqrt(s_u**2 - v**2) / s_t
        expected = b_u * y + c * (x - b_t * y) + (a_u - c * a_t) * x0 + v
        x_u, _ = Churn(DDIM(), share).step(kernel, x, t, u, Estimate(x0, x0), context, nothing)
        torch.testing.assert_close(x_u, expected, rtol=0, atol=1e-12)


def test_churn_stops_at_the_last_level_of_the_kernel() -> None:
    """The second evaluation of Heun is never below it, and the last step adds nothing."""
    kernel = EDM(0.1, 10.0)
    asked: list[float] = []

    def denoise(x: Tensor, t: Tensor, context: Context) -> Estimate:
        asked.append(float(kernel.sigma(t)))
        return Estimate(x / 2, x / 2)

    context, first = Context(NoiseStreams(0), noise=Ones()), Estimate(full(1.0), full(1.0))
    for u in (0.11, 0.1):
        t = kernel.at_sigma(0.5)
        Churn(Heun(), 1.0).step(kernel, full(5.0), t, kernel.at_sigma(u), first, context, denoise)
    assert asked == pytest.approx([0.1, 0.1])
    silent = Context(NoiseStreams(0), noise=Refusing())
    Churn().step(kernel, full(5.0), kernel.at_sigma(0.5), torch.tensor(0.0).double(), first, silent, denoise)


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
        lambda: Multistep(1.1),
        lambda: Churn(DDIM(), -0.1),
        lambda: Churn(DDIM(), math.nan),
        lambda: Renoise(1.5, 0.0),
        lambda: Renoise(0.5, -1.0),
        lambda: PredictorCorrector(corrections=-1),
        lambda: PredictorCorrector(snr=math.inf),
    ],
)
def test_settings_out_of_range_are_refused(make) -> None:
    with pytest.raises(InputError):
        make()
