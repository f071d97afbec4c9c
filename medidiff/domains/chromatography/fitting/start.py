"""Where a fit starts: a rough baseline, maxima, and the moments of each peak.

    k = (m1 - m_inj)/t0 - 1,   kd = 2 (m1 - m_inj - t0) / (m2 - var_inj - tau_d^2 - m1^2 v)

(the cumulants of the kinetic model, arXiv:2501.00001's linear limit). A peak that stands alone gives m1 and
m2 by its moments, another one by its apex and its width at half height, m2 = (FWHM/2.3548)^2.

Maxima are looked for in the trace smoothed by
binomial weights 1 4 6 4 1, and must rise by eight times the noise that is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medidiff.domains.chromatography.fitting.solving.projection import polynomial
from medidiff.domains.chromatography.fitting.solving.shapes import Array
from medidiff.domains.chromatography.samples import FWHM_PER_SIGMA, vertex

_BINOMIAL = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
_LEFT_NOISE = float(np.sqrt((_BINOMIAL**2).sum()))
_PROMINENCE = 8.0  # times the noise that smoothing leaves
_ABOVE, _BELOW = 2.5, 4.0  # times the noise: what still counts as baseline
_CLEAR = 20.0  # height over noise from which moments are worth more than a width
_NEAR = 0.02  # of the retention: how far a maximum may lie from the time that was named


@dataclass(frozen=True)
class Peak:
    """A peak as it is seen before the fit; times in s.

    apex_s, height above the rough baseline, mean_s and variance_s2 as the moments or the width tell them;
    points: samples across the width at half height. shares: how many named analytes this maximum has to
    serve, and maximum_s where it lies.
    """

    apex_s: float
    height: float
    mean_s: float
    variance_s2: float
    points: float
    shares: int = 1
    seen: bool = True
    maximum_s: float = math.nan


def rough_baseline(time_s: Array, signal: Array, order: int, noise: float) -> Array:
    """A polynomial through what is no peak, (points,): what lies above is left out until nothing changes."""
    rows = polynomial(time_s, order)
    kept = signal <= np.quantile(signal, 0.8)
    level = np.zeros_like(signal)
    for _ in range(30):
        level = np.linalg.lstsq(rows[:, kept].T, signal[kept], rcond=None)[0] @ rows
        rest = signal - level
        spread = max(noise, 1.4826 * float(np.median(np.abs(rest[kept]))))
        new = (rest < _ABOVE * spread) & (rest > -_BELOW * spread)
        if new.sum() < 4 * len(rows) or (new == kept).all():
            break
        kept = new
    return level


def find_maxima(rest: Array, noise: float) -> list[int]:
    """Indices of the maxima of a baseline-corrected trace that rise clearly above both of their valleys.

    For peaks that somebody named: there the picker of `peaks`, which knows correlated noise, would cost the
    half second that `scipy.signal` takes to load, as much as the whole fit.
    """
    smooth = np.convolve(np.pad(rest, 2, mode="edge"), _BINOMIAL, mode="valid")
    least = _PROMINENCE * max(noise * _LEFT_NOISE, 1e-9 * float(np.abs(rest).max()))
    inside = smooth[1:-1]
    tops = 1 + np.flatnonzero((inside > smooth[:-2]) & (inside >= smooth[2:]))
    tops = tops[smooth[tops] > least]
    return [int(top) for top in tops if _prominence(smooth, int(top)) > least]


def picked(rest: Array) -> list[int]:
    """Indices of the peaks of a trace of which nobody named any: by the picker of `peaks`.

    It knows correlated and digitised noise; why named peaks do without it, `find_maxima` says.
    """
    from medidiff.domains.chromatography.peaks.noise import measure_noise
    from medidiff.domains.chromatography.peaks.picking import pick_peaks

    return [pick.index for pick in pick_peaks(rest, measure_noise(rest)) if not pick.shoulder]


def maxima(time_s: Array, rest: Array, noise: float, *, named: bool) -> list[Peak]:
    """Every maximum that stands out, in the order of time; by which picker, `find_maxima` says."""
    tops = find_maxima(rest, noise) if named else picked(rest)
    return [_measure(time_s, rest, top, tops, noise) for top in tops]


def locate(
    time_s: Array, rest: Array, noise: float, wanted: Sequence[float] | None, *, apart: float = 0.8
) -> list[Peak]:
    """A peak for each retention time wanted, in that order; or all that are found, in the order of time.

    Of several times that share one maximum, each gets a part of it, well apart,
    so that no two start from one place: where the times say no better, `apart` standard deviations.
    """
    seen = maxima(time_s, rest, noise, named=wanted is not None)
    if wanted is None:
        return seen
    apexes = np.array([peak.apex_s for peak in seen])
    chosen: list[int | None] = []
    for time in wanted:
        nearest = int(np.argmin(np.abs(apexes - time))) if seen else None
        if nearest is not None:
            reach = max(_NEAR * time, 2 * np.sqrt(seen[nearest].variance_s2))
            nearest = nearest if abs(apexes[nearest] - time) <= reach else None
        chosen.append(nearest)
    found = [
        _unseen(time_s, rest, time, seen) if at is None else seen[at]
        for time, at in zip(wanted, chosen, strict=True)
    ]
    for at in {at for at in chosen if at is not None and chosen.count(at) > 1}:
        members = sorted((i for i, other in enumerate(chosen) if other == at), key=lambda i: wanted[i])
        for i, part in zip(members, _split(seen[at], [wanted[i] for i in members], apart), strict=True):
            found[i] = part
    return found


def _measure(time_s: Array, rest: Array, top: int, tops: Sequence[int], noise: float) -> Peak:
    """The peak at a maximum, measured no further than its valleys."""
    before = max((other for other in tops if other < top), default=None)
    after = min((other for other in tops if other > top), default=None)
    first = 0 if before is None else before + int(np.argmin(rest[before : top + 1]))
    last = len(rest) - 1 if after is None else top + int(np.argmin(rest[top : after + 1]))
    # Smoothing may have moved the maximum by a sample.
    highest = max(top - 1, 0) + int(np.argmax(rest[max(top - 1, 0) : top + 2]))
    apex, height = vertex(time_s, rest, highest)
    left, right = _half(time_s, rest, top, first, -1, height), _half(time_s, rest, top, last, 1, height)
    sides = [side for side in (left, right) if side is not None]
    step = float(np.median(np.diff(time_s)))
    if len(sides) == 2:
        fwhm = abs(sides[0] - apex) + abs(sides[1] - apex)
    else:
        fwhm = 2 * abs(sides[0] - apex) if sides else float(time_s[last] - time_s[first]) / 2
    fwhm = max(fwhm, step)
    sigma = fwhm / FWHM_PER_SIGMA
    peak = Peak(apex, height, apex, sigma**2, fwhm / step)
    alone = len(sides) == 2 and max(abs(rest[first]), abs(rest[last])) < 0.02 * height
    return _by_moments(time_s, rest, peak, noise, first, last) if alone and height > _CLEAR * noise else peak


def _by_moments(time_s: Array, rest: Array, peak: Peak, noise: float, first: int, last: int) -> Peak:
    """The same peak with mean and variance by its moments, where these agree with its width."""
    sigma = np.sqrt(peak.variance_s2)
    inside = np.arange(len(rest))
    near = (time_s > peak.apex_s - 5 * sigma) & (time_s < peak.apex_s + 8 * sigma)
    near &= (inside >= first) & (inside <= last)
    t, y = time_s[near], rest[near]
    area = np.trapezoid(y, t)
    if len(t) < 4 or not area > 0:
        return peak
    mean = float(np.trapezoid(y * t, t) / area)
    variance = float(np.trapezoid(y * (t - mean) ** 2, t) / area)
    if abs(mean - peak.apex_s) > sigma or not 0.6 < variance / peak.variance_s2 < 4:
        return peak
    return Peak(peak.apex_s, peak.height, mean, variance, peak.points)


def _half(time_s: Array, rest: Array, top: int, end: int, way: int, height: float) -> float | None:
    """Where the trace falls to half the height between a maximum and `end`; None where it does not."""
    path = np.arange(top, end + way, way)
    below = np.flatnonzero(rest[path] < height / 2)
    if not below.size or not below[0]:
        return None
    far, near = path[below[0]], path[below[0] - 1]
    share = (rest[near] - height / 2) / (rest[near] - rest[far])
    return float(time_s[near] + share * (time_s[far] - time_s[near]))


def _prominence(values: Array, top: int) -> float:
    """How far one must go down from a maximum before a higher one, or the end, is reached."""
    height = values[top]
    left = np.flatnonzero(values[:top] > height)
    right = np.flatnonzero(values[top + 1 :] > height)
    first = left[-1] if left.size else 0
    last = top + 1 + right[0] if right.size else len(values) - 1
    return float(height - max(values[first : top + 1].min(), values[top : last + 1].min()))


def _unseen(time_s: Array, rest: Array, time: float, seen: Sequence[Peak]) -> Peak:
    """A peak that no maximum shows: as wide as its nearest neighbour."""
    step = float(np.median(np.diff(time_s)))
    width = min(seen, key=lambda peak: abs(peak.apex_s - time)).variance_s2 if seen else (5 * step) ** 2
    height = float(np.interp(time, time_s, rest))
    return Peak(time, height, time, width, FWHM_PER_SIGMA * np.sqrt(width) / step, seen=False)


def _split(peak: Peak, times: Sequence[float], apart: float) -> list[Peak]:
    """Parts of one maximum in the order of the times named, well apart."""
    count, sigma = len(times), float(np.sqrt(peak.variance_s2))
    spread = np.asarray(times, float)
    middle = float(spread.mean())
    if np.diff(spread).min() < 0.4 * sigma or np.ptp(spread) > 6 * sigma:
        spread = middle + apart * sigma * (np.arange(count) - (count - 1) / 2)
    if abs(middle - peak.apex_s) > sigma:
        spread = spread + peak.apex_s - middle
    # The parts and their distances together are as wide as the maximum is.
    own = sigma * float(np.sqrt(max(0.3, 1 - spread.var() / sigma**2)))
    points = peak.points * own / sigma
    return [
        Peak(float(at), peak.height, float(at), float(own**2), float(points), count, maximum_s=peak.apex_s)
        for at in spread
    ]
