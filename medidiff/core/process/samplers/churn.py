"""Fresh noise between the steps of another sampler, which forgets what its earlier steps got wrong.

    inner step from t to w below u, then noise from w up to u:
    x_u = (a_u / a_w)(x_w - b_w y) + b_u y + s_u sqrt(1 - (1 + g)^-2) n,        sigma_w = sigma_u / (1 + g)

Source: Karras et al. 2022, arXiv 2206.00364, algorithm 2, which adds the noise of the next step first: the
chain is the same, but ours begins and ends at the grid's own levels, and every level that the loop
evaluates is one of the grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medidiff.core.process.kernels import Kernel, known, like
from medidiff.core.process.samplers.base import Sampler
from medidiff.core.process.samplers.second_order import Heun
from medidiff.errors import InputError

if TYPE_CHECKING:  # the denoisers import this package, so only their names may come here
    from medidiff.core.denoisers.estimate import Carry, Context, Estimate
    from medidiff.core.process.samplers.base import Denoise

_MOST = math.log(2) / 2  # of log(1 + g): the source never more than doubles the variance


@dataclass(frozen=True, slots=True)
class Churn:
    """`inner` (Heun, or DDIM for Euler's step) with churn: log(1 + g) = `share` times the step in h.

    The source's S_churn is about `share` times the whole range of h (10.6 for EDM). No step goes below the
    kernel's last level: there, and with share 0, the step is the inner one and draws nothing more.
    """

    inner: Sampler = field(default_factory=Heun)
    share: float = 0.5

    def __post_init__(self) -> None:
        """Raise InputError for a negative share."""
        if not 0 <= self.share < math.inf:
            raise InputError(
                "churn", expected="share >= 0", got=f"{self.share:g}", fix="0.5 is usual.", argument=True
            )

    @property
    def evaluations(self) -> int:
        """Those of the inner sampler."""
        return self.inner.evaluations

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
        """Step to w, then noise up to u."""
        beyond = self._beyond(kernel, t, u)
        if not bool((beyond > 0).any()):
            return self.inner.step(kernel, x, t, u, estimate, context, denoise)
        w = torch.where(beyond > 0, kernel.time(kernel.half_logsnr(u) + beyond), u)
        x, carry = self.inner.step(kernel, x, t, w, estimate, context, denoise)
        (a_w, b_w, _), (a_u, b_u, s_u) = kernel.coeffs(w), kernel.coeffs(u)
        kept, added = a_u / a_w, s_u * torch.sqrt(-torch.expm1(-2 * beyond))
        x = like(kept, x) * x + known(b_u - kept * b_w, context.y, x)
        return x + like(added, x) * context.draw(x, "churn"), carry

    def _beyond(self, kernel: Kernel, t: Tensor, u: Tensor) -> Tensor:
        """How far past u in h the inner step goes: log(1 + g), elementwise."""
        h_u = kernel.half_logsnr(u)
        if self.share == 0:
            return torch.zeros_like(h_u)
        last = kernel.half_logsnr(torch.tensor(kernel.t_min, dtype=torch.float64))
        wanted = torch.clamp(self.share * (h_u - kernel.half_logsnr(t)), max=_MOST)
        return torch.clamp(torch.minimum(wanted, last - h_u), min=0.0)
