"""`medidiff chromatography convert FILE`: an instrument's file as CSV, ANDI or JSON."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from medidiff.cli.options import Parser, add_output, check_output, whole
from medidiff.cli.terminal import Terminal

FORMATS = ("csv", "andi", "json")


def add_arguments(parser: Parser) -> None:
    """A file, which trace, and the format."""
    parser.add_argument(
        "input", type=Path, metavar="FILE", help="ANDI, GAML, mzML, JCAMP-DX, text or JSON, also gzipped"
    )
    parser.add_argument("--trace", type=whole(1), metavar="N", help="one trace, counted from 1 (all)")
    parser.add_argument("--to", choices=FORMATS, default="csv", help="format (csv)")
    parser.add_argument(
        "--keep-metadata", action="store_true", help="keep names of samples and people, and dates"
    )
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    check_output(arguments.out, overwrite=arguments.overwrite, inputs=(arguments.input,))

    from medidiff.domains.chromatography.files.convert import convert_chromatograms
    from medidiff.runs.plain import to_plain

    result = convert_chromatograms(
        arguments.input, trace=arguments.trace, to=arguments.to, keep_metadata=arguments.keep_metadata
    )
    folder = result.save(arguments.out, overwrite=arguments.overwrite)
    for warning in result.warnings:
        terminal.warn(warning)
    lines = [_line(row) for row in result.report["traces"]]
    text = "\n".join([*lines, "", f"{folder}/figure.png  (research use only)"])
    terminal.result(text, {"out": str(folder), "report": to_plain(result.report)})
    return 0


def _line(row: dict[str, object]) -> str:
    about = ", ".join(str(part) for part in (row["detector"], row["units"]) if part)
    unit = str(row["axis"]).removeprefix("time_").removeprefix("x_")
    reach = f"{row['first']:.6g} to {row['last']:.6g} {unit}"
    return f"{row['file']:<24}{row['points']:>8} points, {reach}  {about}".rstrip()
