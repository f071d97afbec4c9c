"""Start, watch, cancel and forget jobs: from the app's server, a shell or a notebook.

A job waits until fewer than `MOST_RUNNING` run; whoever looks next starts it. The worker leads a session of
its own, so that it outlives who started it, and any later process finds it by its folder.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from medidiff.atomic import writable
from medidiff.errors import InputError, MissingError, OutputError
from medidiff.runs.jobs.folder import (
    CANCEL,
    INPUT,
    JOB,
    JOB_SCHEMA,
    LOG,
    RESULT,
    WORKER,
    Job,
    folder_of,
    job_ids,
    look,
    queue_lock,
    read_plain,
    replace_plain,
    state_of,
    worker_of,
)
from medidiff.runs.jobs.process import Process
from medidiff.runs.plain import write_json
from medidiff.runs.result import Writable

MOST_RUNNING = 1
"""A reconstruction takes all cores: two at once take as long, and twice the memory."""

TERMINATE_AFTER_SECONDS, KILL_AFTER_SECONDS = 2.0, 5.0
STOP_SECONDS = 1.5
_NICE = 5  # a job leaves the processor to the server
_TERMINATED = ".terminated"
_TICK_SECONDS = 0.05


def start_job(
    jobs: Path, words: Sequence[str], *, title: str, inputs: Mapping[str, Writable] | None = None
) -> Job:
    """Ask for `medidiff <words> --out <its folder>/result`; it begins at once or waits for others.

    words: a verb with its options, without --out. title: what people see. inputs: file name -> what writes
    itself there, a `Volume` for instance; the words name it as `input/<file name>`, because the worker runs
    in the job's folder. So neither the job nor the list of the machine's processes holds the name of a
    patient's file. Raises OutputError where the folder cannot be written, MissingError without /proc.
    """
    _known(os.getpid())
    id = secrets.token_hex(8)
    made = jobs / f".new-{id}"
    with writable(jobs):
        jobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            (made / INPUT).mkdir(parents=True, mode=0o700)
            for name, content in (inputs or {}).items():
                content.write(made / INPUT / _plain_name(name))
            record = {"schema": JOB_SCHEMA, "title": title, "words": list(words), "created": time.time()}
            write_json(made / JOB, record)
            made.rename(jobs / id)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    advance(jobs)
    return look(jobs / id)


def read_job(jobs: Path, id: str) -> Job:
    """A job as it stands; one that waits is started if it may. InputError for an unknown or odd id."""
    job = _look_and_care(folder_of(jobs, id))
    if job.state == "waiting":
        advance(jobs)
        job = look(job.folder)
    return job


def list_jobs(jobs: Path) -> list[Job]:
    """All that are kept, newest first."""
    advance(jobs)
    return sorted((_look_and_care(jobs / id) for id in job_ids(jobs)), key=_age)


def advance(jobs: Path) -> None:
    """Start what waits, the oldest first, while fewer than `MOST_RUNNING` run."""
    if not job_ids(jobs):
        return
    with queue_lock(jobs):
        states = {id: state_of(jobs / id) for id in job_ids(jobs)}
        running = sum(state == "running" for state in states.values())
        waiting = [look(jobs / id) for id, state in states.items() if state == "waiting"]
        for job in sorted(waiting, key=_age, reverse=True)[: max(0, MOST_RUNNING - running)]:
            _start(jobs, job.folder)


def cancel_job(jobs: Path, id: str) -> None:
    """Ask a job to end, at its next step; returns at once.

    After 2 s it is terminated, after 5 s killed, with all that it started: by this process, or else by who
    looks next. InputError for an unknown or odd id.
    """
    folder = folder_of(jobs, id)
    if _cancel(folder):
        threading.Thread(target=_escalate_until_over, args=(folder,), daemon=True).start()


def forget_job(jobs: Path, id: str) -> None:
    """Remove a job and its result. InputError for one that still runs, or is unknown."""
    folder = folder_of(jobs, id)
    with queue_lock(jobs):
        if state_of(folder) == "running":
            raise InputError(
                "job", expected="one that is over", got="one that runs", fix="Cancel it first.", argument=True
            )
        gone = folder.with_name(f".gone-{folder.name}")
        with writable(folder):
            folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def stop_jobs(jobs: Path, *, seconds: float = STOP_SECONDS) -> None:
    """End all jobs, also those that wait: terminated at once, killed after `seconds`.

    Nothing half-written stays.
    """
    with queue_lock(jobs):
        folders = [jobs / id for id in job_ids(jobs)]
        ending = [folder for folder in folders if _cancel(folder) and _terminate(folder)]
    deadline = time.monotonic() + seconds
    while any(_at_work(folder) for folder in ending) and time.monotonic() < deadline:
        time.sleep(_TICK_SECONDS)
    for folder in ending:
        _kill(folder)
        _sweep(folder)


def _age(job: Job) -> float:
    return -job.created


def _plain_name(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise InputError("input", expected="a file name", got="another", fix="Name a file.", argument=True)
    return name


def _start(jobs: Path, folder: Path) -> None:
    """Start the worker; the lock is held, so that nobody else does, and it waits for it before it begins."""
    words = read_plain(folder / JOB).get("words")
    words = [str(word) for word in words] if isinstance(words, list) else []
    command = [sys.executable, "-P", "-m", "medidiff", *words, "--out", RESULT, "--job", "."]
    with writable(folder), (folder / LOG).open("ab") as log:
        worker = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        process = _known(worker.pid)
        os.setpriority(os.PRIO_PROCESS, worker.pid, _NICE)
        threading.Thread(target=_reap, args=(worker, jobs), daemon=True).start()
        replace_plain(folder / WORKER, process.to_plain())


def _known(pid: int) -> Process:
    process = Process.of(pid)
    if process is None:
        raise MissingError(
            "jobs",
            expected="a system that tells processes apart by /proc",
            got="one without",
            fix="Run the command line itself, or use Linux.",
        )
    return process


def _reap(worker: subprocess.Popen[bytes], jobs: Path) -> None:
    """Take note of the end, without which it would stay a zombie, and start what waited for it."""
    worker.wait()
    with contextlib.suppress(OutputError):  # who looks next meets it again
        if jobs.is_dir():
            advance(jobs)


def _look_and_care(folder: Path) -> Job:
    """Look, and go on with a cancellation whose caller may be gone."""
    job = look(folder)
    if job.cancelling and _escalate(folder):
        job = look(folder)
    return job


def _cancel(folder: Path) -> bool:
    """Leave word that a job is to end; False when it is over already."""
    if state_of(folder) not in ("waiting", "running"):
        return False
    with writable(folder):
        (folder / CANCEL).touch(exist_ok=True)
    return True


def _escalate_until_over(folder: Path) -> None:
    while folder.is_dir() and not _escalate(folder):
        time.sleep(_TICK_SECONDS)


def _escalate(folder: Path) -> bool:
    """The next step against a job that was cancelled, by the age of the word; True once it is gone."""
    try:
        age = time.time() - (folder / CANCEL).stat().st_mtime
    except OSError:
        return True
    if not _at_work(folder):
        _sweep(folder)
        return True
    if age > KILL_AFTER_SECONDS:
        _kill(folder)
    elif age > TERMINATE_AFTER_SECONDS:
        _terminate(folder)
    return False


def _at_work(folder: Path) -> bool:
    worker = worker_of(folder)
    return worker is not None and worker.group_alive()


def _terminate(folder: Path) -> bool:
    """Ask with SIGTERM, once: a second one would fall into the cleaning up. True for a job with a worker."""
    worker = worker_of(folder)
    if worker is None:
        return False
    try:
        (folder / _TERMINATED).touch(exist_ok=False)
    except FileExistsError:
        return True
    worker.signal_group(signal.SIGTERM)
    return True


def _kill(folder: Path) -> None:
    worker = worker_of(folder)
    if worker is not None:
        worker.signal_group(signal.SIGKILL)


def _sweep(folder: Path) -> None:
    """Remove what a killed worker left half-written."""
    if not _at_work(folder):
        for path in _half_written(folder):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _half_written(folder: Path) -> Iterable[Path]:
    return [path for path in folder.glob(".*") if path.name != _TERMINATED]
