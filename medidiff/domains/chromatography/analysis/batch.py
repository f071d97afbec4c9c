"""`peaks FOLDER`: one method for every file of a folder, one table of all.

A row is one peak of one file, keyed by the file's base name; where the method names peaks, only those. The
last rows, `%RSD` in place of a file, hold the relative standard deviation over the files for each name, in
percent. `suitability` is pass or fail where the method has limits for that peak, and `missed` says why. A
file that cannot be read is a row with its reason and ends nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from medidiff.domains.chromatography.analysis.chromatogram import analyse, as_method
from medidiff.domains.chromatography.analysis.method import Method
from medidiff.domains.chromatography.analysis.suitability import of_batch, of_peak, rsd_percent
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files import read_chromatogram
from medidiff.domains.chromatography.peaks.table import COLUMNS, Peak
from medidiff.domains.chromatography.tables import cell, write_csv
from medidiff.errors import InputError
from medidiff.io.opening import is_folder
from medidiff.progress import Progress, Report, silent
from medidiff.runs.clock import Clock, finish_report
from medidiff.runs.provenance import provenance
from medidiff.runs.report import start_report
from medidiff.runs.result import Result

RSD = "%RSD"
_KEYS = ("file", *COLUMNS, "suitability", "missed")
_MOST_FILES = 5000
_NUMBERS = tuple(f.name for f in fields(Peak) if f.name in COLUMNS and f.type == "float")

Read = Callable[[Path], Chromatogram]


@dataclass(frozen=True)
class Row:
    """One line of batch.csv; `passed` is None where nothing was asked."""

    file: str
    peak: Peak | None
    passed: bool | None = None
    missed: tuple[str, ...] = ()


@dataclass(frozen=True)
class BatchTable:
    """Writes batch.csv."""

    rows: tuple[Row, ...]

    def write(self, path: Path) -> None:
        """Write CSV with one header line."""
        write_csv(path, _KEYS, [_cells(row) for row in self.rows])


def batch_peaks(
    folder: str | Path,
    *,
    method: Method | str | Path | None = None,
    t0_s: float | None = None,
    trace: int | None = None,
    progress: Report = silent,
) -> Result:
    """Apply one method to every file of a folder (not of those below it), in the order of their names.

    trace: which trace of each file, counted from 1. Raises InputError for a folder without files or without
    one that could be read.
    """
    clock, chosen = Clock(), as_method(method)
    paths = _files(Path(folder))
    rows: list[Row] = []
    digests: dict[str, str] = {}
    warnings: list[str] = []
    for done, path in enumerate(paths):
        progress(Progress("peaks", done, len(paths), path.name))
        try:
            run = read_chromatogram(path, trace)
            found = analyse(run, chosen, t0_s=t0_s)
        except InputError as error:
            if error.argument:
                raise
            rows.append(Row(path.name, None, False, (str(error),)))
            warnings.append(f"{path.name} was left out: {error}")
            continue
        digests[path.name] = run.origin or run.digest()
        warnings += [f"{path.name}: {warning}" for warning in found.warnings]
        rows += rows_of(path.name, found.peaks, chosen)
    progress(Progress("peaks", len(paths), len(paths)))
    if not digests:
        fix = f"The first: {rows[0].missed[0]}"
        raise InputError("folder", expected="at least one file with a trace", got="none", fix=fix)
    rows += closing_rows(rows, chosen)
    report = start_report("chromatography.peaks", 0, {"sha256": _digest(digests), "files": len(digests)})
    failed = [row for row in rows if row.passed is False]
    judged = any(row.passed is not None for row in rows)
    report["methods"] = {"peaks": {"output": "batch.csv", "files": len(digests)}}
    report["suitability"] = {"passed": not failed if judged else None, "failed_rows": len(failed)}
    report["warnings"] = warnings
    finish_report(report, clock)
    options = {"method": chosen.model_dump(), "t0_s": t0_s, "trace": trace}
    inputs = {f"file {number}": digest for number, digest in enumerate(digests.values(), 1)}  # no names
    origin = provenance("chromatography peaks", options, inputs, {}, seed=0, precision="float64")
    return Result({"batch.csv": BatchTable(tuple(rows))}, report, origin)


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
    """For each name the %RSD over the files, and whether it is small enough."""
    asked = {limits.name: limits for limits in method.suitability}
    closing = []
    for window in method.peaks:
        peaks = [row.peak for row in rows if row.peak is not None and row.peak.name == window.name]
        values: dict[str, Any] = {k: rsd_percent([getattr(peak, k) for peak in peaks]) for k in _NUMBERS}
        spread = replace(_absent(window.name), **values)
        limits = asked.get(window.name)
        wants = limits is not None and (
            limits.most_area_rsd_percent is not None or limits.most_retention_rsd_percent is not None
        )
        missed = tuple(of_batch(peaks, limits)) if limits is not None and wants else ()
        closing.append(Row(RSD, spread, not missed if wants else None, missed))
    return closing


def _absent(name: str) -> Peak:
    unknown = math.nan
    return Peak(unknown, unknown, unknown, unknown, unknown, name=name, baseline="")


def _cells(row: Row) -> list[str]:
    peak = row.peak or _absent("")
    verdict = {None: "", True: "pass", False: "fail"}[row.passed]
    return [row.file, *(cell(getattr(peak, key)) for key in COLUMNS), verdict, "; ".join(row.missed)]


def _files(folder: Path) -> list[Path]:
    if not is_folder(folder):
        raise InputError(folder.name, expected="a folder", got="a file", fix="Give the folder of the runs.")
    found = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if not 1 <= len(found) <= _MOST_FILES:
        got, fix = f"{len(found)}", "Put the runs of one batch into one folder."
        raise InputError(folder.name, expected=f"1 to {_MOST_FILES} files", got=got, fix=fix)
    return found


def _digest(digests: dict[str, str]) -> str:
    import hashlib

    return hashlib.sha256("\n".join(sorted(digests.values())).encode()).hexdigest()


def plain_rows(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as dictionaries of cells."""
    return [dict(zip(_KEYS, _cells(row), strict=True)) for row in rows]
