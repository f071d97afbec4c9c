"""The noise of a trace, as a peak meets it.

White noise is taken from second differences, or is that of rounding (`samples.white_noise`).

A detector's filter correlates neighbours, so that this falls short of the wander that looks like a small
peak. What a peak of FWHM w must stand out from is the same contrast at its own width,

    D[i] = m[i] - (m[i-w] + m[i+w]) / 2,      m the trace smoothed as picking does, over w/2,

where no signal is: there the rms of D over one width lies within three times the median of such places, begun
at the quietest tenth (peaks add to D, and never take away). sd = that median / sqrt 1.5: for white noise, the
standard deviation of m; at least what rounding leaves.

The width w is that of peaks that nobody doubts, whatever stands beside them (a solvent may be 5000 times as
tall): their prominence is ten white noises, and 20 times the sd at their own width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d
from scipy.signal import find_peaks, peak_prominences, peak_widths, savgol_filter

from medidiff.domains.chromatography.samples import rounding_noise, white_noise

_WHITE, _CLEAR = 10.0, 20.0  # noises, white and at its width: what is a peak beyond doubt
_BLOCKS = 32  # to a width: as finely as noise at that width has to be seen
_QUIETEST, _FACTOR, _ROUNDS = 0.1, 3.0, 10
_FEW = 5  # samples: fewer hold no window


@dataclass(frozen=True)
class Noise:
    """white: standard deviation of one sample. sd: of the smoothed trace, at peak width; peaks stand on it.

    width, widest: median and 95 % quantile of the FWHM of clear peaks, in samples. quiet: (points,) true
    where no signal is.
    """

    white: float
    sd: float
    width: float
    widest: float
    quiet: NDArray[np.bool_]


def measure_noise(signal: NDArray[np.float64]) -> Noise:
    """The noise of a trace of any length; a constant trace has none (0)."""
    white = white_noise(signal)
    width, widest = clear_widths(signal, white)
    if signal.size < _FEW:
        return Noise(white, white, width, widest, np.ones(signal.size, bool))
    quiet, sd = _quiet(_contrasts(signal, width), float(np.ptp(signal)))
    least = max(white / math.sqrt(max(width / 2, 1)), rounding_noise(signal))
    return Noise(white, max(sd, least), width, widest, quiet)


def clear_widths(signal: NDArray[np.float64], white: float) -> tuple[float, float]:
    """Median and 95 % quantile of the FWHM in samples of the peaks that nobody doubts.

    Without any, both are a hundredth of the trace.
    """
    smooth = smoothed(signal, 5)
    apexes, _ = find_peaks(smooth)
    prominences = peak_prominences(smooth, apexes)[0]
    tall = prominences > max(_WHITE * white, 1e-9 * float(np.ptp(signal)))
    widths = np.maximum(peak_widths(smooth, apexes[tall], 0.5)[0], 3.0)
    clear = prominences[tall] > _CLEAR * _noise_at(signal, widths)
    if not clear.any():
        return (max(signal.size / 100, 3.0),) * 2
    return float(np.median(widths[clear])), float(np.quantile(widths[clear], 0.95))


def smoothed(
    signal: NDArray[np.float64], window: float, *, order: int = 3, derivative: int = 0
) -> NDArray[np.float64]:
    """Savitzky and Golay's polynomial of `order` over about `window` samples (odd, and more than the order).

    A derivative is per sample. A trace shorter than the window is fitted as far as it goes.
    """
    points = max(2 * (round(window) // 2) + 1, order + 1 + order % 2)
    points = min(points, signal.size - 1 + signal.size % 2)
    if points <= order:
        return np.gradient(signal) if derivative == 1 else np.zeros_like(signal) if derivative else signal
    ends = "interp" if derivative else "nearest"  # a repeated end bends the trace there
    fitted: NDArray[np.float64] = savgol_filter(signal, points, order, deriv=derivative, mode=ends)
    return fitted


def _noise_at(signal: NDArray[np.float64], widths: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sd at each of these widths, (widths,): between those at powers of two."""
    if not widths.size or signal.size < _FEW:
        return np.zeros_like(widths)
    scales = 2.0 ** np.arange(math.floor(np.log2(widths.min())), math.ceil(np.log2(widths.max())) + 1)
    found = []
    for scale in scales:
        block = max(int(scale / _BLOCKS), 1)
        means = signal[: signal.size // block * block].reshape(-1, block).mean(axis=1)
        found.append(_quiet(_contrasts(means, scale / block), float(np.ptp(signal)))[1])
    return np.interp(np.log2(widths), np.log2(scales), found)


def _quiet(rms: NDArray[np.float64], ptp: float) -> tuple[NDArray[np.bool_], float]:
    """Where no signal is, and the sd there."""
    limit = _FACTOR * float(np.quantile(rms, _QUIETEST))
    for _ in range(_ROUNDS):
        grown = _FACTOR * float(np.median(rms[rms <= limit]))
        if grown <= limit:
            break
        limit = grown
    quiet = rms <= max(limit, 1e-12 * ptp)
    return quiet, float(np.median(rms[quiet])) / math.sqrt(1.5)


def _contrasts(signal: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """The rms of D over one width around each sample; near the trace's ends that of the nearest place."""
    step = min(max(round(width), 2), max((signal.size - 1) // 4, 1))
    mean = smoothed(signal, step / 2)
    contrast = mean[step:-step] - (mean[: -2 * step] + mean[2 * step :]) / 2
    # A running sum would carry the rounding of a peak's square into the quiet samples behind it.
    rms = np.sqrt(convolve1d(contrast**2, np.full(step, 1 / step), mode="nearest"))
    return np.asarray(np.pad(rms, step, mode="edge"), np.float64)


def noise_range(
    time_s: NDArray[np.float64],
    rest: NDArray[np.float64],
    still: NDArray[np.bool_],
    *,
    at_s: float,
    width_s: float,
) -> float:
    """Peak-to-peak noise around a place: h of the pharmacopoeias' S/N = 2H/h, in the trace's unit.

    rest: the trace above its baseline, or a blank. still: where it holds no peak. The still samples within
    `width_s` centred on `at_s` count; where these are fewer than a quarter of it, as many of the nearest.
    NaN without any.
    """
    places = np.flatnonzero(still)
    if not places.size or not math.isfinite(width_s):
        return math.nan
    step = float((time_s[-1] - time_s[0]) / (time_s.size - 1))
    needed = max(round(width_s / step / 4), 2)
    low, high = np.searchsorted(time_s[places], [at_s - width_s / 2, at_s + width_s / 2])
    inside = places[low:high]
    if inside.size < needed:
        nearest = np.argsort(np.abs(time_s[places] - at_s), kind="stable")[:needed]
        inside = places[nearest]
    return float(np.ptp(rest[inside]))
