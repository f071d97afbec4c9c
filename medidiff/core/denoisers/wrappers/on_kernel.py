"""A denoiser of one kernel, asked with the states of another.

At equal log-SNR two kernels differ by a scale alone: with h(t) = h'(t') and b = b' = 0

    x'_t' = (s' / s) x_t,        D(x_t, t) = D'(x'_t', t')

and with known images, x' = (s' / s) (x - b y) + b' y. So a network trained on one schedule runs in the loop
of any other, and the blocks of `Stacked` may come from different ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Denoiser, Estimate
from medidiff.core.denoisers.wrappers.order import Layer, layer_of
from medidiff.core.process.kernels import Kernel, known, like
from medidiff.errors import InputError

_SLACK = 1e-6  # in h: what bisection leaves


@dataclass(frozen=True)
class OnKernel:
    """`inner`, a denoiser on the kernel `own`, as one on `kernel`. Equal kernels change nothing."""

    inner: Denoiser
    own: Kernel
    kernel: Kernel

    @property
    def layer(self) -> Layer:
        """That of the inner denoiser."""
        return layer_of(self.inner)

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """The inner estimate at the same log-SNR. Raises InputError for a level that `own` does not have."""
        if self.own == self.kernel:
            return self.inner.denoise(x, t, context)
        h = self.kernel.half_logsnr(t)
        u = self.own.time(h)
        inside = (u >= self.own.t_min - _SLACK) & (u <= self.own.t_max + _SLACK)
        if not bool((inside & ((self.own.half_logsnr(u) - h).abs() <= _SLACK)).all()):
            low, high = (float(self.own.sigma(h.new_tensor(end))) for end in (self.own.t_min, self.own.t_max))
            raise InputError(
                "noise level of another kernel",
                expected=f"sigma between {low:.3g} and {high:.3g}, the range of the inner denoiser's kernel",
                got=f"{float((-h).exp().max()):.3g}",
                fix="Let the grid begin and end inside that range.",
            )
        (_, b, s), (_, b_own, s_own) = self.kernel.coeffs(t), self.own.coeffs(u)
        moved = like(s_own / s, x) * (x - known(b, context.y, x)) + known(b_own, context.y, x)
        return self.inner.denoise(moved.to(x), u, context)
