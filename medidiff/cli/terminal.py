"""What a command shows: progress and notes on stderr, the result on stdout.

Progress is a bar (rich) where stderr is a terminal, else one plain line every ten seconds. Whatever is shown
may come from a file (a card, a name): control characters, which could drive the terminal, are left out.
"""

from __future__ import annotations

import json as json_module
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from medidiff.progress import Pace, Progress, Report

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

LINE_EVERY_SECONDS = 10.0


class Terminal:
    """Used as a context around one command; `progress` is the callback that loops take.

    quiet: no progress and no notes. json: `result` prints data in place of text.
    `after_interrupt` is what is said after Ctrl-C; a job that can go on says how. `warned` is what was.
    `watcher` gets every record first, also with --quiet; it may raise to end the command.
    """

    def __init__(self, *, quiet: bool = False, json: bool = False) -> None:
        self.quiet, self.json = quiet, json
        self.after_interrupt = "nothing half-written stays."
        self.warned: list[str] = []
        self.watcher: Report | None = None
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._pace = Pace()
        self._last_line = time.monotonic()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_bars()

    def result(self, text: str, data: Any) -> None:
        """Print what came out: `text` for a person or, with --json, `data` as JSON."""
        self._stop_bars()
        if self.json:
            text = json_module.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
            print("".join(c if c.isprintable() or c == "\n" else json_module.dumps(c)[1:-1] for c in text))
        else:
            print("\n".join(map(_printable, text.split("\n"))))

    def note(self, text: str) -> None:
        """Say something to a person, unless --quiet."""
        if not self.quiet:
            print(f"medidiff: {one_line(text)}", file=sys.stderr)

    def warn(self, text: str) -> None:
        """Say what a person must know even with --quiet."""
        self.warned.append(text)
        print(f"medidiff: warning: {one_line(text)}", file=sys.stderr)

    def progress(self, record: Progress) -> None:
        """Show one record."""
        if self.watcher is not None:
            self.watcher(record)
        if self.quiet:
            return
        if self._pace.see(record):
            self._forget_task(record.stage)
        if sys.stderr.isatty():
            self._draw(record)
        elif time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            print(f"medidiff: {self._line(record)}", file=sys.stderr, flush=True)

    def _line(self, record: Progress) -> str:
        line = f"{record.stage} {record.done}/{record.total}"
        left = self._pace.seconds_left(record)
        if left is not None:
            line += f", about {duration(left)} left"
        return f"{line}, {record.note}" if record.note else line

    def _draw(self, record: Progress) -> None:
        bars = self._bars or self._start_bars()
        if record.stage not in self._tasks:
            self._tasks[record.stage] = bars.add_task(record.stage, total=record.total, note="")
        bars.update(
            self._tasks[record.stage], completed=record.done, total=record.total, note=record.note or ""
        )

    def _start_bars(self) -> Bars:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("{task.description:<12}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        # rich would send what is printed to stdout to stderr, so that a pipe got nothing.
        self._bars = Bars(*columns, console=Console(stderr=True), redirect_stdout=False)
        self._bars.start()
        return self._bars

    def _forget_task(self, stage: str) -> None:
        task = self._tasks.pop(stage, None)
        if task is not None and self._bars is not None:
            self._bars.remove_task(task)

    def _stop_bars(self) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._bars, self._tasks = None, {}


def one_line(text: str) -> str:
    """`text` without line breaks and control characters, which a file's name may hold."""
    return _printable(" ".join(text.split()))


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else " " for c in line)


def duration(seconds: float) -> str:
    """Seconds up to two minutes, else minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
