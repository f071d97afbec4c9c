"""What a sampler is: a pure step from the state at t to the state at u < t, and the formula all share.

With D the estimate of x0, n-hat = (x_t - a_t D - b_t y) / s_t and any fresh noise v in [0, s_u],

    x_u = b_u y + c (x_t - b_t y) + (a_u - c a_t) D + v n,        c = sqrt(s_u^2 - v^2) / s_t

has the right marginal. The choice of v, and of D within the step, makes the sampler; in this form the
numbers depend on the log-SNR of the levels only, not on the kernel. A step keeps nothing: what must
survive goes through the carry. Source: Song et al. 2021 (DDIM, arXiv 2010.02502, equation 12).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from medidiff.core.process.kernels import Kernel, known, like
from medidiff.errors import InputError

if TYPE_CHECKING:  # the denoisers import this package, so only their names may come here
    from medidiff.core.denoisers.estimate import Carry, Context, Estimate

    Denoise = Callable[[Tensor, Tensor, Context], Estimate]


class Sampler(Protocol):
    """One step of a sampler; `evaluations` is how often a step denoises, the loop's own included."""

    @property
    def evaluations(self) -> int:
        """Evaluations a step."""
        ...

    def step(
        self,
        kernel: Kernel,
        x: Tensor,
        t: Tensor,
        u: Tensor,
        estimate: Estimate,
        context: Context,
        denoise: Denoise,
    ) -> tuple[Tensor, Carry]:
        """The state at u, and what the next estimate is given back."""
        ...


def toward(
    kernel: Kernel, x: Tensor, t: Tensor, u: Tensor, x0: Tensor, context: Context, eta: float = 0.0
) -> Tensor:
    """The step from t to u with the estimate x0 and v = eta times the bridge; draws nothing when eta is 0."""
    (a_t, b_t, s_t), (a_u, b_u, s_u) = kernel.coeffs(t), kernel.coeffs(u)
    v = eta * kernel.bridge(t, u) if eta > 0 else torch.zeros_like(s_u)
    c = torch.sqrt(torch.clamp(s_u**2 - v**2, min=0.0)) / s_t
    x_u = like(c, x) * x + like(a_u - c * a_t, x) * x0 + known(b_u - c * b_t, context.y, x)
    return x_u if eta == 0 else x_u + like(v, x) * context.draw(x, "step")


def residual(kernel: Kernel, x: Tensor, t: Tensor, x0: Tensor, context: Context) -> Tensor:
    """The noise part s n-hat = x_t - a x0 - b y."""
    a, b, _ = kernel.coeffs(t)
    return x - like(a, x) * x0 - known(b, context.y, x)


def check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(
            name, expected="a number from 0 to 1", got=f"{value:g}", fix="0 is none, 1 is all.", argument=True
        )
