"""Facts of single kernels; what all share is in the contract."""

from __future__ import annotations

import math

import pytest
import torch

from medidiff.core.process import EDM, VP, Kernel, NoiseStreams
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


@pytest.mark.parametrize(
    "make",
    [
        lambda: VP(beta_min=-1.0),
        lambda: VP(beta_min=2.0, beta_max=1.0),
        lambda: EDM(0.0, 1.0),
        lambda: EDM(2.0, 1.0),
    ],
)
def test_impossible_schedules_are_refused(make) -> None:
    with pytest.raises(InputError):
        make()


class Degraded(Kernel):
    """x_t = (1 - t) x0 + t y + t n."""

    t_min, t_max = 0.0, 1.0

    def coeffs(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        t = t.to(torch.float64)
        return 1 - t, t, t


def test_kernel_with_a_known_image_asks_for_it() -> None:
    t, n = torch.tensor(0.25), torch.ones(1, 1, 3)
    x = Degraded().perturb(4 * n, t, n=n, y=8 * n)
    assert x.tolist() == [[[5.25] * 3]]
    with pytest.raises(InputError) as error:
        Degraded().perturb(4 * n, t, n=n)
    assert error.value.got == "none"


def test_full_noise_bridge_from_pure_noise_is_all_noise() -> None:
    """Where a is 0 nothing of the state is kept: v = s_u."""
    one, half = torch.tensor(1.0), torch.tensor(0.5)
    assert Degraded().bridge(one, half) == 0.5


def test_one_level_per_slice() -> None:
    """A time map gives each slice its own level."""
    kernel, n = EDM(), NoiseStreams(0).white((1, 1, 3, 4, 5), "n", 0, 0, 0)
    t = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    x = kernel.perturb(torch.zeros_like(n), t.reshape(1, 1, 3, 1, 1), n=n)
    for z in range(3):
        assert torch.equal(x[:, :, z], kernel.perturb(torch.zeros_like(n), t[z], n=n)[:, :, z])
