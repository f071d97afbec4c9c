"""The progress record that every loop of more than two seconds reports.

A door draws it (the command line with rich); a caller from Python may. A callback may raise to cancel: the
loops hold nothing that would be left half-done. Ctrl-C reaches them as KeyboardInterrupt.
"""

from __future__ import annotations

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
