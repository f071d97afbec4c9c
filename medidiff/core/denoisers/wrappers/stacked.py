"""Several unknowns as one state: tissue and haze, an image and its coil maps.

The blocks lie one after another in the channels, each with a prior of its own and independent of the others;
what joins them is the data term, which stands outside. All share the level: a block of another kernel is
wrapped in `OnKernel`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Denoiser, Estimate
from medidiff.core.denoisers.wrappers.order import Layer, check_order
from medidiff.errors import InputError

_CARRY = "stacked"  # the carry's name for the carries of the blocks


@dataclass(frozen=True)
class Stacked:
    """The denoisers `inners` on blocks of `channels` channels each; state (K, sum of channels, *space).

    A known image, a time map or a condition with the state's channels is cut into blocks; one of a single
    channel, or a condition of another shape, reaches every block whole.
    """

    inners: tuple[Denoiser, ...]
    channels: tuple[int, ...]
    layer: ClassVar[Layer] = Layer.STACKED

    def __post_init__(self) -> None:
        """Raise InputError unless every block has a denoiser, at least one channel, and the right order."""
        for inner in self.inners:
            check_order(self, inner)
        if not self.inners or len(self.inners) != len(self.channels) or min(self.channels) < 1:
            raise InputError(
                "stacked denoiser",
                expected="one positive number of channels a block",
                got=f"{len(self.inners)} denoisers and channels {self.channels}",
                fix="Give two tuples of equal length.",
                argument=True,
            )

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """Every block's own estimate."""
        if x.shape[1] != sum(self.channels):
            raise InputError(
                "stacked denoiser",
                expected=f"a state of {sum(self.channels)} channels",
                got=f"shape {tuple(x.shape)}",
                fix="Put the blocks one after another along axis 1.",
            )
        kept = context.carry.get(_CARRY)
        carries = kept if isinstance(kept, tuple) else ({},) * len(self.inners)
        states, times = torch.split(x, list(self.channels), 1), self._blocks(t, x)
        ys, conditions = (
            (None,) * len(self.inners) if v is None else self._blocks(v, x)
            for v in (context.y, context.condition)
        )
        found = []
        for k, inner in enumerate(self.inners):
            own = replace(context, y=ys[k], condition=conditions[k], carry=carries[k])
            found.append(inner.denoise(states[k], times[k], own))
        x0 = torch.cat([estimate.x0 for estimate in found], 1)
        corrected = any(estimate.prior is not estimate.x0 for estimate in found)
        prior = torch.cat([estimate.prior for estimate in found], 1) if corrected else x0
        return Estimate(x0, prior, {**context.carry, _CARRY: tuple(estimate.carry for estimate in found)})

    def _blocks(self, v: Tensor, x: Tensor) -> tuple[Tensor, ...]:
        if v.ndim == x.ndim and v.shape[1] == x.shape[1]:
            return torch.split(v, list(self.channels), 1)
        return (v,) * len(self.channels)
