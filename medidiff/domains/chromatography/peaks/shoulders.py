"""Shoulders: peaks that another one hides, without a maximum of their own.

A shoulder is a maximum of minus the second derivative on the flank of a peak. That derivative is taken over
three quarters of that peak's own width (twice its narrower half), so that a dent in a wide peak is none. It
must bend by a quarter of what the peak's top does, lie more than 0.6 widths from it and above a tenth of its
height, and be as tall, by s^2 |y''|, as a tenth of the level there and as the threshold in its own noise.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks, peak_prominences, peak_widths

from medidiff.domains.chromatography.peaks.baselines import envelope
from medidiff.domains.chromatography.peaks.noise import Noise, smoothed
from medidiff.domains.chromatography.peaks.picking import BENDING, THRESHOLD, Pick
from medidiff.domains.chromatography.samples import FWHM_PER_SIGMA, flat_top

_REACH = 4.0  # widths on either side: where a peak's flanks are looked at
_APART = 0.6  # of a width: nearer than this to an apex, a bend belongs to it
_BEND = 0.25  # of the sharpest bend of the peak that it sits on: blunter ones are its tail
_LEVEL = 0.1  # of that peak's height; and of the level there, what a shoulder must add
_ROUGH = 16.0  # noises of s^2 y" for one of the smoothed trace, where both are of white noise

Array = NDArray[np.float64]


def with_shoulders(
    signal: Array, noise: Noise, picks: Sequence[Pick], *, threshold: float = THRESHOLD
) -> list[Pick]:
    """The picks with the shoulders on their flanks, from left to right."""
    if not picks:
        return []
    level = signal - envelope(signal, noise)
    apexes = [pick.index for pick in picks]
    borders = [0, *((a + b) // 2 for a, b in pairwise(apexes)), signal.size]
    widths = _widths(signal, apexes, noise)
    found = {pick.index: pick for pick in picks}
    for i, (apex, width) in enumerate(zip(apexes, widths, strict=True)):
        start = max(borders[i], apex - round(_REACH * width))
        stop = min(borders[i + 1], apex + round(_REACH * width) + 1)
        for index in _bends(signal, level, noise, threshold, apex, width, (start, stop)):
            found.setdefault(index, Pick(index, shoulder=True))
    return sorted(found.values(), key=lambda pick: pick.index)


def _bends(
    signal: Array,
    level: Array,
    noise: Noise,
    threshold: float,
    apex: int,
    width: float,
    section: tuple[int, int],
) -> list[int]:
    """The shoulders of one peak in its section of the trace."""
    margin = round(BENDING * width)  # the polynomial is uncertain near the ends of what it sees
    start, stop = max(section[0] - margin, 0), min(section[1] + margin, signal.size)
    bend = -smoothed(signal[start:stop], BENDING * width, order=4, derivative=2)
    bend = bend[section[0] - start : section[1] - start]
    tops, _ = find_peaks(bend)
    prominences = peak_prominences(bend, tops)[0]
    heights = prominences * (width / FWHM_PER_SIGMA) ** 2
    middle = apex - section[0]
    sharpest = float(bend[max(middle - margin, 0) : middle + margin + 1].max())
    first, last = flat_top(signal, apex, float(signal[apex] - level[apex]))
    real = bend[tops] > 0
    tops = tops + section[0]
    real &= (tops < first - _APART * width) | (tops > last + _APART * width)
    real &= (prominences > _BEND * sharpest) & (heights > threshold * _ROUGH * noise.sd)
    real &= (level[tops] > _LEVEL * level[apex]) & (heights > _LEVEL * level[tops])
    return [int(top) for top in tops[real]]


def _widths(signal: Array, apexes: Sequence[int], noise: Noise) -> list[float]:
    """Twice the narrower half of each FWHM, in samples, at least the usual width of the trace's peaks."""
    smooth = smoothed(signal, noise.width / 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where smoothing moved the maximum away
        _, _, left, right = peak_widths(smooth, np.asarray(apexes, np.intp), 0.5)
    narrower = np.minimum(np.asarray(apexes) - left, right - np.asarray(apexes))
    return [float(width) for width in np.maximum(2 * narrower, noise.width)]
