"""The shape of one peak above its baseline: height, widths, plates, tailing.

    half height    N = 5.54 (tR / W50)^2                    (USP <621>, Ph. Eur. 2.2.46)
    tangent        N = 16 (tR / W)^2, W between the inflection tangents' feet
    moments        N = m1^2 / m2
    tailing        As = W(5 %) / (2 f), f the front part of that width
    asymmetry      b / a at 10 %

Widths are roots of the cubic spline through the samples: linear interpolation errs by 2e-3 at ten samples a
FWHM. The apex is that spline's maximum, begun at the parabola's. The spline runs through the samples
themselves where their noise is below 1e-4 of the height, else through Savitzky and Golay's quartic over a
third of the width, which changes a Gaussian's height by 1e-4. A width that the bounds cut off (a valley above
5, 10 or 50 %) is unknown: NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from medidiff.domains.chromatography.peaks.noise import smoothed
from medidiff.domains.chromatography.samples import vertex

PLATES_HALF, PLATES_TANGENT = 5.54, 16.0
_CLEAN = 1e-4  # of the height
_SMOOTHING = 1 / 3  # of the FWHM
_LEAST = 4  # samples of a spline

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """Times and widths in s, height in the trace's unit (negative where the peak is); NaN where unknown.

    mean_s, variance_s2: moments of what lies between the bounds.
    """

    retention_s: float
    height: float
    fwhm_s: float = math.nan
    width_tangent_s: float = math.nan
    width_5_s: float = math.nan
    mean_s: float = math.nan
    variance_s2: float = math.nan
    tailing_usp: float = math.nan
    asymmetry10: float = math.nan

    @property
    def plates_half(self) -> float:
        """Plates by the width at half height."""
        return PLATES_HALF * (self.retention_s / self.fwhm_s) ** 2

    @property
    def plates_tangent(self) -> float:
        """Plates by the width between the tangents."""
        return PLATES_TANGENT * (self.retention_s / self.width_tangent_s) ** 2

    @property
    def plates_moment(self) -> float:
        """Plates by the moments."""
        return self.mean_s**2 / self.variance_s2 if self.variance_s2 > 0 else math.nan


def measure_shape(time_s: Array, above: Array, index: int, *, white: float = 0.0) -> Shape:
    """The shape of the peak with its highest sample at `index`, from the samples between its bounds.

    time_s, above: (points,), the trace above its baseline, of one peak only; above[index] > 0. white: noise.
    """
    height = float(above[index])
    mean, variance = moments(time_s, above)
    if time_s.size < _LEAST or height <= 0:
        return Shape(*vertex(time_s, above, index), mean_s=mean, variance_s2=variance)
    if white > _CLEAN * height:
        above = smoothed(above, _SMOOTHING * _samples(above, index), order=4)
        index = int(np.argmax(above))
    spline = CubicSpline(time_s, above)
    retention, height = _summit(spline, *vertex(time_s, above, index))
    half, five, ten = (_crossings(spline, time_s, above, index, share * height) for share in (0.5, 0.05, 0.1))
    return Shape(
        retention,
        height,
        fwhm_s=half[1] - half[0],
        width_tangent_s=_tangent_width(spline, half),
        width_5_s=five[1] - five[0],
        mean_s=mean,
        variance_s2=variance,
        tailing_usp=(five[1] - five[0]) / (2 * (retention - five[0])),
        asymmetry10=(ten[1] - retention) / (retention - ten[0]),
    )


def moments(time_s: Array, above: Array) -> tuple[float, float]:
    """Mean in s and variance in s^2 of a peak, by trapezoids; NaN for one without a positive area."""
    area = float(np.trapezoid(above, time_s))
    if not area > 0:
        return math.nan, math.nan
    mean = float(np.trapezoid(above * time_s, time_s)) / area
    return mean, float(np.trapezoid(above * (time_s - mean) ** 2, time_s)) / area


def resolution_half(earlier: Shape, later: Shape) -> float:
    """1.18 (t2 - t1) / (W50,1 + W50,2)."""
    return 1.18 * (later.retention_s - earlier.retention_s) / (earlier.fwhm_s + later.fwhm_s)


def resolution_tangent(earlier: Shape, later: Shape) -> float:
    """2 (t2 - t1) / (W1 + W2)."""
    widths = earlier.width_tangent_s + later.width_tangent_s
    return 2 * (later.retention_s - earlier.retention_s) / widths


def _samples(above: Array, index: int) -> float:
    """FWHM in samples, roughly."""
    return float(np.count_nonzero(above > above[index] / 2))


def _crossings(
    spline: CubicSpline, time_s: Array, above: Array, index: int, level: float
) -> tuple[float, float]:
    """The times nearest to the apex, before and behind it, at which the spline has this level, or NaN."""
    low, high = above[:index] < level, above[index + 1 :] < level
    left = float("nan") if not low.any() else _root(spline, time_s, int(np.flatnonzero(low)[-1]), level)
    right = float("nan") if not high.any() else _root(spline, time_s, index + int(np.argmax(high)), level)
    return left, right


def _root(spline: CubicSpline, time_s: Array, at: int, level: float) -> float:
    """Where one piece of the spline, from sample `at` to the next, has this level (Newton, bisection)."""
    low, high = 0.0, float(time_s[at + 1] - time_s[at])
    a, b, c, d = (float(value) for value in spline.c[:, at])
    d -= level
    rising = d < 0
    x = high / 2
    for _ in range(60):
        value = ((a * x + b) * x + c) * x + d
        if (value < 0) == rising:
            low = x
        else:
            high = x
        slope = (3 * a * x + 2 * b) * x + c
        step = x - value / slope if slope else math.nan
        new = step if low < step < high else (low + high) / 2
        if abs(new - x) <= 1e-15 * (abs(float(time_s[at])) + abs(x)):
            break
        x = new
    return float(time_s[at]) + x


def _summit(spline: CubicSpline, time_s: float, height: float) -> tuple[float, float]:
    """The maximum of the spline, by Newton's steps from the parabola's; the latter where there is none."""
    at = time_s
    for _ in range(4):
        curvature = float(spline(at, 2))
        if not curvature < 0:
            return time_s, height
        at -= float(spline(at, 1)) / curvature
    near = 2 * float(np.diff(spline.x).max())
    return (at, float(spline(at))) if abs(at - time_s) <= near else (time_s, height)


def _tangent_width(spline: CubicSpline, half: tuple[float, float]) -> float:
    """Between the feet of the tangents at the steepest places of front and tail.

    They are sought within one FWHM around the half heights; NaN where these are unknown.
    """
    left, right = half
    width = right - left
    if not width > 0:
        return math.nan
    feet = []
    for at, sign in ((left, 1.0), (right, -1.0)):
        time_s = np.linspace(at - width / 2, at + width / 2, 129)
        time_s = time_s[(time_s >= spline.x[0]) & (time_s <= spline.x[-1])]
        slopes = sign * spline(time_s, 1)
        best = int(np.argmax(slopes))
        steepest, slope = vertex(time_s, slopes, best)
        if not slope > 0:
            return math.nan
        feet.append(steepest - float(spline(steepest)) / (sign * slope))
    return feet[1] - feet[0]
