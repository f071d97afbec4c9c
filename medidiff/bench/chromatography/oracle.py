"""What is true to 30 digits and more, computed with mpmath from the equations, not with our engines.

The impulse response of the closed form, h = kd sqrt(N/T) e^(-N-T) I1(2 sqrt(N T)); the outlet for a rectangle
by summing its transform on the imaginary axis, whose error is the curve one period away; cumulants from the
Taylor series of the transform's logarithm.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.bench.chromatography.cases import Case

Array = NDArray[np.float64]
_DIGITS = 40
_PERIOD = 60  # standard deviations, and 200 time constants of the exchange
_END = 1e-28  # of the transform, where the sum ends


def impulse_response(case: Case, times: Array) -> Array:
    """The regular part h at times after t0, (points,)."""
    mp = _mpmath()
    found = []
    for time in times:
        units, kd = mp.mpf(case.units), mp.mpf(case.kd_per_s)
        late = kd * (mp.mpf(float(time)) - mp.mpf(case.t0_s))
        bessel = mp.besseli(1, 2 * mp.sqrt(units * late))
        found.append(float(kd * mp.sqrt(units / late) * mp.exp(-units - late) * bessel))
    return np.array(found)


def outlet(case: Case, width_s: float, times: Array) -> Array:
    """The outlet for a rectangle of unit area from t = 0, Danckwerts, (points,); 0 is an impulse."""
    mp = _mpmath()
    sigma = float(np.sqrt(case.transport.variance_s2[0] + width_s**2 / 12))
    period = mp.mpf(_PERIOD * sigma + 200 / case.kd_per_s)
    values = [mp.mpf(1)]
    while abs(values[-1]) > _END:
        s = 2j * mp.pi * len(values) / period
        values.append(_transform(mp, case, width_s, s))
    found = []
    for time in times:
        turn = mp.exp(2j * mp.pi * mp.mpf(float(time)) / period)
        total, phase = mp.mpf(0), mp.mpf(1)
        for value in values[1:]:
            phase *= turn
            total += (value * phase).real
        found.append(float((1 + 2 * total) / period))
    return np.array(found)


def cumulants(case: Case, width_s: float) -> tuple[float, float, float]:
    """Mean in s, variance in s^2 and third central moment in s^3 of the outlet for a rectangle from t = 0."""
    mp = _mpmath()
    _, first, second, third = mp.taylor(lambda s: mp.log(_transform(mp, case, width_s, s)), mp.mpf(0), 3)
    return float(-first), float(2 * second), float(-6 * third)


def _transform(mp: Any, case: Case, width_s: float, s: Any) -> Any:
    units, kd, t0 = mp.mpf(case.units), mp.mpf(case.kd_per_s), mp.mpf(case.t0_s)
    theta = s * t0 + units * s / (s + kd)
    through = mp.exp(-theta)
    if np.isfinite(case.peclet):
        peclet = mp.mpf(case.peclet)
        r = mp.sqrt(1 + 4 * theta / peclet)
        through = 4 * r * mp.exp(peclet * (1 - r) / 2) / ((1 + r) ** 2 - (1 - r) ** 2 * mp.exp(-r * peclet))
    x = s * mp.mpf(width_s)
    return through if x == 0 else through * -mp.expm1(-x) / x


def _mpmath() -> Any:
    mpmath: Any = importlib.import_module("mpmath")
    context = mpmath.mp.clone()
    context.dps = _DIGITS
    return context
