"""The mean of a denoiser over mirrored states."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Denoiser, Estimate
from medidiff.core.denoisers.wrappers.order import Layer, check_order
from medidiff.errors import InputError

_FLIPS = ((), (-1,), (-2, -1), (-2,))  # the group of a rectangle: pixels keep their height and width


@dataclass(frozen=True)
class Flipped:
    """The mean of a denoiser's estimates of the state in `each` of four orientations, turned back.

        D_k(x) = mean over i of F_i^-1 D(F_i x),    i = k each, ..., k each + each - 1 (modulo 4) at level k

    F_0 to F_3: as it is, left and right swapped, a half turn, top and bottom swapped. A network trained with
    turns errs partly independently in each: averaging removes that part of the variance, and taking other
    orientations at the next level keeps the loop from growing what one of them leaves (Terris et al. 2024,
    equivariant plug-and-play, arXiv 2312.01831). For an `inner` whose carry is no image.
    """

    inner: Denoiser
    each: int = 2
    layer: ClassVar[Layer] = Layer.PARTS

    def __post_init__(self) -> None:
        """Raise InputError unless `each` is 1 to 4 and `inner` belongs inside."""
        check_order(self, self.inner)
        if not 1 <= self.each <= len(_FLIPS):
            raise InputError(
                "flipped denoiser",
                expected="1 to 4 orientations a level",
                got=str(self.each),
                fix="1 turns the state from level to level at no cost.",
                argument=True,
            )

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """The averaged estimate; a known image, a condition or a time map is turned with the state."""
        x0, prior, carry = torch.zeros_like(x), torch.zeros_like(x), context.carry
        corrected = False
        for index in range(self.each):
            dims = _FLIPS[(context.step * self.each + index) % len(_FLIPS)]
            y, condition = (None if v is None else _flip(v, x, dims) for v in (context.y, context.condition))
            turned = replace(context, y=y, condition=condition, carry=carry)
            estimate = self.inner.denoise(x.flip(dims), _flip(t, x, dims), turned)
            carry = {**carry, **estimate.carry}
            x0 = x0 + estimate.x0.flip(dims) / self.each
            prior = prior + estimate.prior.flip(dims) / self.each
            corrected = corrected or estimate.prior is not estimate.x0
        return Estimate(x0, prior if corrected else x0, carry)


def _flip(v: Tensor, x: Tensor, dims: tuple[int, ...]) -> Tensor:
    return v.flip(dims) if v.ndim == x.ndim else v
