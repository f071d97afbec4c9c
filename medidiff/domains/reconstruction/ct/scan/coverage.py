"""Which directions a set of view angles measures, and what each view stands for.

Angles in degrees. The line through (theta, s) is that through (theta + 180, -s), so that directions are
modulo 180; the views of a turning source are modulo 360. `period` says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

HALF_TURN, TURN = 180.0, 360.0
_SAME_DEG = 1e-3  # directions nearer than this are one
_GAP_FACTOR = 2.0  # a gap between directions so many times wider than nearly all others was not measured


def view_weights_deg(angles_deg: Sequence[float], period: float) -> NDArray[Any]:
    """The arc that each view stands for, (views,): the quadrature of back-projection.

    Half the gap to each neighbour modulo `period`; a gap that was not measured counts as a usual step.
    """
    return _steps(angles_deg, period)[1]


def missing_deg(angles_deg: Sequence[float], period: float = HALF_TURN) -> list[tuple[float, float]]:
    """Arcs (from, to) modulo `period` that no view measured."""
    return _steps(angles_deg, period)[0]


def arc_deg(angles_deg: Sequence[float]) -> float | None:
    """The arc of the scan: from the first angle to the last and a mean step, at most 360.

    Of equal steps it is the arc that was asked for; None of views at one angle, which span no arc.
    """
    span = max(angles_deg) - min(angles_deg)
    return round(min(span * len(angles_deg) / (len(angles_deg) - 1), TURN), 6) if span > _SAME_DEG else None


def covered_deg(angles_deg: Sequence[float]) -> float:
    """The directions modulo 180 that the views stand for together: at most 180.

    More than the arc of the scan where the gap that it leaves is no wider than two steps.
    """
    return float(round(view_weights_deg(angles_deg, HALF_TURN).sum(), 6))


def directions(angles_deg: Sequence[float]) -> int:
    """How many views look in directions of their own, modulo 180: half of an even number over 360."""
    return int(np.count_nonzero(_gaps(angles_deg, HALF_TURN)[2] > _SAME_DEG))


def missing_words(angles_deg: Sequence[float]) -> str:
    """`missing_deg` as one sentence for a report; empty when every direction was measured."""
    if directions(angles_deg) == 1:
        return f"only edges whose normal lies at {angles_deg[0] % 180:.4g} degrees were measured"
    arcs = [f"{low:.4g} to {high % 180:.4g} degrees" for low, high in missing_deg(angles_deg)]
    if not arcs:
        return ""
    return f"edges whose normal lies between {' and '.join(arcs)} from the x axis were not measured"


def _gaps(angles_deg: Sequence[float], period: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The order of the views by direction, the sorted directions, and the gap from each to the next."""
    places = np.mod(np.asarray(angles_deg, np.float64), period)
    order = np.argsort(places, kind="stable")
    sorted_deg = places[order]
    return order, sorted_deg, np.diff(np.append(sorted_deg, sorted_deg[0] + period))


def _steps(angles_deg: Sequence[float], period: float) -> tuple[list[tuple[float, float]], NDArray[Any]]:
    order, sorted_deg, gaps = _gaps(angles_deg, period)
    distinct = gaps[gaps > _SAME_DEG]
    # The largest gap is left out, so that two views of a narrow arc still show their step.
    step = float(np.quantile(np.sort(distinct)[:-1], 0.9)) if len(distinct) > 1 else float(distinct[0])
    missing = gaps > _GAP_FACTOR * step
    half = np.where(missing, step, gaps) / 2
    weights = np.empty_like(half)
    weights[order] = half + np.roll(half, 1)
    arcs = [
        (float(low + step / 2), float(low + gap - step / 2))
        for low, gap in zip(sorted_deg[missing], gaps[missing], strict=True)
    ]
    return arcs, weights
