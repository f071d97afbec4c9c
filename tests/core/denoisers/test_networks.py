"""Networks at any size, and what all of them promise before any training."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medidiff.core.denoisers.estimate import Context
from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.denoisers.unet import UNet, pad_to_multiple
from medidiff.core.denoisers.wrappers import Sliced
from medidiff.core.process.kernels import EDM, VP
from medidiff.core.process.noise import NoiseStreams
from medidiff.errors import InputError

UNET: dict[str, Any] = {"kind": "unet", "channels": [4, 8, 12], "blocks": [1, 1, 1]}
MONAI: dict[str, Any] = {"kind": "monai", "channels": [8, 16], "groups": 4}
KERNEL = EDM(sigma_min=0.01, sigma_max=5.0)


def awake(architecture: dict[str, Any], seed: int = 0) -> nn.Module:
    """A network whose zero layers are random, so that every path carries a signal."""
    generator = torch.Generator().manual_seed(seed)
    net = build_network(architecture)
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=generator))
    return net.eval().requires_grad_(False)


def close(a: Tensor, b: Tensor) -> None:
    """Equal but for float32's rounding in sums taken in another order: 1e-5 of the largest value."""
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5 * float(b.abs().max()))


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (7, 4), (16, 16), (45, 67)])
@pytest.mark.parametrize("options", [{}, {"patch": 2}])
def test_the_unet_takes_any_size(size: tuple[int, int], options: dict[str, int]) -> None:
    out = awake({**UNET, **options})(noise(2, 1, *size), torch.tensor([0.1, -0.4]))
    assert out.shape == (2, 1, *size)
    assert torch.isfinite(out).all()
    assert out.std() > 0


def test_monai_takes_a_size_that_its_levels_do_not_divide() -> None:
    out = awake(MONAI)(noise(1, 1, 45, 67), torch.tensor([0.3]))
    assert out.shape == (1, 1, 45, 67)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("architecture", [UNET, MONAI])
def test_an_untrained_network_answers_zero(architecture: dict[str, Any]) -> None:
    net = build_network(architecture)
    assert not net(noise(1, 1, 9, 12), torch.zeros(1)).any()


@pytest.mark.parametrize("architecture", [UNET, MONAI])
def test_images_of_a_batch_do_not_meet(architecture: dict[str, Any]) -> None:
    """Two images with levels of their own, together and alone."""
    net, x, level = awake(architecture), noise(2, 1, 11, 14), torch.tensor([-0.5, 0.7])
    both = net(x, level)
    alone = torch.cat([net(x[k : k + 1], level[k : k + 1]) for k in range(2)])
    close(both, alone)
    assert (net(x, level.flip(0)) - both).abs().max() > 1e-3 * both.abs().max()  # the level matters


def test_padding_adds_below_and_to_the_right_alone() -> None:
    """Reflection does not repeat the edge; an image smaller than what is added is replicated."""
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    padded = pad_to_multiple(x, 5)
    assert padded.shape == (1, 1, 5, 5)
    assert torch.equal(padded[..., :3, :4], x)
    assert padded[0, 0, :, 0].tolist() == [0, 4, 8, 4, 0]
    assert pad_to_multiple(x[..., :1, :1], 4).unique().tolist() == [0.0]
    assert pad_to_multiple(x, 1) is x


def test_a_crop_far_from_the_edge_sees_the_same() -> None:
    """The field of view is finite: without normalisation a pixel does not know of others 60 away.

    Three levels of one block reach 2 (1 + 2 * 2 + 4 * 2 + ...) < 48 pixels; the crop keeps the grid of 4.
    """
    net, x = awake(UNET), noise(1, 1, 128, 128)
    whole, part = net(x, torch.zeros(1)), net(x[..., :112, :112], torch.zeros(1))
    close(part[..., :56, :56], whole[..., :56, :56])


@pytest.mark.parametrize("kernel", [KERNEL, VP()])
def test_with_zero_output_it_is_the_posterior_mean_of_a_normal(kernel: EDM | VP) -> None:
    """E[x0 | x_t] of N(m, sd^2): precision-weighted mean of m and x_t / a, written the other way round."""
    mean, sd, t = 0.4, 1.7, torch.tensor(0.6, dtype=torch.float64)
    x = noise(2, 1, 6, 5)
    a, _, s = (float(c) for c in kernel.coeffs(t))
    expected = (mean / sd**2 + x * a / s**2) / (1 / sd**2 + a**2 / s**2)
    denoiser = NetDenoiser(UNet(channels=(4,), blocks=(1,)), kernel, sd, mean)
    torch.testing.assert_close(denoiser.denoise(x, t).x0, expected, rtol=0, atol=2e-6)


