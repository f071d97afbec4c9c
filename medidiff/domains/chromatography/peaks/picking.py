"""Where peaks are: apexes that stand out from the noise, valleys between them, shoulders on their flanks.

An apex is a maximum of the smoothed trace (Savitzky and Golay over half a peak's width) whose prominence
exceeds `threshold` noises at peak width: 10, the usual limit of quantification. It needs no baseline.
Shoulders are in `shoulders.py`.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks, peak_prominences

from medidiff.domains.chromatography.peaks.noise import Noise, smoothed
from medidiff.domains.chromatography.samples import flat_top, foot_of

THRESHOLD = 10.0
BENDING = 0.75  # of a width: what second derivatives are taken over
_SMOOTHING = 0.5  # of a peak's width
_REAL = 0.3  # of the prominence in the smoothed trace: what must stand out in the trace itself
_PLATEAU = 4  # samples running
_EDGE = 2  # samples: an apex at the very end of a trace was not recorded whole


@dataclass(frozen=True)
class Pick:
    """An apex: sample index, whether it is a shoulder, and its prominence (of a shoulder: 0)."""

    index: int
    shoulder: bool = False
    prominence: float = 0.0


def pick_peaks(signal: NDArray[np.float64], noise: Noise, *, threshold: float = THRESHOLD) -> list[Pick]:
    """The apexes of a trace from left to right; indices are of the highest sample of the trace itself."""
    if signal.size < 2 * _EDGE + 1:
        return []
    smooth = smoothed(signal, _SMOOTHING * noise.width)
    floor = max(threshold * noise.sd, 1e-9 * float(np.ptp(signal)))
    apexes, _ = find_peaks(smooth)
    prominences = peak_prominences(smooth, apexes)[0]
    kept = (prominences >= floor) & (floor > 0)
    tops = [_climbed(signal, int(i), noise) for i in apexes[kept]]
    # Smoothing undershoots beside a tall peak, which leaves the flat stretch behind it standing out.
    real = _prominences(signal, tops) > _REAL * prominences[kept]
    found = [
        Pick(top, prominence=float(p))
        for top, p, is_real in zip(tops, prominences[kept], real, strict=True)
        if is_real
    ]
    found = _one_a_plateau(signal, list({pick.index: pick for pick in found}.values()))
    return sorted(found, key=lambda pick: pick.index)


def valleys(signal: NDArray[np.float64], noise: Noise, picks: list[Pick]) -> list[int]:
    """Between each pick and the next one the index of the lowest sample.

    Beside a shoulder, where there may be none, that of the upward bend nearest to the shoulder.
    """
    curved = any(pick.shoulder for pick in picks)
    bend = smoothed(signal, BENDING * noise.width, order=4, derivative=2) if curved else signal
    found = []
    for left, right in pairwise(picks):
        between = signal[left.index : right.index + 1]
        lowest = int(np.argmin(between))
        if (left.shoulder or right.shoulder) and lowest in (0, between.size - 1):
            tops, _ = find_peaks(bend[left.index : right.index + 1])
            near = tops[-1:] if right.shoulder else tops[:1]
            lowest = int(near[0]) if near.size else between.size // 2
        found.append(left.index + lowest)
    return found


def _climbed(signal: NDArray[np.float64], index: int, noise: Noise) -> int:
    """The highest sample within an eighth of a width, and uphill from there: smoothing moves an apex."""
    reach = max(round(noise.width / 8), 1)
    start = max(index - reach, 0)
    top = start + int(np.argmax(signal[start : index + reach + 1]))
    while 0 < top < signal.size - 1 and max(signal[top - 1], signal[top + 1]) > signal[top]:
        top += 1 if signal[top + 1] > signal[top - 1] else -1
    return top


def _prominences(signal: NDArray[np.float64], tops: list[int]) -> NDArray[np.float64]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a top at the trace's end has none: 0
        found: NDArray[np.float64] = peak_prominences(signal, np.array(tops, np.intp))[0]
    return found


def _one_a_plateau(signal: NDArray[np.float64], found: list[Pick]) -> list[Pick]:
    """One pick, in the middle, for each flat top: smoothing rings at its ends."""
    kept: dict[int, Pick] = {}
    foot = foot_of(signal)
    for pick in found:
        start, end = flat_top(signal, pick.index, foot)
        middle = (start + end) // 2 if end - start + 1 >= _PLATEAU else pick.index
        if middle not in kept or kept[middle].prominence < pick.prominence:
            kept[middle] = Pick(middle, prominence=pick.prominence)
    return list(kept.values())
