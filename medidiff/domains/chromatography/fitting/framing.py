"""The part of a trace that a fit is about, where nobody gave a window: from before its first analyte to after
its last one, without tall peaks beside them.

A solvent may be thousands of times as tall as what is fitted. Left in, it is no residual that a polynomial
could hold, and the analytes' parts would be bent to explain it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medidiff.domains.chromatography.fitting.conditions import Conditions
from medidiff.domains.chromatography.fitting.looking import TALL, retained, too_early
from medidiff.domains.chromatography.fitting.solving.shapes import Array
from medidiff.domains.chromatography.fitting.start import Peak, locate, maxima, rough_baseline
from medidiff.domains.chromatography.fitting.trace import FEWEST, Trace
from medidiff.domains.chromatography.samples import white_noise

_FOOT_NOISES, _FOOT_SHARE = 3.0, 1e-4  # where a stranger has ended: noises, and of the analyte beside it
_MOST_NAMED = 3


def around_analytes(
    trace: Trace,
    conditions: Conditions,
    times_s: Sequence[float] | None,
    *,
    baseline_order: int,
    optional: bool = False,
) -> tuple[Trace, list[str]]:
    """The trace without the tall peaks before its first analyte and after its last, and what to say of it.

    times_s: retentions that were named; None for all that come after the hold-up time. optional: named ones
    that no maximum shows do not count. Where a stranger overlaps with an analyte, the trace ends in the
    valley between them. What lies between analytes stays, and so does what comes well before the hold-up
    time, which is then in doubt.
    """
    time, signal = trace.time_s, trace.signal
    noise = white_noise(signal)
    rest = signal - rough_baseline(time, signal, baseline_order, noise)
    found = maxima(time, rest, noise, named=times_s is not None)
    ours = _ours(found, trace, rest, noise, conditions, times_s)
    if not ours:
        return trace, []
    highest = max(peak.height for peak in ours)
    places = [peak.apex_s for peak in ours]
    strangers = [peak for peak in found if peak.apex_s not in places and peak.height >= TALL * highest]
    if times_s is None and any(too_early(peak, conditions) for peak in strangers):
        return trace, []
    if not optional:
        places += [at for at in times_s or () if time[0] < at < time[-1]]
    first, last = min(places), max(places)
    before = [peak for peak in strangers if peak.apex_s < first]
    after = [peak for peak in strangers if peak.apex_s > last]
    start = _foot(time, rest, before[-1].apex_s, first, ours[0].height, noise) if before else 0
    stop = _foot(time, rest, after[0].apex_s, last, ours[-1].height, noise) + 1 if after else time.size
    inside = [peak for peak in strangers if first < peak.apex_s < last]
    said = []
    if stop - start < FEWEST:  # strangers on both sides, and hardly a sample between
        start, stop, inside = 0, time.size, strangers
    elif before or after:
        part = f"{time[start]:.5g} to {time[stop - 1]:.5g} s"
        none = _none_of_them([*before, *after], highest)
        said.append(f"{none}: the fit goes from {part} only; --window-s decides otherwise")
    if inside:
        none = _none_of_them(inside, highest)
        said.append(f"{none}, and will be found in the residual: name all with --analytes")
    return Trace(time[start:stop], signal[start:stop], trace.uniform), said


def _ours(
    found: Sequence[Peak],
    trace: Trace,
    rest: Array,
    noise: float,
    conditions: Conditions,
    times_s: Sequence[float] | None,
) -> list[Peak]:
    """The maxima that belong to the analytes, in the order of time."""
    if times_s is None:
        return [peak for peak in found if retained(peak, conditions)]
    inside = [at for at in times_s if trace.time_s[0] < at < trace.time_s[-1]]
    parts = [part for part in locate(trace.time_s, rest, noise, inside) if part.seen] if inside else []
    tops = {part.apex_s if part.shares == 1 else part.maximum_s for part in parts}
    return [peak for peak in found if peak.apex_s in tops]


def _foot(time: Array, rest: Array, stranger_s: float, place_s: float, height: float, noise: float) -> int:
    """The sample, from a stranger towards an analyte of that height, where it has ended; else the valley."""
    here, there = np.searchsorted(time, [stranger_s, place_s])
    way = np.arange(here, there) if here < there else np.arange(here, there, -1)
    low = np.flatnonzero(rest[way] <= max(_FOOT_NOISES * noise, _FOOT_SHARE * height))
    return int(way[low[0] if low.size else np.argmin(rest[way])])


def _none_of_them(strangers: Sequence[Peak], highest: float) -> str:
    times = [f"{peak.apex_s:.5g}" for peak in strangers]
    more = f" and {len(times) - _MOST_NAMED} more" if len(times) > _MOST_NAMED else ""
    one, ratio = len(times) == 1, max(peak.height for peak in strangers) / highest
    tall = f", {'' if one else 'up to '}{ratio:.{0 if ratio > 10 else 1}f} times as tall as any analyte,"
    said = f"{'a peak' if one else 'peaks'} at {', '.join(times[:_MOST_NAMED])}{more} s"
    return f"{said}{tall if ratio > 1 else ''} {'belongs' if one else 'belong'} to no analyte"
