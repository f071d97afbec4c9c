"""The box scheme along the characteristics of competitive Langmuir adsorption, compiled by numba.

    d theta_i/d tau = kd_i (g_i (1 - S) - theta_i),  d g_i/dX = -(N_i/kd_i) d theta_i/d tau,  S = sum theta

with g = b c, theta the covered share of the sites, tau = t - t0 X (Thomas 1944, JACS 66:1664; Goldstein 1953,
Proc R Soc A 219:151). No advection is left, so none is smeared. g lives on the middles of the time steps,
theta on their edges in the middles of the X cells; one rate r_i a box serves both equations, so that mass is
exact, and with y = 1 - S at the middle

    r_i = (kd_i g_i y - kd_i theta_i) / (1 + kd_i dtau/2 + (h N_i/2) y),   y = 1 - sum theta - dtau/2 sum r_i

is one concave equation for y, whatever the number of analytes: what Newton's method with the Sherman-Morrison
formula solves for n rates is here one number. The error has even powers of the steps alone (Keller's box).

Analytes that have not arrived, or have left, are not computed: each X cell keeps for each of them the steps
between which its inflow is above a floor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import MissingError

Array = NDArray[np.float64]
_NOTHING = 1e-18  # of the largest inflow
_SETTLED, _TRIES = 1e-8, 50  # of y: the step is then right to its square


def march(
    inflow: Array,
    kd_per_s: Array,
    transfer_units: Array,
    steps_s: Array,
    cells: int,
    floors: Array | None = None,
) -> Array:
    """What leaves the column, (n, steps): g = b c in the middle of each step, for that which enters.

    inflow: (n, steps) means of b c over the steps; steps_s: (steps,) their lengths; floors: (n,) of g, below
    which nothing is there, by default 1e-18 of the highest inflow. NaN where Newton's method
    found no rate. MissingError without numba.
    """
    g = np.ascontiguousarray(inflow, np.float64).copy()
    floors = _NOTHING * np.abs(g).max(axis=1) if floors is None else floors
    _compiled()(g, kd_per_s, transfer_units / cells / 2, steps_s / 2, cells, floors)
    return g


@cache
def _compiled() -> Callable[..., None]:
    try:
        from numba import njit
    except ImportError as error:
        raise MissingError(
            "engine nonlinear",
            expected="the extra [chromatography] (numba)",
            got="none that can be imported",
            fix="Install it: pip install 'medidiff[chromatography]'",
        ) from error
    try:
        return njit(cache=True, error_model="numpy")(_boxes)
    except RuntimeError:  # no folder where numba may keep what it compiled
        return njit(error_model="numpy")(_boxes)


def _boxes(g: Any, kd: Any, half_units: Any, half_steps: Any, cells: int, floors: Any) -> None:
    """`cells` X cells in place; half_units = N h/2 (n,), half_steps = dtau/2 (steps,), floors (n,)."""
    count, steps = g.shape
    theta, rate, slope = np.zeros(count), np.zeros(count), np.zeros(count)
    here = np.zeros(count, np.bool_)
    first, last = np.zeros(count, np.int64), np.full(count, steps - 1)
    begin, until = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for _ in range(cells):
        k = steps
        for i in range(count):
            theta[i], begin[i], until[i] = 0.0, steps, -1
            k = min(k, first[i])
        y, before = 1.0, 1.0
        while k < steps:
            half, covered, some, arrival = half_steps[k], 0.0, False, steps
            for i in range(count):
                here[i] = first[i] <= k and (k <= last[i] or abs(theta[i]) > floors[i])
                if here[i]:
                    covered += theta[i]
                    some = True
                else:
                    theta[i] = 0.0
                    if first[i] > k:
                        arrival = min(arrival, first[i])
            if not some:
                k, y, before = arrival, 1.0, 1.0
                continue
            y, before, move = 2 * y - before, y, 1.0
            for _try in range(_TRIES):
                total, steep = y - 1.0 + covered, 1.0
                for i in range(count):
                    if here[i]:
                        over = 1.0 / (1.0 + kd[i] * half + half_units[i] * y)
                        rate[i] = kd[i] * (g[i, k] * y - theta[i]) * over
                        slope[i] = (kd[i] * g[i, k] - half_units[i] * rate[i]) * over
                        total += half * rate[i]
                        steep += half * slope[i]
                move = -total / steep
                y += move
                if abs(move) < _SETTLED:
                    break
            if not abs(move) < _SETTLED:
                g[0, 0] = np.nan
                return
            for i in range(count):
                if here[i]:
                    change = rate[i] + slope[i] * move
                    theta[i] += 2 * half * change
                    g[i, k] -= 2 * half_units[i] / kd[i] * change
                    if abs(g[i, k]) > floors[i]:
                        until[i] = k
                        begin[i] = min(begin[i], k)
            k += 1
        for i in range(count):
            first[i], last[i] = begin[i], until[i]
