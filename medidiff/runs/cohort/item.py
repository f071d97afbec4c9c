"""One item of a cohort, in a worker: read the scan, do the work, keep a run folder, give back a row.

`do` never raises and, when quiet, never prints: Dask logs the arguments of what failed, and libraries name
files in their warnings. What an error says goes into the row without the names of files.

An item's folder is an ordinary run folder. It counts as done when it is whole, was made of these voxels with
these options, and every image has the digest that its provenance gives: then it is kept as it is.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from medidiff.errors import InputError, MedidiffError, MissingError, places, recognised
from medidiff.progress import Progress
from medidiff.runs.clock import Clock, limit_memory
from medidiff.runs.plain import read_json, to_json, to_plain
from medidiff.runs.result import PROVENANCE, REPORT, Result

_ALONE = threading.Lock()
"""A worker with several threads does one item at a time all the same: memory was shared out so."""

_MIB = 1 << 20


class Source(Protocol):
    """What reading gives: anything that knows the digest of what was read."""

    @property
    def origin(self) -> str:
        """The digest, "sha256:..."."""


@dataclass(frozen=True)
class Work:
    """What is done to every item: `function(read(path, **reading), **options, progress=...)`.

    function: one of a domain's four functions that gives a Result. reading, options: plain values, which
    the tables and each provenance keep. Both functions must be importable by name where the workers run.
    """

    verb: str
    read: Callable[..., Source]
    reading: Mapping[str, Any]
    function: Callable[..., Result]
    options: Mapping[str, Any]

    def asked(self) -> str:
        """The digest of everything that decides what comes out, the scan and the versions apart."""
        names = [f"{f.__module__}.{f.__qualname__}" for f in (self.read, self.function)]
        text = to_json(to_plain([self.verb, names, dict(self.reading), dict(self.options)]))
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


@dataclass(frozen=True)
class Job:
    """One item for a worker: its number, its scan, the folder of the cohort and the marker of this run."""

    number: int
    path: Path
    out: Path
    work: Work
    marker: str
    quiet: bool = True

    @property
    def folder(self) -> Path:
        """Where the item's run folder goes."""
        return self.out / item_name(self.number)


@dataclass(frozen=True)
class Row:
    """What is known of an item.

    seconds: of its run; of a failure, until it failed. kept: not done again; `attempts` of this run is 0.
    reason: of a failure, one sentence. places: of a bug, where in the code. methods: name -> seconds and
    metrics, as in the report. notes: what a person should be told now; not kept.
    """

    item: int
    status: Literal["waiting", "done", "failed"] = "waiting"
    kept: bool = False
    attempts: int = 0
    seconds: float | None = None
    input_sha256: str = ""
    warnings: int = 0
    reason: str = ""
    threads: int | None = None
    code: str = ""
    places: tuple[str, ...] = ()
    methods: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class _Stopped(Exception):  # noqa: N818  not an error: the run that asked for this item is over
    pass


def item_name(number: int) -> str:
    """The name of an item's folder: item_001, item_002 ..."""
    return f"item_{number:03d}"


def do(job: Job) -> Row:
    """Do one item, or keep it when it is done; whatever goes wrong is in the row."""
    clock, notes = Clock(), list[str]()
    with _ALONE, _told(notes, quiet=job.quiet):
        limit_memory(_memory_mb())
        try:
            row = _done_or_kept(job, notes)
        except _Stopped:
            row = Row(job.number)
        except Exception as error:  # noqa: BLE001  a worker that raised would let Dask log the path
            if not job.quiet:
                traceback.print_exc()
            row = _failure(job, error, clock.seconds())
    return Row(**{**vars(row), "notes": tuple(dict.fromkeys(notes))})


def failed(number: int, reason: str, *, attempts: int = 0) -> Row:
    """The row of an item that failed outside of `do`."""
    return Row(number, "failed", attempts=attempts, reason=reason)


