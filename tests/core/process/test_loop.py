"""The one loop: what it returns, refuses, reports, and how it stops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers import Context, Estimate
from medidiff.core.denoisers.network import NetDenoiser
from medidiff.core.denoisers.unet import UNet
from medidiff.core.denoisers.wrappers import Sliced
from medidiff.core.process import (
    DDIM,
    EDM,
    VP,
    Heun,
    Kernel,
    Multistep,
    NoiseStreams,
    Renoise,
    Sampler,
    logsnr_grid,
    sample,
)
from medidiff.errors import InputError, MedidiffError
from medidiff.progress import Progress

_GRID = logsnr_grid(EDM(), 4, sigma_max=2.0, sigma_min=0.1)


class Corrected:
    """Says prior = 1, x0 = the number of the step, and counts through the carry."""

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        seen = int(str(context.carry.get("seen", 0)))
        assert seen == context.step
        return Estimate(torch.full_like(x, float(context.step)), torch.ones_like(x), {"seen": seen + 1})


class Broken:
    """Turns one voxel into NaN at step 2."""

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        x0 = torch.zeros_like(x)
        if context.step == 2:
            x0[0, 0, 1], x0[0, 0, 2] = math.nan, 7.0
        return Estimate(x0, x0)


def run(denoiser, **options) -> Tensor:
    start = options.pop("start", torch.zeros(1, 1, 5))
    grid = options.pop("grid", _GRID)
    sampler = options.pop("sampler", Renoise())
    return sample(denoiser, EDM(), sampler, grid, start=start, context=Context(NoiseStreams(0)), **options)


def test_the_result_is_the_last_corrected_estimate() -> None:
    assert run(Corrected()).tolist() == [[[3.0] * 5]]


def test_start_is_not_changed() -> None:
    start = torch.ones(1, 1, 5)
    run(Corrected(), start=start, sampler=DDIM(1.0))
    assert torch.equal(start, torch.ones(1, 1, 5))


def test_every_level_is_reported_and_watched() -> None:
    heard: list[Progress] = []
    seen: list[tuple[int, float]] = []
    run(
        Corrected(),
        progress=heard.append,
        stage="prior",
        watch=lambda step, x, estimate: seen.append((step, float(estimate.prior[0, 0, 0]))),
    )
    assert [(p.stage, p.done, p.total) for p in heard] == [("prior", k, 4) for k in (1, 2, 3, 4)]
    assert heard[0].note == "sigma 2"
    assert seen == [(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)]


def test_raising_in_a_callback_cancels() -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Corrected(), progress=stop)


def test_a_value_that_is_not_finite_stops_the_run_and_says_where() -> None:
    with pytest.raises(MedidiffError) as error:
        run(Broken())
    assert error.value.what == f"diffusion step 3 of 4 at sigma {float(EDM().sigma(_GRID[2])):.3g}"
    assert error.value.got == "1 of 5 NaN or infinite, the others from 0 to 7"
    assert "float32" in error.value.fix


def test_a_denoiser_that_changes_the_shape_is_named() -> None:
    class Cropping:
        def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
            return Estimate(x[..., 1:], x[..., 1:])

    with pytest.raises(InputError) as error:
        run(Cropping())
    assert error.value.got == "(1, 1, 4)"


class Unasked:
    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        pytest.fail("evaluated before the check")


@pytest.mark.parametrize(
    "options",
    [
        {"start": torch.zeros(1, 5)},
        {"start": torch.zeros(1, 1, 5, dtype=torch.complex64)},
        {"start": torch.zeros(1, 1, 5, dtype=torch.int64)},
        {"start": torch.zeros(0, 1, 5)},
        {"grid": torch.tensor([0.1, 0.5])},
        {"grid": torch.tensor([0.5, 0.5])},
        {"grid": torch.tensor([1.5, 0.5])},
        {"grid": torch.tensor([math.nan, 0.5])},
        {"grid": torch.tensor([])},
        {"grid": torch.tensor(0.5)},
        {"grid": torch.tensor([0.5, 0.2]).reshape(2, 1)},
        {"grid": torch.full((2, 1, 1, 2), 0.5)},
        {"grid": torch.full((2, 1, 1, 5), 0.5)},
        {"grid": torch.tensor([[0.5] * 5, [0.4] * 4 + [0.6]]).reshape(2, 1, 1, 5)},
        {"grid": torch.tensor([[0.5] * 5, [0.4] * 4 + [-0.1]]).reshape(2, 1, 1, 5)},
    ],
)
def test_bad_states_and_grids_are_refused_before_the_first_evaluation(options: dict[str, Tensor]) -> None:
    with pytest.raises(InputError):
        run(Unasked(), **options)


def exact(kernel: Kernel) -> Sliced:
    """The exact denoiser of N(0.3, 0.5^2): a network whose last layer is 0, on every slice."""
    return Sliced(NetDenoiser(UNet(channels=(4,), blocks=(1,)), kernel, sigma_data=0.5, mean=0.3))


@pytest.mark.parametrize("kernel", [EDM(), VP()], ids=["edm", "vp"])
@pytest.mark.parametrize("sampler", [DDIM(), Heun(), Multistep()], ids=["ddim", "heun", "multistep"])
def test_a_grid_of_maps_is_each_slice_on_levels_of_its_own(kernel: Kernel, sampler: Sampler) -> None:
    """One slice goes down, one waits for two levels, one is known and rests at the last."""
    down = logsnr_grid(kernel, 8, sigma_max=3.0, sigma_min=0.05)
    late = torch.cat([down[:1].expand(2), logsnr_grid(kernel, 6, sigma_max=3.0, sigma_min=0.05)])
    late[:3] = down[0]
    known = down[-1:].expand(8)
    start = torch.randn(2, 1, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    context = Context(NoiseStreams(0))
    maps = torch.stack([down, late, known], 1).reshape(8, 1, 1, 3, 1, 1)
    together = sample(exact(kernel), kernel, sampler, maps, start=start, context=context)
    for z, grid in enumerate((down, late[2:], known[:1])):
        part = start[:, :, z : z + 1]
        alone = sample(exact(kernel), kernel, sampler, grid, start=part, context=context)
        torch.testing.assert_close(together[:, :, z : z + 1], alone, rtol=0, atol=1e-5)


def test_a_constant_map_is_the_time() -> None:
    kernel, start = EDM(), torch.randn(1, 1, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    grid, context = logsnr_grid(kernel, 5), Context(NoiseStreams(0))
    one, all_ = (
        sample(exact(kernel), kernel, DDIM(1.0), g, start=start, context=context)
        for g in (grid, grid.reshape(5, 1, 1, 1, 1, 1).expand(5, 1, 1, 3, 1, 1))
    )
    assert torch.equal(one, all_)


def test_no_graph_is_kept() -> None:
    start = torch.zeros(1, 1, 5, requires_grad=True)
    assert not run(Corrected(), start=start).requires_grad
