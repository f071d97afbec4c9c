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
from collections.abc import Mapping, Sequence
from pathlib import Path

from medidiff.atomic import writable
from medidiff.errors import InputError, MedidiffError, MissingError, OutputError
from medidiff.runs.jobs.cleaning import (
    GONE,
    NEW,
    TERMINATED,
    clean,
    clean_orphans,
    held,
    leftovers,
)
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
from medidiff.runs.jobs.process import Process, environment
from medidiff.runs.plain import write_json
from medidiff.runs.result import Writable

MOST_RUNNING = 1
"""A reconstruction takes all cores: two at once take as long, and twice the memory."""

TERMINATE_AFTER_SECONDS, KILL_AFTER_SECONDS = 2.0, 5.0
STOP_SECONDS = 1.5
_NICE = 5  # a job leaves the processor to the server
_TICK_SECONDS = 0.05
_DEATH_SECONDS = 0.3  # from SIGKILL to the end


def start_job(
    jobs: Path, words: Sequence[str], *, title: str, inputs: Mapping[str, Writable] | None = None
) -> Job:
    """Ask for `medidiff <words> --out <its folder>/result`; it begins at once or waits for others.

    words: a verb with its options, without --out. title: what people see. inputs: file name -> what writes
    itself there, a `Volume` for instance; the words name it as `input/<file name>`, because the worker runs
    in the job's folder. So neither the job nor the list of the machine's processes holds the name of a
    patient's file. They are removed when the job is over. Raises OutputError where the folder cannot be
    written, MissingError without /proc; then there is no job.
    """
    _known(os.getpid())
    id = secrets.token_hex(8)
    made = jobs / f"{NEW}{id}"
    with contextlib.ExitStack() as making:
        making.enter_context(writable(jobs))
        with queue_lock(jobs):
            made.mkdir(mode=0o700)
            making.enter_context(held(made))
        try:
            (made / INPUT).mkdir(mode=0o700)
            for name, content in (inputs or {}).items():
                content.write(made / INPUT / _plain_name(name))
            record = {"schema": JOB_SCHEMA, "title": title, "words": list(words), "created": time.time()}
            write_json(made / JOB, record)
            made.rename(jobs / id)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    try:
        advance(jobs)
    except MedidiffError:  # nobody started it: at most one begins at a time, and that failed
        shutil.rmtree(jobs / id, ignore_errors=True)
        raise
    return look(jobs / id)


def read_job(jobs: Path, id: str) -> Job:
    """A job as it stands; one that waits is started if it may. InputError for an unknown or odd id."""
    job = _look_and_care(folder_of(jobs, id))
    if job.state == "waiting":
        advance(jobs)
        job = look(job.folder)
    return job


def list_jobs(jobs: Path) -> list[Job]:
    """All that are kept, newest first; also of a folder that cannot be written any more."""
    with contextlib.suppress(OutputError):  # who waits for a job learns it from `read_job`
        advance(jobs)
    return sorted((_look_and_care(jobs / id) for id in job_ids(jobs)), key=_age)


def advance(jobs: Path) -> None:
    """Start what waits, the oldest first, while fewer than `MOST_RUNNING` run; clean up what is over.

    OutputError where the folder cannot be written.
    """
    if not jobs.is_dir():
        return
    with queue_lock(jobs):
        clean_orphans(jobs)
        states = {id: state_of(jobs / id) for id in job_ids(jobs)}
        for id, state in states.items():
            if state not in ("waiting", "running"):
                _clean(jobs / id)
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
        gone = folder.with_name(f"{GONE}{folder.name}")
        with writable(folder):
            folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def stop_jobs(jobs: Path, *, seconds: float = STOP_SECONDS) -> None:
    """End all jobs, also those that wait: terminated at once, killed after `seconds`.

    Nothing half-written stays.
    """
    with contextlib.ExitStack() as alone:
        with contextlib.suppress(OutputError):  # on a disk that cannot be written nobody starts a job
            alone.enter_context(queue_lock(jobs))
        folders = [jobs / id for id in job_ids(jobs)]
        ending = [folder for folder in folders if _ends(folder)]
    deadline = time.monotonic() + seconds
    while any(_at_work(folder) for folder in ending) and time.monotonic() < deadline:
        time.sleep(_TICK_SECONDS)
    for folder in ending:
        _kill(folder)
    deadline = time.monotonic() + _DEATH_SECONDS
    while any(_at_work(folder) for folder in ending) and time.monotonic() < deadline:
        time.sleep(_TICK_SECONDS)
    with contextlib.suppress(OutputError), queue_lock(jobs):
        for folder in folders:
            _clean(folder)


