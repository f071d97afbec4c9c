"""Nonlinear competitive Langmuir adsorption without dispersion: the box scheme with Richardson extrapolation.

Three grids, of 1, 2 and 3 boxes where the first has one in X and in tau, are extrapolated on means over the
steps of the first: each error has even powers of the step alone, so that two grids give order 4 and three
give 6. That asks for jumps and kinks of the inlet on step edges, where `inlet` puts them: rectangles, tailed
or not, a Gaussian and sampled injections reach orders 2, 4 and 6 alike.

The outlet at the times of the user is the slope of a spline of degree 7 through the cumulated means, whose
values on the step edges are as exact as the means; what is not retained at all keeps its jumps, because
the spline is broken there. Real concentrations: c_in(t) = inlet * rate(t) / (highest rate).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import make_interp_spline

from medidiff.domains.chromatography.engines.marching.box import march
from medidiff.domains.chromatography.engines.marching.inlet import (
    Phase,
    divide,
    highest_rate,
    injection_breaks,
    step_means,
)
from medidiff.domains.chromatography.engines.transport import Curves, Transport, check_times
from medidiff.domains.chromatography.model.injection import Injection
from medidiff.errors import InputError

Array = NDArray[np.float64]

TOLERANCE = 1e-5
LIMIT_S = 600.0  # of the forecast, on one core of a small machine
LEVELS = (1, 2, 3)
_SECONDS_BOX = 6e-8  # of one analyte in one box, with the train of small ripples ahead of a peak
_FLOOR = 1e-7  # of tolerance and peak: below, an analyte has not come or has gone
_REACH = 9.0  # standard deviations on either side of a peak that are computed
_SPLINE = 7
_LEAST_CELLS = 32
_NO_LOADING = 1e-12  # b c of an analyte that saturates nothing
_LEAST = float(np.finfo(np.float64).tiny)
_SPIKE = 1e-13
_LOADED_UNITS = 18.0  # transfer units, while the highest inflow takes sites away, below which jumps remain
_SPIKE_STEP = 0.25  # of 1/kd, where what is not retained keeps its jumps
_MOST_OFF = 0.2  # times tolerance^(2/3): lower orders err by less where the grids have settled
_FINEST = 8  # times as fine as the first grid
_SMOOTH_UNITS = 50.0  # below so many, the step follows the width of a front


@dataclass(frozen=True)
class LangmuirCost:
    """The first grid, the steps of all grids, and a forecast in seconds."""

    cells: int
    step_s: float
    steps: int
    seconds: float


def langmuir_curves(
    t: ArrayLike,
    transport: Transport,
    b_m3_per_mol: ArrayLike,
    inlet_mol_m3: ArrayLike,
    injection: Injection,
    *,
    tolerance: float = TOLERANCE,
    limit_s: float = LIMIT_S,
) -> Curves:
    """Outlet concentrations (n, points) in mol/m3 at the times `t` (points,), any rising order.

    b_m3_per_mol: (n,), Langmuir's b = ka/kd for a unit of sites. inlet_mol_m3: (n,), the highest
    concentration at the inlet. tolerance: of the highest peak, for which the grids are chosen, and
    refined where the extrapolation has not settled; what remains is a warning. Raises InputError for
    dispersion, and with the forecast above `limit_s` seconds; MissingError without numba.
    """
    times = check_times(t)
    b, inlet = _check(transport, b_m3_per_mol, inlet_mol_m3, tolerance)
    cost = forecast_langmuir(times, transport, b, inlet, injection, tolerance=tolerance)
    if cost.seconds > limit_s:
        raise InputError(
            "engine nonlinear",
            expected=f"a run of at most {limit_s:g} s",
            got=f"a forecast of {cost.seconds:.0f} s ({cost.cells} cells and {cost.steps} steps first)",
            fix="Raise the limit with --limit-s (limit_s in Python); fft does where the loading is small.",
            argument=True,
        )
    spent, scale, enough = cost.seconds, 1, _MOST_OFF * tolerance ** (2 / 3)
    while True:
        c, off, rough = _extrapolated(times, transport, b * inlet, injection, cost, scale, tolerance)
        spent += cost.seconds * (2 * scale) ** 2
        if max(off, rough) <= enough or scale >= _FINEST or spent > limit_s:
            break
        scale *= 2
    if not np.isfinite(c).all():
        raise InputError(
            "engine nonlinear",
            expected="rates that Newton's method finds",
            got="none in some box",
            fix="Take a smaller tolerance, and check the parameters' units.",
        )
    warnings = () if max(off, rough) <= enough else (_words(max(off, rough)),)
    # Nothing is missing from c: the spike is in it, as a jump.
    return Curves(c / b[:, None], {}, np.zeros(len(c)), "nonlinear", warnings)


def forecast_langmuir(
    t: ArrayLike,
    transport: Transport,
    b_m3_per_mol: ArrayLike,
    inlet_mol_m3: ArrayLike,
    injection: Injection,
    *,
    tolerance: float = TOLERANCE,
) -> LangmuirCost:
    """The first grid and what all three would take.

    The box scheme alone errs by N^1.5/(34 M^2) of a peak with M cells (measured), three grids by half of its
    cube. A front that loading sharpens is 4/(kd g) long, g = b c, and counts as one of a smaller N.
    """
    times = check_times(t)
    b, inlet = _check(transport, b_m3_per_mol, inlet_mol_m3, tolerance)
    units, kd = transport.transfer_units, transport.kd_per_s
    sigma = np.sqrt(transport.kinetic_variance_s2)
    loading = float((b * inlet * _dilution(transport, injection)).sum())
    effective = np.minimum(units, 8 / np.maximum(loading, 1e-9) ** 2)
    alone = (1.5 * tolerance) ** (1 / 3)
    own = 0.5 * np.sqrt(34 * alone) * effective**0.25 / kd
    own *= np.minimum(1.0, effective / _SMOOTH_UNITS) ** 0.25
    step = float(own.min())
    cells = max(_LEAST_CELLS, int(np.ceil((units / kd / (2 * own)).max())))
    if _abrupt(transport, b * inlet):
        step = min(step, _SPIKE_STEP / float(kd.max()))
    last = _last(times, transport, injection)
    begin = injection.begin_s
    steps = sum(phase.steps for phase in divide(injection_breaks(injection), last, step))
    spread = 2 * _REACH * sigma * 2 / 3 + (injection.end_s - begin) + loading * transport.k * transport.t0_s
    boxes = cells * np.minimum(spread, last - begin).sum() / step * sum(factor**2 for factor in LEVELS)
    return LangmuirCost(cells, step, steps, float(boxes) * _SECONDS_BOX + 0.001)


def richardson(levels: list[Array], factors: tuple[int, ...] = LEVELS) -> tuple[Array, Array]:
    """The limit of results whose error has even powers of 1/factor, and what its last order changed."""
    table = levels
    before = table[-1]
    for order in range(1, len(factors)):
        before = table[-1]
        table = [
            (b**2 * fine - a**2 * coarse) / (b**2 - a**2)
            for a, b, coarse, fine in zip(factors, factors[order:], table, table[1:], strict=False)
        ]
    return table[0], np.abs(table[0] - before)


def _extrapolated(
    t: Array,
    transport: Transport,
    highest: Array,
    injection: Injection,
    cost: LangmuirCost,
    scale: int,
    tolerance: float,
) -> tuple[Array, float, float]:
    """The curves of b c, (n, points), of grids `scale` times as fine; how far lower orders lie from them.

    Of the peak: what the last order of the extrapolation changed, and a spline two degrees lower.
    """
    breaks = injection_breaks(injection)
    phases = divide(breaks, _last(t, transport, injection), cost.step_s / scale)
    floors = _FLOOR * tolerance * highest * _dilution(transport, injection)
    cells = scale * cost.cells
    levels = [_level(transport, highest, injection, phases, cells, factor, floors) for factor in LEVELS]
    best, estimate = richardson(levels)
    if not np.isfinite(best).all():
        return best, np.inf, np.inf
    edges = np.concatenate([phases[0].edges_s[:1], *(phase.edges_s[1:] for phase in phases)])
    cuts = breaks if _abrupt(transport, highest) else ()
    tau = t - transport.t0_s
    c, lower = (
        np.array([_at(tau, edges, row, cuts, degree) for row in best]) for degree in (_SPLINE, _SPLINE - 2)
    )
    peak = np.abs(best).max()
    return c, float(estimate.max() / peak), float(np.abs(c - lower).max() / peak)


def _level(
    transport: Transport,
    highest: Array,
    injection: Injection,
    phases: list[Phase],
    cells: int,
    factor: int,
    floors: Array,
) -> Array:
    """Means of b c at the outlet over the steps of the first grid, from one `factor` times as fine."""
    fine = [Phase(phase.start_s, phase.end_s, factor * phase.steps) for phase in phases]
    rates = np.concatenate([step_means(injection, phase.edges_s) for phase in fine])
    lengths = np.concatenate([np.full(phase.steps, phase.step_s) for phase in fine])
    inflow = highest[:, None] * (rates / highest_rate(injection))
    out = march(inflow, transport.kd_per_s, transport.transfer_units, lengths, factor * cells, floors)
    return np.asarray(out.reshape(len(highest), -1, factor).mean(axis=2))


def _at(tau: Array, edges: Array, means: Array, breaks: tuple[float, ...], most: int) -> Array:
    """The curve at the times `tau` whose means over the steps between `edges` are `means`."""
    cumulated = np.concatenate([[0.0], np.cumsum(means * np.diff(edges))])
    cuts = np.searchsorted(edges, np.array([*breaks[1:], np.inf]) - 1e-9 * (edges[-1] - edges[0]))
    out = np.zeros_like(tau)
    start = 0
    for cut in np.minimum(cuts, len(edges) - 1):
        part = slice(start, int(cut) + 1)
        degree = min(most, int(cut) - start)
        if degree >= 1:
            spline = make_interp_spline(edges[part], cumulated[part], k=degree if degree % 2 else degree - 1)
            inside = (tau >= edges[start]) & (tau <= edges[cut])
            out[inside] = spline(tau[inside], 1)
        start = int(cut)
    return out


def _abrupt(transport: Transport, highest: Array) -> bool:
    """Whether jumps of the inlet reach the outlet: few transfer units, or sites that are nearly all taken."""
    units = transport.transfer_units.min()
    return bool(units < -np.log(_SPIKE) or units / (1 + highest.sum()) < _LOADED_UNITS)


def _dilution(transport: Transport, injection: Injection) -> Array:
    """The outlet's peak of the linear column in units of the inlet's, (n,), about."""
    spread = np.sqrt(2 * np.pi * transport.kinetic_variance_s2)
    return np.asarray(np.minimum(1.0, 1 / (highest_rate(injection) * spread)))


def _last(t: Array, transport: Transport, injection: Injection) -> float:
    """Where the march ends, in tau: the last time asked for, but after the injection has begun."""
    return max(float(t[-1]) - transport.t0_s, injection.begin_s + transport.t0_s / 100)


def check_loading(
    transport: Transport, b_m3_per_mol: ArrayLike, inlet_mol_m3: ArrayLike, engine: str
) -> tuple[Array, Array]:
    """Langmuir's b and the inlet's concentrations, (n,) each; InputError where one cannot be.

    A b of 0 becomes one so small that it shares in no saturation to 12 digits.
    """
    names = len(transport.names)
    b, inlet = (np.atleast_1d(np.asarray(v, np.float64)) for v in (b_m3_per_mol, inlet_mol_m3))
    for what, values, least in (("b of at least", b, 0.0), ("inlet concentration above", inlet, _LEAST)):
        if values.shape != (names,) or not (np.isfinite(values).all() and (values >= least).all()):
            raise InputError(
                engine,
                expected=f"{what} 0 for each of {names} analytes",
                got=np.array2string(values, precision=4, threshold=6),
                fix="Give m3/mol and mol/m3; an analyte that is absent is left out.",
                argument=True,
            )
    return np.maximum(b, _NO_LOADING / inlet), inlet


def _check(transport: Transport, b: ArrayLike, inlet: ArrayLike, tolerance: float) -> tuple[Array, Array]:
    if np.isfinite(transport.peclet).any():
        raise _bad(
            "no dispersion", "a Peclet number", "Take --engine pde, which does both, or --dispersion none."
        )
    if not 0 < tolerance < 1:
        raise _bad(
            "a tolerance between 0 and 1", f"{tolerance:g}", "1e-5 of the highest peak is the default."
        )
    return check_loading(transport, b, inlet, "engine nonlinear")


def _words(off: float) -> str:
    return f"lower orders still differ by {off:.1e} of the peak: raise --limit-s (limit_s in Python)"


def _bad(expected: str, got: str, fix: str) -> InputError:
    return InputError("engine nonlinear", expected=expected, got=got, fix=fix, argument=True)
