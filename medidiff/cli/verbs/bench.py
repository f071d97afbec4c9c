"""`medidiff bench core|projector|ct|chromatography|review --out DIR`: measure it; bench.json and table.md."""

from __future__ import annotations

import importlib
from argparse import Namespace
from pathlib import Path
from typing import Any

from medidiff.cli.options import (
    MOST_VIEWS,
    Parser,
    add_device,
    add_output,
    add_prior,
    add_seed,
    check_output,
    photons,
    positive,
    whole,
)
from medidiff.cli.terminal import Terminal
from medidiff.cli.verbs.reconstruct import GEOMETRIES


def add_arguments(parser: Parser) -> None:
    """One sub-verb a bench."""
    benches = parser.add_subparsers(metavar="NAME", required=True, dest="bench", parser_class=Parser)
    _add_core(
        benches.add_parser(
            "core", help="moments of every sampler", description="Compare samplers with a law known exactly."
        )
    )
    _add_projector(
        benches.add_parser(
            "projector", help="speed and exactness of projections", description="Time A and its transpose."
        )
    )
    _add_ct(
        benches.add_parser("ct", help="quality against FBP and TV", description="Reconstruct and compare.")
    )
    _add_chromatography(
        benches.add_parser(
            "chromatography",
            help="exactness and speed of the column's engines",
            description="Compare the engines with each other, with mpmath and with CADET.",
        )
    )
    _add_review(
        benches.add_parser(
            "review",
            help="coverage of the intervals of reader studies",
            description="Simulate reader studies with a known preference; count the intervals that hold it.",
        )
    )


def _add_core(parser: Parser) -> None:
    add_output(parser)
    parser.set_defaults(run=_run, options=())


def _add_projector(parser: Parser) -> None:
    parser.add_argument("--size", type=whole(16, 2048), default=256, metavar="N", help="pixels a side (256)")
    parser.add_argument("--slices", type=whole(1, 1024), default=64, metavar="N", help="slices (64)")
    parser.add_argument("--views", type=views, default=(24, 180), metavar="N[,N]", help="views (24,180)")
    text = "side of the cases that are no matrix (512; 0: none)"
    parser.add_argument("--large", type=whole(0, 2048), default=512, metavar="N", help=text)
    add_output(parser)
    parser.set_defaults(run=_run, options=("size", "slices", "views", "large"))


def _add_ct(parser: Parser) -> None:
    text = "volumes, may be given again (default: the demo)"
    parser.add_argument("--input", type=Path, nargs="+", action="extend", metavar="VOLUME", help=text)
    parser.add_argument("--views", type=whole(1, MOST_VIEWS), default=24, metavar="N", help="views (24)")
    parser.add_argument(
        "--arc-deg", type=positive("degrees", most=360), metavar="D", help="arc (a full scan)"
    )
    parser.add_argument(
        "--geometry", choices=GEOMETRIES, default=GEOMETRIES[0], help="of the rays (parallel)"
    )
    parser.add_argument("--photons", type=photons, metavar="P", help="per bin (default: no noise)")
    text = "many geometries, views, arcs and doses instead; PSNR alone"
    parser.add_argument("--table", action="store_true", help=text)
    text = "a supervised network beside: a run of `medidiff train` on ct-rival.yaml"
    parser.add_argument("--rival", type=Path, metavar="RUN", help=text)
    add_output(parser)
    add_seed(parser)
    add_device(parser)
    add_prior(parser)
    scan = ("views", "arc_deg", "geometry", "photons")
    options = ("input", *scan, "table", "rival", "seed", "device", "prior")
    parser.set_defaults(run=_run, options=options)


def _add_chromatography(parser: Parser) -> None:
    text = "noise draws for the coverage of intervals (1000)"
    parser.add_argument("--draws", type=whole(1, 100_000), default=1000, metavar="N", help=text)
    text = "folder of real files (without it their rows are skipped)"
    parser.add_argument("--data", type=Path, metavar="DIR", help=text)
    add_output(parser)
    parser.set_defaults(run=_run, options=("draws", "data"))


def _add_review(parser: Parser) -> None:
    text = "simulated studies of each kind (2000)"
    parser.add_argument("--studies", type=whole(10, 1_000_000), default=2000, metavar="N", help=text)
    add_output(parser)
    add_seed(parser)
    parser.set_defaults(run=_run, options=("studies", "seed"))


def views(text: str) -> tuple[int, ...]:
    """Comma-separated numbers of views."""
    return tuple(whole(1, MOST_VIEWS)(word) for word in text.split(","))


def _run(arguments: Namespace, terminal: Terminal) -> int:
    inputs = getattr(arguments, "input", None) or ()
    check_output(arguments.out, overwrite=arguments.overwrite, inputs=inputs)
    bench: Any = importlib.import_module(f"medidiff.bench.{arguments.bench}")
    options = {name: getattr(arguments, name) for name in arguments.options}
    result = bench.run(**options, progress=terminal.progress)
    result.write(arguments.out, overwrite=arguments.overwrite)
    terminal.result(result.table(), result.to_plain())
    return 0