def test_the_network_sees_unit_variance_and_gives_the_rest() -> None:
    """F is asked with (x - m) / r and -h/4, and its answer enters times s sd / r (Karras et al., table 1)."""
    asked: list[Tensor] = []

    class One(nn.Module):
        def forward(self, x: Tensor, level: Tensor) -> Tensor:
            asked.extend((x, level))
            return torch.ones_like(x)

    sigma, sd, x = 0.5, 2.0, noise(3, 1, 4, 4)
    plain = NetDenoiser(UNet(channels=(4,), blocks=(1,)), KERNEL, sd, 0.3)
    denoiser = NetDenoiser(One(), KERNEL, sd, 0.3)
    t = KERNEL.at_sigma(sigma)
    r = (sigma**2 + sd**2) ** 0.5
    torch.testing.assert_close(
        denoiser.denoise(x, t).x0 - plain.denoise(x, t).x0, torch.full_like(x, sigma * sd / r)
    )
    torch.testing.assert_close(asked[0], (x - 0.3) / r)
    torch.testing.assert_close(asked[1], torch.log(torch.tensor([sigma] * 3)) / 4)
    assert asked[0].is_contiguous(memory_format=torch.channels_last)


def test_one_level_an_image_equals_one_at_a_time() -> None:
    denoiser = NetDenoiser(awake(UNET), KERNEL, 1.0)
    x, t = noise(2, 1, 8, 9), torch.tensor([0.2, 0.9], dtype=torch.float64)
    both = denoiser.denoise(x, t).x0
    alone = torch.cat([denoiser.denoise(x[k : k + 1], t[k]).x0 for k in range(2)])
    close(both, alone)


def test_a_time_map_of_slices_comes_through_sliced() -> None:
    """(K, 1, z, 1, 1) gives every slice its own level, whatever the chunk."""
    denoiser = NetDenoiser(awake(UNET), KERNEL, 1.0)
    x, context = noise(2, 1, 3, 8, 9), Context(NoiseStreams(0))
    t = torch.linspace(0.1, 0.9, 6, dtype=torch.float64).reshape(2, 1, 3, 1, 1)
    out = Sliced(denoiser, chunk=4).denoise(x, t, context).x0
    for k in range(2):
        for z in range(3):
            alone = denoiser.denoise(x[k : k + 1, :, z], t[k, 0, z, 0, 0]).x0
            close(out[k : k + 1, :, z], alone)


def test_a_graph_is_kept_for_training_alone() -> None:
    net = UNet(channels=(4,), blocks=(1,))
    x, t = noise(1, 1, 4, 4), torch.tensor(0.5)
    assert not NetDenoiser(net, KERNEL, 1.0).denoise(x, t).x0.requires_grad
    assert NetDenoiser(net, KERNEL, 1.0, grad=True).denoise(x, t).x0.requires_grad


def test_bf16_changes_the_estimate_a_little() -> None:
    """bf16 keeps 8 bits: a few layers are wrong by about 1 % of F, and the estimate stays float32."""
    net, x, t = awake(UNET), noise(1, 1, 16, 16), KERNEL.at_sigma(0.3)
    full, half = (NetDenoiser(net, KERNEL, 1.0, precision=p).denoise(x, t).x0 for p in ("float32", "bf16"))
    plain = NetDenoiser(build_network(UNET), KERNEL, 1.0).denoise(x, t).x0
    assert half.dtype == torch.float32
    assert 0 < (half - full).square().mean().sqrt() < 0.03 * (full - plain).square().mean().sqrt()


@pytest.mark.parametrize(
    "architecture",
    [
        {"kind": "transformer"},
        {"channels": [4], "blocks": [1]},
        {"kind": "unet"},
        {"kind": "unet", "channels": [], "blocks": []},
        {"kind": "unet", "channels": [4, 8], "blocks": [1]},
        {"kind": "unet", "channels": [-4], "blocks": [1]},
        {"kind": "unet", "channels": ["x"], "blocks": [1]},
        {"kind": "unet", "channels": [4], "blocks": [1], "attention": True},
        {"kind": "monai", "channels": [6, 10], "groups": 4},
    ],
)
def test_a_network_that_cannot_be_is_refused_in_one_line(architecture: dict[str, Any]) -> None:
    with pytest.raises(InputError) as error:
        build_network(architecture)
    assert error.value.what == "network"
    assert error.value.got
    assert "\n" not in str(error.value)


class Spy(nn.Module):
    """Answers zero and remembers the largest input."""

    largest = 0.0

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """F = 0."""
        self.largest = float(x.abs().max())
        return torch.zeros_like(x)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_metal_reaches_the_network_limited_and_the_image_whole(sign: float) -> None:
    x = noise(1, 1, 8, 8).clamp(-1, 1)
    metal = x.clone()
    metal[0, 0, 3, 4] = 60.0 * sign
    t = KERNEL.at_sigma(0.05)
    spy = Spy()
    limited = NetDenoiser(spy, KERNEL, 1.0, span=(-2.0, 3.0))
    free = NetDenoiser(Spy(), KERNEL, 1.0)
    assert torch.equal(limited.denoise(x, t).x0, free.denoise(x, t).x0)  # within the span nothing changes
    x0 = limited.denoise(metal, t).x0
    assert 2.0 < spy.largest < 4.3
    assert torch.equal(x0, free.denoise(metal, t).x0)


