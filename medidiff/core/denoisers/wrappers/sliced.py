"""A 2D denoiser on a volume: the network sees planes as a batch.

State (K, C, z, y, x); `axis` is the one the planes are stacked along.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Denoiser, Estimate
from medidiff.core.denoisers.wrappers.chunks import Taken, estimate_parts
from medidiff.core.denoisers.wrappers.order import Layer, check_order
from medidiff.errors import InputError

_VOLUME = 5  # axes of (K, C, z, y, x)


@dataclass(frozen=True)
class Sliced:
    """A 2D denoiser on the planes of a volume (K, C, z, y, x), `chunk` planes at a time.

    `axis` is the one the planes are stacked along: 2 axial, 3 coronal, 4 sagittal. A time map must be
    constant within a plane and reaches the inner denoiser as (B, 1, 1, 1). For an `inner` whose random
    numbers, if any, are those of no sample or slice, because they would depend on the chunk, and that
    carries no image. `chunks` says what happens when memory runs out.
    """

    inner: Denoiser
    axis: int = 2
    chunk: int = 4
    layer: ClassVar[Layer] = Layer.PARTS

    def __post_init__(self) -> None:
        """Raise InputError for another axis, a chunk below one or an inner that belongs outside."""
        check_order(self, self.inner)
        if self.axis not in (2, 3, 4) or self.chunk < 1:
            raise InputError(
                "slice-wise denoiser",
                expected="axis 2, 3 or 4 and a chunk of at least 1",
                got=f"axis={self.axis}, chunk={self.chunk}",
                fix="Axis 2 stacks axial planes.",
                argument=True,
            )

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """The inner estimate of every plane."""
        if x.ndim != _VOLUME:
            raise InputError(
                "slice-wise denoiser",
                expected="a state (K, C, z, y, x)",
                got=f"shape {tuple(x.shape)}",
                fix="A 2D image is a volume of one slice.",
            )
        planes = _Planes(x, t, context, self.axis)
        return estimate_parts(
            self.inner, [planes], context.carry, torch.empty_like(x), word="plane", chunk=self.chunk
        )


@dataclass(frozen=True)
class _Planes:
    """The planes of a volume along an axis, counted through all rows."""

    x: Tensor
    t: Tensor
    context: Context
    axis: int

    @property
    def count(self) -> int:
        return self.x.shape[0] * self.x.shape[self.axis]

    @property
    def size(self) -> tuple[int, int]:
        height, width = (n for k, n in enumerate(self.x.shape) if k not in (0, 1, self.axis))
        return height, width

    def take(self, index: Tensor) -> Taken:
        """State, time and context of some planes, as a batch (B, C, h, w)."""
        context = self.context
        y, condition = (None if v is None else self._part(v, index) for v in (context.y, context.condition))
        t = self._part(self.t, index) if self.t.ndim else self.t
        return self._part(self.x, index), t, replace(context, y=y, condition=condition)

    def write(self, out: Tensor, index: Tensor, planes: Tensor) -> None:
        """Put planes back where `take` found them."""
        rows, places = self._where(index)
        out.movedim(self.axis, 1)[rows, places] = planes.to(out)

    def cropped(self, height: int, width: int) -> Taken:
        """The first plane alone, cut to a smaller size."""
        y, condition = (
            self._corner(v, height, width) if v is not None and v.ndim == _VOLUME else v
            for v in (self.context.y, self.context.condition)
        )
        context = replace(self.context, y=y, condition=condition)
        first = replace(self, x=self._corner(self.x, height, width), context=context)
        return first.take(torch.arange(1))

    def _corner(self, v: Tensor, height: int, width: int) -> Tensor:
        sides = iter((height, width))
        cut = (slice(None) if k in (0, 1, self.axis) else slice(next(sides)) for k in range(_VOLUME))
        return v[tuple(cut)]

    def _part(self, v: Tensor, index: Tensor) -> Tensor:
        rows, places = self._where(index)
        if v.ndim != self.x.ndim:  # one row a sample, the same for all its planes
            return v.expand(self.x.shape[0], *v.shape[1:])[rows]
        full = list(v.shape)
        full[0], full[self.axis] = self.x.shape[0], self.x.shape[self.axis]
        return v.expand(full).movedim(self.axis, 1)[rows, places]

    def _where(self, index: Tensor) -> tuple[Tensor, Tensor]:
        n = self.x.shape[self.axis]
        return torch.div(index, n, rounding_mode="floor"), index % n
