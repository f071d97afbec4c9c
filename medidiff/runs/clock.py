"""Seconds and memory: what a run took, and what it may take."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from medidiff.errors import MissingError

_MIB = 1 << 20
_limit_mb: int | None = None
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


class Clock:
    """A stopwatch that runs from its making; `lap` gives the seconds since the last lap."""

    def __init__(self) -> None:
        self._start = self._lap = time.perf_counter()

    def seconds(self) -> float:
        """Seconds since the clock was made."""
        return time.perf_counter() - self._start

    def lap(self) -> float:
        """Seconds since the last call, or since the clock was made."""
        before, self._lap = self._lap, time.perf_counter()
        return self._lap - before


def finish_report(report: dict[str, Any], clock: Clock) -> None:
    """Fill `wall_seconds` and `peak_memory_mb` of a report, in place."""
    report["wall_seconds"] = round(clock.seconds(), 3)
    report["peak_memory_mb"] = peak_memory_mb()


def peak_memory_mb() -> int:
    """The most memory in MiB that this process has held since it began (POSIX's ru_maxrss)."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (_MIB if sys.platform == "darwin" else 1024))


def limit_memory(limit_mb: int | None) -> None:
    """Let this process count on no more than so many MiB in all, from now on; None takes the limit away.

    For a process that shares a machine with others like it: what is free is not all its own.
    """
    global _limit_mb
    _limit_mb = limit_mb


def available_memory_mb() -> int | None:
    """MiB that can be taken without swapping: the machine's, the container's or what `limit_memory` leaves.

    None where nothing limits and neither can be read (not Linux).
    """
    found = [
        int(limit) - int(used)
        for limit, used in ((_read(a), _read(b)) for a, b in _CGROUPS)
        if limit.isdigit() and used.isdigit()
    ]
    lines = _read("/proc/meminfo").splitlines()
    found += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    if _limit_mb is not None:
        found.append(_limit_mb * _MIB - _held_bytes())
    return max(0, min(found)) // _MIB if found else None


def _held_bytes() -> int:
    """What this process holds now; 0 where that cannot be read."""
    pages = _read("/proc/self/statm").split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if len(pages) > 1 else 0


def require_memory(needed_mb: float, what: str, *, fix: str) -> None:
    """Raise MissingError before work that would not fit; `fix` says what makes it smaller."""
    available = available_memory_mb()
    if available is not None and needed_mb > available:
        raise MissingError(
            what, expected=f"{needed_mb:.0f} MiB of memory", got=f"{available} MiB free", fix=fix
        )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