def _age(job: Job) -> float:
    return -job.created


def _plain_name(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise InputError("input", expected="a file name", got="another", fix="Name a file.", argument=True)
    return name


def _start(jobs: Path, folder: Path) -> None:
    """Start the worker; the lock is held, so that nobody else does, and it waits for it before it begins.

    A worker that cannot be noted is ended: nobody could find it, and another would be started for its job.
    """
    words = read_plain(folder / JOB).get("words")
    words = [str(word) for word in words] if isinstance(words, list) else []
    command = [sys.executable, "-P", "-m", "medidiff", *words, "--out", RESULT, "--job", "."]
    with writable(folder), (folder / LOG).open("ab") as log:
        worker = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            os.setpriority(os.PRIO_PROCESS, worker.pid, _NICE)
            replace_plain(folder / WORKER, _known(worker.pid).to_plain())
        except BaseException:
            worker.kill()
            worker.wait()
            raise
    threading.Thread(target=_reap, args=(worker, jobs), daemon=True).start()


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
    """Look, and go on with what a caller who may be gone began: a cancellation, or cleaning up."""
    job = look(folder)
    if job.cancelling and _escalate(folder):
        job = look(folder)
    if job.over and leftovers(folder):
        _clean_if_over(folder)
    return job


def _clean_if_over(folder: Path) -> None:
    with contextlib.suppress(OutputError), queue_lock(folder.parent):  # who looks next tries again
        if state_of(folder) not in ("waiting", "running"):
            _clean(folder)


def _clean(folder: Path) -> None:
    """The lock is held, and the job is over; yet what it started may still write."""
    if leftovers(folder) and not _at_work(folder):
        clean(folder)


def _cancel(folder: Path) -> bool:
    """Leave word that a job is to end, or a signal where no word can be written; False when it is over."""
    if state_of(folder) not in ("waiting", "running"):
        return False
    try:
        with writable(folder):
            (folder / CANCEL).touch(exist_ok=True)
    except OutputError:
        if not _terminate(folder):
            raise
    return True


def _ends(folder: Path) -> bool:
    """Whether a worker was told to end; one that waits is cancelled, if that can be written."""
    with contextlib.suppress(OutputError):
        return _cancel(folder) and _terminate(folder)
    return False


def _escalate_until_over(folder: Path) -> None:
    while folder.is_dir() and not _escalate(folder):
        time.sleep(_TICK_SECONDS)


def _escalate(folder: Path) -> bool:
    """The next step against a job that was cancelled, by the age of the word; True once it is gone."""
    try:
        age = abs(time.time() - (folder / CANCEL).stat().st_mtime)  # the clock may have been set back
    except OSError:
        return True
    if not _at_work(folder):
        _clean_if_over(folder)
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
        (folder / TERMINATED).touch(exist_ok=False)
    except FileExistsError:
        return True
    except OSError:  # once at least, where the disk is full or read-only
        pass
    worker.signal_group(signal.SIGTERM)
    return True


def _kill(folder: Path) -> None:
    worker = worker_of(folder)
    if worker is not None:
        worker.signal_group(signal.SIGKILL)
