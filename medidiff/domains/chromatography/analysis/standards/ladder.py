"""Retention indices of a trace's peaks, as a run folder: indices.csv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from medidiff.domains.chromatography.analysis.chromatogram import analyse, describe
from medidiff.domains.chromatography.analysis.method import Method
from medidiff.domains.chromatography.analysis.method_file import applied_method
from medidiff.domains.chromatography.analysis.standards.indices import minutes_note, retention_indices
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.figures.peaks import draw_peaks
from medidiff.domains.chromatography.peaks.table import Peak, cell, write_csv
from medidiff.runs.clock import Clock, finish_report
from medidiff.runs.provenance import provenance
from medidiff.runs.report import start_report
from medidiff.runs.result import Result

COLUMNS = ("retention_time_s", "retention_index", "name", "height", "area")


@dataclass(frozen=True)
class IndexTable:
    """Writes indices.csv: every peak; outside the ladder its index is empty."""

    peaks: tuple[Peak, ...]

    def write(self, path: Path) -> None:
        """Write CSV with one header line."""
        write_csv(path, COLUMNS, [[cell(getattr(peak, key)) for key in COLUMNS] for peak in self.peaks])


def index_peaks(
    chromatogram: Chromatogram,
    ladder: Mapping[int, float],
    *,
    t0_s: float | None = None,
    method: Method | str | Path | None = None,
    blank: Chromatogram | None = None,
) -> Result:
    """Find the peaks of a trace and give each its retention index.

    ladder: carbons -> retention time in s, of a run under the same conditions. With `t0_s` Kovats' isothermal
    index, without it that of van den Dool and Kratz for programmes. method, blank, errors:
    as `chromatogram_peaks`, and of the ladder as `retention_indices`.
    """
    clock, chosen = Clock(), applied_method(method, blank=blank is not None)
    # The ladder given is the one that counts, and one warning of it is enough.
    chosen = chosen.model_copy(update={"ladder": {}})
    retention_indices([], ladder, t0_s=t0_s)  # a wrong ladder is refused before any work
    found = analyse(chromatogram, chosen, t0_s=t0_s, blank=blank)
    times = [peak.retention_time_s for peak in found.peaks]
    indices = retention_indices(times, ladder, t0_s=t0_s)
    peaks = tuple(
        replace(peak, retention_index=float(index)) for peak, index in zip(found.peaks, indices, strict=True)
    )
    kind = "van den Dool and Kratz" if t0_s is None else "Kovats"
    outside = int(np.count_nonzero(np.isnan(indices)))
    report = start_report("chromatography.index", 0, describe(chromatogram))
    report["methods"] = {"indices": {"output": "indices.csv", "peaks": len(peaks), "kind": kind}}
    note = [f"{outside} of {len(peaks)} peaks lie outside the ladder and have no index"] if outside else []
    report["warnings"] = [*found.warnings, *(minutes_note(times, ladder) or note)]
    finish_report(report, clock)
    options = {"ladder": {str(n): t for n, t in sorted(ladder.items())}, "t0_s": t0_s}
    origin = {"chromatogram": chromatogram.origin or chromatogram.digest()}
    if blank is not None:
        origin["blank"] = blank.origin or blank.digest()
    trace = (found.time_s, found.signal, found.measured.baseline)
    return Result(
        {"indices.csv": IndexTable(peaks)},
        report,
        provenance("chromatography index", {**options, "method": chosen.model_dump()}, origin, {}, seed=0),
        draw=partial(_draw, trace=trace, peaks=peaks, unit=chromatogram.signal_unit),
    )


def _draw(result: Result, trace: tuple[Any, Any, Any], peaks: tuple[Peak, ...], unit: str) -> Any:
    labelled = [
        replace(peak, name=peak.name or f"I {peak.retention_index:.0f}")
        if np.isfinite(peak.retention_index)
        else peak
        for peak in peaks
    ]
    return draw_peaks(*trace, labelled, unit=unit)
