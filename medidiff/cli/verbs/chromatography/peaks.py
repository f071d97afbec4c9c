"""`medidiff chromatography peaks FILE|FOLDER --out DIR`: find, measure and name peaks."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medidiff.cli.options import Parser, add_output, check_output, positive, whole
from medidiff.cli.terminal import Terminal
from medidiff.errors import InputError

if TYPE_CHECKING:
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
    text = "baseline, events, names, calibrations, limits (YAML)"
    parser.add_argument("--method", type=Path, metavar="FILE", help=text)
    text = "hold-up time, for k (default: the method's)"
    parser.add_argument("--t0-s", type=positive("seconds"), metavar="T", help=text)
    text = "a run without sample, to subtract"
    parser.add_argument("--blank", type=Path, metavar="FILE", help=text)
    add_output(parser, text="folder for peaks.csv (of a folder batch.csv), figure.png, report.json")
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    folder = os.path.isdir(arguments.input)
    if folder and arguments.blank is not None:
        fix = "Leave it out; a blank serves one file."
        got = "a folder"
        raise InputError("--blank", expected="a file as INPUT", got=got, fix=fix, argument=True)
    inputs = (arguments.input, arguments.method, arguments.blank)
    check_output(arguments.out, overwrite=arguments.overwrite, inputs=inputs)
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

    blank = read_chromatogram(arguments.blank) if arguments.blank is not None else None
    run = read_chromatogram(arguments.input, arguments.trace)
    result = chromatogram_peaks(run, method=arguments.method, t0_s=arguments.t0_s, blank=blank)
    result.provenance["reading"] = {"trace": arguments.trace}
    table: Any = result.outputs["peaks.csv"]
    suitability = result.report["suitability"]
    lines = [f"{name}: {', '.join(missed) or 'pass'}" for name, missed in suitability["missed"].items()]
    verdict = ["", _VERDICT[suitability["passed"]], *lines] if lines else []
    return result, [*peak_lines(table.peaks), *verdict]


def _folder(arguments: Namespace, terminal: Terminal) -> tuple[Result, list[str]]:
    from medidiff.domains.chromatography.analysis.batch import batch_peaks

    options = {"method": arguments.method, "t0_s": arguments.t0_s, "trace": arguments.trace}
    result = batch_peaks(arguments.input, **options, progress=terminal.progress)
    suitability = result.report["suitability"]
    files = result.report["methods"]["peaks"]["files"]
    lines = [f"{files} files; {_VERDICT[suitability['passed']]}"]
    if suitability["failed_rows"]:
        lines.append(f"{suitability['failed_rows']} rows fail; the column missed says why")
    return result, lines


def peak_lines(peaks: tuple[Peak, ...]) -> list[str]:
    """A table of the peaks, their apexes in minutes."""
    head = (
        f"{'':>4}{'minutes':>9}{'height':>12}{'area':>12}{'%':>8}{'plates':>9}{'tailing':>9}{'Rs':>7}  name"
    )
    lines = [
        f"{i:>4}{p.retention_time_s / 60:>9.3f}{p.height:>12.4g}{p.area:>12.5g}{_cell(p.area_percent, 8, 2)}"
        f"{_cell(p.plates_half, 9, 0)}{_cell(p.tailing_usp, 9, 3)}{_cell(p.resolution, 7, 2)}"
        f"  {' '.join([p.name, *(f'[{flag}]' for flag in p.flags)]).strip()}".rstrip()
        for i, p in enumerate(peaks[:_MOST_LINES], 1)
    ]
    more = len(peaks) - _MOST_LINES
    return [head, *lines, *([f"     and {more} more, in peaks.csv"] if more > 0 else [])]


def _cell(value: float, width: int, digits: int) -> str:
    return f"{value:>{width}.{digits}f}" if value == value else f"{'-':>{width}}"
