"""The progress record that every loop of more than two seconds reports.

A door draws it (the command line with rich); in Python `progress=print_progress` shows it. A callback may
raise to cancel: loops hold nothing that would be left half-done. Ctrl-C reaches them as KeyboardInterrupt.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units of a named stage, e.g. ("diffusion", 3, 20); `note` is a short free text."""

    stage: str
    done: int
    total: int
    note: str = ""


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report nothing: the default of every `progress` argument."""


def print_progress(progress: Progress) -> None:
    """Show every stage on a line of stderr that is rewritten as it goes, for notebooks and scripts."""
    line = f"{progress.stage} {progress.done}/{progress.total}"
    end = "\n" if progress.done >= progress.total else ""
    sys.stderr.write(f"\r{line:<40}{end}")
    sys.stderr.flush()
