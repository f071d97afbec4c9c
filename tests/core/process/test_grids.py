"""Spacings of the levels against their formulas; shape and ends on all kernels are in the contract."""

from __future__ import annotations

import pytest
import torch

from medidiff.core.process import EDM, VP, Kernel, RectifiedFlow, karras_grid, logsnr_grid, uniform_grid
from medidiff.errors import InputError


@pytest.mark.parametrize("kernel", [EDM(), VP()])
def test_logsnr_grid_is_even_in_h(kernel: Kernel) -> None:
    h = kernel.half_logsnr(logsnr_grid(kernel, 9, sigma_max=5.0, sigma_min=0.02))
    assert h.diff().tolist() == pytest.approx([float(h[-1] - h[0]) / 8] * 8, rel=1e-8)
    assert (-h[[0, -1]]).exp().tolist() == pytest.approx([5.0, 0.02], rel=1e-9)


@pytest.mark.parametrize("kernel", [EDM(), VP()])
def test_karras_grid_is_equation_5(kernel: Kernel) -> None:
    """sigma_i = (max^(1/7) + i/(N-1) (min^(1/7) - max^(1/7)))^7."""
    sigma = kernel.sigma(karras_grid(kernel, 5, sigma_max=10.0, sigma_min=0.02))
    expected = [(10 ** (1 / 7) + i / 4 * (0.02 ** (1 / 7) - 10 ** (1 / 7))) ** 7 for i in range(5)]
    assert sigma.tolist() == pytest.approx(expected, rel=1e-9)


def test_uniform_grid_is_even_in_t() -> None:
    assert uniform_grid(EDM(), 5).tolist() == pytest.approx([1, 0.75, 0.5, 0.25, 0])


def test_one_evaluation_is_at_the_first_level() -> None:
    for grid in (logsnr_grid, karras_grid, uniform_grid):
        assert float(EDM().sigma(grid(EDM(), 1, sigma_max=3.0))) == pytest.approx(3.0)


def test_pure_noise_stays_the_first_level_and_the_next_is_finite() -> None:
    t = logsnr_grid(RectifiedFlow(), 10)
    assert t[0] == 1.0
    assert (t.diff() < 0).all()
    assert torch.isfinite(RectifiedFlow().half_logsnr(t[1:])).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: logsnr_grid(EDM(), 0),
        lambda: logsnr_grid(EDM(), 5, sigma_max=100.0),
        lambda: karras_grid(EDM(), 5, sigma_min=1e-4),
        lambda: karras_grid(EDM(), 5, sigma_min=-1.0),
        lambda: uniform_grid(EDM(), 5, sigma_max=0.5, sigma_min=0.5),
    ],
)
def test_levels_outside_the_kernel_are_refused(call) -> None:
    with pytest.raises(InputError):
        call()


@pytest.mark.parametrize("levels", [{"sigma_max": 2e3}, {"sigma_min": 1e-4}])
def test_levels_beyond_a_kernel_without_a_closed_form_are_refused(levels: dict[str, float]) -> None:
    """Bisection answers with the kernel's end (s/a = 1e-3 to infinity here), whatever was asked."""

    class Bisected(RectifiedFlow):
        time = Kernel.time

    with pytest.raises(InputError):
        logsnr_grid(Bisected(t_max=0.999), 5, **levels)  # s/a = 999 there
