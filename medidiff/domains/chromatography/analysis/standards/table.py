"""A table of standards, and the run folder that `calibrate` makes of it.

CSV with a header. Either the responses stand in it,

    amount,response[,internal_amount,internal_response]

or `file` in place of `response`: then each file, beside the table, is measured with the method, and the
response is that of the named peak (and of the method's internal standard, where there is one).
"""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from medidiff.domains.chromatography.analysis.chromatogram import analyse
from medidiff.domains.chromatography.analysis.method import Method, Response
from medidiff.domains.chromatography.analysis.method_file import applied_method
from medidiff.domains.chromatography.analysis.standards.calibration import (
    Calibration,
    Model,
    Weights,
    calibrate,
)
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.figures.calibration import draw_calibration
from medidiff.domains.chromatography.files import read_chromatogram
from medidiff.domains.chromatography.peaks.table import Peak
from medidiff.errors import InputError
from medidiff.io.opening import naming, regular_size
from medidiff.runs.clock import Clock, finish_report
from medidiff.runs.plain import to_plain, write_json
from medidiff.runs.provenance import provenance
from medidiff.runs.report import start_report
from medidiff.runs.result import Result

_MOST_BYTES = 4 << 20
_NUMBERS = ("amount", "response", "internal_amount", "internal_response")
_COLUMNS = ("file", *_NUMBERS)


@dataclass(frozen=True)
class Points:
    """The columns of a table of standards, each (points,) or None where it has no such column."""

    amount: list[float]
    response: list[float]
    internal_amount: list[float] | None = None
    internal_response: list[float] | None = None

    def rows(self) -> list[dict[str, float]]:
        """One dictionary a standard, as a method file takes it."""
        columns = {name: getattr(self, name) for name in _NUMBERS if getattr(self, name) is not None}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


@dataclass(frozen=True)
class CalibrationFile:
    """Writes calibration.json: the curve, its limits, and the points as they were given."""

    curve: Calibration
    points: Points

    def write(self, path: Path) -> None:
        """Write JSON."""
        write_json(path, to_plain({**self.curve.to_plain(), "points": self.points.rows()}))


