"""What samples say without a model: white noise, the vertex of a maximum, a plateau.

White noise from second differences:  sd = MAD(y[i-1] - 2 y[i] + y[i+1]) / (0.6745 sqrt 6). Where most of
them are equal, the trace was digitised in steps q above its noise, and what is left is rounding: q / sqrt 12.

Picking and fitting, and a simulation's summary, share these; only numpy is loaded, because a fit of named
peaks has to answer before `scipy.signal` would be there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FWHM_PER_SIGMA = math.sqrt(8 * math.log(2))
"""Of a Gaussian."""

_MAD = 0.6744897501960817  # of a standard normal
_EQUAL = 2e-4  # of the height
_FEWEST, _SHARE = 4, 0.1  # samples, and of a peak's upper half: a plateau
_FOOT = 0.05  # quantile of a section that is taken for its foot

Array = NDArray[np.float64]


def white_noise(signal: Array) -> float:
    """Standard deviation of white noise, or of rounding; 0 for fewer than 3 samples."""
    return _scatter(signal) or rounding_noise(signal)


def rounding_noise(signal: Array) -> float:
    """Standard deviation of rounding where the steps of digitising hide the noise, else 0.

    Neighbours are rounded alike there, so that no smoothing lowers it.
    """
    hidden = signal.size >= 3 and not _scatter(signal)
    return _step(signal) / math.sqrt(12) if hidden else 0.0


def vertex(x: Array, y: Array, index: int) -> tuple[float, float]:
    """Place and height of the parabola through a highest sample and its neighbours, on any rising axis.

    The sample itself at an end, on a plateau, and where the parabola opens upwards.
    """
    if not 0 < index < y.size - 1:
        return float(x[index]), float(y[index])
    left, right = x[index - 1] - x[index], x[index + 1] - x[index]
    down, up = y[index - 1] - y[index], y[index + 1] - y[index]
    curvature = (up / right - down / left) / (right - left)
    if not curvature < 0:
        return float(x[index]), float(y[index])
    slope = down / left - curvature * left
    shift = float(np.clip(-slope / (2 * curvature), left, right))
    return float(x[index] + shift), float(y[index] + slope * shift + curvature * shift**2)


def foot_of(signal: Array) -> float:
    """The level that a trace comes down to, whatever a few tall peaks and deep dips do."""
    return float(np.quantile(signal, _FOOT))


def flat_top(signal: Array, index: int, foot: float) -> tuple[int, int]:
    """First and last of the samples running around one that equal it, to 2e-4 of its height over `foot`.

    A detector at its limit still jitters by that; a Gaussian's top stays as near to its height over 2 % of
    its FWHM. The trace's range would not do: beside a solvent 5000 times as tall all else is equal.
    """
    apart = np.abs(signal - signal[index]) > _EQUAL * abs(float(signal[index]) - foot)
    before, after = np.flatnonzero(apart[:index]), np.flatnonzero(apart[index + 1 :])
    start = int(before[-1]) + 1 if before.size else 0
    return start, index + int(after[0]) if after.size else signal.size - 1


def plateau(signal: Array, index: int, start: int = 0, end: int | None = None) -> int:
    """How many samples lie on a flat top around one, 0 where it is none.

    start, end: the first and last sample of the peak. A flat top is a plateau over at least 4 samples, a
    tenth of the peak's upper half, and twice what digitising leaves: on either side of a Gaussian's apex
    sd sqrt(2 q/h) lies within one step q of its height h.
    """
    part = signal[start : (signal.size if end is None else end + 1)]
    first, last = flat_top(signal, index, float(signal.min()))
    height = float(signal[index]) - foot_of(part)
    if last - first + 1 < _FEWEST or not height > 0:
        return 0
    low = np.flatnonzero(part <= signal[index] - height / 2) + start
    left = max(low[low < index], default=start - 1)
    right = min(low[low > index], default=start + part.size)
    upper = int(right - left) - 1
    digitised = 2 * upper / FWHM_PER_SIGMA * math.sqrt(2 * _step(signal) / height)
    enough = max(_SHARE * upper, 2 * digitised + 1)
    return last - first + 1 if last - first + 1 >= enough else 0


def _scatter(signal: Array) -> float:
    if signal.size < 3:
        return 0.0
    second = np.diff(signal, 2)
    return float(np.median(np.abs(second - np.median(second)))) / (_MAD * math.sqrt(6))


def _step(signal: Array) -> float:
    """The smallest difference of unequal neighbours, of a digitised trace its step; 0 of a constant one."""
    steps = np.abs(np.diff(signal))
    return float(steps[steps > 0].min(initial=np.inf)) if steps.any() else 0.0
