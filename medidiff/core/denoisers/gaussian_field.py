"""The exact denoiser of a Gaussian field of any size, for tests of tiles and slices.

    x0 ~ N(0, C),   C = kron over the axes of space of exp(-|i - j| / length),   D = a C (a^2 C + s^2 I)^-1 x

The covariance of a part is the part of the covariance, so the denoiser of a tile, asked without its
surroundings, is exact for what it sees. Neighbours differ by sqrt(2 (1 - exp(-1/length))), independent
voxels by sqrt(2): a border between tiles shows as a larger step.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Estimate
from medidiff.core.process.kernels import Kernel, known
from medidiff.core.process.noise import NoiseStreams


@dataclass(frozen=True)
class GaussianField:
    """D of the field with correlation `length` in voxels; state (K, C, *space), channels independent."""

    kernel: Kernel
    length: float = 6.0

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """E[x0 | x_t] of every row and channel; t is a 0-dim tensor."""
        a, b, s = (float(v) for v in self.kernel.coeffs(t))
        size = x.shape[2:]
        centred = (x - known(torch.tensor(b), context.y, x)).double()
        variances = functools.reduce(_outer, (_pairs(n, self.length)[0] for n in size))
        gain = a * variances / (a**2 * variances + s**2)
        x0 = self._turned(self._turned(centred, size, back=True) * gain.to(x.device), size).to(x.dtype)
        return Estimate(x0, x0)

    def draw(self, rows: int, size: Sequence[int], streams: NoiseStreams) -> Tensor:
        """Exact draws of the field, (rows, 1, *size), float64."""
        n = torch.stack([streams.white((1, *size), "field", k, 0, 0) for k in range(rows)]).double()
        variances = functools.reduce(_outer, (_pairs(m, self.length)[0] for m in size))
        return self._turned(n * variances.sqrt(), size)

    def _turned(self, x: Tensor, size: Sequence[int], *, back: bool = False) -> Tensor:
        """Into the eigenbasis of every axis (back), or out of it."""
        for axis, n in enumerate(size, 2):
            basis = _pairs(n, self.length)[1].to(x.device)
            x = (x.movedim(axis, -1) @ (basis if back else basis.mT)).movedim(-1, axis)
        return x


@functools.lru_cache(maxsize=256)
def _pairs(n: int, length: float) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of exp(-|i - j| / length), n x n."""
    place = torch.arange(n, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(torch.exp(-(place[:, None] - place).abs() / length))
    return values.clamp_min(0), vectors


def _outer(one: Tensor, other: Tensor) -> Tensor:
    return one[..., None] * other
