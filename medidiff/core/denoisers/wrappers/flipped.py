"""The mean of a denoiser over mirrored and moved states."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from medidiff.core.denoisers.estimate import Context, Denoiser, Estimate
from medidiff.core.denoisers.wrappers.order import Layer, check_order
from medidiff.errors import InputError

_FLIPS = ((), (-1,), (-2, -1), (-2,))  # the group of a rectangle: pixels keep their height and width


@dataclass(frozen=True)
class Flipped:
    """The mean of a denoiser's estimates of the state in `each` of four orientations, turned back.

        D_k(x) = mean over i of F_i^-1 S_i^-1 D(S_i F_i x),    i = k each, ..., k each + each - 1 at level k

    F_i, i modulo 4: as it is, left and right swapped, a half turn, top and bottom swapped. S_i moves the
    image down and right by less than `shift` pixels (the edge is mirrored), another place for each i. A
    network trained with turns errs partly independently in each orientation, and one that halves its image
    in each phase of its grid: averaging removes that part of the variance, and taking others at the next
    level keeps the loop from growing what one of them leaves (Coifman and Donoho 1995, cycle spinning;
    Terris et al. 2024, equivariant plug-and-play, arXiv 2312.01831). For an `inner` whose carry is no image.
    """

    inner: Denoiser
    each: int = 2
    shift: int = 1
    layer: ClassVar[Layer] = Layer.PARTS

    def __post_init__(self) -> None:
        """Raise InputError unless `each` is 1 to 4, `shift` 1 or more, and `inner` belongs inside."""
        check_order(self, self.inner)
        if not 1 <= self.each <= len(_FLIPS) or self.shift < 1:
            raise InputError(
                "flipped denoiser",
                expected="1 to 4 orientations a level and a shift of at least 1",
                got=f"each={self.each}, shift={self.shift}",
                fix="1 turns the state from level to level at no cost.",
                argument=True,
            )

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """The averaged estimate; a known image, a condition or a time map is turned with the state."""
        x0, prior, carry = torch.zeros_like(x), torch.zeros_like(x), context.carry
        corrected = False
        for index in range(context.step * self.each, (context.step + 1) * self.each):
            turn = _Turn(_FLIPS[index % len(_FLIPS)], _place(index, min(self.shift, *x.shape[-2:])))
            y, condition = (
                turn(v) if v is not None and v.ndim == x.ndim else v for v in (context.y, context.condition)
            )
            turned = replace(context, y=y, condition=condition, carry=carry)
            estimate = self.inner.denoise(turn(x), turn(t) if t.ndim == x.ndim else t, turned)
            carry = {**carry, **estimate.carry}
            x0 = x0 + turn.back(estimate.x0) / self.each
            prior = prior + turn.back(estimate.prior) / self.each
            corrected = corrected or estimate.prior is not estimate.x0
        return Estimate(x0, prior if corrected else x0, carry)


def _place(index: int, shift: int) -> tuple[int, int]:
    """Pixels down and right: for a shift of 8 each of 8 rows and of 8 columns once in 8."""
    return 3 * index % shift, (5 * index + 2) % shift


@dataclass(frozen=True)
class _Turn:
    """A flip, then a move down and right by `place`; a side of one pixel (of a time map) stays one."""

    dims: tuple[int, ...]
    place: tuple[int, int]

    def __call__(self, v: Tensor) -> Tensor:
        v = v.flip(self.dims)
        down, right = (n if side > 1 else 0 for n, side in zip(self.place, v.shape[-2:], strict=True))
        planes = v.reshape(1, -1, *v.shape[-2:])
        return functional.pad(planes, (right, 0, down, 0), mode="reflect").reshape(
            *v.shape[:-2], v.shape[-2] + down, v.shape[-1] + right
        )

    def back(self, v: Tensor) -> Tensor:
        down, right = self.place
        return v[..., down:, right:].flip(self.dims)
