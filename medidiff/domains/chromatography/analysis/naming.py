"""What a peak is called and what follows: names, area percent, k, selectivity, HETP, index, amount."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medidiff.domains.chromatography.analysis.method import Method, NamedPeak
from medidiff.domains.chromatography.analysis.standards.indices import retention_indices
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
        indices = retention_indices([p.retention_time_s for p in named], method.ladder, t0_s=t0_s)
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
    """The amount of each peak with a calibration, with its interval; by ratio with an internal standard."""
    standard = method.internal_standard
    inside = next((p for p in peaks if standard and p.name == standard.name), None)
    found, warnings = [], []
    for peak in peaks:
        part = method.calibrations.get(peak.name)
        if part is None:
            found.append(peak)
            continue
        response, factor = float(getattr(peak, part.response)), 1.0
        if part.internal:
            if standard is None or inside is None:
                warnings.append(f"{peak.name}: no amount without the peak of the internal standard")
                found.append(peak)
                continue
            response /= float(getattr(inside, part.response))
            if any(point.internal_amount is not None for point in part.points):
                factor = standard.amount
        try:
            there = part.build().amount(response)
        except InputError as error:
            warnings.append(f"{peak.name}: no amount for {error.got}")
            found.append(peak)
            continue
        if there.outside:
            warnings.append(f"{peak.name}: the amount {factor * there.value:.4g} lies outside its standards")
        values = (factor * value for value in (there.value, there.low, there.high))
        amount, low, high = (value if np.isfinite(value) else math.nan for value in values)
        found.append(replace(peak, amount=amount, amount_low=low, amount_high=high))
    return found, warnings
