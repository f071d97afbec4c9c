"""Several servers may look after one folder of jobs; the one that ends last ends the jobs."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

from medidiff.atomic import writable


@contextlib.contextmanager
def among_servers(jobs: Path) -> Iterator[Callable[[], bool]]:
    """Hold a place among the servers of a folder, made where absent; gives what says whether it is the last.

    The place goes with its holder, killed or not. A file system without locks knows of no second server.
    Raises OutputError where the folder cannot be written.
    """
    with writable(jobs):
        jobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = (jobs / ".servers").open("w")
    with held:
        with contextlib.suppress(OSError):
            fcntl.flock(held.fileno(), fcntl.LOCK_SH)

        def last() -> bool:
            try:
                fcntl.flock(held.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(held.fileno(), fcntl.LOCK_SH)  # the try gave up the place
                return False
            except OSError:
                return True
            return True

        yield last
