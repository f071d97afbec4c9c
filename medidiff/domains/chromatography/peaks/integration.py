"""From where to where a peak is integrated, over which baseline, and its raw area.

A peak begins and ends where it falls to the noise or turns flat (code B), or at the valley to its neighbour
(code V): BB, BV, VB, VV. Peaks that share a valley are a group. In a valley the area is cut by a
perpendicular drop. A rider on the tail of a peak more than ten times as high is cut off by the tangent
from its valley instead; what lies under the tangent belongs to its parent. Small peaks on a front are
dropped.

Areas are trapezoids of the trace as measured, in its unit times seconds; indices are of samples, both
ends included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d

from medidiff.domains.chromatography.peaks.noise import Noise, smoothed
from medidiff.domains.chromatography.peaks.picking import Pick, flat_top, valleys

RIDER = 10.0  # times as high: what a rider's parent is
_RIDES = 0.25  # of the rider's height: the least height of its valley; below, a drop is as good
_FALLEN = 2.0  # noises, and
_FOOT = 2e-4  # of the height: where a peak has fallen to its baseline
_LOW, _FLAT = 0.05, 1e-3  # of the height: a foot that is flat, and the change over a width that flat allows
_BELOW = 2.0  # noises: a valley this far below its group's line is baseline
_SMOOTHING = 0.25  # of a width
_FLAT_TOP, _FLAT_SAMPLES = 0.1, 4  # of a peak's upper half, and samples: a plateau
_NEAR_LIMIT = 0.05  # of the trace's range below its highest value

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Extent:
    """A peak's samples from `start` to `end` around its pick; `code` as above.

    rider: cut off by a tangent. carries: riders' tangents, (start, end) samples, whose area is this peak's.
    manual: bounds that somebody gave. at_edge: the trace began or ended within the peak.
    """

    pick: Pick
    start: int
    end: int
    code: str = "BB"
    rider: bool = False
    carries: tuple[tuple[int, int], ...] = ()
    manual: bool = False
    at_edge: bool = False


def find_extents(signal: Array, base: Array, noise: Noise, picks: Sequence[Pick]) -> list[Extent]:
    """Bounds of each pick on the trace above a first baseline; riders are not yet cut off."""
    above = signal - base
    smooth = smoothed(above, _SMOOTHING * noise.width, order=2)
    ordered = list(picks)
    cuts = valleys(smooth, noise, ordered)
    borders = [0, *cuts, signal.size - 1]
    return [_extent(smooth, noise, pick, *borders[i : i + 2]) for i, pick in enumerate(ordered)]


def _extent(smooth: Array, noise: Noise, pick: Pick, low: int, high: int) -> Extent:
    height = smooth[pick.index]
    width = _half_width(smooth, pick.index, low, high)
    slope = np.abs(np.gradient(smooth[low : high + 1])) if high > low else np.zeros(1)
    here = smooth[low : high + 1]
    fallen = here <= max(_FALLEN * noise.sd, _FOOT * height)
    flat = (here < _LOW * height) & (slope * 2 * width < max(_FLAT * height, _FALLEN * noise.sd))
    down = fallen | (minimum_filter1d(flat.view(np.uint8), max(round(width / 2), 1), mode="nearest") > 0)
    before = np.flatnonzero(down[: pick.index - low])
    after = np.flatnonzero(down[pick.index - low + 1 :])
    start = low + int(before[-1]) if before.size else low
    end = pick.index + 1 + int(after[0]) if after.size else high
    edge = (not before.size and low == 0) or (not after.size and high == smooth.size - 1)
    left = "B" if before.size or low == 0 else "V"
    right = "B" if after.size or high == smooth.size - 1 else "V"
    return Extent(pick, start, end, left + right, at_edge=edge)


def _half_width(smooth: Array, index: int, low: int, high: int) -> float:
    """Half of the FWHM in samples, the narrower side."""
    half = smooth[index] / 2
    left = np.flatnonzero(smooth[low:index] <= half)
    right = np.flatnonzero(smooth[index + 1 : high + 1] <= half)
    sides = [index - low - int(left[-1])] if left.size else []
    sides += [int(right[0]) + 1] if right.size else []
    return float(min(sides, default=max(index - low, high - index, 1)))


def manual_extents(time_s: Array, signal: Array, windows: Sequence[tuple[float, float]]) -> list[Extent]:
    """One peak between each pair of times, its apex the highest sample in between; the code is by contact."""
    found: list[Extent] = []
    for start_s, end_s in sorted(windows):
        start, end = (int(np.argmin(np.abs(time_s - at))) for at in (start_s, end_s))
        pick = Pick(start + int(np.argmax(signal[start : end + 1])))
        touches = bool(found) and found[-1].end == start
        if touches:
            found[-1] = replace(found[-1], code=f"{found[-1].code[0]}V")
        found.append(Extent(pick, start, end, "VB" if touches else "BB", manual=True))
    return found


def with_manual(found: Sequence[Extent], manual: Sequence[Extent]) -> list[Extent]:
    """Manual bounds in place of what was found with its apex inside them; others end where they begin.

    Where a manual peak and its neighbour then touch, both codes say so.
    """
    kept = []
    for extent in found:
        if any(own.start <= extent.pick.index <= own.end for own in manual):
            continue
        for own in manual:
            if extent.pick.index < own.start < extent.end:
                extent = replace(extent, end=own.start)
            if extent.start < own.end < extent.pick.index:
                extent = replace(extent, start=own.end)
        kept.append(extent)
    ordered = sorted([*kept, *manual], key=lambda extent: extent.pick.index)
    for right in range(1, len(ordered)):
        before, after = ordered[right - 1 : right + 1]
        if (before.manual or after.manual) and before.end == after.start:
            ordered[right - 1] = replace(before, code=f"{before.code[0]}V")
            ordered[right] = replace(after, code=f"V{after.code[1]}")
    return ordered


def groups(extents: Sequence[Extent]) -> list[list[Extent]]:
    """Runs of peaks that share a valley."""
    runs: list[list[Extent]] = []
    for extent in extents:
        if runs and runs[-1][-1].code[1] == "V" and extent.code[0] == "V":
            runs[-1].append(extent)
        else:
            runs.append([extent])
    return runs


def line_baseline(
    time_s: Array, signal: Array, noise: Noise, extents: Sequence[Extent], *, each: bool
) -> tuple[Array, list[Extent]]:
    """Straight lines under each group, or under `each` peak; between them the lines go on from end to start.

    A valley that lies below its group's line is baseline itself: the group is parted there and the codes
    of its two peaks change. Returns the curve (points,) and the extents.
    """
    if not extents:
        return np.full(signal.size, float(np.median(signal))), []
    level = smoothed(signal, noise.width / 8, order=2) if noise.white else signal
    runs = [[extent] for extent in extents] if each else []
    waiting = [] if each else groups(extents)
    while waiting:
        run = waiting.pop(0)
        parted = _part(time_s, level, noise, run)
        if len(parted) > 1:
            waiting = [*parted, *waiting]
        else:
            runs.append(run)
    anchors = sorted({index for run in runs for index in (run[0].start, run[-1].end)})
    curve: Array = np.interp(time_s, time_s[anchors], level[anchors])
    return curve, [extent for run in runs for extent in run]


def _part(time_s: Array, level: Array, noise: Noise, run: list[Extent]) -> list[list[Extent]]:
    start, end = run[0].start, run[-1].end
    inner = np.array([extent.end for extent in run[:-1]], int)
    if not inner.size:
        return [run]
    line = np.interp(time_s[inner], time_s[[start, end]], level[[start, end]])
    depth = level[inner] - line
    lowest = int(np.argmin(depth))
    if depth[lowest] >= -_BELOW * noise.sd:
        return [run]
    left, right = run[: lowest + 1], run[lowest + 1 :]
    left[-1] = replace(left[-1], code=f"{left[-1].code[0]}B")
    right[0] = replace(right[0], code=f"B{right[0].code[1]}")
    return [left, right]


def skim_riders(
    time_s: Array, above: Array, extents: Sequence[Extent], *, ratio: float = RIDER
) -> list[Extent]:
    """Cut riders off the tails of their parents; `above` is the trace over its baseline."""
    done: list[Extent] = []
    parent = -1
    for extent in extents:
        joined = bool(done) and done[-1].code[1] == "V" and extent.code[0] == "V"
        if not joined or extent.manual or done[parent].manual:
            parent = len(done)
            done.append(extent)
            continue
        height, valley = above[extent.pick.index], above[extent.start]
        rides = above[done[parent].pick.index] > ratio * height and valley > _RIDES * height
        if extent.pick.shoulder or not rides:
            parent = len(done)
            done.append(extent)
            continue
        end = _touches(time_s, above, extent)
        tangent = (extent.start, end)
        done[parent] = replace(done[parent], carries=(*done[parent].carries, tangent))
        done.append(replace(extent, end=end, rider=True))
    return done


def _touches(time_s: Array, above: Array, extent: Extent) -> int:
    """Where the line from a rider's valley touches the trace behind its apex."""
    behind = np.arange(extent.pick.index + 1, extent.end + 1)
    if not behind.size:
        return extent.end
    slopes = (above[behind] - above[extent.start]) / (time_s[behind] - time_s[extent.start])
    return int(behind[np.argmin(slopes)])