def test_the_noise_of_a_high_level_is_not_taken_for_metal() -> None:
    """F = 0 is the exact posterior mean of N(0, 1), also where one voxel in ten thousand has four sigma."""
    kernel, x = EDM(), 80 * noise(1, 1, 512, 512)
    t = kernel.at_sigma(80.0)
    limited, free = (
        NetDenoiser(Spy(), kernel, 1.0, span=span).denoise(x, t).x0 for span in ((-1.0, 7.0), None)
    )
    assert torch.equal(limited, free)
    assert float(limited.abs().max()) < 0.1


def test_the_limit_follows_the_kernel_and_the_mean() -> None:
    """On VP, where a < 1: x0 = 60 with a span up to 3 = m + 2."""
    spy, kernel = Spy(), VP()
    t = torch.tensor(0.3, dtype=torch.float64)
    a, _, s = (float(v) for v in kernel.coeffs(t))
    denoiser = NetDenoiser(spy, kernel, 1.0, 1.0, span=(-2.0, 3.0))
    x0 = denoiser.denoise(torch.full((1, 1, 4, 4), 60.0 * a), t).x0
    largest = spy.largest * (a**2 + s**2) ** 0.5
    assert a * 2 + 4 * s < largest <= a * 2 + 4 * s + 1.0 + 1e-5
    assert torch.isfinite(x0).all()


class Known(EDM):
    """EDM with the image y beside x0, and pure noise at its end."""

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """1 - t, 1, t."""
        return 1 - t, torch.ones_like(t), t


def test_pure_noise_a_known_image_and_a_condition() -> None:
    """At a = 0 the estimate is the mean; without the y that the kernel needs, and with a condition, none."""
    denoiser = NetDenoiser(Spy(), Known(), 1.0, 0.5, span=(-1.0, 1.0))
    context, y = Context(NoiseStreams(0)), noise(1, 1, 4, 4, seed=3)
    end, middle = (torch.tensor(t, dtype=torch.float64) for t in (1.0, 0.5))
    x0 = denoiser.denoise(noise(1, 1, 4, 4) + y, end, replace(context, y=y)).x0
    assert torch.equal(x0, torch.full_like(x0, 0.5))
    with pytest.raises(InputError):
        denoiser.denoise(y, middle, context)
    with pytest.raises(InputError):
        denoiser.denoise(y, middle, replace(context, y=y, condition=y))


def test_a_double_state_stays_double() -> None:
    t = KERNEL.at_sigma(0.3)
    denoiser, x = NetDenoiser(awake(UNET), KERNEL, 1.0), noise(1, 1, 9, 9)
    double = denoiser.denoise(x.double(), t).x0
    assert double.dtype == torch.float64
    assert torch.equal(double.float(), denoiser.denoise(x, t).x0)


@pytest.mark.parametrize(
    "options",
    [
        {"channels": [20000, 20000]},
        {"blocks": [10**9, 1, 1]},
        {"patch": 0},
        {"channels": [4] * 20, "blocks": [1] * 20},
        {"channels": ["a"]},
    ],
)
def test_a_card_cannot_ask_for_all_memory(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        build_network({**UNET, **options})


def test_monai_takes_widths_that_32_does_not_divide() -> None:
    assert awake({"kind": "monai", "channels": [8, 48], "groups": 4})(noise(1, 1, 8, 8), torch.zeros(1)).any()


class Adding(nn.Module):
    """F = the sum of all channels: what a condition adds is known."""

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return x.sum(1, keepdim=True)


def test_a_condition_stands_beside_the_state() -> None:
    """D moves by s sd / r times the condition's sum; one row serves all; none is zeros."""
    t, x, condition = KERNEL.at_sigma(0.5), noise(3, 1, 5, 6), noise(1, 2, 5, 6, seed=2)
    context = Context(NoiseStreams(0))
    free = NetDenoiser(Adding(), KERNEL, 1.0, condition_channels=2, optional_condition=True)
    bare = free.denoise(x, t, context).x0
    close(bare, NetDenoiser(Adding(), KERNEL, 1.0).denoise(x, t, context).x0)
    moved = free.denoise(x, t, replace(context, condition=condition)).x0
    close(moved - bare, (0.5 / 1.25**0.5 * condition.sum(1, keepdim=True)).expand(3, 1, 5, 6))
    needs = replace(free, optional_condition=False)
    close(needs.denoise(x, t, replace(context, condition=condition.expand(3, -1, -1, -1))).x0, moved)
    for wrong in (None, condition[:, :1], condition[..., :3], condition.expand(2, -1, -1, -1)):
        with pytest.raises(InputError) as error:
            needs.denoise(x, t, replace(context, condition=wrong))
        assert error.value.expected == "one of shape (3, 2, 5, 6)"
