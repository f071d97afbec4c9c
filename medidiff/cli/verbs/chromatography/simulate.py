"""`medidiff chromatography simulate`: the trace that a column gives."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medidiff.cli.options import Parser, add_output, check_output, positive
from medidiff.cli.terminal import Terminal

# As in `domains.chromatography.simulate` and `.model.system`, which would load numpy before --help.
ENGINES = ("auto", "closed", "fft", "pde", "nonlinear", "programme")
DISPERSIONS = ("none", "molecular", "golay")

_OVERRIDES = (
    "analytes",
    "temperature_c",
    "injection_width_s",
    "detector_s",
    "start_s",
    "end_s",
    "interval_s",
)


def add_arguments(parser: Parser) -> None:
    """The system, how it is solved, and what replaces its own values."""
    parser.add_argument("--system", default="btex", metavar="btex|FILE.yaml", help="the column (btex)")
    parser.add_argument(
        "--engine", choices=ENGINES, default="auto", metavar="ENGINE", help=f"{', '.join(ENGINES)} (auto)"
    )
    parser.add_argument(
        "--dispersion",
        choices=DISPERSIONS,
        metavar="KIND",
        help=f"{', '.join(DISPERSIONS)} (default: the system's own; of btex, molecular)",
    )
    parser.add_argument(
        "--limit-s",
        type=positive("seconds"),
        default=600.0,
        metavar="S",
        help="refuse a longer forecast (600)",
    )
    text = "add plate heights over gas velocity: plate_heights.csv, plate_heights.png"
    parser.add_argument("--plate-heights", action="store_true", help=text)
    own = parser.add_argument_group("in place of the system's own")
    own.add_argument("--analytes", type=_names, metavar="A[,B...]", help="only these")
    own.add_argument("--temperature-c", type=_finite("°C"), metavar="T", help="one oven temperature")
    own.add_argument("--injection-width-s", type=_least("seconds"), metavar="S", help="of a rectangle")
    own.add_argument("--detector-s", type=_least("seconds"), metavar="S", help="time constant")
    own.add_argument("--start-s", type=_finite("seconds"), metavar="S", help="first sample")
    own.add_argument("--end-s", type=_finite("seconds"), metavar="S", help="last sample")
    own.add_argument("--interval-s", type=positive("seconds"), metavar="S", help="between two samples")
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(arguments: Namespace, terminal: Terminal) -> int:
    path = Path(arguments.system) if arguments.system.endswith((".yaml", ".yml")) else None
    check_output(arguments.out, overwrite=arguments.overwrite, inputs=(path,))

    from medidiff.domains.chromatography.simulate import simulate_chromatogram
    from medidiff.runs.plain import to_plain

    result = simulate_chromatogram(
        arguments.system,
        engine=arguments.engine,
        dispersion=arguments.dispersion,
        limit_s=arguments.limit_s,
        plate_heights=arguments.plate_heights,
        progress=terminal.progress,
        **{name: getattr(arguments, name) for name in _OVERRIDES},
    )
    folder = result.save(arguments.out, overwrite=arguments.overwrite)
    for warning in result.warnings:
        terminal.warn(warning)
    lines = [
        *_table(result.report),
        *_heights(result.report),
        "",
        f"{folder}/figure.png  (research use only)",
    ]
    data = {"out": str(folder), "outputs": list(result.outputs), "report": to_plain(result.report)}
    terminal.result("\n".join(lines), data)
    return 0


def _table(report: dict[str, Any]) -> list[str]:
    """A line an analyte: apex at the detector in minutes, sigma in seconds; isothermal also k, plates."""
    wide = max(map(len, report["analytes"]))
    head = f"{'':<{wide}}{'apex min':>10}{'sigma s':>10}"
    isothermal = "resolution" in report
    lines = [head + (f"{'k':>10}{'plates':>10}" if isothermal else "")]
    for name, facts in report["analytes"].items():
        peak = facts.get("peak", facts)
        time = peak.get("apex_s", facts["retention_time_s"])
        line = f"{name:<{wide}}{time / 60:>10.3f}{peak['sigma_s']:>10.3f}"
        lines.append(line + (f"{facts['k']:>10.4f}{facts['plates']:>10.0f}" if isothermal else ""))
    return [f"engine {report['engine']}, dispersion {report['dispersion']}", "", *lines]


def _heights(report: dict[str, Any]) -> list[str]:
    """A line an analyte: plate height at the system's velocity, the least, and the velocity of that."""
    if "plate_heights" not in report:
        return []
    found = report["plate_heights"]
    wide = max(map(len, found["analytes"]))
    at = f"at {100 * found['velocity_m_s']:.4g} cm/s"
    lines = ["", f"{'':<{wide}}{'H mm':>10}{'least mm':>10}{'at cm/s':>10}   H {at}"]
    for name, facts in found["analytes"].items():
        best, least = facts["optimal_velocity_m_s"], facts["least_height_m"]
        optimum = f"{'-':>10}{'-':>10}" if best is None else f"{1e3 * least:>10.4f}{100 * best:>10.2f}"
        lines.append(f"{name:<{wide}}{1e3 * facts['height_m']:>10.4f}{optimum}")
    return lines


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ArgumentTypeError(f"expected names separated by commas, each once; got {text!r}")
    return names


def _finite(unit: str) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ArgumentTypeError(f"expected a number of {unit}, got {text!r}")
        return value

    return convert


def _least(unit: str) -> Callable[[str], float]:
    def convert(text: str) -> float:
        value = _finite(unit)(text)
        if value < 0:
            raise ArgumentTypeError(f"expected {unit} of at least 0, got {value:g}")
        return value

    return convert
