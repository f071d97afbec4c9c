"""What a peak is called and what follows: k, selectivity, HETP, index, amount, area percent.

A name comes from the method's windows, or, in a batch without them, from the same peak in the other runs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medidiff.domains.chromatography.analysis.method import (
    CalibrationPart,
    InternalStandard,
    Method,
    NamedPeak,
)
from medidiff.domains.chromatography.analysis.standards.calibration import Prediction
from medidiff.domains.chromatography.analysis.standards.indices import minutes_note, retention_indices
from medidiff.domains.chromatography.model.plausible import hold_up_notes
from medidiff.domains.chromatography.peaks.shape import PLATES_HALF
from medidiff.domains.chromatography.peaks.table import Peak
from medidiff.errors import InputError


def finished(peaks: Sequence[Peak], method: Method, t0_s: float | None) -> tuple[tuple[Peak, ...], list[str]]:
    """The peaks with all that the method says of them, and warnings about what it asks for in vain.

    t0_s: hold-up time in s, or None: then k, selectivity and effective plates stay unknown.
    """
    named, warnings = name_peaks(peaks, method.peaks)
    named = area_percents(named)
    if t0_s is not None:
        named = retention_factors(named, t0_s)
        warnings += hold_up_notes(t0_s, [p.retention_time_s for p in named if "negative" not in p.flags])
    if method.column_length_m is not None:
        named = [replace(p, hetp_mm=1e3 * method.column_length_m / p.plates_half) for p in named]
    if method.ladder:
        times = [p.retention_time_s for p in named]
        indices = retention_indices(times, method.ladder, t0_s=t0_s)
        warnings += minutes_note(times, method.ladder)
        named = [replace(p, retention_index=float(i)) for p, i in zip(named, indices, strict=True)]
    named, unknown = amounts(named, method)
    return tuple(named), [*warnings, *unknown]


def name_peaks(peaks: Sequence[Peak], windows: Sequence[NamedPeak]) -> tuple[list[Peak], list[str]]:
    """Each name goes to the nearest peak in its window, the nearest pair first; one without is warned of."""
    pairs = sorted(
        (abs(peak.retention_time_s - window.at_s), i, j)
        for i, peak in enumerate(peaks)
        for j, window in enumerate(windows)
        if abs(peak.retention_time_s - window.at_s) <= window.window_s and "negative" not in peak.flags
    )
    taken: dict[int, int] = {}
    for _, i, j in pairs:
        if i not in taken and j not in taken.values():
            taken[i] = j
    named = [replace(p, name=windows[taken[i]].name) if i in taken else p for i, p in enumerate(peaks)]
    missing = [window for j, window in enumerate(windows) if j not in taken.values()]
    return named, [
        f"{window.name}: no peak within {window.window_s:g} s of {window.at_s:g} s" for window in missing
    ]


def match_runs(runs: Sequence[Sequence[Peak]]) -> list[list[Peak]]:
    """The same peak of several runs under one name, its retention time: for a batch without named peaks.

    The windows are the peaks of the run that has most of them (of several, the first): each as wide to either
    side as its FWHM there, within which two peaks of one run would be one. The nearest pair goes first, as by
    `name_peaks`. A peak that one run alone has, or whose width is unknown, stays without a name.
    """
    known = [
        [p for p in run if p.fwhm_s > 0 and p.retention_time_s > 0 and "negative" not in p.flags]
        for run in runs
    ]
    reference = max(known, key=len, default=[])
    windows = [
        NamedPeak(name=name, at_s=float(peak.retention_time_s), window_s=float(peak.fwhm_s))
        for peak, name in zip(reference, _minutes([p.retention_time_s for p in reference]), strict=True)
    ]
    named = [name_peaks(run, windows)[0] for run in runs]
    count = Counter(peak.name for run in named for peak in run)
    return [[peak if count[peak.name] > 1 else replace(peak, name="") for peak in run] for run in named]


def _minutes(times_s: Sequence[float]) -> list[str]:
    """Times as names, with as many digits as tell them apart."""
    for digits in (3, 4, 6):
        names = [f"{time_s / 60:.{digits}f} min" for time_s in times_s]
        if len(set(names)) == len(names):
            break
    return names


def area_percents(peaks: Sequence[Peak]) -> list[Peak]:
    """Each area over the sum of all that are not negative, in percent."""
    total = sum(peak.area for peak in peaks if peak.area > 0)
    return [replace(p, area_percent=100 * p.area / total) if total and p.area > 0 else p for p in peaks]


def retention_factors(peaks: Sequence[Peak], t0_s: float) -> list[Peak]:
    """Set k = (tR - t0)/t0, selectivity k2/k1 to the peak before, and plates of the adjusted time.

    A peak that comes before t0 has none. InputError for a t0 that is not above 0.
    """
    if not 0 < t0_s < math.inf:
        fix = "Give the hold-up time in seconds."
        got = f"{t0_s:g}"
        raise InputError("t0_s", expected="seconds above 0", got=got, fix=fix, argument=True)
    found: list[Peak] = []
    before = math.nan
    for peak in peaks:
        k = (peak.retention_time_s - t0_s) / t0_s
        if k <= 0 or "negative" in peak.flags:
            found.append(peak)
            continue
        effective = PLATES_HALF * ((peak.retention_time_s - t0_s) / peak.fwhm_s) ** 2
        found.append(replace(peak, k=k, selectivity=k / before, plates_effective=effective))
        before = k
    return found


def amounts(peaks: Sequence[Peak], method: Method) -> tuple[list[Peak], list[str]]:
    """The amount of each peak with a calibration, with its interval; by ratio with an internal standard.

    One that stays unknown is warned of, with the reason.
    """
    found, warnings = [], []
    for peak in peaks:
        part = method.calibrations.get(peak.name)
        if part is None:
            found.append(peak)
            continue
        try:
            amount, note = _amount(peak, part, peaks, method.internal_standard)
        except InputError as error:
            amount, note = None, f"no amount for {error.got}"
        warnings += [f"{peak.name}: {note}"] if note else []
        if amount is not None:
            peak = replace(peak, amount=amount.value, amount_low=amount.low, amount_high=amount.high)
        found.append(peak)
    return found, warnings


def _amount(
    peak: Peak, part: CalibrationPart, peaks: Sequence[Peak], standard: InternalStandard | None
) -> tuple[Prediction | None, str]:
    """The amount, or None, and what there is to say of it."""
    response, factor = float(getattr(peak, part.response)), 1.0
    if not math.isfinite(response):
        return None, f"no amount, as its {part.response} is unknown{_flagged(peak)}"
    if part.internal:
        inside = next((p for p in peaks if standard and p.name == standard.name), None)
        if standard is None or inside is None:
            return None, "no amount without the peak of the internal standard"
        beside = float(getattr(inside, part.response))
        if not 0 < beside < math.inf:
            known = f"{beside:g}" if math.isfinite(beside) else f"unknown{_flagged(inside)}"
            return (
                None,
                f"no amount, as the {part.response} of the internal standard {inside.name} is {known}",
            )
        response /= beside
        if any(point.internal_amount is not None for point in part.points):
            factor = standard.amount
    there = part.build().amount(response)
    if not math.isfinite(there.value):
        return None, f"no amount, as its calibration gives none for {response:g}"
    note = f"the amount {factor * there.value:.4g} lies outside its standards" if there.outside else ""
    low, high = (factor * value if np.isfinite(value) else math.nan for value in (there.low, there.high))
    return Prediction(factor * there.value, low, high, there.outside), note


def _flagged(peak: Peak) -> str:
    return f" ({', '.join(peak.flags)})" if peak.flags else ""
