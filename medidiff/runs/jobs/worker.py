"""A job from the inside: what the process that does it (`medidiff ... --job DIR`) tells, and listens to."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from medidiff.errors import InputError
from medidiff.progress import Pace, Progress
from medidiff.runs.jobs.folder import (
    CANCEL,
    END,
    INPUT,
    JOB,
    PROGRESS,
    WORKER,
    queue_lock,
    replace_plain,
    worker_of,
)
from medidiff.runs.jobs.process import Process

WRITE_EVERY_SECONDS = 0.25


class Worker:
    """The job in `folder`, which must be this process's own.

    Raises InputError where there is no job, or another process does it: who started this one may have died
    before it could note it, and another have started the job again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()  # a verb may change the current folder
        self._pace, self._written = Pace(), -WRITE_EVERY_SECONDS
        self._unwritten: Progress | None = None
        if not (self.folder / JOB).is_file():
            raise _not_ours("a folder without one")
        me = Process.of(os.getpid())
        with queue_lock(self.folder.parent):
            known = worker_of(self.folder)
            if known is None and me is not None:
                replace_plain(self.folder / WORKER, me.to_plain())
            elif known != me:
                raise _not_ours("one that another process does")

    def progress(self, record: Progress) -> None:
        """Note a record, a few times a second; KeyboardInterrupt once the job is to end."""
        if (self.folder / CANCEL).exists():
            raise KeyboardInterrupt
        self._pace.see(record)
        self._unwritten = record
        if time.monotonic() - self._written >= WRITE_EVERY_SECONDS:
            self._write(record)

    def _write(self, record: Progress) -> None:
        self._written, self._unwritten = time.monotonic(), None
        left = self._pace.seconds_left(record)
        shown = {"stage": record.stage, "done": record.done, "total": record.total, "note": record.note}
        with contextlib.suppress(OSError):  # a full disk is the result's to tell, not the bar's
            replace_plain(self.folder / PROGRESS, {**shown, "seconds_left": left})

    def close(self, code: int) -> None:
        """Remove the input and write the closing record, the exit code.

        Without it, the job counts as lost or, if told to, cancelled.
        """
        shutil.rmtree(self.folder / INPUT, ignore_errors=True)
        if self._unwritten is not None:
            self._write(self._unwritten)
        with contextlib.suppress(OSError):
            replace_plain(self.folder / END, {"code": code})


def _not_ours(got: str) -> InputError:
    return InputError(
        "--job",
        expected="the folder of a job that waits for this process",
        got=got,
        fix="Leave --job out: it is how the app starts its work.",
        argument=True,
    )