def skimmed(time_s: Array, above: Array, extent: Extent) -> Array:
    """What is integrated between the bounds: the trace above the baseline, of a rider above its tangent."""
    part = above[extent.start : extent.end + 1]
    if not extent.rider:
        return part
    ends = [extent.start, extent.end]
    tangent: Array = np.interp(time_s[extent.start : extent.end + 1], time_s[ends], above[ends])
    return part - tangent


def raw_area(time_s: Array, above: Array, extent: Extent) -> float:
    """The trapezoid area between the bounds, with what lies under the tangents of riders."""
    where = slice(extent.start, extent.end + 1)
    area = float(np.trapezoid(skimmed(time_s, above, extent), time_s[where]))
    for start, end in extent.carries:
        area += float(above[start] + above[end]) / 2 * float(time_s[end] - time_s[start])
    return area


def saturated(signal: Array, extent: Extent) -> bool:
    """Whether the peak has a flat top near the trace's limit, over at least a tenth of its upper half."""
    at, part = extent.pick.index, signal[extent.start : extent.end + 1]
    first, last = flat_top(signal, at)
    upper = np.count_nonzero(part > (part.max() + part.min()) / 2)
    high = signal[at] > signal.max() - _NEAR_LIMIT * float(np.ptp(signal))
    return bool(high and last - first + 1 >= max(_FLAT_SAMPLES, _FLAT_TOP * upper))
