"""c(x, t): where the analytes are inside the column.

A place x is the outlet of a shorter column: N th(x)/t0 transfer units and hold-up time th(x), the time of
flight to x (`flow`). So one call of the Fourier engine, a row a place, gives the whole picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.domains.chromatography.engines.fft import column_curves
from medidiff.domains.chromatography.engines.fft_plan import Column, transform_points, uniform_axis
from medidiff.domains.chromatography.engines.transport import Transport
from medidiff.domains.chromatography.model.flow import flight_s
from medidiff.domains.chromatography.model.system import System
from medidiff.errors import InputError

Array = NDArray[np.float64]

MOST_POINTS = 1e8
"""Of all transforms together: seconds."""


def column_profile(system: System, x_m: ArrayLike, t: ArrayLike, *, dispersion: str | None = None) -> Array:
    """Concentrations (n, places, points) in mol/m³ at places (places,) and uniform times (points,).

    As a detector there would see the analytes of an isothermal column, less the compression of the gas by
    p(x)/p(L); dispersion has no boundary at a place inside. Raises InputError for places outside ]0, L] and
    for a linear column's other conditions.
    """
    x = np.atleast_1d(np.asarray(x_m, np.float64))
    length = system.column.length_m
    if x.ndim != 1 or not ((x > 0) & (x <= length)).all():
        raise InputError(
            "places in the column",
            expected=f"above 0 and at most {length:g} m",
            got=f"{np.min(x):g} to {np.max(x):g} m",
            fix="What enters at 0 m is the injection itself.",
            argument=True,
        )
    flight = flight_s(x, system.flow, system.column, system.gas, system.temperature_k)
    column = _rows(flight / system.hold_up_s, system.transport(dispersion))
    times = uniform_axis(t)
    if (points := transform_points(times, column, system.injection)) > MOST_POINTS:
        raise InputError(
            "profile",
            expected=f"transforms of at most {MOST_POINTS:g} points in all",
            got=f"{points:.3g}",
            fix="Take fewer places, or look at the units: peaks are very broad, or the trace is very long.",
            argument=True,
        )
    c = column_curves(times, column, system.injection)[0]
    return np.asarray(system.areas[:, None, None] * c.reshape(len(system.areas), len(x), -1), np.float64)


def _rows(share: Array, transport: Transport) -> Column:
    """A row for each analyte and place, after shares ]0, 1] of the hold-up time."""
    places, n = len(share), len(transport.names)

    def rows(values: Array, scale: Array | None = None) -> Array:
        return np.asarray((values[:, None] * (np.ones(places) if scale is None else scale)).ravel())

    return Column(
        rows(np.full(n, transport.t0_s), share),
        rows(transport.k),
        rows(transport.kd_per_s),
        rows(transport.peclet, share),
        closed_ends=False,
    )
