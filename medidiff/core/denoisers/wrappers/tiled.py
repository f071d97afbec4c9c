"""Images larger than the network should see: tiles, each estimated alone.

"offset"   every step cuts on a grid displaced by a random offset, without overlap: each voxel is evaluated
           exactly once a step, and no border stays at one place long enough to be seen. The idea of implicit
           overlap: Any-Size-Diffusion (Zheng et al. 2023, arXiv 2308.16582, section 3.2). Here the first
           offset is random and the others follow it evenly: independent ones meet at one place too often.
"overlap"  the same tiles at every step, overlapping; D is their mean, weighted by ramps towards the borders:

               D = sum_i w_i D_i / sum_i w_i,     w rises in the overlap from 0 to 1

Offset is for speed, overlap for the last levels or where one level must be free of borders by itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Denoiser, Estimate
from medidiff.core.denoisers.wrappers.chunks import Taken, estimate_parts
from medidiff.core.denoisers.wrappers.order import Layer, check_order
from medidiff.errors import InputError

Span = tuple[int, int]
_SLIVER = 4  # an edge tile thinner than the tile's side over this joins its neighbour
_AXES = 4  # of (K, C, y, x); a volume has one more
# 1/p and 1/p^2 with p^3 = p + 1: a sequence that fills the square evenly from any start (Roberts 2018).
_SHARES = (0.7548776662466927, 0.5698402909980532)


@dataclass(frozen=True)
class Tiled:
    """`inner` on tiles of the last two axes of a state (K, C, ..., y, x), `chunk` tiles at a time.

    `tile` pixels a side; in mode "offset" a tile at an edge is smaller, or up to half as large again, and
    offsets are multiples of `multiple` (a network that pads to such a multiple then pads nothing inside the
    image). In mode "overlap" neighbours share at least `overlap` pixels (None: a quarter of the tile). An
    image of one tile is handed over as it is. Offsets come from the stream "tiles", of no
    sample and no slice: they depend neither on the chunk nor on slabs. `chunks` says what happens when memory
    runs out; `inner` carries no image.
    """

    inner: Denoiser
    tile: int = 256
    mode: Literal["offset", "overlap"] = "offset"
    overlap: int | None = None
    multiple: int = 1
    chunk: int = 4
    layer: ClassVar[Layer] = Layer.PARTS

    def __post_init__(self) -> None:
        """Raise InputError for sizes that do not fit, another mode, or an inner that belongs outside."""
        check_order(self, self.inner)
        shared = self._overlap()
        sizes = self.multiple >= 1 and self.tile >= 2 and self.tile % self.multiple == 0
        sizes = sizes and 0 < shared < self.tile and self.chunk >= 1
        if not sizes or self.mode not in ("offset", "overlap"):
            raise InputError(
                "tiled denoiser",
                expected="mode offset or overlap, a tile of a whole number of multiples, an overlap below it "
                "and a chunk of at least 1",
                got=f"mode={self.mode!r}, tile={self.tile}, multiple={self.multiple}, overlap={shared}, "
                f"chunk={self.chunk}",
                fix="A tile of 256 with multiple 8 suits most networks.",
                argument=True,
            )

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """The estimate of the whole from those of its tiles."""
        if x.ndim < _AXES:
            raise InputError(
                "tiled denoiser",
                expected="a state (K, C, ..., y, x)",
                got=f"shape {tuple(x.shape)}",
                fix="A profile is an image of one row.",
            )
        rows, columns = self.spans(x.shape[-2], x.shape[-1], context)
        if len(rows) == len(columns) == 1:
            return self.inner.denoise(x, t, context)
        by_size: dict[Span, list[Span]] = {}
        for (top, bottom), (left, right) in itertools.product(rows, columns):
            by_size.setdefault((bottom - top, right - left), []).append((top, left))
        averaged = self.mode == "overlap"
        groups = [
            _Tiles(x, t, context, size, tuple(places), self._ramps(size, x) if averaged else None)
            for size, places in by_size.items()
        ]
        # Weighted sums are kept in float64, so that a mean of equal numbers is that number.
        out = torch.zeros_like(x, dtype=torch.float64) if averaged else torch.empty_like(x)
        found = estimate_parts(self.inner, groups, context.carry, out, word="tile", chunk=self.chunk)
        return _divided(found, groups, x) if averaged else found

    def spans(self, height: int, width: int, context: Context) -> tuple[list[Span], list[Span]]:
        """Where the tiles of this step begin and end, down the rows and along the columns."""
        if self.mode == "overlap":
            return _covering(height, self.tile, self._overlap()), _covering(width, self.tile, self._overlap())
        steps = self.tile // self.multiple
        first = torch.special.ndtr(context.streams.white((2,), "tiles", 0, 0, 0).double()).tolist()
        places = ((u + context.step * share) % 1 for u, share in zip(first, _SHARES, strict=True))
        down, along = (min(int(place * steps), steps - 1) * self.multiple for place in places)
        return _partition(height, self.tile, down), _partition(width, self.tile, along)

    def _overlap(self) -> int:
        return max(self.tile // 4, 1) if self.overlap is None else self.overlap

    def _ramps(self, size: Span, x: Tensor) -> Tensor:
        """The weights of a tile, (h, w): the product of a trapezium down and one along."""
        down, along = (_trapezium(n, self._overlap()).to(x.device) for n in size)
        return down[:, None] * along


def _partition(length: int, tile: int, offset: int) -> list[Span]:
    """Cut [0, length) at offset, offset + tile ...; slivers at the ends join their neighbours."""
    if length <= tile:
        return [(0, length)]
    cuts = [0, *range(offset or tile, length, tile), length]
    if len(cuts) > 2 and cuts[1] * _SLIVER < tile:
        del cuts[1]
    if len(cuts) > 2 and (length - cuts[-2]) * _SLIVER < tile:
        del cuts[-2]
    return list(itertools.pairwise(cuts))


def _covering(length: int, tile: int, overlap: int) -> list[Span]:
    """Equal tiles, evenly placed, neighbours sharing at least `overlap`."""
    if length <= tile:
        return [(0, length)]
    count = math.ceil((length - overlap) / (tile - overlap))
    starts = [round(k * (length - tile) / (count - 1)) for k in range(count)]
    return [(start, start + tile) for start in starts]


def _trapezium(length: int, ramp: int) -> Tensor:
    place = torch.arange(length, dtype=torch.float64) + 0.5
    return (torch.minimum(place, length - place) / ramp).clamp(max=1.0)


def _divided(found: Estimate, groups: list[_Tiles], x: Tensor) -> Estimate:
    total = torch.zeros(x.shape[-2:], dtype=torch.float64, device=x.device)
    for tiles in groups:
        for window in tiles.windows(total):
            window += tiles.weights()
    x0 = (found.x0 / total).to(x.dtype)
    prior = x0 if found.prior is found.x0 else (found.prior / total).to(x.dtype)
    return Estimate(x0, prior, found.carry)


@dataclass(frozen=True)
class _Tiles:
    """The tiles of one size of a state, counted place by place; `ramps` (h, w) where they overlap."""

    x: Tensor
    t: Tensor
    context: Context
    size: Span
    places: tuple[Span, ...]
    ramps: Tensor | None

    @property
    def count(self) -> int:
        return self.x.shape[0] * len(self.places)

    def take(self, index: Tensor) -> Taken:
        return self._part(index, self.size)

    def cropped(self, height: int, width: int) -> Taken:
        return self._part(torch.arange(1), (height, width))

    def write(self, out: Tensor, index: Tensor, values: Tensor) -> None:
        done = 0
        for place, rows in self._runs(index):
            target = self._window(out[rows], place, self.size)
            value = values[done : done + len(target)]
            done += len(target)
            if self.ramps is None:
                target.copy_(value)
            else:
                target += self.ramps * value

    def windows(self, image: Tensor) -> list[Tensor]:
        """Views of `image` (..., y, x), one a tile."""
        return [self._window(image, place, self.size) for place in self.places]

    def weights(self) -> Tensor:
        """The ramps, one without them."""
        return torch.ones(()) if self.ramps is None else self.ramps

    def _part(self, index: Tensor, size: Span) -> Taken:
        context = self.context
        y, condition = (
            None if v is None else self._cut(v, index, size) for v in (context.y, context.condition)
        )
        t = self._cut(self.t, index, size) if self.t.ndim else self.t
        return self._cut(self.x, index, size), t, replace(context, y=y, condition=condition)

    def _cut(self, v: Tensor, index: Tensor, size: Span) -> Tensor:
        v = v.expand(self.x.shape[0], *v.shape[1:])
        if v.ndim != self.x.ndim:  # one row a sample, the same for all its tiles
            return torch.cat([v[rows] for _, rows in self._runs(index)])
        return torch.cat([self._window(v[rows], place, size) for place, rows in self._runs(index)])

    def _runs(self, index: Tensor) -> Iterator[tuple[Span, slice]]:
        """The places of consecutive tiles with their rows: all rows of one place, then of the next."""
        rows, last = self.x.shape[0], int(index[-1]) + 1
        for number in range(int(index[0]) // rows, (last - 1) // rows + 1):
            first = max(int(index[0]) - number * rows, 0)
            yield self.places[number], slice(first, min(last - number * rows, rows))

    def _window(self, v: Tensor, place: Span, size: Span) -> Tensor:
        """A view; an axis of one value is the same in every tile."""
        (top, left), (height, width) = place, size
        down = slice(top, top + height) if v.shape[-2] == self.x.shape[-2] else slice(None)
        along = slice(left, left + width) if v.shape[-1] == self.x.shape[-1] else slice(None)
        return v[..., down, along]
