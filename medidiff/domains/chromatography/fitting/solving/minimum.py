"""The minimum of a fit: from several starts where peaks share a maximum, and with areas that are not
negative.

An area below 0 is no amount: non-negative least squares (Lawson and Hanson 1974) says which analytes are
absent, the rest is fitted without them, and the absent ones are reported as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medidiff.domains.chromatography.fitting.solving.descent import Bounds, Descent, descend
from medidiff.domains.chromatography.fitting.solving.projection import Problem
from medidiff.domains.chromatography.fitting.solving.shapes import Array

_NOT_WORSE = 3.84  # noise variances of the sum of squares: a 95 % interval would hold both
_APART = 1e-3  # of a logarithm: ends that differ by less are one minimum


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where a fit ended: the problem without its absent analytes, the place, and the limits that held.

    others: further minima of the same problem, hardly lower than the best one, or higher.
    """

    problem: Problem
    best: Descent
    bounds: Bounds
    others: tuple[Descent, ...] = ()


def minimise(problem: Problem, starts: Sequence[Array]) -> Minimum:
    """The lowest minimum reached from the starts, each first without a sign for the areas, then with it.

    Of several that the data do not tell apart, the one reached from the earliest start.
    """
    found = [_signed(_from(problem, start)) for start in starts]
    lowest = min(found, key=lambda one: (not one.best.converged, one.best.place.rss))
    same = [one for one in found if one.problem.absent == lowest.problem.absent]
    most = lowest.best.place.rss * (1 + _NOT_WORSE / max(problem.signal.size - len(starts[0]), 1))
    near = [one for one in same if one.best.converged and one.best.place.rss <= most]
    return _beside(near[0] if near else lowest, [one.best for one in same])


def _beside(chosen: Minimum, found: Sequence[Descent]) -> Minimum:
    """With those of the other ends that are minima of their own."""
    kept = [chosen.best]
    for one in found:
        if one.converged and all(np.abs(one.p - other.p).max() > _APART for other in kept):
            kept.append(one)
    return replace(chosen, others=tuple(kept[1:]))


def _signed(first: Minimum) -> Minimum:
    """The same minimum, or where areas are negative one without these analytes."""
    for _ in range(first.problem.model.analytes):
        if (first.best.place.areas >= 0).all():
            break
        absent = first.problem.absent | _absent(first)
        first = _from(replace(first.problem, absent=frozenset(absent)), first.best.p)
    return first


def again(minimum: Minimum, start: Array) -> Minimum:
    """The minimum reached from another start, within the same limits; its areas are not negative either."""
    linear = len(minimum.best.place.design)
    best = descend(minimum.problem.project, start, minimum.bounds, linear=linear)
    found = _signed(replace(minimum, best=best, others=()))
    same = found.problem.absent == minimum.problem.absent
    return _beside(found, [minimum.best, *minimum.others] if same else [])


def _from(problem: Problem, start: Array) -> Minimum:
    low, high = problem.model.limits(start)
    fixed = frozenset(
        kind * problem.model.analytes + index
        for index in problem.absent
        for kind in range(len(start) // problem.model.analytes)
    )
    bounds = Bounds(low, high, problem.model.longest(start), fixed)
    linear = len(problem.free) + len(problem.baseline)
    return Minimum(problem, descend(problem.project, start, bounds, linear=linear), bounds)


def _absent(minimum: Minimum) -> set[int]:
    """The analytes to which least squares without negative areas give nothing, at the minimum.

    A single negative area is among them: towards the unconstrained minimum the sum of squares falls, and
    from a point where this area is positive the way there would at first leave no area negative.
    """
    negative = np.flatnonzero(minimum.best.place.areas < 0)
    if negative.size == 1:
        return {int(negative[0])}
    from scipy.optimize import nnls  # a tenth of a second, which a cold start need not pay

    problem = minimum.problem
    free = list(problem.free)
    columns = problem.model.shapes(minimum.best.p).columns[free]
    q = np.linalg.qr(problem.baseline.T)[0]
    away = columns - (columns @ q) @ q.T
    areas, _ = nnls(away.T, problem.signal - q @ (q.T @ problem.signal))
    nothing = {index for index, area in zip(free, areas, strict=True) if area <= 0}
    return nothing or {int(np.argmin(minimum.best.place.areas))}
