"""`medidiff chromatography fit FILE --t0-s T|--system btex|FILE.yaml --out DIR`: k, kd and areas."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medidiff.cli.options import Parser, add_output, add_seed, check_output, positive, whole
from medidiff.cli.terminal import Terminal

if TYPE_CHECKING:
    from medidiff.runs.result import Result

DISPERSIONS = ("none", "molecular", "golay")
INTERVALS = ("covariance", "profile")
SHARED = ("t0_s", "injection_width_s", "injection_tail_s", "detector_s")
MOST_SAMPLES = 1_000_000


def add_arguments(parser: Parser) -> None:
    """The trace, what is known of the column, and how sure the numbers shall be."""
    parser.add_argument("input", type=Path, metavar="FILE", help="a chromatogram, in any format that is read")
    parser.add_argument("--trace", type=whole(1), metavar="N", help="which trace of the file, counted from 1")
    column = parser.add_argument_group(
        "column (a hold-up time or a system; what is given overrides the system's)"
    )
    column.add_argument("--t0-s", type=positive("seconds"), metavar="T", help="hold-up time")
    column.add_argument("--system", metavar="NAME|FILE", help="btex, or a YAML file")
    text = "what to fit (default: the system's, else every peak that stands out)"
    column.add_argument("--analytes", type=_names, metavar="NAME@RT_s,...", help=text)
    text = "of a rectangle from t = 0 (default: the system's, else an impulse)"
    column.add_argument("--injection-width-s", type=_not_negative, metavar="W", help=text)
    text = "time constant of the detector (default: the system's, else 0)"
    column.add_argument("--detector-s", type=_not_negative, metavar="TAU", help=text)
    text = "default: the system's own, else none, where kd lumps all broadening"
    column.add_argument("--dispersion", choices=DISPERSIONS, help=text)
    how = parser.add_argument_group("fit")
    text = "of 95 %% (covariance); profile where peaks overlap"
    how.add_argument("--interval", choices=INTERVALS, default=INTERVALS[0], help=text)
    text = f"fitted for all together: {', '.join(SHARED)}"
    how.add_argument("--shared", type=_shared, default=(), metavar="NAME,...", help=text)
    text = "order of the baseline's polynomial (1)"
    how.add_argument("--baseline-order", type=whole(0, 8), default=1, metavar="N", help=text)
    window = "fit this part of the trace only (default: all but tall peaks beside the analytes)"
    how.add_argument("--window-s", type=_window, metavar="A:B", help=window)
    text = "posterior samples as well (0)"
    how.add_argument("--samples", type=whole(0, MOST_SAMPLES), default=0, metavar="N", help=text)
    add_output(parser, text="folder for fit.json, chromatogram.csv, figure.png, report.json, provenance.json")
    add_seed(parser)
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    check_output(arguments.out, overwrite=arguments.overwrite, inputs=(arguments.input,))

    from medidiff.domains.chromatography.files.reading import read_chromatogram
    from medidiff.domains.chromatography.fitting.result import fit_chromatogram

    chromatogram = read_chromatogram(arguments.input, trace=arguments.trace)
    names = (
        "t0_s",
        "system",
        "analytes",
        "injection_width_s",
        "detector_s",
        "dispersion",
        "shared",
        "interval",
        "baseline_order",
        "window_s",
        "samples",
        "seed",
    )
    result = fit_chromatogram(chromatogram, **{name: getattr(arguments, name) for name in names})
    result.provenance["reading"] = {"trace": arguments.trace}
    show_fit(result, result.save(arguments.out, overwrite=arguments.overwrite), terminal)
    return 0


def show_fit(result: Result, folder: Path, terminal: Terminal) -> None:
    """Print the numbers of a saved fit; with --json fit.json and the report."""
    from medidiff.domains.chromatography.fitting.result import FIT
    from medidiff.runs.plain import to_plain

    found: Any = result.outputs[FIT]
    for warning in result.warnings:
        terminal.warn(warning)
    text = "\n".join([*fit_lines(found.plain), "", f"{folder}/figure.png  (research use only)"])
    data = {"out": str(folder), "fit": to_plain(found.plain), "report": to_plain(result.report)}
    terminal.result(text, data)


def fit_lines(found: dict[str, Any]) -> list[str]:
    """A table: each analyte's retention in minutes, k, kd and area, with half the interval's width."""
    width = max(8, *(len(name) for name in found["analytes"]))
    head = f"{'':<{width}}{'minutes':>9}{'k':>22}{'kd 1/s':>22}{'area':>22}"
    lines = [head] + [
        f"{name:<{width}}{_minutes(one['retention_s'])}{_number(one['k'])}{_number(one['kd_per_s'])}{_number(one['area'])}"
        for name, one in found["analytes"].items()
    ]
    state = "converged" if found["converged"] else f"NOT CONVERGED: {found['reason']}"
    lines += ["", f"{state}; {100 * found['level']:g} % intervals by {found['interval']}"]
    return [*lines, f"kd is {found['kd_meaning']}"]


def _minutes(estimate: dict[str, float | None]) -> str:
    value = estimate["value"]
    return f"{'-':>9}" if value is None else f"{value / 60:>9.3f}"


def _number(estimate: dict[str, float | None]) -> str:
    """Value and half its interval, with as many digits as the interval leaves."""
    value, low, high = estimate["value"], estimate["low"], estimate["high"]
    if value is None or low is None or high is None:
        return f"{'-' if value is None else f'{value:.4g} (open)':>22}"
    half = (high - low) / 2
    if not half > 0:
        return f"{value:.6g}".rjust(22)
    digits = max(0, 1 - math.floor(math.log10(half)))
    text = f"{value:.{digits}f} ± {half:.{digits}f}"
    return (text if len(text) <= 20 else f"{value:.4g} ± {half:.2g}").rjust(22)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if not all(names):
        raise ArgumentTypeError(f"expected NAME@RT_s,NAME@RT_s, got {text!r}")
    return names


def _shared(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(","))
    if set(names) - set(SHARED) or len(set(names)) < len(names):
        raise ArgumentTypeError(f"expected some of {', '.join(SHARED)}, each once; got {text!r}")
    return names


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ArgumentTypeError(f"expected seconds of at least 0, got {text!r}")
    return value


def _window(text: str) -> tuple[float, float]:
    first, colon, last = text.partition(":")
    try:
        window = float(first), float(last)
    except ValueError:
        window = math.nan, math.nan
    if not (colon and window[0] < window[1] < math.inf):
        raise ArgumentTypeError(f"expected A:B in seconds with A < B, got {text!r}")
    return window
