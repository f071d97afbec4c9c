"""Many members through one loop: samples of a posterior, each with noise of its own.

Members are rows of the batch, `chunk` at a time; member k draws from the streams of sample k, so that
neither the chunk nor the number of members changes it. What is made of them (mean, spread, coverage) is not
known here: every finished member goes to a callback and is forgotten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Denoiser
from medidiff.core.denoisers.wrappers.chunks import release
from medidiff.core.denoisers.wrappers.order import Layer, check_order
from medidiff.core.process.kernels import Kernel
from medidiff.core.process.loop import sample
from medidiff.core.process.samplers import Sampler
from medidiff.errors import InputError, MissingError
from medidiff.progress import Progress, Report, silent

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ensemble:
    """`members` runs of `inner`, `chunk` rows at a time; the chunk is halved when memory runs out."""

    inner: Denoiser
    members: int
    chunk: int = 8
    layer: ClassVar[Layer] = Layer.ENSEMBLE

    def __post_init__(self) -> None:
        """Raise InputError for a count below one, or an ensemble of ensembles."""
        check_order(self, self.inner)
        if self.members < 1 or self.chunk < 1 or isinstance(self.inner, Ensemble):
            raise InputError(
                "ensemble",
                expected="at least one member and a chunk of at least 1",
                got=f"members={self.members}, chunk={self.chunk}, inner {type(self.inner).__name__}",
                fix="Sixteen members say how sure an image is.",
                argument=True,
            )

    def run(
        self,
        kernel: Kernel,
        sampler: Sampler,
        grid: Tensor,
        *,
        shape: Sequence[int],
        context: Context,
        finished: Callable[[int, Tensor], None],
        start: Callable[[Tensor, Context], Tensor] | None = None,
        device: torch.device | None = None,
        progress: Report = silent,
    ) -> None:
        """Run all members down `grid`; `finished(k, x0)` gets member k, (C, *space), in order.

        `shape` is that of a member. `start(noise, context)` makes the first state of some rows; by default
        the kernel's start law with mean 0 and variance 0. The context's y and condition have one row, or one
        a member. `finished` or `progress` may raise to cancel. Raises what `sample` raises, and MissingError
        when one member alone does not fit into memory.
        """
        chunk, done, levels = self.chunk, 0, len(grid)
        while done < self.members:
            rows = min(chunk, self.members - done)
            report = _of_all(progress, done, rows, self.members, levels)
            own = self._block(context, done, rows)
            found = self._attempt(kernel, sampler, grid, (rows, *shape), own, start, device, report)
            if found is None:
                if rows == 1:
                    raise _too_large(shape)
                chunk = rows // 2
                _log.warning("out of memory with %d members at once; going on with %d", rows, chunk)
                continue
            for k, x0 in enumerate(found):
                finished(done + k, x0)
            done += rows

    def _attempt(
        self,
        kernel: Kernel,
        sampler: Sampler,
        grid: Tensor,
        shape: tuple[int, ...],
        context: Context,
        start: Callable[[Tensor, Context], Tensor] | None,
        device: torch.device | None,
        progress: Report,
    ) -> Tensor | None:
        """Some rows through the loop; None when memory ran out."""
        try:
            noise = context.draw(torch.empty(shape, device=device), "start")
            state = kernel.start(noise, t=grid[0], y=context.y) if start is None else start(noise, context)
            return sample(self.inner, kernel, sampler, grid, start=state, context=context, progress=progress)
        except torch.OutOfMemoryError:
            pass  # the traceback must let its tensors go before memory is given back
        release(torch.empty(0, device=device))
        return None

    def _block(self, context: Context, first: int, rows: int) -> Context:
        y, condition = (
            None if v is None else self._rows(v, first, rows) for v in (context.y, context.condition)
        )
        streams = context.streams.block(first_sample=first)
        return replace(context, y=y, condition=condition, streams=streams)

    def _rows(self, v: Tensor, first: int, rows: int) -> Tensor:
        if v.shape[0] == 1:
            return v.expand(rows, *v.shape[1:])
        if v.shape[0] == self.members:
            return v[first : first + rows]
        raise InputError(
            "ensemble",
            expected=f"a known image or condition of 1 or {self.members} rows",
            got=f"{v.shape[0]}",
            fix="Give one for all members, or one each.",
        )


def _too_large(shape: Sequence[int]) -> MissingError:
    return MissingError(
        "memory for the ensemble",
        expected=f"room for one member of shape {tuple(shape)}",
        got="out of memory with one member at once",
        fix="Reconstruct fewer slices at once, or use the CPU.",
    )


def _of_all(progress: Report, done: int, rows: int, members: int, levels: int) -> Report:
    """Progress counted in levels of members, over the whole ensemble."""

    def report(record: Progress) -> None:
        progress(Progress("ensemble", done * levels + record.done * rows, members * levels, record.note))

    return report
