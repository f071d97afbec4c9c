"""What a job leaves behind that nobody needs: its input, half-written files, and what a kill cut short.

The input is a copy of somebody's scan, so it goes as soon as the job is over, however it ended: the worker
removes it itself, and where it was killed, whoever looks next does. The queue lock is held by the callers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from medidiff.runs.jobs.folder import INPUT

TERMINATED = ".terminated"  # it was sent SIGTERM: once
NEW, GONE = ".new-", ".gone-"


def leftovers(folder: Path) -> list[Path]:
    """What a job that is over has no use for; [] for a folder that is gone."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    return [folder / name for name in names if name == INPUT or (name.startswith(".") and name != TERMINATED)]


def clean(folder: Path) -> None:
    """Remove the leftovers of a job that is over."""
    for path in leftovers(folder):
        _remove(path)


def clean_orphans(jobs: Path) -> None:
    """Remove jobs that were being made, or removed, by somebody who was killed meanwhile."""
    for name in os.listdir(jobs):
        if name.startswith(GONE) or (name.startswith(NEW) and not _is_held(jobs / name)):
            _remove(jobs / name)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Mark a folder as one that somebody works at; the mark goes with its holder, killed or not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _is_held(folder: Path) -> bool:
    """Whether somebody does; taken for granted where the file system has no locks."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
