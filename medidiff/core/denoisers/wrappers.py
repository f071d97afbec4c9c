"""Denoisers made of denoisers: a 2D one on a volume, and one that turns and moves its image.

A network of slices sees them as a batch; how many at once (the chunk) changes memory and speed, nothing else.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from medidiff.core.denoisers.estimate import Carry, Context, Denoiser, Estimate
from medidiff.errors import InputError, MissingError

_VOLUME = 5  # axes of (K, C, z, y, x)
_SMALLEST = 16  # pixels a side, where the search for a size that fits gives up
_CHUNK = "sliced chunk"  # the carry's name for a chunk that memory made smaller
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sliced:
    """A 2D denoiser on the planes of a volume (K, C, z, y, x), `chunk` planes at a time.

    `axis` is the one the planes are stacked along: 2 axial, 3 coronal, 4 sagittal. A time map must be
    constant within a plane and reaches the inner denoiser as (B, 1, 1, 1). When memory runs out the chunk
    is halved, for the rest of the run; raises MissingError with the size that would fit when one plane
    does not. For an `inner` that draws nothing, because its noise would depend on the chunk, and carries
    nothing: InputError otherwise.
    """

    inner: Denoiser
    axis: int = 2
    chunk: int = 4

    def __post_init__(self) -> None:
        """Raise InputError for another axis or a chunk below one."""
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
        x0 = torch.empty_like(x)
        prior: Tensor | None = None
        chunk, done = self._chunk(context.carry), 0
        while done < planes.count:
            index = torch.arange(done, min(done + chunk, planes.count))
            part = self._attempt(planes, index)
            if part is None:
                chunk = self._halved(planes, len(index))
                continue
            if part.carry:
                raise InputError(
                    "slice-wise denoiser",
                    expected="an inner denoiser that carries nothing from level to level",
                    got=", ".join(part.carry),
                    fix="Put Sliced inside, and what carries around it.",
                )
            planes.write(x0, index, part.x0)
            if part.prior is not part.x0:
                prior = torch.empty_like(x) if prior is None else prior
                planes.write(prior, index, part.prior)
            done += len(index)
        carry = context.carry if chunk == self._chunk(context.carry) else {**context.carry, _CHUNK: chunk}
        return Estimate(x0, x0 if prior is None else prior, carry)

    def _chunk(self, carry: Carry) -> int:
        kept = carry.get(_CHUNK, self.chunk)
        return kept if isinstance(kept, int) else self.chunk

    def _attempt(self, planes: _Planes, index: Tensor) -> Estimate | None:
        """The estimate of some planes; None when memory ran out, after the traceback let its tensors go."""
        try:
            return self.inner.denoise(*planes.take(index))
        except torch.OutOfMemoryError:
            return None

    def _halved(self, planes: _Planes, size: int) -> int:
        _release(planes.x)
        if size > 1:
            _log.warning("out of memory with %d planes at once; going on with %d", size, size // 2)
            return size // 2
        height, width = planes.size
        raise MissingError(
            "memory for the network",
            expected=f"room for one plane of {height} x {width}",
            got="out of memory with one plane at once",
            fix=self._advice(planes),
        )

    def _advice(self, planes: _Planes) -> str:
        """Say which size fits, found by trying halves."""
        height, width = planes.size
        while min(height, width) >= 2 * _SMALLEST:
            height, width = height // 2, width // 2
            _release(planes.x)
            if self._attempt(planes.cropped(height, width), torch.arange(1)) is not None:
                return f"A plane of {height} x {width} would fit: reduce the matrix, or use the CPU."
        return "Not even a small plane fits: free memory, or use the CPU."


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

    def __post_init__(self) -> None:
        """Raise InputError unless `each` is 1 to 4 and `shift` 1 or more."""
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

    def take(self, index: Tensor) -> tuple[Tensor, Tensor, Context]:
        """State, time and context of some planes, as a batch (B, C, h, w)."""
        context = self.context
        y, condition = (None if v is None else self._part(v, index) for v in (context.y, context.condition))
        t = self._part(self.t, index) if self.t.ndim else self.t
        return self._part(self.x, index), t, replace(context, y=y, condition=condition, carry={})

    def write(self, out: Tensor, index: Tensor, planes: Tensor) -> None:
        """Put planes back where `take` found them."""
        rows, places = self._where(index)
        out.movedim(self.axis, 1)[rows, places] = planes.to(out)

    def cropped(self, height: int, width: int) -> _Planes:
        """The first plane alone, cut to a smaller size."""
        y, condition = (
            self._corner(v, height, width) if v is not None and v.ndim == _VOLUME else v
            for v in (self.context.y, self.context.condition)
        )
        context = replace(self.context, y=y, condition=condition)
        return replace(self, x=self._corner(self.x, height, width), context=context)

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


def _release(x: Tensor) -> None:
    if x.is_cuda:
        torch.cuda.empty_cache()
