"""The whole partial differential equation by the method of lines: the judge of the fast engines.

    t0 dc/dt = -dc/dX + (1/Pe) d2c/dX2 - t0 dw/dt ,    dw/dt = k kd c - kd w                    (w = F q)
    c - (1/Pe) dc/dX = c_in at X = 0,   dc/dX = 0 at X = 1              (arXiv:2501.00001; Danckwerts 1953)

Fifth-order upwind finite volumes in space, Radau IIA of order 5 in time with one real and one complex banded
factorisation (`marching.finite_volumes`, `marching.stepping`). `upwind1` with backward Euler and `central`
with Crank-Nicolson stand in for the finite differences of the paper, whose scheme is not known. A peak of
sigma seconds is sigma u/(1 + k) wide in the column, which takes 18 cells of the fifth order; a first-order
scheme of M cells adds mean^2/M to its variance and needs M far above the number of plates.

What is not retained at all, e^-N of the area, is part of the curve here, smeared over a few cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import make_interp_spline

from medidiff.domains.chromatography.engines.marching.finite_volumes import (
    FEWEST_CELLS,
    SCHEMES,
    Cells,
    Scheme,
    build_cells,
)
from medidiff.domains.chromatography.engines.marching.inlet import (
    divide,
    injection_breaks,
    is_impulse,
    stage_rates,
)
from medidiff.domains.chromatography.engines.marching.stepping import Method, Stepper
from medidiff.domains.chromatography.engines.transport import Curves, Transport, check_times
from medidiff.domains.chromatography.model.injection import Injection
from medidiff.errors import InputError

Array = NDArray[np.float64]

CELLS_PER_SIGMA, STEPS_PER_SIGMA = 18.0, 8.0
LEAST_CELLS_PER_SIGMA = 5.0
LIMIT_S = 600.0  # of the forecast, on one core of a small machine
_METHODS: dict[Scheme, Method] = {
    "upwind5": "radau5",
    "upwind1": "backward_euler",
    "central": "crank_nicolson",
}
_LEAST_CELLS = 120
_LAYER_CELLS, _MOST_LAYER_CELLS = (
    0.4,
    800,
)  # cells for a Peclet number, for the outlet's layer of 1/Pe; at most
_SECONDS_STEP, _SECONDS_CELL = 1e-4, 3e-7  # of one step: for itself and for a cell
_EMPTY = 1e-15  # of the area: with less in the column, nothing more comes out
_CHECKED = 64  # steps between two looks at what is left
_SPIKE = 1e-12


@dataclass(frozen=True)
class PDECost:
    """What one analyte takes: cells, time steps and a forecast in seconds."""

    name: str
    cells: int
    step_s: float
    steps: int
    seconds: float


def pde_curves(
    t: ArrayLike,
    transport: Transport,
    injection: Injection,
    *,
    cells: int | None = None,
    step_s: float | None = None,
    scheme: Scheme = "upwind5",
    limit_s: float = LIMIT_S,
) -> Curves:
    """Outlet curves (n, points) in 1/s at the times `t` (points,), any rising order, for a unit area each.

    cells, step_s: of all analytes; by default 18 cells and 8 steps in a standard deviation of each peak.
    Raises InputError for an open column with dispersion, and with the forecast above `limit_s` seconds.
    """
    times = check_times(t)
    costs = forecast_pde(times, transport, injection, cells=cells, step_s=step_s, scheme=scheme)
    if (seconds := sum(cost.seconds for cost in costs)) > limit_s:
        largest = max(costs, key=lambda cost: cost.seconds)
        raise InputError(
            "engine pde",
            expected=f"a run of at most {limit_s:g} s",
            got=f"a forecast of {seconds:.0f} s ({largest.name}: {largest.cells} cells x {largest.steps})",
            fix="Take the fft engine, or raise the limit with --limit-s (limit_s in Python).",
            argument=True,
        )
    curves = [_one_curve(times, transport, row, injection, cost, scheme) for row, cost in enumerate(costs)]
    # Nothing is missing from c: the spike is in it.
    return Curves(np.array(curves), {}, np.zeros(len(costs)), "pde", _warnings(transport, costs))


def forecast_pde(
    t: Array,
    transport: Transport,
    injection: Injection,
    *,
    cells: int | None = None,
    step_s: float | None = None,
    scheme: Scheme = "upwind5",
) -> tuple[PDECost, ...]:
    """Cells, steps and seconds of each analyte; InputError for what this engine cannot do."""
    _check(transport, cells, step_s, scheme)
    found = []
    sigma = np.sqrt(transport.variance_s2)
    wide = np.sqrt(transport.variance_s2 + injection.variance_s2)
    for row, name in enumerate(transport.names):
        sigmas = float(transport.mean_s[row] / sigma[row])
        count = cells or pde_cells(sigmas)
        step = step_s or float(sigma[row] / STEPS_PER_SIGMA)
        last = transport.mean_s[row] + injection.mean_s + 12 * wide[row] + 40 / transport.kd_per_s[row]
        end = min(float(t[-1]) + step, max(float(last), injection.end_s))
        steps = sum(phase.steps for phase in divide(injection_breaks(injection), end, step))
        seconds = steps * (_SECONDS_STEP + _SECONDS_CELL * count)
        found.append(PDECost(name, max(count, FEWEST_CELLS), step, steps, seconds))
    return tuple(found)


def pde_cells(sigmas: float) -> int:
    """Cells of a column that is `sigmas` standard deviations of the peak long."""
    return int(np.ceil(max(CELLS_PER_SIGMA * sigmas, _LEAST_CELLS)))


def _check(transport: Transport, cells: int | None, step_s: float | None, scheme: str) -> None:
    if transport.boundary == "open" and np.isfinite(transport.peclet).any():
        raise _bad(
            "boundary danckwerts", "open", "A column in cells has two ends; the fft engine knows both."
        )
    if scheme not in SCHEMES:
        raise _bad(f"scheme {', '.join(SCHEMES)}", repr(scheme), "Choose one.")
    if cells is not None and cells < FEWEST_CELLS:
        raise _bad(
            f"at least {FEWEST_CELLS} cells", f"{cells}", "Take more, or leave the choice to the engine."
        )
    if step_s is not None and not 0 < step_s < np.inf:
        raise _bad("a step above 0 s", f"{step_s:g} s", "Give seconds.")


def _one_curve(
    t: Array, transport: Transport, row: int, injection: Injection, cost: PDECost, scheme: Scheme
) -> Array:
    """The outlet of one analyte at `t`, (points,)."""
    grid = build_cells(cost.cells, float(transport.peclet[row]), scheme)
    exchange = (float(transport.k[row] * transport.kd_per_s[row]), float(transport.kd_per_s[row]))
    last = float(t[-1]) + cost.step_s
    times, values = [], []
    for time, value in _march(grid, transport.t0_s, exchange, injection, cost.step_s, last, _METHODS[scheme]):
        times.append(time)
        values.append(value)
    return _between(t, np.array(times), np.array(values))


def _march(
    grid: Cells,
    t0_s: float,
    exchange: tuple[float, float],
    injection: Injection,
    step_s: float,
    last_s: float,
    method: Method,
) -> Iterator[tuple[float, float]]:
    """Time and outlet of every step, until `last_s` or until the column is empty."""
    c, w = np.zeros(grid.count), np.zeros(grid.count)
    breaks = injection_breaks(injection)
    entering = grid.count / t0_s  # of a unit area, into the first cell
    if is_impulse(injection):
        c[0] = entering
    yield breaks[0], float(grid.outlet @ c)
    seen = np.flatnonzero(grid.outlet)
    tail = slice(int(seen[0]), int(seen[-1]) + 1)
    outlet = grid.outlet[tail]
    for phase in divide(breaks, last_s, step_s):
        stepper = Stepper(grid.matrix / t0_s, exchange, phase.step_s, method)
        edges, flowing = phase.edges_s, phase.start_s < injection.end_s and not is_impulse(injection)
        inflow = np.zeros((phase.steps, len(stepper.nodes)))
        if flowing:
            inflow = entering * stage_rates(injection, edges, stepper.nodes)
        for step in range(phase.steps):
            stepper.advance(c, w, inflow[step])
            yield float(edges[step + 1]), float(outlet @ c[tail])
            if not flowing and step % _CHECKED == 0 and _left(c, w) < _EMPTY * entering:
                return


def _left(c: Array, w: Array) -> float:
    return float(np.abs(c).sum() + np.abs(w).sum())


def _between(t: Array, times: Array, values: Array) -> Array:
    """The curve at `t` by splines of degree 5 through all steps; 0 before the first and after the last."""
    degree = min(5, len(times) - 1)
    spline = make_interp_spline(times, values, k=degree if degree % 2 else max(1, degree - 1))
    inside = (t >= times[0]) & (t <= times[-1])
    return np.where(inside, spline(np.clip(t, times[0], times[-1])), 0.0)


def _warnings(transport: Transport, costs: tuple[PDECost, ...]) -> tuple[str, ...]:
    found = []
    per_sigma = [
        cost.cells * sigma / mean
        for cost, sigma, mean in zip(costs, np.sqrt(transport.variance_s2), transport.mean_s, strict=True)
    ]
    if (worst := min(per_sigma)) < LEAST_CELLS_PER_SIGMA:
        found.append(f"only {worst:.1f} cells in a standard deviation of the narrowest peak: take at least 5")
    if (spike := float(np.exp(-transport.transfer_units).max())) > _SPIKE:
        found.append(f"{spike:.1e} of the area is not retained; its front is smeared over some cells")
    return tuple(found)


def _bad(expected: str, got: str, fix: str) -> InputError:
    return InputError("engine pde", expected=expected, got=got, fix=fix, argument=True)
