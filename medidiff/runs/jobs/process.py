"""A process that outlives who started it: is it still the same one, and how it is ended.

A process is known by its number, its start time and the boot of the machine: numbers are given again.
Source of the fields: proc(5), /proc/<pid>/stat.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PROC = Path("/proc")
_STATE, _SESSION, _STARTED = 0, 3, 19  # places among the fields after the name
_ENDED = "ZX"  # a zombie, or dead


@dataclass(frozen=True)
class Process:
    """`started` counts clock ticks since `boot`. The leader of a session and of a group of its own."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this number now, one that has ended and waits for its parent included."""
        fields = _stat(pid)
        return None if fields is None else cls(pid, int(fields[_STARTED]), _boot())

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Process | None:
        """What `to_plain` gave; None for anything else."""
        pid, started, boot = plain.get("pid"), plain.get("started"), plain.get("boot")
        if isinstance(pid, int) and pid > 1 and isinstance(started, int) and isinstance(boot, str):
            return cls(pid, started, boot)
        return None

    def to_plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def alive(self) -> bool:
        """Whether it runs."""
        fields = _stat(self.pid)
        return fields is not None and fields[_STATE] not in _ENDED and Process.of(self.pid) == self

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to it and all that it started; to nobody when the number is another's by now."""
        if self.group_alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def group_alive(self) -> bool:
        """Whether it or anything that it started in its session runs.

        The system gives a number to no new process while a session of that number has members.
        """
        if self.boot != _boot():
            return False
        leader = _stat(self.pid)
        if leader is not None and int(leader[_STARTED]) != self.started:
            return False
        return any(
            fields[_STATE] not in _ENDED and int(fields[_SESSION]) == self.pid for fields in _all_stats()
        )


def environment() -> dict[str, str]:
    """Ours, for a process in another folder: where Python looks for packages does not depend on it."""
    found = os.environ.get("PYTHONPATH")
    if not found:
        return dict(os.environ)
    places = os.pathsep.join(os.path.abspath(place) for place in found.split(os.pathsep))
    return {**os.environ, "PYTHONPATH": places}


def _boot() -> str:
    with contextlib.suppress(OSError):
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def _stat(pid: int) -> list[str] | None:
    """The fields from the third on; the second, a name in brackets, may itself hold brackets and spaces."""
    try:
        return (
            (_PROC / str(pid) / "stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()
        )
    except OSError:
        return None


def _all_stats() -> Iterator[list[str]]:
    for entry in os.listdir(_PROC):
        if entry.isdecimal() and (fields := _stat(int(entry))) is not None:
            yield fields
