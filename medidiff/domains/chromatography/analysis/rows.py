"""The rows of batch.csv: a peak of a file, a file that was left out, the spread of a peak over the files.

`file` is the file's base name, or `%RSD` for a spread: in place of each number its relative standard
deviation over the runs in percent, and in `runs` over how many. `suitability` is pass or fail where the
method has limits, or "left out" for a file that could not be read; `missed` says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from medidiff.domains.chromatography.analysis.method import Limits, Method
from medidiff.domains.chromatography.analysis.suitability import of_batch, of_peak, rsd_percent
from medidiff.domains.chromatography.peaks.table import COLUMNS, Peak, cell, write_csv

RSD, LEFT_OUT = "%RSD", "left out"
_KEYS = ("file", *COLUMNS, "suitability", "missed", "runs")
_NUMBERS = tuple(f.name for f in fields(Peak) if f.name in COLUMNS and f.type == "float")


@dataclass(frozen=True)
class Row:
    """One line of batch.csv; `passed` is None where nothing was asked. No peak: the file was left out."""

    file: str
    peak: Peak | None
    passed: bool | None = None
    missed: tuple[str, ...] = ()
    runs: int | None = None


@dataclass(frozen=True)
class BatchTable:
    """Writes batch.csv."""

    rows: tuple[Row, ...]

    def write(self, path: Path) -> None:
        """Write CSV with one header line."""
        write_csv(path, _KEYS, [_cells(row) for row in self.rows])

    def plain(self) -> list[dict[str, str]]:
        """The rows as dictionaries of cells."""
        return [dict(zip(_KEYS, _cells(row), strict=True)) for row in self.rows]


def rows_of(file: str, peaks: Sequence[Peak], method: Method) -> list[Row]:
    """The rows of one file: its named peaks in the method's order, an absent one without numbers, or all."""
    if not method.peaks:
        return [Row(file, peak) for peak in peaks]
    by_name = {peak.name: peak for peak in peaks if peak.name}
    asked = {limits.name: limits for limits in method.suitability}
    rows = []
    for window in method.peaks:
        peak = by_name.get(window.name)
        if window.name not in asked:
            rows.append(Row(file, peak or _absent(window.name)))
            continue
        missed = tuple(of_peak(peak, asked[window.name], peaks))
        rows.append(Row(file, peak or _absent(window.name), not missed, missed))
    return rows


def closing_rows(rows: Sequence[Row], method: Method) -> list[Row]:
    """For each name the %RSD over the files, and whether it is small enough.

    Without names in the method, for each name that the rows' peaks have.
    """
    asked = {limits.name: limits for limits in method.suitability}
    closing = []
    for name in [window.name for window in method.peaks] or _names(rows):
        peaks = [row.peak for row in rows if row.peak is not None and row.peak.name == name]
        values: dict[str, Any] = {k: rsd_percent([getattr(peak, k) for peak in peaks]) for k in _NUMBERS}
        limits = asked.get(name)
        missed = tuple(of_batch(peaks, limits)) if limits is not None else ()
        passed = not missed if limits is not None and _of_spread(limits) else None
        found = sum(math.isfinite(peak.retention_time_s) for peak in peaks)
        closing.append(Row(RSD, replace(_absent(name), **values), passed, missed, found))
    return closing


def _of_spread(limits: Limits) -> bool:
    return limits.most_area_rsd_percent is not None or limits.most_retention_rsd_percent is not None


def _names(rows: Sequence[Row]) -> list[str]:
    """The names of the rows' peaks, from the first to elute to the last."""
    first: dict[str, float] = {}
    for row in rows:
        if row.peak is not None and row.peak.name:
            first.setdefault(row.peak.name, row.peak.retention_time_s)
    return sorted(first, key=lambda name: first[name])


def _absent(name: str) -> Peak:
    unknown = math.nan
    return Peak(unknown, unknown, unknown, unknown, unknown, name=name, baseline="")


def _cells(row: Row) -> list[str]:
    peak = row.peak or _absent("")
    verdict = {None: "", True: "pass", False: "fail"}[row.passed] if row.peak is not None else LEFT_OUT
    numbers = [cell(getattr(peak, key)) for key in COLUMNS]
    return [row.file, *numbers, verdict, "; ".join(row.missed), cell(row.runs)]
