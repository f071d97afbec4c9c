"""The denoiser's estimate, moved towards the measurement: a proximal step of the data term.

    z = argmin_z 1/2 |W^(1/2) (A z - y)|^2 + g/2 |z - x0|^2  [+ mu |D_z z|_1]        g = 1 / r_eff(t)^2

solved for the change d = z - x0 by conjugate gradients from 0,

    (A^H W A + g I) d = A^H W (y - A x0)

W are inverse variances, so that g says how far the denoiser is trusted: it is annealed by r_eff itself.
Without r_eff (g = 0) this is a few steps on the plain normal equations (Chung et al. 2024, DDS, arXiv
2303.05754), which over-fit the noise when they go on. With a z-difference operator the total variation
down z is added by one step of ADMM a level, its variables kept for the next level in the carry:

    (A^H W A + g I + rho D^T D) z = A^H W y + g x0 + D^T (rho v - w)
    v = soft(D z + w / rho, mu / rho),    w <- w + rho (D z - v),    rho = factor g

The dual w is the unscaled one, so a rho that changes from level to level does not rescale it
(Boyd et al. 2011, Foundations and Trends in Machine Learning 3:1, section 3.4.1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Carry, Context, Denoiser, Estimate
from medidiff.core.denoisers.wrappers.order import Layer, check_order
from medidiff.core.linear.operators import LinearOperator
from medidiff.core.linear.solvers import CGInfo, cg
from medidiff.errors import InputError

_SPLIT = "z-tv"  # the carry's name for the variables of the total variation


@dataclass(frozen=True)
class ZTotalVariation:
    """mu |D z|_1 on the volume: `difference` is D (and knows the spacing), `weight` is mu.

    `factor` ties rho to g; where the data step has no g, `rho` itself is `factor`.
    """

    difference: LinearOperator
    weight: float
    factor: float = 1.0

    def __post_init__(self) -> None:
        """Raise InputError for a negative weight or a factor that is not positive."""
        if not (self.weight >= 0 and self.factor > 0):
            raise InputError(
                "total variation down z",
                expected="weight >= 0 and factor > 0",
                got=f"weight={self.weight:g}, factor={self.factor:g}",
                fix="Turn the coupling off instead of giving a weight below 0.",
                argument=True,
            )


@dataclass(frozen=True)
class _Split:
    """The ADMM variables v (the differences) and w (their dual)."""

    v: Tensor
    w: Tensor


@dataclass(frozen=True)
class ProximalData:
    """`inner` corrected by data; the estimate's `prior` stays inner's.

    `operator` maps the volume state to the measurement, both scaled; `y` (K or 1, *shape_out); `weights` W,
    a number or broadcast to y. `error(t)` is r_eff, None for unregularised steps. `diagonal` (of A^H W A)
    preconditions. `lower` bounds z from below (air). `watch` hears of every solve (iterations, residuals).
    """

    inner: Denoiser
    operator: LinearOperator
    y: Tensor
    weights: float | Tensor = 1.0
    error: Callable[[Tensor], float] | None = None
    max_iterations: int = 8
    tol: float = 1e-3
    lower: float | None = None
    coupling: ZTotalVariation | None = None
    diagonal: Tensor | None = None
    watch: Callable[[Tensor, CGInfo], None] | None = None
    layer: ClassVar[Layer] = Layer.POSTERIOR

    def __post_init__(self) -> None:
        """Raise InputError for weights that are not finite and positive or zero."""
        check_order(self, self.inner)
        weights = torch.as_tensor(self.weights)
        if not bool((torch.isfinite(weights) & (weights >= 0)).all()):
            raise InputError(
                "weights of the measurement",
                expected="finite inverse variances >= 0",
                got=f"from {weights.min():g} to {weights.max():g}",
                fix="Give a starved ray the weight 0.",
            )

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """The inner estimate, then the data step; x0 is z."""
        guess = self.inner.denoise(x, t, context)
        g = self._trust(t)
        z, carry = self._solve(guess.x0, g, t, {**context.carry, **guess.carry})
        if self.lower is not None:
            z = z.clamp_min(self.lower)
        return Estimate(z, guess.prior, carry)

    def _trust(self, t: Tensor) -> float:
        if self.error is None:
            return 0.0
        r = self.error(t)
        if not r > 0:
            raise InputError(
                "error of the denoiser",
                expected="a positive r_eff at every level",
                got=f"{r:g}",
                fix="Check the error table of the prior.",
            )
        return 1 / r**2

    def _solve(self, x0: Tensor, g: float, t: Tensor, carry: Carry) -> tuple[Tensor, Carry]:
        rho, split = self._split(x0, g, carry)
        b = self.operator.adjoint(self.weights * (self.y - self.operator(x0)))
        if self.coupling is not None and split is not None:
            D = self.coupling.difference
            b = b + D.adjoint(rho * (split.v - D(x0)) - split.w)
        change, info = cg(
            lambda p: self._system(p, g, rho),
            b,
            tol=self.tol,
            max_iterations=self.max_iterations,
            preconditioner=self._preconditioner(g),
        )
        if self.watch is not None:
            self.watch(t, info)
        z = x0 + change
        return (z, carry) if split is None else (z, {**carry, _SPLIT: self._next(z, rho, split)})

    def _system(self, p: Tensor, g: float, rho: float) -> Tensor:
        """(A^H W A + g I + rho D^T D) p; a scalar W leaves a fused normal operator fused."""
        if isinstance(self.weights, Tensor):
            out = self.operator.adjoint(self.weights * self.operator(p))
        else:
            out = self.weights * self.operator.normal(p)
        if g > 0:
            out = out + g * p
        if self.coupling is not None:
            out = out + rho * self.coupling.difference.normal(p)
        return out

    def _preconditioner(self, g: float) -> Tensor | None:
        if self.diagonal is None:
            return None
        total = self.diagonal + g
        return torch.where(total > 0, 1 / total, 0)

    def _split(self, x0: Tensor, g: float, carry: Carry) -> tuple[float, _Split | None]:
        """Rho, and the variables of the last level; at the first, D x0 and its subgradient."""
        if self.coupling is None:
            return 0.0, None
        rho, kept = self.coupling.factor * (g if self.error is not None else 1.0), carry.get(_SPLIT)
        if isinstance(kept, _Split):
            return rho, kept
        v = self.coupling.difference(x0)
        return rho, _Split(v, rho * (v - _soft(v, self.coupling.weight / rho)))

    def _next(self, z: Tensor, rho: float, split: _Split) -> _Split:
        if self.coupling is None:
            return split
        u = self.coupling.difference(z) + split.w / rho
        v = _soft(u, self.coupling.weight / rho)
        return _Split(v, rho * (u - v))


def _soft(u: Tensor, threshold: float) -> Tensor:
    """Shrink towards 0 by the threshold, complex values along their phase."""
    return torch.sgn(u) * (u.abs() - threshold).clamp_min(0)
