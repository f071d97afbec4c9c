"""Levenberg-Marquardt for a few parameters with limits, with the exact slopes.

    (S^-1 J J' S^-1 + lambda) S step = -S^-1 J r,   S = the largest |J_i| so far (Marquardt 1963; More 1978)

The eigenvalues of the scaled matrix are found once a place, so that a new lambda costs nothing; lambda
follows the ratio of actual to predicted decrease (Nielsen 1999). It has converged when the undamped step
would lower the sum of squares by less than 1e-8 of the noise variance, that is move no parameter by 1e-4
standard errors. A parameter at its limit that wants to go further is left there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medidiff.domains.chromatography.fitting.solving.projection import Projection
from medidiff.domains.chromatography.fitting.solving.shapes import Array

_ENOUGH = 1e-8  # of the noise variance
_SMALLEST_STEP = 1e-13
_ROUNDING = 1e-14  # of the sum of squares: no step can lower it further
_TRIES = 12
_FLAT = 1e-12  # of the largest eigenvalue: a direction that the data do not see


@dataclass(frozen=True, eq=False)
class Descent:
    """Where it ended. reason: why it stopped, in words, when it has not converged."""

    p: Array
    place: Projection
    evaluations: int
    converged: bool
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Bounds:
    """Least, largest and longest step of every parameter; fixed: those that do not move."""

    low: Array
    high: Array
    longest: Array
    fixed: frozenset[int] = frozenset()


def descend(
    project: Callable[[Array], Projection], start: Array, bounds: Bounds, *, linear: int, most: int = 60
) -> Descent:
    """The least sum of squares near `start`, with `linear` parameters solved for at every place."""
    p = np.clip(start, bounds.low, bounds.high)
    here, count, damping, growth = project(p), 1, 1e-3, 2.0
    scale = np.zeros(len(p))
    moves = np.array([i not in bounds.fixed for i in range(len(p))])
    degrees = max(here.residual.size - len(p) - linear, 1)
    for _ in range(most):
        gradient = here.jacobian @ here.residual
        free = moves & ~((p <= bounds.low) & (gradient > 0)) & ~((p >= bounds.high) & (gradient < 0))
        rows = here.jacobian[free]
        scale = np.maximum(scale, np.sqrt((here.jacobian**2).sum(axis=1)))
        size = np.where(scale > 0, scale, 1.0)[free]
        values, vectors = np.linalg.eigh((rows @ rows.T) / np.outer(size, size))
        along = vectors.T @ (gradient[free] / size)
        seen = values > _FLAT * max(values[-1], 0.0) if len(values) else np.zeros(0, bool)
        decrement = float((along[seen] ** 2 / values[seen]).sum())
        if decrement <= max(_ENOUGH * here.rss / degrees, _ROUNDING * here.rss):
            return Descent(p, here, count, True)
        for _ in range(_TRIES):
            step = np.zeros(len(p))
            step[free] = -(vectors @ (along / (np.maximum(values, 0) + damping))) / size
            with np.errstate(divide="ignore"):
                step *= min(1.0, float((bounds.longest / np.abs(step)).min()))
            trial = np.clip(p + step, bounds.low, bounds.high)
            step = trial - p
            change = step @ here.jacobian
            expected = float(-2 * (gradient @ step) - change @ change)
            if np.abs(step).max() < _SMALLEST_STEP:
                return Descent(p, here, count, True)
            there = project(trial)
            count += 1
            ratio = (here.rss - there.rss) / expected if expected > 0 else -1.0
            if ratio > 0 and np.isfinite(there.rss):
                damping *= max(0.1, 1 - (2 * ratio - 1) ** 3)
                p, here, growth = trial, there, 2.0
                break
            damping, growth = damping * growth, growth * 2
        else:
            if decrement < 1e-4 * here.rss / degrees:
                return Descent(p, here, count, True)  # a hundredth of a standard error: rounding rules here
            return Descent(p, here, count, False, "no step lowers the sum of squares")
    return Descent(p, here, count, False, f"{most} steps were not enough")
