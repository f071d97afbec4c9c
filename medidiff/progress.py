"""The progress record that every loop of more than two seconds reports.

A door draws it (the command line with rich); in Python `progress=print_progress` shows it. A callback may
raise to cancel: loops hold nothing that would be left half-done. Ctrl-C reaches them as KeyboardInterrupt.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field


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


@dataclass
class Pace:
    """How fast each stage goes; `see` every record, then ask what is left of one."""

    _first: dict[str, tuple[float, Progress]] = field(default_factory=dict)
    _latest: dict[str, Progress] = field(default_factory=dict)

    def see(self, record: Progress) -> bool:
        """Whether the stage begins here, or begins again (a second slab, a start for another method)."""
        before = self._latest.get(record.stage)
        begins = before is None or record.done < before.done or record.total != before.total
        if begins:
            self._first[record.stage] = time.monotonic(), record
        self._latest[record.stage] = record
        return begins

    def seconds_left(self, record: Progress) -> float | None:
        """Of the stage of a record that was seen; None in its first second, and at its end."""
        begun, first = self._first[record.stage]
        spent, done = time.monotonic() - begun, record.done - first.done
        if spent > 1 and done > 0 and record.done < record.total:
            return spent * (record.total - record.done) / done
        return None
