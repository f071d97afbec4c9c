"""How analytes travel through a column whose temperature changes, and how wide they become.

With Y = 1 - x/L, B = pin^2 - pout^2, p^2 = pout^2 + Y B and U = u p = d^2 B/(64 eta L), an analyte obeys

    dY/dt = -U(T) / (L p(Y, T) (1 + k(T))) ,      W = ((pout^2 + Y B)^(3/2) - pout^3)/B
    dW/dt = -(3/2) U/(L (1 + k)) + (dW/dB at Y) dB/dt ,       W = 0 at the outlet

At constant pressures the second term is 0 and W the integral of a known function of time: the sum of
dt/(t0 (1 + k)) reaches 1. Where pressures follow the temperature (constant flow), it is put in from the last
sweep, which converges like the series of exp. Gauss-Legendre quadrature on panels between the corners of
the programme takes the integrals, and an outlet at vacuum is no special case. The duration of anything
shrinks by s = d(t)/d(start), d ln s/dt = d ln r/dT dT/dt at one place, r = (1 + k)/u. The width is

    sigma^2 = integral_0^tR (s_end/s)^2 H r dt,     H = 2 D/u + 2 k u/((1 + k)^2 kd), kd lumped: Golay's

at the local velocity and pressure. (Blumberg 2010, Temperature-Programmed Gas Chromatography; Leppert et al.
2020, J Chromatogr A 1620:460985.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.model.analyte import Analyte
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.flow import ConstantVelocity, Flow
from medidiff.domains.chromatography.model.gas import viscosity_pa_s
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.errors import InputError

Array = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_PANEL_K = 15.0  # of temperature: k changes by a factor of about 1.6 within
_SLOPE_K = 0.02  # of the central difference dB/dT
_SWEEPS, _ARRIVALS = 40, 20
_SETTLED = 1e-12  # of W at the inlet, and of the arrival
_NOTHING = 1e-14  # of W at the inlet: beyond the outlet, where a vacuum would have no pressure


@dataclass(frozen=True)
class Route:
    """What analytes travel through; `dispersed`: whether the plate height has its term 2 D/u."""

    column: Column
    gas: str
    flow: Flow
    oven: Oven
    dispersed: bool = True


@dataclass(frozen=True)
class Passage:
    """When an analyte that starts at one instant leaves, its standard deviation then, and its track.

    squeeze: dtR/d(start). times_s, places: the track, (points,) each; places in 0 ... 1 of the length.
    """

    retention_s: float
    sigma_s: float
    squeeze: float
    times_s: Array
    places: Array


def travel(route: Route, analytes: Sequence[Analyte], start_s: float) -> list[Passage]:
    """The passage of each analyte that starts at `start_s`; InputError where one does not leave."""
    fixed = _edges(route.oven, start_s)
    track = _sweep(route, analytes, np.broadcast_to(fixed, (len(analytes), len(fixed))))
    end = _first_arrival(track, fixed)
    for _ in range(_ARRIVALS):
        # Panels beyond the arrival have no length; the last begins at the last corner, if that is earlier.
        edges = np.concatenate([np.minimum(fixed, end[:, None]), end[:, None]], axis=1)
        track = _sweep(route, analytes, edges)
        step = track.left / track.falling
        end = np.maximum(end + step, start_s)
        if (np.abs(step) < _SETTLED * np.abs(end)).all():
            return [_passage(route, analytes[i], track, i, start_s, float(end[i])) for i in range(len(end))]
    raise InputError(
        "engine programme",
        expected="analytes that travel through the column",
        got=f"none or no finite retention: {np.array2string(end, precision=4, threshold=6)} s",
        fix="Check retention factors, pressures and the oven's programme.",
    )


def heating(oven: Oven, times: Array) -> Array:
    """dT/dt in K/s just after the times, their shape."""
    corners, kelvins = np.array(oven.times_s), np.array(oven.temperatures_k)
    rates = np.concatenate([[0.0], np.diff(kelvins) / np.diff(corners), [0.0]])
    return np.asarray(rates[np.searchsorted(corners, times, side="right")])


@dataclass(frozen=True)
class _Track:
    """All analytes at the nodes of their panels, (n, panels, nodes) each.

    w: W; k: retention factors; speed: U; pressure: p; squeeze: s to the start. left, falling, last: W, -dW/dt
    and s at the end of the last panel, (n,).
    """

    times: Array
    weights: Array
    w: Array
    away: Array
    k: Array
    speed: Array
    pressure: Array
    squeeze: Array
    left: Array
    falling: Array
    last: Array


def _sweep(route: Route, analytes: Sequence[Analyte], edges: Array) -> _Track:
    """The track over panels between `edges` (n, panels + 1)."""
    times, weights = _panels(edges)
    kelvin = route.oven.temperature(times)
    ends = route.oven.temperature(edges[:, [0, -1]])
    length = route.column.length_m
    (k, k_ends), (u, u_ends), (b, b_ends) = (
        [what(route, analytes, at) for at in (kelvin, ends)] for what in (_retention, _speed, _head)
    )
    low = _outlet(route)
    drive, drive_end = 1.5 * u / (length * (1 + k)), 1.5 * u_ends[:, 1] / (length * (1 + k_ends[:, 1]))
    warmer, colder = (_head(route, analytes, kelvin + side) for side in (_SLOPE_K, -_SLOPE_K))
    b_rise = (warmer - colder) / (2 * _SLOPE_K) * heating(route.oven, times)
    full = _to_w(np.ones(len(analytes)), b_ends[:, 0], low)
    w = full[:, None, None] - _cumulate(drive, weights)[0]
    fallen = _cumulate(drive, weights)[1]
    least = _NOTHING * full[:, None, None]
    for _ in range(_SWEEPS if b_rise.any() else 0):
        away = _to_place(np.maximum(w, least), b, low)
        change, fallen = _cumulate(drive - _by_head(away, b, low) * b_rise, weights)
        before, w = w, full[:, None, None] - change
        if np.abs(w - before).max() < _SETTLED * full.max():
            break
    away = _to_place(np.maximum(w, least), b, low)
    pressure = np.sqrt(low**2 + away * b)
    grown, grown_end = _cumulate(away * b_rise / (2 * pressure**2), weights)
    start = (1 + k_ends[:, 0]) / u_ends[:, 0]
    squeeze = (1 + k) / u * np.exp(grown) / start[:, None, None]
    last = (1 + k_ends[:, 1]) / u_ends[:, 1] * np.exp(grown_end) / start
    return _Track(times, weights, w, away, k, u, pressure, squeeze, full - fallen, drive_end, last)


def _passage(route: Route, analyte: Analyte, track: _Track, i: int, start_s: float, end_s: float) -> Passage:
    inside = track.weights[i].ravel() > 0
    times, weights, away, k, speed, pressure, squeeze = (
        values[i].ravel()[inside]
        for values in (
            track.times,
            track.weights,
            track.away,
            track.k,
            track.speed,
            track.pressure,
            track.squeeze,
        )
    )
    velocity = speed / pressure
    kelvin = route.oven.temperature(times)
    gas: Any = None  # an analyte's functions are written for numbers and take arrays as well
    if route.dispersed or analyte.gas_diffusion is not None:
        gas = analyte.gas_diffusion_m2_s(route.gas, cast(Any, kelvin), cast(Any, pressure))
    height = 2 * k * velocity / ((1 + k) ** 2 * analyte.lumped_rate_per_s(cast(Any, k), gas, route.column))
    if route.dispersed:
        height += 2 * gas / velocity
    last = float(track.last[i])
    variance = float(weights @ (height * (1 + k) / velocity * (last / squeeze) ** 2))
    times, places = np.concatenate([[start_s], times, [end_s]]), np.concatenate([[0.0], 1 - away, [1.0]])
    return Passage(end_s, float(np.sqrt(variance)), last, times, places)


def _first_arrival(track: _Track, fixed: Array) -> Array:
    """When W reaches 0, (n,): between two nodes, or after the last corner, where it falls evenly."""
    ends = []
    for times, w, left, falling in zip(track.times, track.w, track.left, track.falling, strict=True):
        after = np.flatnonzero(w.ravel() <= 0)
        if len(after) and after[0]:
            pair = slice(after[0] - 1, after[0] + 1)
            ends.append(float(np.interp(0.0, -w.ravel()[pair], times.ravel()[pair])))
        else:
            ends.append(float(fixed[-1] + left / falling))
    return np.array(ends)


def _edges(oven: Oven, start_s: float) -> Array:
    """Panels of at most 15 K between the corners of the programme, from the start to its last corner."""
    later = [time for time in oven.times_s if time > start_s]
    corners = [start_s, *(later or [start_s + 1.0])]  # one panel at least, of a constant temperature
    edges = [start_s]
    for a, b in pairwise(corners):
        rise = abs(float(oven.temperature(b) - oven.temperature(a)))
        edges += list(np.linspace(a, b, 1 + max(1, int(np.ceil(rise / _PANEL_K))))[1:])
    return np.array(edges)


def _panels(edges: Array) -> tuple[Array, Array]:
    """Nodes and weights of Gauss-Legendre quadrature in each panel, (n, panels, nodes) each."""
    middle, half = (edges[:, 1:] + edges[:, :-1])[..., None] / 2, np.diff(edges)[..., None] / 2
    return middle + half * _NODES, half * _WEIGHTS


def _cumulate(rate: Array, weights: Array) -> tuple[Array, Array]:
    """The integral of a rate from the start to each node, and to the end, (n,)."""
    whole = (weights * rate).sum(axis=-1)
    until = np.cumsum(whole, axis=-1)
    before = np.concatenate([np.zeros((len(until), 1)), until], axis=1)
    half = weights.sum(axis=-1, keepdims=True) / 2
    return before[:, :-1, None] + half * (rate @ _CUMULATE), before[:, -1]


def _retention(route: Route, analytes: Sequence[Analyte], kelvin: Array) -> Array:
    """Each analyte's k at its temperatures, (n, ...)."""
    factors = [a.retention.retention_factor(t, route.column) for a, t in zip(analytes, kelvin, strict=True)]
    return np.array(factors)


