"""`--cohort`: the options that a verb takes for many scans at once, and what is shown when they are done."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medidiff.cli.door import SOME_FAILED
from medidiff.cli.options import check_output_apart, whole
from medidiff.cli.summary import method_lines
from medidiff.cli.terminal import Terminal
from medidiff.errors import InputError, OutputError

if TYPE_CHECKING:
    from medidiff.io.listing import Scans
    from medidiff.runs.cohort import Existing, Local, Row, Summary, Work

MOST_WORKERS = 256
SCHEDULER_SECONDS = 10.0
_RESUME = "items that are done are kept: the same command with --resume goes on."


def add_cohort(parser: ArgumentParser) -> None:
    """Add --workers, --scheduler and --resume; --cohort itself stands beside INPUT, which it replaces."""
    cohort = parser.add_argument_group("cohort (with --cohort; needs the extra [cluster])")
    where = cohort.add_mutually_exclusive_group()
    where.add_argument(
        "--workers", type=whole(1, MOST_WORKERS), metavar="N", help="worker processes of this machine (1)"
    )
    where.add_argument("--scheduler", metavar="ADDRESS", help="or a Dask scheduler, in a trusted network")
    cohort.add_argument(
        "--resume", action="store_true", help="go on in --out; what is done and verified stays"
    )


def check_cohort(arguments: Namespace) -> None:
    """Refuse options of a cohort without one, and --overwrite with one."""
    given = [
        name for name in ("workers", "scheduler", "resume") if getattr(arguments, name) not in (None, False)
    ]
    if arguments.cohort is None and given:
        raise InputError(
            f"--{given[0]}",
            expected="--cohort beside it",
            got="one INPUT",
            fix="Give --cohort in place of INPUT, or leave it out.",
            argument=True,
        )
    if arguments.cohort is not None and arguments.overwrite:
        raise InputError(
            "--overwrite",
            expected="--resume, or another --out",
            got="--cohort",
            fix="A cohort is never replaced as a whole: remove its folder yourself.",
            argument=True,
        )


def scans_of(arguments: Namespace) -> Scans:
    """The scans of --cohort, once --out is known to lie apart from them."""
    from medidiff.io.listing import list_scans

    cohort, out = arguments.cohort, Path(os.path.realpath(arguments.out))
    scans = list_scans(cohort)
    check_output_apart(arguments.out, [cohort, arguments.angles_file, *scans.paths])
    if cohort.is_dir() and out.is_relative_to(os.path.realpath(cohort)):
        raise OutputError(
            f"output {out.name}",
            expected="a folder apart from the cohort",
            got="one inside it, whose images would be scans the next time",
            fix="Choose another --out.",
        )
    return scans


def run(arguments: Namespace, work: Work, scans: Scans, terminal: Terminal) -> int:
    """Run the cohort, show its table, and return the exit code."""
    from medidiff.runs.cohort import run_cohort

    if scans.skipped:
        terminal.note(f"skipped in the folder: {', '.join(scans.skipped)}")
    terminal.after_interrupt = _RESUME
    summary = run_cohort(
        work,
        scans.paths,
        arguments.out,
        cluster=_cluster(arguments),
        resume=arguments.resume,
        progress=terminal.progress,
        debug=arguments.debug,
    )
    lines = [*_table(summary.rows), "", *_means(summary), "", *_verdict(summary, arguments.out)]
    terminal.result("\n".join(lines), {"out": str(arguments.out), **summary.data()})
    return SOME_FAILED if summary.failed else 0


def _cluster(arguments: Namespace) -> Local | Existing:
    from medidiff.runs.cohort import Existing, Local

    if arguments.scheduler is not None:
        return Existing(arguments.scheduler, SCHEDULER_SECONDS)
    return Local(arguments.workers or 1)


def _table(rows: Sequence[Row]) -> list[str]:
    lines = [f"{'item':>6}  {'status':<8}{'seconds':>10}{'warnings':>10}"]
    for row in rows:
        status = "kept" if row.kept else row.status
        seconds = "-" if row.seconds is None else f"{row.seconds:.1f}"
        tail = f"  {row.reason}" if row.reason else ""
        lines.append(f"{row.item:>6}  {status:<8}{seconds:>10}{row.warnings:>10}{tail}")
    return lines


def _means(summary: Summary) -> list[str]:
    methods = summary.methods()
    done = sum(row.status == "done" for row in summary.rows)
    return [f"mean over {done} items (spread in cohort.json)", *method_lines(methods)] if methods else []


def _verdict(summary: Summary, out: Path) -> list[str]:
    where = f"{out}/cohort.csv  (research use only)"
    if not summary.failed:
        return [where]
    count, numbers = len(summary.failed), ", ".join(map(str, summary.failed))
    said = f"{count} of {len(summary.rows)} failed: item{'s' * (count > 1)} {numbers}."
    return [f"{said} After mending, the same command with --resume does only what is left.", where]
