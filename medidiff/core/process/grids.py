"""Grids of levels: the times at which the denoiser is evaluated, from much noise to little.

N entries are N evaluations of a one-evaluation sampler. The ends are exact: t_max and t_min of the kernel,
or the times of `sigma_max` and `sigma_min` (noise in units of the clean image, s / a) where given.
A kernel that begins at pure noise (a = 0) keeps t_max as first entry; the spacing then starts at sigma 80.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from medidiff.core.process.kernels import Kernel
from medidiff.errors import InputError

_SIGMA_OF_PURE_NOISE = 80.0  # of data of unit standard deviation (Karras et al. 2022)
_SLACK = 1e-9  # in t: a level computed from the kernel's own end is inside


def logsnr_grid(
    kernel: Kernel, evaluations: int, *, sigma_max: float | None = None, sigma_min: float | None = None
) -> Tensor:
    """Levels evenly spaced in h = log(a / s): the default of the core. (N,) float64, decreasing."""
    first, last = _ends(kernel, evaluations, sigma_max, sigma_min)
    h = torch.linspace(
        _finite(kernel, first), float(kernel.half_logsnr(last)), evaluations, dtype=torch.float64
    )
    return _pinned(kernel.time(h), first, last)


def karras_grid(
    kernel: Kernel,
    evaluations: int,
    *,
    sigma_max: float | None = None,
    sigma_min: float | None = None,
    rho: float = 7.0,
) -> Tensor:
    """Levels evenly spaced in sigma^(1 / rho) (Karras et al. 2022, equation 5). (N,) float64, decreasing."""
    first, last = _ends(kernel, evaluations, sigma_max, sigma_min)
    high, low = (math.exp(-h / rho) for h in (_finite(kernel, first), float(kernel.half_logsnr(last))))
    roots = torch.linspace(high, low, evaluations, dtype=torch.float64)
    return _pinned(kernel.time(-rho * torch.log(roots)), first, last)


def uniform_grid(
    kernel: Kernel, evaluations: int, *, sigma_max: float | None = None, sigma_min: float | None = None
) -> Tensor:
    """Levels evenly spaced in t, for comparison with other work. (N,) float64, decreasing."""
    first, last = _ends(kernel, evaluations, sigma_max, sigma_min)
    t = torch.linspace(float(first), float(last), evaluations, dtype=torch.float64)
    return _pinned(t, first, last)


def _ends(
    kernel: Kernel, evaluations: int, sigma_max: float | None, sigma_min: float | None
) -> tuple[Tensor, Tensor]:
    if evaluations < 1:
        raise InputError(
            "grid",
            expected="at least one evaluation",
            got=str(evaluations),
            fix="20 is usual.",
            argument=True,
        )
    first = _end(kernel, kernel.t_max if sigma_max is None else sigma_max, sigma_max is not None)
    last = _end(kernel, kernel.t_min if sigma_min is None else sigma_min, sigma_min is not None)
    if not bool(first > last):
        raise InputError(
            "grid",
            expected="sigma_max above sigma_min",
            got=f"{float(kernel.sigma(first)):g} and {float(kernel.sigma(last)):g}",
            fix="Start from a higher level or end at a lower one.",
            argument=True,
        )
    return first, last


def _end(kernel: Kernel, value: float, is_sigma: bool) -> Tensor:
    """The time of an end given as a time or as a sigma. Raises InputError outside the kernel's range."""
    if not is_sigma:
        return torch.tensor(value, dtype=torch.float64)
    t = kernel.at_sigma(value) if value > 0 else torch.tensor(math.nan)
    inside = kernel.t_min - _SLACK <= float(t) <= kernel.t_max + _SLACK
    # A kernel that finds its times by bisection answers with its end for any level beyond.
    if not inside or not math.isclose(float(kernel.sigma(t)), value, rel_tol=1e-6):
        low, high = (float(kernel.sigma(torch.tensor(end))) for end in (kernel.t_min, kernel.t_max))
        raise InputError(
            "noise level",
            expected=f"sigma between {low:.3g} and {high:.3g}, the kernel's range",
            got=f"{value:g}",
            fix="Choose a level inside, or a kernel (and a prior trained for it) that reaches it.",
            argument=True,
        )
    return t.clamp(kernel.t_min, kernel.t_max)


def _finite(kernel: Kernel, first: Tensor) -> float:
    h = float(kernel.half_logsnr(first))
    return h if math.isfinite(h) else -math.log(_SIGMA_OF_PURE_NOISE)


def _pinned(t: Tensor, first: Tensor, last: Tensor) -> Tensor:
    t[-1] = last
    t[0] = first
    return t