def calibrate_table(
    path: str | Path,
    *,
    model: Model = "linear",
    weights: Weights = "1",
    method: Method | str | Path | None = None,
    peak: str | None = None,
    response: Response | None = None,
    blank: Chromatogram | None = None,
) -> Result:
    """Fit a calibration to a table of standards; calibration.json and a picture.

    method, peak, response, blank: of a table with files, how they are measured, the name of the peak in them,
    which number counts (area), and a run without sample that is subtracted from each.
    Raises InputError for a table that is damaged or too short, and for a file without that peak.
    """
    clock, path = Clock(), Path(path)
    with naming(path.name):
        header, rows = _read(path)
    if "file" in header:
        chosen = applied_method(method, blank=blank is not None)
        points = _measured(path.parent, rows, chosen, peak, response or "area", blank)
    else:
        given = {"method": method, "peak": peak, "response": response, "blank": blank}
        if named := [name for name, value in given.items() if value is not None]:
            fix, expected = "Leave it out.", "a table with a column file beside it"
            raise InputError(
                ", ".join(named), expected=expected, got="one of responses", fix=fix, argument=True
            )
        points = _given(path.name, header, rows)
    curve = calibrate(
        points.amount,
        points.response,
        model=model,
        weights=weights,
        internal_amounts=points.internal_amount,
        internal_responses=points.internal_response,
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    report = start_report("chromatography.calibrate", 0, {"sha256": digest, "points": len(points.amount)})
    summary = curve.to_plain()
    kept = ("coefficients", "standard_errors", "residual_sd", "r_squared", "limits")
    report["methods"] = {"calibration": {"output": "calibration.json", **{k: summary[k] for k in kept}}}
    report["warnings"] = _warnings(curve)
    finish_report(report, clock)
    options = {"model": model, "weights": weights, "peak": peak, "response": response}
    inputs = {"standards": f"sha256:{digest}"}
    if blank is not None:
        inputs["blank"] = blank.origin or blank.digest()
    return Result(
        {"calibration.json": CalibrationFile(curve, points)},
        report,
        provenance("chromatography calibrate", options, inputs, {}, seed=0),
        draw=partial(_draw, curve=curve),
    )


def _draw(result: Result, curve: Calibration) -> Any:
    return draw_calibration(curve)


def _warnings(curve: Calibration) -> list[str]:
    found = []
    if curve.dof == 0:
        found.append("as many standards as coefficients: no residual, no interval, no limit of detection")
    if curve.amounts.min() > 0 and curve.limits()[0] > curve.amounts.min():
        found.append("the limit of detection lies above the lowest standard")
    return found


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    if regular_size(path) > _MOST_BYTES:
        raise _bad(f"at most {_MOST_BYTES} bytes", "more")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise _bad("a text file that can be read", "another") from None
    try:
        reader = csv.DictReader(text.splitlines(), strict=True)
        header = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = header
        rows = list(reader)
    except csv.Error:
        raise _bad("CSV", "quotes that do not close") from None
    unknown = [name for name in header if name not in _COLUMNS]
    if unknown or len(set(header)) != len(header) or "amount" not in header:
        raise _bad(f"a header of {', '.join(_COLUMNS)} with amount", f"{', '.join(header)[:80] or 'none'}")
    if not ({"file", "response"} & set(header)) or {"file", "response"} <= set(header):
        raise _bad("a column response, or a column file", "both or neither")
    if not rows:
        raise _bad("at least one standard", "none")
    return header, rows


def _given(name: str, header: list[str], rows: list[dict[str, str]]) -> Points:
    columns = {key: [_number(row, key, i) for i, row in enumerate(rows, 2)] for key in header}
    return Points(**columns)


def _number(row: dict[str, str], key: str, line: int) -> float:
    try:
        value = float(row[key])
    except (TypeError, ValueError):
        raise _bad(f"a number for {key} in line {line}", repr(row[key])[:40]) from None
    if not math.isfinite(value):
        raise _bad(f"a finite number for {key} in line {line}", repr(row[key])[:40])
    return value


def _measured(
    folder: Path,
    rows: list[dict[str, str]],
    method: Method,
    peak: str | None,
    response: Response,
    blank: Chromatogram | None,
) -> Points:
    if peak is None or peak not in {window.name for window in method.peaks}:
        fix = "Name the peak with --peak, and give a --method in which it has a window."
        got = repr(peak) if peak else "none"
        raise InputError("peak", expected="a name of the method", got=got, fix=fix, argument=True)
    standard = method.internal_standard
    if "internal_response" in rows[0] or ("internal_amount" in rows[0] and standard is None):
        raise _bad("internal_amount beside file, with a method's internal_standard", "internal columns")
    amounts: list[float] = []
    responses: list[float] = []
    internal: list[float] = []
    internal_amounts: list[float] = []
    for line, row in enumerate(rows, 2):
        amounts.append(_number(row, "amount", line))
        file = folder / (row["file"] or "")
        if file.parent != folder:
            raise _bad(f"a name of a file beside the table in line {line}", "a path")
        named = {p.name: p for p in analyse(read_chromatogram(file), method, blank=blank).peaks if p.name}
        responses.append(_response(named, peak, file.name, response))
        if standard is not None:
            internal.append(_response(named, standard.name, file.name, response))
            if "internal_amount" in row:
                internal_amounts.append(_number(row, "internal_amount", line))
    return Points(amounts, responses, internal_amounts or None, internal or None)


def _response(named: dict[str, Peak], name: str, file: str, response: Response) -> float:
    if name not in named:
        got, fix = "no peak in its window", "Widen the window in the method, or leave the file out."
        raise InputError(file, expected=f"the peak {name}", got=got, fix=fix)
    value = float(getattr(named[name], response))
    if not math.isfinite(value):
        got, fix = "none", "Take area in its place."
        raise InputError(file, expected=f"a {response} of {name}", got=got, fix=fix)
    return value


def _bad(expected: str, got: str) -> InputError:
    fix = "Columns: amount,response[,internal_amount,internal_response] or amount,file."
    return InputError("standards", expected=expected, got=got, fix=fix)
