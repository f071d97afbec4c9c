"""Networks of time steps and of sigma: their library's own formula, their kernel, what they refuse."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
from monai.networks.schedulers import DDPMScheduler, RFlowScheduler
from torch import Tensor

from medidiff.core.denoisers import Context, OnKernel
from medidiff.core.denoisers.adapters import Predicting, SigmaDenoiser, from_monai
from medidiff.core.process import DDIM, EDM, NoiseStreams, logsnr_grid, sample
from medidiff.core.process.kernels import DiscreteVP
from medidiff.errors import InputError

_CONTEXT = Context(NoiseStreams(0))
LINEAR = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def time(step: int, steps: int = 1000) -> Tensor:
    return torch.tensor((step + 1) / steps, dtype=torch.float64)


@pytest.mark.parametrize("kind", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("step", [0, 10, 400, 999])
def test_d_is_what_the_library_says_in_one_step(kind: str, step: int) -> None:
    """MONAI's own x0 of its one-step formula, without its clipping, to 1e-5 of the largest value."""
    scheduler = DDPMScheduler(1000, "scaled_linear_beta", prediction_type=kind, clip_sample=False)
    x, answer = noise(2, 1, 6, 5), noise(2, 1, 6, 5).flip(0)
    steps: list[float] = []

    class Net(torch.nn.Module):
        def forward(self, x: Tensor, timesteps: Tensor) -> Tensor:
            steps.extend(timesteps.tolist())
            return answer

    denoiser = from_monai(Net(), scheduler)
    found = denoiser.denoise(x, time(step), _CONTEXT).x0
    _, expected = scheduler.step(answer, step, x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    assert steps == pytest.approx([step, step], abs=1e-3)


def test_monai_in_the_loop_of_another_kernel() -> None:
    """An exact noise predictor for N(0.5, 0.25) on EDM's levels: 40 levels give the law (DDIM: 10 %)."""
    kernel = DiscreteVP.linear()

    class Exact(torch.nn.Module):
        def forward(self, x: Tensor, timesteps: Tensor) -> Tensor:
            a, _, s = (v.float().reshape(-1, 1, 1, 1) for v in kernel.coeffs((timesteps.double() + 1) / 1000))
            d = 0.5 + a * 0.25 / (a**2 * 0.25 + s**2) * (x - a * 0.5)
            return (x - a * d) / s

    outer = EDM(sigma_max=100.0)
    denoiser = OnKernel(from_monai(Exact(), DDPMScheduler(1000)), kernel, outer)
    grid = logsnr_grid(outer, 40, sigma_max=100.0, sigma_min=0.011)
    x = sample(
        denoiser, outer, DDIM(), grid, start=outer.start(noise(4000, 1, 1, 1), t=grid[0]), context=_CONTEXT
    )
    assert float(x.mean()) == pytest.approx(0.5, abs=0.04)
    assert float(x.std()) == pytest.approx(0.5, rel=0.1)


def monai_net(**options: Any) -> DiffusionModelUNet:
    values = {
        "spatial_dims": 2,
        "in_channels": 1,
        "out_channels": 1,
        "channels": (8, 16),
        "attention_levels": (False, False),
        "num_res_blocks": 1,
        "norm_num_groups": 4,
        "num_head_channels": 8,
        **options,
    }
    net = DiffusionModelUNet(**values)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return net


def test_sizes_are_padded_and_cropped_in_2d_and_3d() -> None:
    """9 x 13 is not divisible by 2; the inside of a larger image is what the network says itself."""
    flat = from_monai(monai_net(), DDPMScheduler(1000, prediction_type="sample"))
    assert flat.multiple == 2
    x = noise(2, 1, 9, 13)
    assert flat.denoise(x, time(100), _CONTEXT).x0.shape == x.shape
    even = noise(1, 1, 8, 12)
    expected = monai_net().eval()(even, timesteps=torch.tensor([100.0]))
    torch.testing.assert_close(flat.denoise(even, time(100), _CONTEXT).x0, expected, rtol=0, atol=1e-4)
    solid = from_monai(monai_net(spatial_dims=3), DDPMScheduler(1000, prediction_type="sample"))
    assert solid.denoise(noise(1, 1, 3, 5, 7), time(100), _CONTEXT).x0.shape == (1, 1, 3, 5, 7)


def test_a_condition_is_concatenated() -> None:
    """The network sees image and condition; without one it needs to have learned that."""

    class Sum(torch.nn.Module):
        def forward(self, x: Tensor, timesteps: Tensor) -> Tensor:
            return x[:, :1] + 10 * x[:, 1:].sum(1, keepdim=True)

    scheduler = DDPMScheduler(1000, prediction_type="sample")
    x, condition = noise(2, 1, 4, 4), noise(2, 2, 4, 4)
    given = Context(NoiseStreams(0), condition=condition)
    needs = from_monai(Sum(), scheduler, condition_channels=2)
    torch.testing.assert_close(
        needs.denoise(x, time(5), given).x0, x + 10 * condition.sum(1, keepdim=True), rtol=0, atol=1e-5
    )
    with pytest.raises(InputError):
        needs.denoise(x, time(5), _CONTEXT)
    free = from_monai(Sum(), scheduler, condition_channels=2, optional_condition=True)
    assert torch.equal(free.denoise(x, time(5), _CONTEXT).x0, x)
    with pytest.raises(InputError):
        from_monai(Sum(), scheduler).denoise(x, time(5), given)


def test_noise_predictors_are_not_asked_where_noise_says_nothing() -> None:
    """H = -8 at the end of a strong table: epsilon is refused there, x0 and v are not; h = -5 is fine."""
    betas = torch.linspace(1e-4, 0.032, 1000, dtype=torch.float64)
    kernel = DiscreteVP(tuple(betas.tolist()))
    end = torch.tensor(1.0, dtype=torch.float64)
    assert float(kernel.half_logsnr(end)) < -6
    for kind in ("epsilon", "sample", "v_prediction"):
        denoiser = Predicting(lambda x, step: x, kernel, 1000, kind)  # type: ignore[arg-type]  a literal
        if kind == "epsilon":
            with pytest.raises(InputError) as error:
                denoiser.denoise(noise(1, 1, 2, 2), end, _CONTEXT)
            assert f"sigma below {math.exp(6):.0f}" in error.value.expected
        else:
            denoiser.denoise(noise(1, 1, 2, 2), end, _CONTEXT)
        denoiser.denoise(noise(1, 1, 2, 2), kernel.time(torch.tensor(-5.0)), _CONTEXT)


def test_what_has_no_adapter_is_refused() -> None:
    net, scheduler = monai_net(), DDPMScheduler(1000)
    with pytest.raises(InputError) as error:
        from_monai(net, RFlowScheduler())
    assert error.value.got == "RFlowScheduler"
    for options in ({"num_class_embeds": 3}, {"with_conditioning": True, "cross_attention_dim": 4}):
        options = {"attention_levels": (False, True), **options}
        with pytest.raises(InputError):
            from_monai(monai_net(**options), scheduler)
    scheduler.prediction_type = "flow"
    with pytest.raises(InputError):
        from_monai(net, scheduler)
    wide = Predicting(lambda x, step: torch.cat([x, x], 1), DiscreteVP.linear(), 1000, "epsilon")
    with pytest.raises(InputError) as error:
        wide.denoise(noise(1, 1, 4, 4), time(3), _CONTEXT)
    assert "variances" in error.value.fix
    with pytest.raises(InputError):
        wide.denoise(noise(1, 1, 4, 4), time(3).expand(1, 1, 4, 1), _CONTEXT)


def test_levels_may_differ_by_row() -> None:
    """Two rows at two steps are each row at its own."""
    denoiser = from_monai(monai_net(), DDPMScheduler(1000))
    x, t = noise(2, 1, 6, 6), torch.stack([time(50), time(700)]).reshape(2, 1, 1, 1)
    both = denoiser.denoise(x, t, _CONTEXT).x0
    alone = [denoiser.denoise(x[k : k + 1], t[k, 0, 0, 0], _CONTEXT).x0 for k in range(2)]
    torch.testing.assert_close(both, torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_a_denoiser_of_sigma_is_asked_with_sigma() -> None:
    seen: list[list[float]] = []

    def model(x: Tensor, sigma: Tensor) -> Tensor:
        seen.append(sigma.tolist())
        return x / (1 + sigma.reshape(-1, 1, 1, 1) ** 2)

    denoiser, x = SigmaDenoiser(model, EDM()), noise(3, 1, 2, 2).double()
    x0 = denoiser.denoise(x, EDM().at_sigma(0.7), _CONTEXT).x0
    assert seen == [pytest.approx([0.7] * 3)]
    assert x0.dtype == torch.float64
    torch.testing.assert_close(x0, x / 1.49, rtol=1e-6, atol=0)
    with pytest.raises(InputError):
        denoiser.denoise(x, EDM().at_sigma(0.7), Context(NoiseStreams(0), condition=x))
    with pytest.raises(InputError):
        SigmaDenoiser(lambda x, sigma: x[:, :, :1], EDM()).denoise(x, EDM().at_sigma(0.7), _CONTEXT)
