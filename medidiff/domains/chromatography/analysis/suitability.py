"""System suitability: whether a peak, or a batch of runs, reaches what the method asks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from medidiff.domains.chromatography.analysis.method import Limits
from medidiff.domains.chromatography.peaks.table import Peak


def of_peak(peak: Peak | None, limits: Limits) -> list[str]:
    """What a peak misses; empty for a pass. A peak that is absent, or a number that is unknown, fails."""
    if peak is None:
        return ["not found"]
    missed = []
    for column in ("resolution", "plates_half", "snr"):
        least, value = getattr(limits, f"least_{column}"), getattr(peak, column)
        if least is not None and not value >= least:
            missed.append(f"{column} {_number(value)} below {least:g}")
    most = limits.most_tailing_usp
    if most is not None and not peak.tailing_usp <= most:
        missed.append(f"tailing_usp {_number(peak.tailing_usp)} above {most:g}")
    return missed


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
