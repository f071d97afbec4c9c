"""`medidiff chromatography calibrate STANDARDS.csv --out DIR`: amounts from responses of standards."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from medidiff.cli.options import Parser, add_output
from medidiff.cli.terminal import Terminal
from medidiff.cli.verbs.chromatography.arguments import add_method, blank_of, check_apart

MODELS = ("linear", "zero", "quadratic")
WEIGHTS = ("1", "1/x", "1/x2")
RESPONSES = ("area", "height", "area_fitted")


def add_arguments(parser: Parser) -> None:
    """A table of standards, and the curve."""
    text = "CSV: amount,response[,internal_amount,internal_response], or amount,file"
    parser.add_argument("input", type=Path, metavar="STANDARDS.csv", help=text)
    parser.add_argument("--model", choices=MODELS, default=MODELS[0], help="of the curve (linear)")
    parser.add_argument("--weights", choices=WEIGHTS, default=WEIGHTS[0], help="of the standards (1)")
    files = parser.add_argument_group("of a table with files")
    add_method(files, "how to measure them (YAML)")
    files.add_argument("--peak", metavar="NAME", help="the method's name of the peak")
    files.add_argument("--response", choices=RESPONSES, help="what counts (area)")
    add_output(parser, text="folder for calibration.json, figure.png, report.json, provenance.json")
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    check_apart(arguments)

    from medidiff.domains.chromatography.analysis.standards.table import calibrate_table
    from medidiff.runs.plain import to_plain

    names = ("model", "weights", "method", "peak", "response")
    options = {name: getattr(arguments, name) for name in names}
    result = calibrate_table(arguments.input, **options, blank=blank_of(arguments))
    folder = result.save(arguments.out, overwrite=arguments.overwrite)
    for warning in result.warnings:
        terminal.warn(warning)
    found = to_plain(result.report["methods"]["calibration"])
    terms = {"linear": ("a", "b x"), "zero": ("b x",), "quadratic": ("a", "b x", "c x^2")}[arguments.model]
    rows = zip(terms, found["coefficients"], found["standard_errors"], strict=True)
    lines = [f"{term:<6}{value:>14.6g} +- {_number(error)}" for term, value, error in rows]
    lines += [f"R^2   {_number(found['r_squared'])}"]
    lines += [
        f"LOD   {_number(limit['lod'])}, LOQ {_number(limit['loq'])}  (s: {by} standard deviation)"
        for by, limit in found["limits"].items()
    ]
    text = "\n".join([*lines, "", f"{folder}/calibration.json  (research use only)"])
    terminal.result(text, {"out": str(folder), "report": to_plain(result.report)})
    return 0


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6g}"
