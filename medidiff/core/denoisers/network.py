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
was trained on: beyond it (four standard deviations of noise allowed) F sees a softly limited x; the first
two terms of D keep the whole one, so nothing is clipped from the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from medidiff.core.denoisers.estimate import Context, Estimate
from medidiff.core.denoisers.unet import UNet
from medidiff.core.device import autocast
from medidiff.core.process.kernels import Kernel, known
from medidiff.errors import InputError

_MOST_CHANNELS, _MOST, _MOST_LEVELS = 1024, 32, 8  # of an option; the largest that a card may ask for
_NOISE = 4.0  # standard deviations of noise that x may stand beyond the span of x0


def build_network(architecture: dict[str, Any]) -> nn.Module:
    """The network of a card's or a configuration's `architecture`: {"kind": "unet" | "monai", options}.

    Every network maps (x (B, C, H, W), noise (B,)) to F of the same size. Raises InputError when the kind is
    unknown or the options do not fit it.
    """
    options: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in architecture.items()}
    kind = options.pop("kind", None)
    try:
        _check_size(options)
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


def _check_size(options: dict[str, Any]) -> None:
    """Raise ValueError for options that no prior has: a card from elsewhere may ask for all memory."""
    for name, value in options.items():
        numbers = value if isinstance(value, tuple) else (value,)
        most = _MOST_CHANNELS if "channels" in name else _MOST
        fits = all(isinstance(n, int) and 0 <= n <= most for n in numbers)
        if not fits or len(numbers) > _MOST_LEVELS or (name == "patch" and 0 in numbers):
            raise ValueError(f"{name}={str(value)[:40]}")


@dataclass(frozen=True)
class NetDenoiser:
    """D of a 2D network F; state (B, C, H, W), computed in float32. `grad` keeps the graph, for training.

    `span`: (lowest, highest) value of x0, scaled, that the network was trained on; None limits nothing.
    `condition_channels`: how many channels F expects after those of the state; the context's condition
    (B or 1, channels, H, W) fills them. `optional_condition`: F was trained with the condition dropped now
    and then, and takes zeros as "none".
    """

    net: nn.Module
    kernel: Kernel
    sigma_data: float
    mean: float = 0.0
    precision: str = "float32"
    grad: bool = False
    span: tuple[float, float] | None = None
    condition_channels: int = 0
    optional_condition: bool = False

    def denoise(self, x: Tensor, t: Tensor, context: Context | None = None) -> Estimate:
        """The estimate of x0 from x at time t (a scalar, or one value an image), in x's dtype.

        Raises InputError for a condition that the network cannot take or misses, and for a missing y.
        """
        y = condition = None
        if context is not None:
            y, condition = context.y, context.condition
        extra = condition_input(condition, x, self.condition_channels, optional=self.optional_condition)
        scale, b, noise = self.kernel.coeffs(t)
        a, s, sd = _column(scale, x), _column(noise, x), self.sigma_data
        seen = shifted = (x - known(b, y, x)).float() - a * self.mean
        if self.span is not None:
            low, high = (a * (end - self.mean) for end in self.span)
            seen = _limited(shifted, low - _NOISE * s, high + _NOISE * s, sd)
        r = (a**2 * sd**2 + s**2).sqrt()
        level = -self.kernel.half_logsnr(t).float().to(x.device) / 4
        with torch.set_grad_enabled(self.grad), autocast(x.device, self.precision):
            scaled = (seen / r).contiguous(memory_format=torch.channels_last)
            if extra is not None:
                scaled = torch.cat([scaled, extra], 1)
            raw = self.net(scaled, level.reshape(-1).expand(x.shape[0]))
        x0 = self.mean + (a * sd**2 / r**2) * shifted + (s * sd / r) * raw.float()
        x0 = x0.to(x.dtype)
        return Estimate(x0=x0, prior=x0)


def condition_input(condition: Tensor | None, x: Tensor, channels: int, *, optional: bool) -> Tensor | None:
    """The channels (B, channels, *space) that a network sees beside x; None for one that sees x alone.

    No condition is zeros, for a network that learned to do without. Raises InputError for a condition that is
    not expected, does not fit, or is missing.
    """
    shape = (x.shape[0], channels, *x.shape[2:])
    if condition is None and (channels == 0 or optional):
        return torch.zeros(shape, device=x.device) if channels else None
    if condition is None or channels == 0 or condition.shape not in (shape, (1, *shape[1:])):
        raise InputError(
            "condition of the denoiser",
            expected=f"one of shape {shape}" if channels else "none",
            got="none" if condition is None else f"shape {tuple(condition.shape)}",
            fix="Give what the network was trained with.",
        )
    return condition.to(x.device, torch.float32).expand(shape)


def _limited(x: Tensor, low: Tensor, high: Tensor, width: float) -> Tensor:
    """X between low and high; beyond them it goes on smoothly and ends `width` further out."""
    inside = torch.minimum(torch.maximum(x, low), high)
    return inside - width * torch.sign(x - inside) * torch.expm1(-(x - inside).abs() / width)


def _column(value: Tensor, x: Tensor) -> Tensor:
    """A schedule's number as float32 on x's device, broadcastable to x's images."""
    value = value.to(device=x.device, dtype=torch.float32)
    return value.reshape(-1, 1, 1, 1) if value.ndim else value