def _done_or_kept(job: Job, notes: list[str]) -> Row:
    if not job.out.is_dir():
        raise MissingError(
            "output",
            expected="the cohort's output folder where the worker runs",
            got="no such folder there",
            fix="Let all machines see the same file system.",
        )
    _go_on(job)
    source = job.work.read(job.path, **job.work.reading)
    there = job.folder.exists()
    if there and _is_done(job, source.origin):
        return _row(job, kept=True)
    if there:
        _refuse_another_scan(job, source.origin)
        notes.append(f"item {job.number}: its files or the options changed, so that it was done again")
    result = job.work.function(source, **job.work.options, progress=lambda record: _go_on(job, record))
    result.provenance["reading"] = dict(job.work.reading)
    result.provenance["cohort"] = {"asked": job.work.asked()}
    result.save(job.folder, overwrite=there)
    return _row(job)


def _go_on(job: Job, record: Progress | None = None) -> None:
    """Raise when the run that asked is over: Dask cannot interrupt a worker's thread."""
    if not (job.out / job.marker).exists():
        raise _Stopped


def _is_done(job: Job, origin: str) -> bool:
    """Whether the item's folder is whole, of this scan and of what was asked."""
    try:
        found = Result.load(job.folder)
        whole = found.digests() == found.provenance.get("outputs")
    except InputError:
        return False
    cohort = found.provenance.get("cohort")
    asked = cohort.get("asked") if isinstance(cohort, dict) else None
    return whole and asked == job.work.asked() and origin in found.provenance["inputs"].values()


def _refuse_another_scan(job: Job, origin: str) -> None:
    """A folder of another scan is no item of this cohort: numbers follow the order of the scans."""
    try:
        inputs = read_json(job.folder / PROVENANCE).get("inputs")
    except InputError:
        return  # damaged: done again
    if isinstance(inputs, dict) and inputs and origin not in inputs.values():
        raise InputError(
            "scan",
            expected=f"the one that {item_name(job.number)} was made of",
            got="another",
            fix=f"Give the scans in the order of the first run, or remove {item_name(job.number)}.",
        )


def _row(job: Job, *, kept: bool = False) -> Row:
    """What the item's own folder says, so that the tables say the same."""
    report, record = read_json(job.folder / REPORT), read_json(job.folder / PROVENANCE)
    methods = {
        name: {key: facts[key] for key in ("seconds", "metrics") if key in facts}
        for name, facts in report["methods"].items()
    }
    return Row(
        job.number,
        "done",
        kept=kept,
        seconds=float(report["wall_seconds"]),
        input_sha256=str(report["input"].get("sha256", "")),
        warnings=len(report["warnings"]),
        threads=record["threads"],
        code=str(record.get("code", "")),
        methods=methods,
    )


def _failure(job: Job, error: Exception, seconds: float) -> Row:
    found = recognised(error)
    reason = _sentence(found) if found is not None else f"a bug ({type(error).__name__})"
    return Row(
        job.number,
        "failed",
        seconds=round(seconds, 3),
        reason=_without_names(reason, job.path),
        places=() if found is not None else tuple(places(error)),
    )


def _sentence(error: MedidiffError) -> str:
    """Without `what`, which is the name of a file more often than not."""
    return f"expected {error.expected}, got {error.got}. {error.fix}"


def _without_names(text: str, path: Path) -> str:
    """The text without the scan's path and name, should an error quote them all the same."""
    for name in sorted({str(path), str(path.parent), path.name}, key=len, reverse=True):
        text = text.replace(name, "(the scan)") if len(name) > 1 else text
    return " ".join(text.split())


def _memory_mb() -> int | None:
    """What Dask lets this worker take; None outside of one, or where it sets no limit."""
    distributed: Any = sys.modules.get("distributed")
    try:
        limit = distributed.get_worker().memory_manager.memory_limit if distributed else None
    except ValueError:  # no worker
        return None
    return int(limit) // _MIB if limit else None


@contextmanager
def _told(notes: list[str], *, quiet: bool) -> Iterator[None]:
    """Gather what rooms log as a warning, and keep libraries silent."""
    handler, logger = logging.Handler(logging.WARNING), logging.getLogger("medidiff")
    handler.emit = lambda record: notes.append(record.getMessage())  # type: ignore[method-assign]  # one method
    logger.addHandler(handler)
    if quiet:
        _close_streams()
    try:
        with warnings.catch_warnings():
            if quiet:
                warnings.simplefilter("ignore")
            yield
    finally:
        logger.removeHandler(handler)


@functools.cache
def _close_streams() -> None:
    """Send what native libraries print to nowhere, once and for good, in a process that serves one cohort."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