def _speed(route: Route, analytes: Sequence[Analyte], kelvin: Array) -> Array:
    """U = u p in m Pa/s, the shape of the temperatures."""
    if isinstance(route.flow, ConstantVelocity):
        return route.flow.velocity_m_s * route.flow.pressure_pa + 0 * kelvin
    head = _head(route, analytes, kelvin)
    return (
        route.column.diameter_m**2 * head / (64 * viscosity_pa_s(route.gas, kelvin) * route.column.length_m)
    )


def _head(route: Route, analytes: Sequence[Analyte], kelvin: Array) -> Array:
    """B = pin^2 - pout^2 in Pa^2, the shape of the temperatures; 0 at constant velocity."""
    if isinstance(route.flow, ConstantVelocity):
        return 0 * kelvin
    return route.flow.inlet(route.column, route.gas, kelvin) ** 2 - route.flow.outlet_pa**2


def _outlet(route: Route) -> float:
    flow = route.flow
    return flow.pressure_pa if isinstance(flow, ConstantVelocity) else flow.outlet_pa


def _to_w(away: Array, head: Array, low: float) -> Array:
    """W of Y; (3/2) pout Y where there is no pressure drop."""
    dropped = head > 0
    safe = np.where(dropped, head, 1.0)
    return np.where(dropped, ((low**2 + away * safe) ** 1.5 - low**3) / safe, 1.5 * low * away)


def _to_place(w: Array, head: Array, low: float) -> Array:
    """Y of W > 0."""
    dropped = head > 0
    safe = np.where(dropped, head, 1.0)
    even = w / (1.5 * low) if low else w
    return np.where(dropped, (np.cbrt(w * safe + low**3) ** 2 - low**2) / safe, even)


def _by_head(away: Array, head: Array, low: float) -> Array:
    """dW/dB at one Y; without a pressure drop it is not asked."""
    pressure = np.sqrt(low**2 + away * head)
    return (1.5 * away * pressure - (pressure**3 - low**3) / head) / head


def _cumulation() -> Array:
    """Weights (node j, node i) of the integral from -1 to node i, exact as the rule itself is."""
    legendre, degree = np.polynomial.legendre, len(_NODES)
    terms = _WEIGHTS[:, None] * legendre.legvander(_NODES, degree - 1) * (np.arange(degree) + 0.5)
    integrals = [legendre.legval(_NODES, legendre.legint(row, lbnd=-1)) for row in np.eye(degree)]
    return np.asarray(terms @ np.array(integrals))


_CUMULATE = _cumulation()
