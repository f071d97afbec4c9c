"""`medidiff chromatography index FILE --ladder 8=201.5,9=260.1,... --out DIR`: retention indices."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import Any

from medidiff.cli.options import Parser, add_output, positive, whole
from medidiff.cli.terminal import Terminal
from medidiff.cli.verbs.chromatography.arguments import add_method, blank_of, check_apart

_MOST_LINES = 60


def add_arguments(parser: Parser) -> None:
    """A trace, and the alkanes."""
    parser.add_argument("input", type=Path, metavar="FILE", help="a chromatogram")
    parser.add_argument("--trace", type=whole(1), metavar="N", help="which trace of the file, counted from 1")
    text = "carbons and seconds of n-alkanes run under the same conditions"
    parser.add_argument("--ladder", type=ladder, required=True, metavar="N=T,...", help=text)
    text = "hold-up time: isothermal (Kovats); without it, of a temperature programme"
    parser.add_argument("--t0-s", type=positive("seconds"), metavar="T", help=text)
    add_method(parser, "how to find peaks (YAML)")
    add_output(parser, text="folder for indices.csv, figure.png, report.json, provenance.json")
    parser.set_defaults(run=_run)


def ladder(text: str) -> dict[int, float]:
    """Carbons -> seconds from "8=201.5,9=260.1"."""
    found: dict[int, float] = {}
    for part in text.split(","):
        carbons, equals, seconds = part.strip().partition("=")
        try:
            number, at = int(carbons.removeprefix("C")), float(seconds)
        except ValueError:
            equals, number, at = "", 0, math.nan
        if not equals or not 0 < at < math.inf or number < 1 or number in found:
            raise ArgumentTypeError(f"expected N=SECONDS,..., each carbon number once; got {part!r}")
        found[number] = at
    return found


def _run(arguments: Namespace, terminal: Terminal) -> int:
    check_apart(arguments)

    from medidiff.domains.chromatography.analysis.standards.ladder import index_peaks
    from medidiff.domains.chromatography.files import read_chromatogram
    from medidiff.runs.plain import to_plain

    run = read_chromatogram(arguments.input, arguments.trace)
    options = {"t0_s": arguments.t0_s, "method": arguments.method, "blank": blank_of(arguments)}
    result = index_peaks(run, arguments.ladder, **options)
    result.provenance["reading"] = {"trace": arguments.trace}
    folder = result.save(arguments.out, overwrite=arguments.overwrite)
    for warning in result.warnings:
        terminal.warn(warning)
    table: Any = result.outputs["indices.csv"]
    rows = [
        f"{peak.retention_time_s / 60:>9.3f}{peak.retention_index:>10.1f}  {peak.name}".rstrip()
        for peak in table.peaks
        if math.isfinite(peak.retention_index)
    ]
    more = [f"     and {len(rows) - _MOST_LINES} more, in indices.csv"] if len(rows) > _MOST_LINES else []
    kind = result.report["methods"]["indices"]["kind"]
    lines = [f"{'minutes':>9}{'index':>10}  {kind}", *rows[:_MOST_LINES], *more]
    text = "\n".join([*lines, "", f"{folder}/indices.csv  (research use only)"])
    terminal.result(text, {"out": str(folder), "report": to_plain(result.report)})
    return 0
