"""The kernel of a table of betas, as networks for integer time steps were trained with.

    a_k^2 = prod_{i <= k} (1 - beta_i),   s_k^2 = 1 - a_k^2,   t = (k + 1) / T          (k = 0 .. T - 1)

Between the entries h = log(a / s) is linear in t, so that every level in the range exists (Ho et al. 2020,
arXiv 2006.11239, equation 4, for the table).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from medidiff.core.process.kernels import Kernel
from medidiff.errors import InputError

_FEWEST = 2


def kernel_of_betas(betas: Sequence[float] | Tensor) -> Kernel:
    """The variance-preserving kernel of a table of betas; InputError unless each lies between 0 and 1."""
    table = torch.as_tensor(betas, dtype=torch.float64).flatten()
    if len(table) < _FEWEST or not bool(((table > 0) & (table < 1)).all()):
        raise InputError(
            "table of betas",
            expected="at least two numbers between 0 and 1",
            got=f"{len(table)}, from {table.min():g} to {table.max():g}" if len(table) else "none",
            fix="A schedule that ends at pure noise (beta 1) has no last level: leave that one out.",
        )
    return _BetaTable(tuple(table.tolist()), t_min=1 / len(table))


@dataclass(frozen=True)
class _BetaTable(Kernel):
    """Private: the kernels of the suite are in `core.process`; this one belongs to a network."""

    betas: tuple[float, ...]
    t_min: float
    t_max: float = 1.0

    @cached_property
    def _h(self) -> Tensor:
        """H of every entry, decreasing."""
        log_a2 = torch.log1p(-torch.tensor(self.betas, dtype=torch.float64)).cumsum(0)
        return (log_a2 - torch.log(-torch.expm1(log_a2))) / 2

    def coeffs(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.half_logsnr(t)
        return torch.sigmoid(2 * h).sqrt(), torch.zeros_like(h), torch.sigmoid(-2 * h).sqrt()

    def half_logsnr(self, t: Tensor) -> Tensor:
        place = t.to(torch.float64) * len(self.betas) - 1
        table = self._h.to(place.device)
        below = place.floor().clamp(0, len(table) - 2).long()
        return torch.lerp(table[below], table[below + 1], place - below)

    def time(self, h: Tensor) -> Tensor:
        h = torch.as_tensor(h, dtype=torch.float64)
        table = self._h.to(h.device)
        after = torch.searchsorted(-table, -h.contiguous()).clamp(1, len(table) - 1)
        share = (h - table[after - 1]) / (table[after] - table[after - 1])
        return (after + share) / len(table)
