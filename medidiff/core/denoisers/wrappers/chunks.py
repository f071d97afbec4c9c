"""Parts of a state, a chunk at a time: how many at once changes memory and speed, nothing else.

When memory runs out the chunk is halved, for the rest of the run (the carry remembers it); when one part
alone does not fit, the error names a size that would.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Carry, Context, Denoiser, Estimate
from medidiff.errors import InputError, MissingError

_SMALLEST = 16  # pixels a side, where the search for a size that fits gives up
_log = logging.getLogger(__name__)

Taken = tuple[Tensor, Tensor, Context]


class Parts(Protocol):
    """Parts of equal size of one state, counted from 0."""

    @property
    def count(self) -> int:
        """How many there are."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a part."""
        ...

    def take(self, index: Tensor) -> Taken:
        """State, time and context of some parts, as a batch."""
        ...

    def write(self, out: Tensor, index: Tensor, values: Tensor) -> None:
        """Put values of some parts where `take` found them."""
        ...

    def cropped(self, height: int, width: int) -> Taken:
        """The first part alone, cut to a smaller size."""
        ...


def settings_of(carry: Carry) -> Carry:
    """The plain numbers in a carry: settings, such as a chunk, that all parts of a state share."""
    return {name: value for name, value in carry.items() if isinstance(value, int)}


def estimate_parts(
    inner: Denoiser, groups: Sequence[Parts], carry: Carry, out: Tensor, *, word: str, chunk: int
) -> Estimate:
    """The inner estimates of all parts, written into `out`; the carry remembers a smaller chunk.

    `word` says what a part is. Raises MissingError when one part alone does not fit into memory, and
    InputError when `inner` carries more than plain numbers: a part's own carry could not find its way back.
    """
    x0, prior, key = out, None, f"{word} chunk"
    kept = carry.get(key, chunk)
    chunk = kept if isinstance(kept, int) else chunk
    for parts in groups:
        done = 0
        while done < parts.count:
            index = torch.arange(done, min(done + chunk, parts.count))
            part = _attempt(inner, _with_settings(parts.take(index), carry))
            if part is None:
                chunk = _halved(inner, parts, carry, word, len(index), out)
                carry = {**carry, key: chunk}
                continue
            carry = {**carry, **_plain(part.carry, word)}
            if part.prior is not part.x0 and prior is None:
                prior = x0.clone()  # up to here they were the same
            parts.write(x0, index, part.x0)
            if prior is not None:
                parts.write(prior, index, part.prior)
            done += len(index)
    return Estimate(x0, x0 if prior is None else prior, carry)


def _with_settings(taken: Taken, carry: Carry) -> Taken:
    x, t, context = taken
    return x, t, replace(context, carry=settings_of(carry))


def _attempt(inner: Denoiser, taken: Taken) -> Estimate | None:
    """The estimate of some parts; None when memory ran out, after the traceback let its tensors go."""
    try:
        return inner.denoise(*taken)
    except torch.OutOfMemoryError:
        return None


def _plain(carry: Carry, word: str) -> Carry:
    settings = settings_of(carry)
    if len(settings) < len(carry):
        raise InputError(
            f"denoiser by {word}s",
            expected="an inner denoiser that carries nothing from level to level",
            got=", ".join(name for name in carry if name not in settings),
            fix="Put what carries around it.",
        )
    return settings


def _halved(inner: Denoiser, parts: Parts, carry: Carry, word: str, size: int, out: Tensor) -> int:
    release(out)
    if size > 1:
        _log.warning("out of memory with %d %ss at once; going on with %d", size, word, size // 2)
        return size // 2
    height, width = parts.size
    raise MissingError(
        "memory for the network",
        expected=f"room for one {word} of {height} x {width}",
        got=f"out of memory with one {word} at once",
        fix=_advice(inner, parts, carry, word, out),
    )


def _advice(inner: Denoiser, parts: Parts, carry: Carry, word: str, out: Tensor) -> str:
    """Say which size fits, found by trying halves."""
    height, width = parts.size
    while min(height, width) >= 2 * _SMALLEST:
        height, width = height // 2, width // 2
        release(out)
        if _attempt(inner, _with_settings(parts.cropped(height, width), carry)) is not None:
            how = "give a smaller tile" if word == "tile" else "reduce the matrix"
            return f"A {word} of {height} x {width} would fit: {how}, or use the CPU."
    return f"Not even a small {word} fits: free memory, or use the CPU."


def release(x: Tensor) -> None:
    """Give the memory that PyTorch keeps for x's device back to it."""
    if x.is_cuda:
        torch.cuda.empty_cache()
