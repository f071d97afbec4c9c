"""A network as a denoiser: EDM preconditioning on any kernel.

    x_t = a x0 + b y + s n,   r = sqrt(a^2 sd^2 + s^2)
    D(x, t) = m + (a sd^2 / r^2) (x - b y - a m) + (s sd / r) F((x - b y - a m) / r, -h/4),   h = log(a/s)

With F = 0 this is the exact posterior mean of N(m, sd^2 I), so an untrained network (last layer zero) is
already a denoiser; the target of F has unit variance at every level. Karras et al. 2022 (EDM, arXiv
2206.00364, eq. 7 and table 1) for a = 1, written for a general kernel by scaling with a.

`m` and `sd` are the mean and standard deviation of the training data in the scaled domain. The scheduler's
numbers are float64, the network runs in the precision of its device, and its output is float32 before any
arithmetic.

A network answers wildly to values it never saw (metal in a CT trained on bone). `span` is the range of x0 it
was trained on: beyond it (four standard deviations of noise allowed) the network and its skip see a softly
limited x, and what was taken off is added to the estimate again, so nothing is clipped from the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from medidiff.core.denoisers.estimate import Context, Estimate
from medidiff.core.denoisers.unet import UNet
from medidiff.core.device import autocast
from medidiff.core.process.kernels import Kernel
from medidiff.errors import InputError

_NOISE = 4.0  # standard deviations of noise that x may stand beyond the span of x0


def build_network(architecture: dict[str, Any]) -> nn.Module:
    """The network of a card's or a configuration's `architecture`: {"kind": "unet" | "monai", options}.

    Every network maps (x (B, C, H, W), noise (B,)) to F of the same size. Raises InputError when the kind is
    unknown or the options do not fit it.
    """
    options: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in architecture.items()}
    kind = options.pop("kind", None)
    try:
        if kind == "unet":
            return UNet(**options)
        if kind == "monai":
            from medidiff.core.denoisers.monai_unet import MonaiUNet

            return MonaiUNet(**options)
    except (TypeError, ValueError, ArithmeticError, IndexError, RuntimeError) as error:
        # PyTorch meets a width below 0 or beyond memory with a RuntimeError of several lines.
        raise InputError(
            "network",
            expected=f"options of a {kind!r} network",
            got=str(error).partition("\n")[0],
            fix="See the reference of the class.",
        ) from error
    raise InputError("network", expected="kind unet or monai", got=repr(kind), fix="Name one of the two.")


@dataclass(frozen=True)
class NetDenoiser:
    """D of a 2D network F; state (B, C, H, W), float32. `grad` keeps the graph, for training.

    `span`: (lowest, highest) value of x0, scaled, that the network was trained on; None limits nothing.
    """

    net: nn.Module
    kernel: Kernel
    sigma_data: float
    mean: float = 0.0
    precision: str = "float32"
    grad: bool = False
    span: tuple[float, float] | None = None

    def denoise(self, x: Tensor, t: Tensor, context: Context | None = None) -> Estimate:
        """The estimate of x0 from x at time t (a scalar, or one value an image)."""
        a, b, s = (_column(value, x) for value in self.kernel.coeffs(t))
        shifted = x - a * self.mean
        if context is not None and context.y is not None:
            shifted = shifted - b * context.y
        beyond = torch.zeros(()).to(x)
        if self.span is not None:
            low, high = (
                a * (end - self.mean) + sign * _NOISE * s
                for end, sign in zip(self.span, (-1, 1), strict=True)
            )
            beyond = _beyond(shifted - high, self.sigma_data) - _beyond(low - shifted, self.sigma_data)
            shifted = shifted - beyond
        sd = self.sigma_data
        r = (a**2 * sd**2 + s**2).sqrt()
        noise = -self.kernel.half_logsnr(t).float().to(x.device) / 4
        with torch.set_grad_enabled(self.grad), autocast(x.device, self.precision):
            scaled = (shifted / r).contiguous(memory_format=torch.channels_last)
            raw = self.net(scaled, noise.reshape(-1).expand(x.shape[0]))
        x0 = self.mean + (a * sd**2 / r**2) * shifted + (s * sd / r) * raw.float() + beyond / a
        return Estimate(x0=x0, prior=x0)


def _beyond(over: Tensor, width: float) -> Tensor:
    """What a soft limiter takes off a value `over` its limit: v - w (1 - exp(-v/w)) for v > 0, else 0."""
    over = over.clamp(min=0.0)
    return over + width * torch.expm1(-over / width)


def _column(value: Tensor, x: Tensor) -> Tensor:
    """A schedule's number as float32 on x's device, broadcastable to x's images."""
    value = value.to(device=x.device, dtype=torch.float32)
    return value.reshape(-1, 1, 1, 1) if value.ndim else value
