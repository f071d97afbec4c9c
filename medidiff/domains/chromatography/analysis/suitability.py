"""System suitability: whether a peak, or a batch of runs, reaches what the method asks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medidiff.domains.chromatography.analysis.method import Limits
from medidiff.domains.chromatography.peaks.table import Peak


def of_peak(peak: Peak | None, limits: Limits, peaks: Sequence[Peak]) -> list[str]:
    """What a peak misses; empty for a pass. A peak that is absent, or a number that is unknown, fails.

    peaks: all of its trace, in order. Resolution is the worse of those to the peaks beside it; a lone peak
    has none to miss.
    """
    if peak is None:
        return ["not found"]
    missed = []
    least_resolution = limits.least_resolution
    wrong = [value for value in _beside(peak, peaks) if least_resolution and not value >= least_resolution]
    if wrong:
        missed.append(f"resolution {_number(min(wrong))} below {least_resolution:g}")
    for column in ("plates_half", "snr"):
        least, value = getattr(limits, f"least_{column}"), getattr(peak, column)
        if least is not None and not value >= least:
            missed.append(f"{column} {_number(value)} below {least:g}")
    most = limits.most_tailing_usp
    if most is not None and not peak.tailing_usp <= most:
        missed.append(f"tailing_usp {_number(peak.tailing_usp)} above {most:g}")
    return missed


def of_trace(peaks: Sequence[Peak], asked: Sequence[Limits]) -> dict[str, list[str]]:
    """Name -> what that peak of one trace misses, for each that the method has limits for."""
    by_name = {peak.name: peak for peak in peaks if peak.name}
    return {limits.name: of_peak(by_name.get(limits.name), limits, peaks) for limits in asked}


def _beside(peak: Peak, peaks: Sequence[Peak]) -> list[float]:
    """Its resolution from the peak before it, and that of the one after it from it."""
    place = peaks.index(peak)
    after = [later.resolution for later in peaks[place + 1 : place + 2]]
    return [peak.resolution, *after] if place else after


def of_batch(peaks: Sequence[Peak], limits: Limits) -> list[str]:
    """What the repeated runs of one peak miss."""
    missed = []
    pairs = (("area", limits.most_area_rsd_percent), ("retention", limits.most_retention_rsd_percent))
    for what, most in pairs:
        column = "retention_time_s" if what == "retention" else what
        value = rsd_percent([getattr(peak, column) for peak in peaks])
        if most is not None and not value <= most:
            missed.append(f"{what} %RSD {_number(value)} above {most:g}")
    return missed


def rsd_percent(values: Sequence[float]) -> float:
    """Sample standard deviation over mean, in percent; NaN for fewer than two known values or a mean of 0."""
    known = np.array([value for value in values if math.isfinite(value)])
    if known.size < 2 or not known.mean():
        return math.nan
    return float(100 * known.std(ddof=1) / abs(known.mean()))


def _number(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "unknown"
