"""Classifier-free guidance: how much a condition counts.

    D = D_u + w (D_c - D_u)

D_c is the estimate with the condition, D_u without (Ho and Salimans 2022, arXiv 2207.12598, equation 6,
whose w is ours minus one). Only w = 1 belongs to a posterior: a larger one sharpens the law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Denoiser, Estimate
from medidiff.core.denoisers.wrappers.order import Layer, check_order
from medidiff.errors import InputError


@dataclass(frozen=True)
class Guided:
    """`inner`, which also answers without a condition, guided by `weight` w.

    w = 1 is D_c and w = 0 is D_u, bit for bit, at one evaluation; any other w takes two.
    """

    inner: Denoiser
    weight: float
    layer: ClassVar[Layer] = Layer.GUIDED

    def __post_init__(self) -> None:
        """Raise InputError for a weight that is not finite or below 0, or an inner that belongs outside."""
        check_order(self, self.inner)
        if not 0 <= self.weight < math.inf:
            raise InputError(
                "guidance",
                expected="a finite weight >= 0",
                got=f"{self.weight:g}",
                fix="1 is the condition as it is, 0 none.",
                argument=True,
            )

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """The guided estimate. Raises InputError when w is not 1 and there is no condition."""
        if self.weight == 1:
            return self.inner.denoise(x, t, context)
        if context.condition is None:
            raise InputError(
                "guidance",
                expected="a condition",
                got="none",
                fix="Put it into the context, or use weight 1.",
            )
        without = self.inner.denoise(x, t, replace(context, condition=None))
        if self.weight == 0:
            return without
        carry = {**context.carry, **without.carry}
        given = self.inner.denoise(x, t, context.keeping(carry))
        x0 = without.x0 + self.weight * (given.x0 - without.x0)
        return Estimate(x0, x0, {**carry, **given.carry})
