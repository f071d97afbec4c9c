"""The folder of a job, and what it says of it.

    <jobs>/<id>/job.json        what to do: words, title, when it was asked for
                worker.json     who does it: number and start time of the process; absent while it waits
                progress.json   how far it is, replaced at most four times a second
                cancel          somebody wants it to end
                end.json        the exit code, once it ended by itself
                log             what the worker printed
                input/          volumes and other files that it reads, under names of our own; removed when
                                it is over
                result/         the run folder, whole or absent

A state is read from these files alone, so that it survives any process that looks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medidiff.atomic import writable
from medidiff.errors import InputError
from medidiff.runs.jobs.process import Process
from medidiff.runs.plain import read_json, to_json

State = Literal["waiting", "running", "done", "failed", "cancelled", "lost"]

JOB, WORKER, PROGRESS, CANCEL, END, LOG = (
    "job.json",
    "worker.json",
    "progress.json",
    "cancel",
    "end.json",
    "log",
)
INPUT, RESULT = "input", "result"
JOB_SCHEMA = "medidiff.job/1"

_ID = re.compile(r"[0-9a-f]{16}")
_LOG_TAIL_BYTES = 4096
_LOST = "it ended without a word: killed, out of memory, or the machine was switched off."
_UNWRITTEN = "its result could not be written: the disk may be full."
_OUTPUT, _SOME_FAILED, _INTERRUPTED = 5, 7, (130, 143)  # as in the command line's table of exit codes


@dataclass(frozen=True)
class Job:
    """A job as its folder shows it.

    stage, done, total, note: its last progress record. seconds_left: of that stage; None where unknown.
    message: one line on what went wrong, "" where nothing did. result: the run folder, whole when `state` is
    "done". cancelling: it was told to end and has not yet.
    """

    id: str
    folder: Path
    title: str
    state: State
    stage: str = ""
    done: int = 0
    total: int = 0
    note: str = ""
    seconds_left: float | None = None
    message: str = ""
    created: float = 0.0
    cancelling: bool = False

    @property
    def result(self) -> Path:
        """Where the run folder is, or will be."""
        return self.folder / RESULT

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.state not in ("waiting", "running")


def folder_of(jobs: Path, id: str) -> Path:
    """The folder of a job. InputError for an id that names none, or could never: it may come from a URL."""
    if not isinstance(id, str) or not _ID.fullmatch(id) or not (jobs / id).is_dir():
        raise InputError(
            "job",
            expected="one that is kept here",
            got="another id",
            fix="Choose one of the list: it may have been removed.",
            argument=True,
        )
    return jobs / id


def job_ids(jobs: Path) -> list[str]:
    """Of all jobs, in no order; [] where the folder is absent."""
    try:
        return [name for name in os.listdir(jobs) if _ID.fullmatch(name)]
    except FileNotFoundError:
        return []


def look(folder: Path) -> Job:
    """The job in a folder as it stands."""
    words = read_plain(folder / JOB)
    progress = read_plain(folder / PROGRESS)
    state = state_of(folder)
    created, left = words.get("created"), progress.get("seconds_left")
    return Job(
        folder.name,
        folder,
        str(words.get("title", "")),
        state,
        stage=str(progress.get("stage", "")),
        done=_whole(progress.get("done")),
        total=_whole(progress.get("total")),
        note=str(progress.get("note", "")),
        seconds_left=float(left) if isinstance(left, int | float) and state == "running" else None,
        message=_message(folder, state),
        created=float(created) if isinstance(created, int | float) else 0.0,
        cancelling=state == "running" and (folder / CANCEL).exists(),
    )


def state_of(folder: Path) -> State:
    """What the files say; the order matters: a closing record outlives a number that is given again."""
    worker = worker_of(folder)
    running = worker is not None and worker.alive()
    # Read after the look at the process: it may have written its record in between.
    code = read_plain(folder / END).get("code")
    if isinstance(code, int):
        return _state_of_code(code)
    if running:
        return "running"
    if (folder / RESULT).is_dir():  # it appears whole, and was killed a moment later
        return "done"
    if (folder / CANCEL).exists():
        return "cancelled"
    return "waiting" if worker is None and (folder / JOB).is_file() else "lost"


def worker_of(folder: Path) -> Process | None:
    """The process that does the job, or did; None while it waits."""
    return Process.from_plain(read_plain(folder / WORKER))


def read_plain(path: Path) -> Mapping[str, Any]:
    """The JSON object in a file; {} where it is absent or damaged."""
    with contextlib.suppress(InputError):
        return read_json(path)
    return {}


def replace_plain(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old or the new; quick, so that a power cut may lose it."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        temporary.write_text(to_json(value), encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def queue_lock(jobs: Path) -> Iterator[None]:
    """One at a time decides who does which job; the lock goes with its holder.

    OutputError where the folder cannot be written. A file system without locks goes without.
    """
    with writable(jobs):
        jobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = (jobs / ".queue").open("w")
    with held:
        with contextlib.suppress(OSError):
            fcntl.flock(held.fileno(), fcntl.LOCK_EX)
        yield


def _state_of_code(code: int) -> State:
    if code in (0, _SOME_FAILED):
        return "done"
    return "cancelled" if code in _INTERRUPTED else "failed"


def _message(folder: Path, state: State) -> str:
    if state == "lost":
        return _LOST
    if state != "failed":
        return ""
    full = read_plain(folder / END).get("code") == _OUTPUT
    return _last_error(folder / LOG) or (_UNWRITTEN if full else "it failed without a word.")


def _last_error(log: Path) -> str:
    """What the error door said, its one line, the last that begins so; "" where it could say nothing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    said = [line.removeprefix("medidiff: ") for line in lines if line.startswith("medidiff: ")]
    return said[-1].removeprefix("error: ") if said else ""


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
