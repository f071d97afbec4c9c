"""Where peaks are: apexes that stand out from the noise, valleys between them, shoulders on their flanks.

An apex is a maximum of the smoothed trace (Savitzky and Golay over half a peak's width) whose prominence
exceeds `threshold` noises at peak width: 10, the usual limit of quantification. It needs no baseline. The
apex itself lies on a parabola through the highest sample and its neighbours. A shoulder has no maximum of
its own: it is a maximum of minus the second derivative, apart from every apex, and is reported with a flag.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks, peak_prominences, peak_widths

from medidiff.domains.chromatography.peaks.baselines import envelope
from medidiff.domains.chromatography.peaks.noise import Noise, smoothed

THRESHOLD = 10.0
FWHM_PER_SIGMA = 2.354820045030949  # sqrt(8 ln 2)
_SMOOTHING = 0.5  # of a peak's width
_BENDING = 0.75  # of a width: what the second derivative is taken over
_APART = 0.6  # of a width: nearer than this to an apex, a bend belongs to it
_BEND = 0.25  # of the sharpest bend of the peak that it sits on: blunter ones are its tail
_LEVEL = 0.1  # of that peak's height; and of the level there, what a shoulder must add
_EDGE = 2  # samples: an apex at the very end of a trace was not recorded whole


@dataclass(frozen=True)
class Pick:
    """An apex: sample index, whether it is a shoulder, and its prominence (of a shoulder: 0)."""

    index: int
    shoulder: bool = False
    prominence: float = 0.0


def pick_peaks(
    signal: NDArray[np.float64], noise: Noise, *, threshold: float = THRESHOLD, shoulders: bool = True
) -> list[Pick]:
    """The apexes of a trace from left to right; indices are of the highest sample of the trace itself."""
    if signal.size < 2 * _EDGE + 1:
        return []
    smooth = smoothed(signal, _SMOOTHING * noise.width)
    floor = max(threshold * noise.sd, 1e-9 * float(np.ptp(signal)))
    apexes, _ = find_peaks(smooth)
    prominences = peak_prominences(smooth, apexes)[0]
    kept = (prominences >= floor) & (floor > 0)
    found = [
        Pick(_highest(signal, int(i), noise), prominence=float(p))
        for i, p in zip(apexes[kept], prominences[kept], strict=True)
    ]
    found = list({pick.index: pick for pick in found}.values())
    bends = _shoulders(signal, noise, threshold, found) if shoulders else []
    return sorted([*found, *bends], key=lambda pick: pick.index)


def apex(time_s: NDArray[np.float64], signal: NDArray[np.float64], index: int) -> tuple[float, float]:
    """Time and height of the parabola through a sample and its neighbours, on any rising axis.

    The sample itself at an end of the trace and on a plateau.
    """
    if not 0 < index < signal.size - 1:
        return float(time_s[index]), float(signal[index])
    left, right = time_s[index - 1] - time_s[index], time_s[index + 1] - time_s[index]
    down, up = signal[index - 1] - signal[index], signal[index + 1] - signal[index]
    curvature = (up / right - down / left) / (right - left)
    slope = down / left - curvature * left
    if curvature == 0:
        return float(time_s[index]), float(signal[index])
    shift = float(np.clip(-slope / (2 * curvature), left, right))
    return float(time_s[index] + shift), float(signal[index] + slope * shift + curvature * shift**2)


def valleys(signal: NDArray[np.float64], picks: list[Pick]) -> list[int]:
    """Between each pick and the next one the index of the lowest sample.

    Beside a shoulder, where there may be none, that of the sharpest upward bend.
    """
    found = []
    for left, right in pairwise(picks):
        between = signal[left.index : right.index + 1]
        lowest = int(np.argmin(between))
        if (left.shoulder or right.shoulder) and lowest in (0, between.size - 1) and between.size > 2:
            lowest = 1 + int(np.argmax(np.diff(between, 2)))
        found.append(left.index + lowest)
    return found


def _highest(signal: NDArray[np.float64], index: int, noise: Noise) -> int:
    """The highest sample within an eighth of a width: smoothing moved the apex of a skewed peak."""
    reach = max(round(noise.width / 8), 1)
    start = max(index - reach, 0)
    return start + int(np.argmax(signal[start : index + reach + 1]))


def _shoulders(signal: NDArray[np.float64], noise: Noise, threshold: float, found: list[Pick]) -> list[Pick]:
    """Maxima of -y'' that are no apex, each beside the nearest peak of `found`, whose flank it sits on."""
    if not found:
        return []
    bend = -smoothed(signal, _BENDING * noise.width, order=4, derivative=2)
    tops, _ = find_peaks(bend)
    prominences = peak_prominences(bend, tops)[0]
    apexes = np.array([pick.index for pick in found])
    distances = np.abs(tops[:, None] - apexes[None])
    nearest, own = distances.min(axis=1), distances.argmin(axis=1)
    sharpest = np.maximum.reduceat(bend, np.concatenate([[0], (apexes[1:] + apexes[:-1]) // 2]))
    widths = np.maximum(_widths(signal, apexes, noise), noise.width)
    level = signal - envelope(signal, noise)
    # What a peak of the trace's usual width would need to be as tall, to bend like that: s^2 |y''|.
    heights = prominences * (noise.width / FWHM_PER_SIGMA) ** 2
    quiet = bend[noise.quiet] if noise.quiet.any() else bend
    spread = 1.4826 * float(np.median(np.abs(quiet - np.median(quiet))))
    real = (bend[tops] > 0) & (prominences > threshold * spread) & (heights > threshold * noise.sd)
    real &= (prominences > _BEND * sharpest[own]) & (nearest > _APART * widths[own])
    real &= (level[tops] > _LEVEL * level[apexes][own]) & (heights > _LEVEL * level[tops])
    return [Pick(int(top), shoulder=True) for top in tops[real]]


def _widths(signal: NDArray[np.float64], apexes: NDArray[np.int_], noise: Noise) -> NDArray[np.float64]:
    """FWHM in samples at apexes; 0 where smoothing moved the maximum away."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        widths: NDArray[np.float64] = peak_widths(smoothed(signal, _SMOOTHING * noise.width), apexes, 0.5)[0]
    return widths
