"""Noising kernels: the law of x_t given the clean x0 (and, for some, a known image y).

    x_t = a(t) x0 + b(t) y + s(t) n,        n ~ N(0, 1) per voxel, from a noise law

t in [0, 1] grows with noise. h = log(a / s), half the log signal-to-noise ratio, is the clock that all
kernels share; sigma = s / a = exp(-h). Coefficients are float64: a 0-dim t gives 0-dim coefficients, a
time map that broadcasts to x (one level per slice, say) gives maps.

A new kernel writes `coeffs`, and `time` where the inverse has a closed form.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from medidiff.errors import InputError

_HALVINGS = 80


class Kernel(ABC):
    """x_t = a x0 + b y + s n; `t_min` and `t_max` bound the usable times."""

    t_min: float
    t_max: float

    @abstractmethod
    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """a, b, s in float64, of the shape of t."""

    def half_logsnr(self, t: Tensor) -> Tensor:
        """H = log(a / s), strictly decreasing in t."""
        a, _, s = self.coeffs(t)
        return torch.log(a / s)

    def time(self, h: Tensor) -> Tensor:
        """The t with half_logsnr(t) = h: by bisection between t_min and t_max unless overridden."""
        h = torch.as_tensor(h, dtype=torch.float64)
        low, high = torch.full_like(h, self.t_min), torch.full_like(h, self.t_max)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            noisier = self.half_logsnr(middle) > h
            low, high = torch.where(noisier, middle, low), torch.where(noisier, high, middle)
        return (low + high) / 2

    def sigma(self, t: Tensor) -> Tensor:
        """The noise in units of the clean image, s / a."""
        return torch.exp(-self.half_logsnr(t))

    def at_sigma(self, sigma: float | Tensor) -> Tensor:
        """The time at which s / a is `sigma`."""
        return self.time(-torch.log(torch.as_tensor(sigma, dtype=torch.float64)))

    def bridge(self, t: Tensor, u: Tensor) -> Tensor:
        """The fresh noise v of the full-noise step from t down to u: s_u sqrt(1 - (a_t s_u / s_t a_u)^2).

        Any v in [0, s_u] keeps the marginals; this one makes the chain Markov (ancestral sampling).
        """
        _, _, s = self.coeffs(u)
        gap = self.half_logsnr(t) - self.half_logsnr(u)
        return s * torch.sqrt(-torch.expm1(2 * torch.clamp(gap, max=0.0)))

    def perturb(self, x0: Tensor, t: Tensor, *, n: Tensor, y: Tensor | None = None) -> Tensor:
        """x_t of a clean image (a warm start, where x0 is an estimate); n from a noise law."""
        a, b, s = self.coeffs(t)
        return like(a, x0) * x0 + like(s, x0) * n + known(b, y, x0)

    def start(
        self,
        n: Tensor,
        *,
        t: Tensor | None = None,
        mean: float | Tensor = 0.0,
        var: float | Tensor = 0.0,
        y: Tensor | None = None,
    ) -> Tensor:
        """The law of x_t under N(m, var): a m + b y + sqrt(a^2 var + s^2) n at t (default t_max).

        `mean` and `var` are the training data's, an image or a number. A schedule that ends with a > 0
        loses a part of the data's brightness when it starts from b y + s n alone; this is the remedy
        that needs no network (the fault: Lin et al. 2024, arXiv 2305.08891).
        """
        a, b, s = self.coeffs(torch.tensor(self.t_max, dtype=torch.float64) if t is None else t)
        a, s = like(a, n), like(s, n)
        return a * mean + torch.sqrt(a**2 * torch.as_tensor(var).to(n) + s**2) * n + known(b, y, n)


def like(coefficient: Tensor, x: Tensor) -> Tensor:
    """A float64 coefficient ready to multiply x without changing its dtype; a scalar stays float64."""
    return coefficient if coefficient.ndim == 0 else coefficient.to(x.device, x.real.dtype)


def known(b: Tensor, y: Tensor | None, x: Tensor) -> Tensor | float:
    """The term b y of the state x; 0 where the kernel has none. Raises InputError when y is missing."""
    if not bool(b.any()):
        return 0.0
    if y is None:
        raise InputError(
            "kernel with a known image", expected="the image y", got="none", fix="Put y into the context."
        )
    return like(b, x) * y
