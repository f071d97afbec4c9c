"""A network of integer time steps as a denoiser: from what it predicts to the clean image.

    predicts n ("epsilon")       D = (x - s n) / a
    predicts x0 ("sample")       D = x0
    predicts v ("v_prediction")  D = a x - s v,    v = a n - s x0     (variance preserving: a^2 + s^2 = 1)

Sources: Ho et al. 2020 (arXiv 2006.11239, equation 9); Salimans and Ho 2022 (arXiv 2202.00512, appendix D).
Where a is nearly 0 the noise says nothing of x0: an error of n grows by s/a, so levels with h < -6 are
refused for "epsilon", and the kernel of such a network ends there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Estimate
from medidiff.core.denoisers.network import condition_input
from medidiff.core.denoisers.unet import pad_to_multiple
from medidiff.core.process.kernels import DiscreteVP, Kernel
from medidiff.errors import InputError

Prediction = Literal["epsilon", "sample", "v_prediction"]
_LOWEST_H, _SLACK = -6.0, 1e-6


def checked_prediction(name: object) -> Prediction:
    """`name` as one of the three kinds of prediction; InputError for another."""
    for kind in get_args(Prediction):
        if str(name) == kind:
            found: Prediction = kind
            return found
    raise InputError(
        "prediction type",
        expected=", ".join(get_args(Prediction)),
        got=repr(name),
        fix="Networks of flows and of scores have no adapter.",
    )


def trained_kernel(betas: Tensor, prediction: Prediction) -> DiscreteVP:
    """The levels that the network was trained at, (T,) betas, as far as its prediction tells x0."""
    kernel = DiscreteVP(tuple(betas.double().flatten().tolist()))
    if prediction != "epsilon":
        return kernel
    lowest = float(kernel.time(torch.tensor(_LOWEST_H, dtype=torch.float64)))
    return replace(kernel, t_max=min(lowest, 1.0))


@dataclass(frozen=True)
class Predicting:
    """D of `network(x, step)`: x (B, C + conditions, *space) float32, step (B,) float32 in 0 .. `steps` - 1.

    `kernel` is that of the training, with t = (step + 1) / steps; `multiple` is what sides are padded to.
    The condition's channels follow the state's, as in `NetDenoiser`. Runs in float32, without a graph.
    """

    network: Callable[[Tensor, Tensor], Tensor]
    kernel: Kernel
    steps: int
    prediction: Prediction
    multiple: int = 1
    condition_channels: int = 0
    optional_condition: bool = False

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """The estimate of x0, in x's dtype; t is a scalar or one value a row.

        Raises InputError for a time map, a level at which noise does not tell x0, and an output of another
        shape.
        """
        if t.numel() not in (1, x.shape[0]):
            raise InputError(
                "denoiser of time steps",
                expected="one level, or one a row",
                got=f"a time map of shape {tuple(t.shape)}",
                fix="Wrap it in Sliced for one level a slice.",
            )
        if self.prediction == "epsilon" and bool((self.kernel.half_logsnr(t) < _LOWEST_H - _SLACK).any()):
            raise InputError(
                "noise level",
                expected=f"sigma below {math.exp(-_LOWEST_H):.0f} for a network that predicts noise",
                got=f"{float(self.kernel.sigma(t).max()):.3g}",
                fix="Begin the grid at a lower level.",
            )
        a, _, s = (_column(v, x) for v in self.kernel.coeffs(t))
        state = x.float()
        out = self._predicted(state, t, context)
        if self.prediction == "epsilon":
            out = (state - s * out) / a
        elif self.prediction == "v_prediction":
            out = a * state - s * out
        x0 = out.to(x.dtype)
        return Estimate(x0, x0)

    @torch.no_grad()
    def _predicted(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        extra = condition_input(
            context.condition, x, self.condition_channels, optional=self.optional_condition
        )
        seen = pad_to_multiple(x if extra is None else torch.cat([x, extra], 1), self.multiple)
        step = (t * self.steps - 1).float().reshape(-1).expand(x.shape[0]).to(x.device)
        out = self.network(seen, step).float()
        for axis, side in enumerate(x.shape[2:], 2):
            out = out.narrow(axis, 0, min(side, out.shape[axis]))
        if out.shape != x.shape:
            raise InputError(
                "network",
                expected=f"a prediction of shape {tuple(x.shape)}",
                got=str(tuple(out.shape)),
                fix="A network that also predicts variances, or takes a condition, has other channels.",
            )
        return out


def _column(value: Tensor, x: Tensor) -> Tensor:
    """A schedule's number as float32 on x's device, broadcastable to x's rows."""
    value = value.to(device=x.device, dtype=torch.float32)
    return value.reshape(-1, *[1] * (x.ndim - 1)) if value.ndim else value
