"""The Fourier engine: any injection, dispersion, a detector's time constant, many analytes, gradients.

The transform of column x injection x detector (`transport`, `injection`) on s = i omega, with

    theta = s t0 + N s/(s+kd),   r = sqrt(1 + 4 theta/Pe),   q = (r-1)/(r+1)
    no dispersion  H = exp(-theta)          open        H = exp(Pe (1-r)/2)
    Danckwerts     H = 4 r exp(Pe (1-r)/2) / ((1+r)^2 - (1-r)^2 e^(-r Pe))        detector  1/(1 + s tau_d)

is summed over a window of its own for each peak: about 30 standard deviations, sampled finely enough that |H|
is below 1e-16 at the end of the band. Phases stay small, and digits with them, in the form

    s ta - theta = s (ta - t0 - N/kd) + (N/kd) s^2/(s+kd)
    Pe (1-r)/2   = -theta + (4/Pe) (theta/(1+r))^2,           4 r/(1+r)^2 = 1 - q^2

A gradient multiplies the spectrum by dln H/dp = -g dtheta/dp, where g = 1 without dispersion, 1/r open, and
1/r - r'/r + D'/D for Danckwerts (D the denominator, r' = 2/(Pe r)).

Without dispersion and with fewer than 40 transfer units |H| does not fall to 0 (a share e^-N is never
retained): there the closed form's quadrature serves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.domains.chromatography.engines.closed import COLUMN, add_row
from medidiff.domains.chromatography.engines.fft_plan import (
    FEW_UNITS,
    Column,
    FFTPlan,
    make_plan,
    uniform_axis,
)
from medidiff.domains.chromatography.engines.kernel import Kernel
from medidiff.domains.chromatography.engines.transport import Curves, Transport, check_gradients
from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Injection,
    Rectangle,
    TailedRectangle,
)
from medidiff.errors import InputError

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Factor = NDArray[np.complex128] | float

_EDGE = 1e-12  # of the height: what may be left at a window's ends
_MOST_DOUBLINGS = 6
_FLAT_PECLET = 80.0  # beyond it the wave reflected at the ends, e^(-r Pe), is below 1e-34


def fft_curves(
    t: ArrayLike,
    transport: Transport,
    injection: Injection,
    *,
    detector_s: float = 0.0,
    gradients: Sequence[str] = (),
    plan: FFTPlan | None = None,
) -> Curves:
    """Outlet of each analyte at the times `t` (points,) in s, which are uniform.

    gradients: of "ln_k", "ln_kd", "t0_s" (each with the other two and the Peclet number fixed), "detector_s"
    and the injection's parameters. plan: of `fft_plan` for this axis, used while it serves. With dispersion
    the part that is not retained is in c and `spike` is 0. Raises InputError for an axis that is not uniform,
    for unknown names, and for less than 40 transfer units without dispersion where a detector follows any
    injection but a rectangle.
    """
    asked = tuple(gradients)
    check_gradients(asked, (*COLUMN, "detector_s", *injection.parameters))
    if not 0 <= detector_s < np.inf:
        raise _bad("a time constant of at least 0 s", f"{detector_s:g}", "0 is an ideal detector.")
    plan = plan if plan and plan.fits_axis(t) else None
    times = np.asarray(t, np.float64) if plan else uniform_axis(t)
    column = Column.of(transport)
    out = column_curves(times, column, injection, detector_s, asked, plan)
    spike = np.where(np.isinf(transport.peclet), np.exp(-column.units), 0.0)
    return Curves(out[0], dict(zip(asked, out[1:], strict=True)), spike, "fft")


def column_curves(
    times: Array,
    column: Column,
    injection: Injection,
    detector_s: float = 0.0,
    asked: tuple[str, ...] = (),
    plan: FFTPlan | None = None,
) -> Array:
    """Curves and gradients (1 + asked, n, points) of rows of a column, over a uniform axis."""
    out = np.zeros((1 + len(asked), len(column.k), times.size))
    endless = np.isinf(column.peclet) & (column.units < FEW_UNITS)
    if endless.any() and not isinstance(injection, GaussianInjection):
        _few_units(out, times, column, np.flatnonzero(endless), injection, detector_s, asked)
        if not endless.all():
            rest = column_curves(times, column.rows(~endless), injection, detector_s, asked)
            out[:, ~endless] = rest
        return out
    if plan is None or not plan.serves(column, injection, detector_s):
        plan = make_plan(times, column, injection, detector_s)
    for wider in range(1, _MOST_DOUBLINGS + 1):
        curves = _transform(plan, column, injection, detector_s, asked)
        ends = np.abs(curves[0][:, (0, 1, -2, -1)]).max(axis=1)
        if (ends <= _EDGE * np.abs(curves[0]).max(axis=1)).all():
            break
        plan = make_plan(times, column, injection, detector_s, wider)
    else:
        raise _bad("peaks that end", "one that fills every window", "Raise its Peclet number.")
    _place(out, curves, plan)
    return out


def _transform(
    plan: FFTPlan, column: Column, injection: Injection, detector_s: float, asked: tuple[str, ...]
) -> Array:
    """(1 + asked, n, length) values in the windows."""
    s = plan.s
    t0, k, kd = column.t0[:, None], column.k[:, None], column.kd[:, None]
    share = s / (s + kd)
    slow = k * t0 * share  # (N/kd) s/(s + kd)
    late = plan.window_start_s - column.mean - injection.origin_s
    exponent = s * (late[:, None] + slow)
    theta = s * t0 + kd * slow
    factor, speed = _dispersion(exponent, theta, column, bool(asked))
    detector = 1 + s * detector_s
    bare = np.exp(exponent) * factor
    if detector_s:
        bare /= detector
    spike = _spike(column, s, late) / detector if _has_spike(column).any() else None
    shape = injection.shape(s)
    spectrum = bare * shape if spike is None else (bare - spike) * shape
    spectra = [spectrum]
    for name in asked:
        if name in injection.parameters:
            kept = bare if spike is None else bare - spike
            spectra.append(kept * injection.shape_gradient(name, s))
        elif name == "detector_s":
            spectra.append(-s / detector * spectrum)
        else:
            by = {"ln_k": kd * slow, "ln_kd": kd * slow * share, "t0_s": theta / t0}[name]
            slope = -by * speed * bare
            if spike is not None:
                units = column.units[:, None]
                slope += (units if name != "t0_s" else s + units / t0) * spike
            spectra.append(slope * shape)
    stacked = spectrum[None] if not asked else np.stack(spectra)
    values = np.fft.irfft(stacked, plan.length)
    values *= (plan.fine / plan.step_s)[:, None]
    return values


def _has_spike(column: Column) -> NDArray[np.bool_]:
    """Where the share that is never retained is worth subtracting, (n,)."""
    few: NDArray[np.bool_] = np.isinf(column.peclet) & (column.units < 2 * FEW_UNITS)
    return few


def _spike(column: Column, s: Complex, late: Array) -> Complex:
    """Spectrum of the share that is never retained, which is no part of the curve: e^-N at t0."""
    flight = late + column.k * column.t0
    spike = np.exp(s * flight[:, None] - column.units[:, None])
    return np.where(_has_spike(column)[:, None], spike, 0)


def _dispersion(exponent: Complex, theta: Complex, column: Column, slopes: bool) -> tuple[Factor, Factor]:
    """Add dispersion to the exponent in place; the factor of the ends, and g = -dln H/dtheta."""
    if np.isinf(column.peclet).all():
        return 1.0, 1.0
    pe = column.peclet[:, None]
    over = 1 / pe
    r: Complex = np.sqrt(1 + 4 * over * theta).astype(np.complex128, copy=False)
    exponent += 4 * over * (theta / (1 + r)) ** 2
    if not column.closed_ends:
        return 1.0, 1 / r
    square = (4 * over * theta / (1 + r) ** 2) ** 2  # q^2
    if column.peclet.min() >= _FLAT_PECLET:
        factor: Complex = 1 - square
        reflected: Factor = 0.0
    else:
        reflected = np.exp(-r * np.minimum(pe, 10 * _FLAT_PECLET))
        factor = (1 - square) / (1 - square * reflected)
    if not slopes:
        return factor, 1.0
    by_theta = 2 * over / r
    D = (1 + r) ** 2 - (1 - r) ** 2 * reflected
    finite = np.where(np.isinf(pe), 0.0, pe)
    D_slope = (2 * (1 + r) + (2 * (1 - r) + finite * (1 - r) ** 2) * reflected) * by_theta
    return factor, 1 / r - by_theta / r + D_slope / D


def _place(out: Array, curves: Array, plan: FFTPlan) -> None:
    """Every `fine`-th value of a window, where it lies on the axis."""
    for row, (first, fine) in enumerate(zip(plan.first.tolist(), plan.fine.tolist(), strict=True)):
        values = curves[:, row, ::fine]
        start, stop = max(first, 0), min(first + values.shape[-1], plan.points)
        if stop > start:
            out[:, row, start:stop] = values[:, start - first : stop - first]


def _few_units(
    out: Array,
    times: Array,
    column: Column,
    rows: NDArray[np.int64],
    injection: Injection,
    detector_s: float,
    asked: tuple[str, ...],
) -> None:
    """Rows whose spectrum does not end, by the closed form; the detector is then a tail of the injection."""
    names = asked
    if detector_s or "detector_s" in asked:
        if not (isinstance(injection, Rectangle) and detector_s):
            raise _bad(
                f"{FEW_UNITS:g} transfer units or dispersion",
                f"{column.units[rows].min():.3g}, with a detector and {type(injection).__name__}",
                "Give a dispersion, or leave the detector out.",
            )
        injection = TailedRectangle(injection.width_s, detector_s, injection.start_s)
        names = tuple("tail_s" if name == "detector_s" else name for name in asked)
    for row in rows.tolist():
        kernel = Kernel(float(column.units[row]), float(column.kd[row]))
        add_row(out[:, row], times - column.t0[row], kernel, injection, names, float(column.t0[row]))


def _bad(expected: str, got: str, fix: str) -> InputError:
    return InputError("engine fft", expected=expected, got=got, fix=fix, argument=True)
