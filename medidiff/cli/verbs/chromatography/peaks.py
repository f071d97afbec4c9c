"""`medidiff chromatography peaks FILE|FOLDER --out DIR`: find, measure and name peaks."""

from __future__ import annotations

import math
import os
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medidiff.cli.options import Parser, add_output, positive, whole
from medidiff.cli.terminal import Terminal
from medidiff.cli.verbs.chromatography.arguments import add_method, blank_of, check_apart

if TYPE_CHECKING:
    from medidiff.domains.chromatography.analysis.rows import Row
    from medidiff.domains.chromatography.peaks.table import Peak
    from medidiff.runs.result import Result

_MOST_LINES = 60

_VERDICT = {None: "no limits were asked", True: "suitability: pass", False: "suitability: FAIL"}


def add_arguments(parser: Parser) -> None:
    """A trace or a folder of them, and the method."""
    parser.add_argument(
        "input", type=Path, metavar="FILE|FOLDER", help="one file, or a folder of runs: one table of all"
    )
    parser.add_argument("--trace", type=whole(1), metavar="N", help="which trace of a file, counted from 1")
    add_method(parser, "baseline, events, names, calibrations, limits (YAML)")
    text = "one peak from START to END, in place of what is found there; repeatable"
    parser.add_argument(
        "--manual", type=bounds, action="append", default=[], metavar="START_s:END_s[,NAME]", help=text
    )
    text = "hold-up time, for k (default: the method's)"
    parser.add_argument("--t0-s", type=positive("seconds"), metavar="T", help=text)
    text = (
        "folder for peaks.csv (of a folder batch.csv), figure.png, report.json, and method.yaml: as applied"
    )
    add_output(parser, text=text)
    parser.set_defaults(run=_run)


def bounds(text: str) -> tuple[float, float, str]:
    """Start and end in seconds and a name, "" for none, from "200:213,benzene"."""
    times, _, name = text.partition(",")
    start, _, end = times.partition(":")
    try:
        found = float(start), float(end)
    except ValueError:
        found = math.nan, math.nan
    if not -math.inf < found[0] < found[1] < math.inf:
        raise ArgumentTypeError(f"expected START:END[,NAME] in seconds, START before END; got {text!r}")
    return *found, name.strip()


def _run(arguments: Namespace, terminal: Terminal) -> int:
    folder = os.path.isdir(arguments.input)
    check_apart(arguments)
    result, lines = _folder(arguments, terminal) if folder else _file(arguments)
    from medidiff.runs.plain import to_plain

    saved = result.save(arguments.out, overwrite=arguments.overwrite)
    for warning in result.warnings:
        terminal.warn(warning)
    shown = saved / ("batch.csv" if folder else "figure.png")
    text = "\n".join([*lines, "", f"{shown}  (research use only)"])
    terminal.result(text, {"out": str(saved), "report": to_plain(result.report)})
    return 0


def _file(arguments: Namespace) -> tuple[Result, list[str]]:
    from medidiff.domains.chromatography.analysis.chromatogram import chromatogram_peaks
    from medidiff.domains.chromatography.files import read_chromatogram

    run = read_chromatogram(arguments.input, arguments.trace)
    result = chromatogram_peaks(run, **_options(arguments))
    result.provenance["reading"] = {"trace": arguments.trace}
    table: Any = result.outputs["peaks.csv"]
    suitability = result.report["suitability"]
    lines = [f"{name}: {', '.join(missed) or 'pass'}" for name, missed in suitability["missed"].items()]
    verdict = ["", _VERDICT[suitability["passed"]], *lines] if lines else []
    return result, [*peak_lines(table.peaks), *verdict]


def _folder(arguments: Namespace, terminal: Terminal) -> tuple[Result, list[str]]:
    from medidiff.domains.chromatography.analysis.batch import batch_peaks

    options = {**_options(arguments), "trace": arguments.trace, "progress": terminal.progress}
    result = batch_peaks(arguments.input, **options)
    suitability = result.report["suitability"]
    files, left_out = result.report["methods"]["peaks"]["files"], result.report["left_out"]
    read = f"{files} file{'s' * (files != 1)}" + (f", {left_out} left out" if left_out else "")
    table: Any = result.outputs["batch.csv"]
    lines = [f"{read}; {_VERDICT[suitability['passed']]}", *spread_lines(table.rows)]
    if suitability["failed_rows"]:
        lines.append(f"{suitability['failed_rows']} rows fail; the column missed says why")
    return result, lines


def _options(arguments: Namespace) -> dict[str, Any]:
    names = ("method", "t0_s", "manual")
    return {**{name: getattr(arguments, name) for name in names}, "blank": blank_of(arguments)}


def spread_lines(rows: tuple[Row, ...]) -> list[str]:
    """The spread of each peak over the runs, in percent."""
    found = [(row.peak, row.runs) for row in rows if row.peak is not None and row.runs is not None]
    lines = [
        f"{runs:>4}{_cell(p.retention_time_s, 12, 3)}{_cell(p.area, 9, 2)}  {p.name}"
        for p, runs in found[:_MOST_LINES]
    ]
    more = len(found) - _MOST_LINES
    head = [f"{'runs':>4}{'%RSD: time':>12}{'area':>9}  name"] if found else []
    return [*head, *lines, *([f"     and {more} more, in batch.csv"] if more > 0 else [])]


def peak_lines(peaks: tuple[Peak, ...]) -> list[str]:
    """A table of the peaks, their apexes in minutes."""
    head = (
        f"{'':>4}{'minutes':>9}{'height':>12}{'area':>12}{'%':>8}{'plates':>9}{'tailing':>9}{'Rs':>7}  name"
    )
    lines = [
        f"{i:>4}{p.retention_time_s / 60:>9.3f}{p.height:>12.4g}{p.area:>12.5g}{_percent(p.area_percent)}"
        f"{_cell(p.plates_half, 9, 0)}{_cell(p.tailing_usp, 9, 3)}{_cell(p.resolution, 7, 2)}"
        f"  {' '.join([p.name, *(f'[{flag}]' for flag in p.flags)]).strip()}".rstrip()
        for i, p in enumerate(peaks[:_MOST_LINES], 1)
    ]
    more = len(peaks) - _MOST_LINES
    return [head, *lines, *([f"     and {more} more, in peaks.csv"] if more > 0 else [])]


def _percent(value: float) -> str:
    return _cell(value, 8, 5 if value < 0.01 else 2)  # beside a solvent, the others are small


def _cell(value: float, width: int, digits: int) -> str:
    return f"{value:>{width}.{digits}f}" if value == value else f"{'-':>{width}}"
