"""`peaks FOLDER`: one method for every file of a folder, one table of all.

A row is one peak of one file, keyed by the file's base name; where the method names peaks, only those. The
last rows hold the relative standard deviation over the files for each name. Where the method has no names,
peaks of the runs are matched by retention time (`naming.match_runs`), and those of at least two runs have
such a row. A file that cannot be read is left out: a row with its reason, which neither passes nor fails.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from medidiff.domains.chromatography.analysis.chromatogram import analyse
from medidiff.domains.chromatography.analysis.method import Method
from medidiff.domains.chromatography.analysis.method_file import ManualBounds, MethodFile, applied_method
from medidiff.domains.chromatography.analysis.naming import match_runs
from medidiff.domains.chromatography.analysis.rows import BatchTable, Row, closing_rows, rows_of
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.figures.runs import MOST_RUNS, DrawnRun, draw_runs, drawn_run
from medidiff.domains.chromatography.files import read_chromatogram
from medidiff.domains.chromatography.peaks.table import Peak
from medidiff.errors import InputError
from medidiff.io.opening import is_folder
from medidiff.progress import Progress, Report, silent
from medidiff.runs.clock import Clock, finish_report
from medidiff.runs.provenance import provenance
from medidiff.runs.report import start_report
from medidiff.runs.result import Result, Writable

_MOST_FILES = 5000
_MOST_NAMES = 5


def batch_peaks(
    folder: str | Path,
    *,
    method: Method | str | Path | None = None,
    t0_s: float | None = None,
    trace: int | None = None,
    blank: Chromatogram | None = None,
    manual: Sequence[ManualBounds] = (),
    progress: Report = silent,
) -> Result:
    """Apply one method to every file of a folder (not of those below it), in the order of their names.

    trace: which trace of each file, counted from 1. blank: subtracted from each; where it lies in the folder
    itself, it is no run. The others as `chromatogram_peaks`. Outputs: batch.csv and method.yaml, the method
    as applied; `left_out` in the report counts the files without a row of their own. Raises InputError for a
    folder without files or without one that could be read.
    """
    clock = Clock()
    chosen = applied_method(method, t0_s=t0_s, manual=manual, blank=blank is not None)
    paths, below = _files(Path(folder))
    runs: dict[str, tuple[Peak, ...]] = {}
    drawn: list[DrawnRun] = []
    left_out: dict[str, str] = {}
    inputs: dict[str, str] = {}
    warnings: list[str] = []
    if below:
        warnings.append(f"folders below it were not looked into: {_listed(below)}")
    for done, path in enumerate(paths):
        progress(Progress("peaks", done, len(paths), path.name))
        try:
            run = read_chromatogram(path, trace)
            if blank is not None and _digest_of(run) == _digest_of(blank):
                left_out[path.name] = "it is the blank"
                continue
            found = analyse(run, chosen, blank=blank)
        except InputError as error:
            if error.argument:
                raise
            left_out[path.name] = str(error).removeprefix(path.name).lstrip(",: ")
            warnings.append(f"{path.name} was left out: {left_out[path.name]}")
            continue
        runs[path.name] = found.peaks
        if len(drawn) < MOST_RUNS:
            drawn.append(drawn_run(path.name, found.time_s, found.signal, run.signal_unit))
        inputs[f"file {len(runs)}"] = _digest_of(run)  # no names
        warnings += [f"{path.name}: {warning}" for warning in found.warnings]
    progress(Progress("peaks", len(paths), len(paths)))
    if not runs:
        fix = f"The first: {next(iter(left_out.values()))}"
        raise InputError("folder", expected="at least one file with a trace", got="none", fix=fix)
    if not chosen.peaks:
        runs = dict(zip(runs, map(tuple, match_runs(list(runs.values()))), strict=True))
    rows = _rows([path.name for path in paths], runs, left_out, chosen)
    report = start_report("chromatography.peaks", 0, {"sha256": _digest(inputs), "files": len(runs)})
    report["methods"] = {"peaks": {"output": "batch.csv", "files": len(runs)}}
    report["left_out"] = len(left_out)
    report["suitability"] = _verdict(rows)
    report["warnings"] = warnings
    finish_report(report, clock)
    if blank is not None:
        inputs["blank"] = _digest_of(blank)
    options = {"method": chosen.model_dump(), "t0_s": chosen.t0_s, "trace": trace}
    record = provenance("chromatography peaks", options, inputs, {}, seed=0, precision="float64")
    outputs: dict[str, Writable] = {"batch.csv": BatchTable(tuple(rows)), "method.yaml": MethodFile(chosen)}
    return Result(outputs, report, record, draw=partial(_draw, drawn=drawn, runs=runs))


def _rows(
    files: Sequence[str], runs: dict[str, tuple[Peak, ...]], left_out: dict[str, str], method: Method
) -> list[Row]:
    rows: list[Row] = []
    for file in files:
        reason = left_out.get(file)
        rows += rows_of(file, runs[file], method) if reason is None else [Row(file, None, None, (reason,))]
    return [*rows, *closing_rows(rows, method)]


def _verdict(rows: Sequence[Row]) -> dict[str, Any]:
    judged = [row for row in rows if row.passed is not None]
    failed = [row for row in judged if row.passed is False]
    return {"passed": not failed if judged else None, "failed_rows": len(failed)}


def _files(folder: Path) -> tuple[list[Path], list[str]]:
    """The files of a folder in the order of their names, and what its own folders are called."""
    if not is_folder(folder):
        raise InputError(folder.name, expected="a folder", got="a file", fix="Give the folder of the runs.")
    seen = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    found, below = [path for path in seen if path.is_file()], [path.name for path in seen if path.is_dir()]
    if not 1 <= len(found) <= _MOST_FILES:
        got = f"{len(found)}" + (f" beside the folders {_listed(below)}" if below else "")
        fix = "Put the runs of one batch into one folder."
        raise InputError(folder.name, expected=f"1 to {_MOST_FILES} files", got=got, fix=fix)
    return found, below


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _digest_of(run: Chromatogram) -> str:
    return run.origin or run.digest()


def _digest(inputs: dict[str, str]) -> str:
    return hashlib.sha256("\n".join(sorted(inputs.values())).encode()).hexdigest()


def _draw(result: Result, drawn: Sequence[DrawnRun], runs: dict[str, tuple[Peak, ...]]) -> Any:
    return draw_runs(drawn, runs)
