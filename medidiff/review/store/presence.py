"""Whether another program has a study open: a shared lock on its manifest, held until this process ends.

The lock only serves a notice; writes are made safe by SQLite.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_held: dict[str, int] = {}
"""Real path -> descriptor: one lock a process, whoever opens the study how often."""


def hold(path: Path) -> bool:
    """Hold `path` from now on; False when another process holds it too. True where locks are unknown."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    name = os.path.realpath(path)
    if name not in _held:
        _held[name] = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(_held[name], fcntl.LOCK_EX | fcntl.LOCK_NB)
        alone = True
    except OSError:
        alone = False
    with suppress(OSError):
        fcntl.flock(_held[name], fcntl.LOCK_SH | fcntl.LOCK_NB)
    return alone
