"""What every kernel must do (closed forms in float64)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from medidiff.core.contracts import Entry
from medidiff.core.process import Kernel, NoiseStreams, karras_grid, logsnr_grid, uniform_grid


@pytest.fixture
def kernel(kernel_entry: Entry) -> Kernel:
    return kernel_entry.make()


@pytest.fixture
def times(kernel: Kernel) -> torch.Tensor:
    return torch.linspace(kernel.t_min, kernel.t_max, 1001, dtype=torch.float64)


def test_noise_grows_with_time(kernel: Kernel, times: torch.Tensor) -> None:
    a, b, s = kernel.coeffs(times)
    assert {v.dtype for v in (a, b, s)} == {torch.float64}
    assert (a >= 0).all()
    assert (s >= 0).all()
    assert (kernel.half_logsnr(times).diff() < 0).all()


def test_half_logsnr_is_the_logarithm_of_a_over_s(kernel: Kernel, times: torch.Tensor) -> None:
    """An override must agree with the definition; 1e-9 is the cancellation in 1 - a^2 at small t."""
    a, _, s = kernel.coeffs(times)
    torch.testing.assert_close(kernel.half_logsnr(times), torch.log(a / s), rtol=0, atol=1e-9)


def test_time_inverts_half_logsnr(kernel: Kernel, times: torch.Tensor) -> None:
    h = kernel.half_logsnr(times)
    torch.testing.assert_close(kernel.time(h), times, rtol=0, atol=1e-9)
    torch.testing.assert_close(Kernel.time(kernel, h), times, rtol=0, atol=1e-9)
    torch.testing.assert_close(kernel.sigma(kernel.at_sigma(0.37)), torch.tensor(0.37, dtype=torch.float64))


def test_nearly_clean_at_the_end(kernel: Kernel, kernel_entry: Entry) -> None:
    """s/a at most 0.01, or just what the entry says."""
    a, _, s = kernel.coeffs(torch.tensor(kernel.t_min, dtype=torch.float64))
    assert a >= 0.99
    assert s / a <= kernel_entry.facts.get("last_sigma", 0.01) * (1 + 1e-9)
    assert s / a >= kernel_entry.facts.get("last_sigma", 0) * 0.99


def test_perturb_has_the_law_of_the_coefficients(kernel: Kernel) -> None:
    """200 000 draws in float64: mean and variance within 4 standard errors."""
    count, t = 200_000, torch.tensor((kernel.t_min + kernel.t_max) / 3, dtype=torch.float64)
    n = NoiseStreams(1).white((1, 1, count), "test", 0, 0, 0).double()
    x0, y = torch.full_like(n, 1.5), torch.full_like(n, -0.5)
    a, b, s = kernel.coeffs(t)
    x = kernel.perturb(x0, t, n=n, y=y)
    assert abs(x.mean() - (1.5 * a - 0.5 * b)) < 4 * s / count**0.5
    assert abs(x.var() / s**2 - 1) < 4 * (2 / count) ** 0.5


def test_bridges_keep_the_marginal(kernel: Kernel) -> None:
    """Along t > u > w the coefficient of x0 and the variance c^2 s_t^2 + v^2 are the kernel's."""
    t, u, w = (
        torch.tensor(kernel.t_min + f * (kernel.t_max - kernel.t_min), dtype=torch.float64)
        for f in (0.9, 0.55, 0.2)
    )
    a, _, s = kernel.coeffs(t)
    mean, var = a, s**2
    for before, after in ((t, u), (u, w)):
        (a_t, _, s_t), (a_u, _, s_u) = kernel.coeffs(before), kernel.coeffs(after)
        v = kernel.bridge(before, after)
        assert 0 <= v <= s_u
        c = torch.sqrt(s_u**2 - v**2) / s_t
        mean, var = c * mean + (a_u - c * a_t), c**2 * var + v**2
        torch.testing.assert_close(mean, a_u, rtol=1e-12, atol=0)
        torch.testing.assert_close(var, s_u**2, rtol=1e-12, atol=0)
    assert kernel.bridge(u, u) == 0


def test_constant_time_map_is_the_scalar(kernel: Kernel) -> None:
    """One level per slice, all equal: bit-equal to one level."""
    x0, n = torch.randn(2, 2, 1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    t = torch.tensor(0.4 * kernel.t_max, dtype=torch.float64)
    y = x0.flip(-1)
    whole = kernel.perturb(x0, t, n=n, y=y)
    assert whole.dtype == torch.float32
    assert torch.equal(kernel.perturb(x0, t.expand(2, 1, 3, 1, 1), n=n, y=y), whole)


def test_levels_by_slice(kernel: Kernel) -> None:
    """Coefficients, step noise and times of a map are those of its entries alone."""
    t = torch.linspace(kernel.t_min, kernel.t_max, 7, dtype=torch.float64)[1:-1].reshape(1, 1, 5, 1, 1)
    u = (t + kernel.t_min) / 2
    whole = (*kernel.coeffs(t), kernel.bridge(t, u), kernel.time(kernel.half_logsnr(t)))
    for z in range(5):
        t_z, u_z = t[0, 0, z, 0, 0], u[0, 0, z, 0, 0]
        alone = (*kernel.coeffs(t_z), kernel.bridge(t_z, u_z), kernel.time(kernel.half_logsnr(t_z)))
        for one, other in zip(whole, alone, strict=True):
            assert one.shape == t.shape
            torch.testing.assert_close(one[0, 0, z, 0, 0], other, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("level", ["top", "middle"])
def test_start_law(kernel: Kernel, level: str) -> None:
    """Mean a m + b y and variance a^2 var + s^2, to 4 standard errors: at the top (the default), where a
    schedule may end with a > 0, and at a level where both terms count.
    """
    count = 200_000
    t = None if level == "top" else kernel.at_sigma(0.5)
    n = NoiseStreams(2).white((1, 1, count), "test", 0, 0, 0).double()
    y = torch.full_like(n, 3.0)
    a, b, s = kernel.coeffs(torch.tensor(kernel.t_max, dtype=torch.float64) if t is None else t)
    x = kernel.start(n, t=t, mean=2.0, var=0.25, y=y)
    var = a**2 * 0.25 + s**2
    assert abs(x.mean() - (2 * a + 3 * b)) < 4 * (var / count).sqrt()
    assert abs(x.var() / var - 1) < 4 * (2 / count) ** 0.5


@pytest.mark.parametrize("grid", [logsnr_grid, karras_grid, uniform_grid])
def test_grids(kernel: Kernel, grid: Callable[[Kernel, int], torch.Tensor]) -> None:
    """N entries, strictly decreasing, the ends exact, for every N."""
    for count in range(2, 201):
        t = grid(kernel, count)
        assert t.shape == (count,)
        assert t.dtype == torch.float64
        assert (t.diff() < 0).all()
        assert (t[0], t[-1]) == (kernel.t_max, kernel.t_min)
