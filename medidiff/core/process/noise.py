"""Noise laws, and the streams that make a draw depend on what it is for and on nothing else.

A draw is named by (purpose, sample, slice, step): the seed of its torch.Generator is a hash of these, and
each slice is drawn whole, on the CPU, in float32. So neither the order, the chunk, the number of samples
run together nor the device changes the noise.

Every law gives each voxel exactly N(0, 1); what differs is how slices hang together.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from medidiff.errors import InputError

_VOLUME = 3  # a space of at least this many axes has slices along its first


@dataclass(frozen=True, slots=True)
class NoiseStreams:
    """White slices by name. `first_sample` and `first_slice` say where a block of a larger job begins."""

    seed: int
    first_sample: int = 0
    first_slice: int = 0

    def white(self, size: Sequence[int], purpose: str, sample: int, slice_: int, step: int) -> Tensor:
        """N(0, 1) of `size` for one slice of one sample at one step: float32 on the CPU."""
        word = self._word(purpose, sample, slice_, step)
        # PyTorch's CPU generator keeps 32 bits of a seed: the other 32 turn the slice round, so that two
        # names that share a seed (1 in 4e9 pairs) still give unrelated voxels.
        n = torch.randn(
            tuple(size), dtype=torch.float32, generator=torch.Generator().manual_seed(word & 0xFFFFFFFF)
        )
        return n.flatten().roll((word >> 32) % max(n.numel(), 1)).reshape(n.shape)

    def _word(self, purpose: str, sample: int, slice_: int, step: int) -> int:
        """64 bits of a hash of the name."""
        name = f"{self.seed}|{purpose}|{sample}|{slice_}|{step}".encode()
        return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")

    def block(self, *, first_sample: int = 0, first_slice: int = 0) -> NoiseStreams:
        """The streams of a block that begins this many samples and slices further on."""
        return replace(
            self,
            first_sample=self.first_sample + first_sample,
            first_slice=self.first_slice + first_slice,
        )


class NoiseLaw(Protocol):
    """A law of standard normal voxels on (K, C, *space)."""

    def draw(self, shape: Sequence[int], streams: NoiseStreams, purpose: str, step: int) -> Tensor:
        """Float32 noise of `shape` on the CPU."""
        ...


@dataclass(frozen=True, slots=True)
class Gaussian:
    """White noise: all voxels independent."""

    def draw(self, shape: Sequence[int], streams: NoiseStreams, purpose: str, step: int) -> Tensor:
        """N(0, 1) of `shape` (K, C, *space); a space of three or more axes is drawn slice by slice."""
        out = torch.empty(tuple(shape))
        for k, row in enumerate(out):
            for z, part in enumerate(_slices(row)):
                sample, slice_ = streams.first_sample + k, streams.first_slice + z
                part.copy_(streams.white(part.shape, purpose, sample, slice_, step))
        return out


@dataclass(frozen=True, slots=True)
class ZCorrelated:
    """Slices coupled by a first-order autoregression down their true positions.

        n_0 = e_0,   n_k = r_k n_{k-1} + sqrt(1 - r_k^2) e_k,   r_k = exp(-|z_k - z_{k-1}| / length)

    Correlation exp(-distance / length) for any spacing, each voxel exactly N(0, 1). `positions_mm` lists
    all slices of the volume, also when a block of it is drawn. Length 0 is white, infinity one slice.
    """

    positions_mm: tuple[float, ...]
    length_mm: float

    def __post_init__(self) -> None:
        """Raise InputError for a negative length or positions that are not finite."""
        if not self.length_mm >= 0 or not all(map(math.isfinite, self.positions_mm)):
            raise InputError(
                "z-correlated noise",
                expected="finite slice positions and a length >= 0, in mm",
                got=f"length {self.length_mm:g}, positions {self.positions_mm}",
                fix="Take the positions from the volume's affine.",
                argument=True,
            )

    def draw(self, shape: Sequence[int], streams: NoiseStreams, purpose: str, step: int) -> Tensor:
        """N(0, 1) of `shape` (K, C, z, y, x), coupled along z."""
        self._check(shape, streams)
        out = torch.empty(tuple(shape))
        for k, row in enumerate(out):
            n = torch.zeros(())
            for z, (r, q) in enumerate(self._weights(streams.first_slice + shape[2])):
                size = (shape[1], *shape[3:])
                n = r * n + q * streams.white(size, purpose, streams.first_sample + k, z, step)
                if z >= streams.first_slice:
                    row[:, z - streams.first_slice] = n
        return out

    def _weights(self, count: int) -> Iterator[tuple[float, float]]:
        yield 0.0, 1.0
        for before, after in pairwise(self.positions_mm[:count]):
            distance = abs(after - before)
            ratio = distance / self.length_mm if self.length_mm > 0 else math.inf
            yield math.exp(-ratio), math.sqrt(-math.expm1(-2 * ratio))

    def _check(self, shape: Sequence[int], streams: NoiseStreams) -> None:
        if len(shape) < _VOLUME + 2 or streams.first_slice + shape[2] > len(self.positions_mm):
            raise InputError(
                "z-correlated noise",
                expected=f"a volume (K, C, z, y, x) of at most {len(self.positions_mm)} slices",
                got=f"shape {tuple(shape)} from slice {streams.first_slice}",
                fix="Give one position per slice of the whole volume.",
            )


def _slices(row: Tensor) -> Sequence[Tensor]:
    """The slices of (C, *space), as views of it."""
    return row.unbind(1) if row.ndim > _VOLUME else (row,)
