"""The loop of a cohort: hand out items, one a worker, do again what a dead worker had, keep the tables.

An item that fails is a row and stops nothing. One whose worker died (killed, out of memory) is handed out
again, `MOST_DEATHS` times in all: a scan that kills every worker must not hold up the rest for ever.
"""

from __future__ import annotations

import logging
import queue
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medidiff.errors import MissingError
from medidiff.progress import Progress, Report, silent
from medidiff.runs.clock import Clock
from medidiff.runs.cohort.cluster import Existing, Local, Pool, connected, deaths
from medidiff.runs.cohort.folder import check_folder, check_same_cohort, occupied
from medidiff.runs.cohort.item import Job, Row, Work, do, failed
from medidiff.runs.cohort.table import Summary, asked

_log = logging.getLogger(__name__)

MOST_DEATHS = 3
_SMALLER = "Take fewer --workers, or smaller scans."
_TICK_SECONDS = 1.0
_ALONE_TICKS = 60  # ticks without a worker after which a person is told


def run_cohort(
    work: Work,
    paths: Sequence[Path],
    out: Path,
    *,
    cluster: Local | Existing | None = None,
    resume: bool = False,
    progress: Report = silent,
    debug: bool = False,
) -> Summary:
    """Do `work` on every scan; item n of `out` is the n-th of `paths`, an ordinary run folder.

    cluster: one local worker by default. resume: go on in a folder of the same cohort, where items that are
    done and verified are kept. debug: workers print what went wrong. Tables are written after every item.
    Raises OutputError for a folder that is not empty (without `resume`) or cannot be written, InputError for
    one of a cohort with other options, MissingError for want of Dask, a scheduler or memory. What goes wrong
    with an item is in its row.
    """
    clock, paths = Clock(), [path.absolute() for path in paths]
    out = out.absolute()
    check_folder(out, resume=resume)
    if resume:
        check_same_cohort(out, asked(work), len(paths))
    cluster = _bounded(cluster or Local(), len(paths))
    # When it is over: workers see the marker go, then they go, then what they left is swept up.
    with occupied(out) as marker, connected(cluster) as pool, _withdrawn(pool, marker):
        jobs = [Job(n, path, out, work, marker.name, quiet=not debug) for n, path in enumerate(paths, 1)]
        loop = _Loop(work, pool, out, clock, {job.number: job for job in jobs}, progress)
        loop.write()
        loop.run()
        return loop.write(finished=True)


def _bounded(cluster: Local | Existing, items: int) -> Local | Existing:
    return Local(min(cluster.workers, items)) if isinstance(cluster, Local) else cluster


@contextmanager
def _withdrawn(pool: Pool, marker: Path) -> Iterator[None]:
    try:
        yield
    finally:
        marker.unlink(missing_ok=True)
        pool.withdraw()


@dataclass
class _Loop:
    """The state of a run: rows by number, numbers that wait, and which future has which number."""

    work: Work
    pool: Pool
    out: Path
    clock: Clock
    jobs: dict[int, Job]
    progress: Report
    rows: dict[int, Row] = field(default_factory=dict)
    tried: dict[int, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = {number: Row(number) for number in self.jobs}
        self.tried = dict.fromkeys(self.jobs, 0)

    def run(self) -> None:
        waiting, running = deque(self.jobs), dict[int, Any]()
        finished: queue.SimpleQueue[int] = queue.SimpleQueue()
        alone = 0
        self._show(running)
        while waiting or running:
            workers = self._workers()
            alone = 0 if workers else alone + 1
            if alone == _ALONE_TICKS:
                self._warn("no worker is left: waiting for one")
            while waiting and len(running) < workers:
                number = waiting.popleft()
                running[number] = self._hand_out(number)
                running[number].add_done_callback(lambda _, number=number: finished.put(number))
            self._show(running)
            for number in _taken(finished):
                row = self._row(number, running.pop(number))
                if row is None:
                    waiting.append(number)
                else:
                    self._keep(row)

    def write(self, *, finished: bool = False) -> Summary:
        """The tables as they stand."""
        if finished:
            self._compare_versions()
        rows = tuple(self.rows[number] for number in sorted(self.rows))
        seconds = self.clock.seconds()
        summary = Summary(self.work, rows, self.pool.facts, seconds, finished, tuple(self.warnings))
        summary.write(self.out)
        return summary

    def _workers(self) -> int:
        try:
            return self.pool.size() if self.pool.alive() else self._gone()
        except (OSError, RuntimeError, TimeoutError):
            return self._gone()

    def _gone(self) -> int:
        raise MissingError(
            "scheduler",
            expected="one that stays until the cohort is done",
            got="one that went away",
            fix="Start it again; the same command with --resume goes on.",
        )

    def _hand_out(self, number: int) -> Any:
        self.tried[number] += 1
        # The key is what Dask's own logs and pages show of an item.
        key = f"item-{number:03d}-try-{self.tried[number]}-{self.jobs[number].marker[-8:]}"
        return self.pool.submit(do, self.jobs[number], key)

    def _row(self, number: int, future: Any) -> Row | None:
        """What came of a future; None when its worker died and the item is to be done again."""
        if future.status == "finished":
            found: Row = future.result()
            return replace(found, attempts=0 if found.kept else self.tried[number])
        if future.status != "error":  # cancelled or lost: not by us
            self._gone()
        error = future.exception()
        died = deaths(error)
        if not died:
            reason = f"the worker could not take the item ({type(error).__name__})"
            return failed(number, reason, attempts=self.tried[number])
        self.tried[number] += died - 1
        if self.tried[number] >= MOST_DEATHS:
            reason = f"its worker died {self.tried[number]} times: killed, or out of memory. {_SMALLER}"
            return failed(number, reason, attempts=self.tried[number])
        _log.warning("item %d: its worker died; the item is done again", number)
        return None

    def _keep(self, row: Row) -> None:
        for note in row.notes:
            self._warn(note)
        if row.status == "failed":
            _log.warning("item %d failed: %s", row.item, row.reason)
        self.rows[row.item] = row
        self.write()

    def _warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)
            _log.warning("%s", text)

    def _compare_versions(self) -> None:
        versions = {row.code for row in self.rows.values() if row.status == "done"}
        if len(versions) > 1:
            self._warn("some items that were kept are of another version of medidiff than the rest")

    def _show(self, running: dict[int, Any]) -> None:
        over = [row for row in self.rows.values() if row.status != "waiting"]
        bad = sum(row.status == "failed" for row in over)
        at_work = ", ".join(map(str, sorted(running)[:8]))
        notes = [f"at work: {at_work}"] * bool(running) + [f"{bad} failed"] * bool(bad)
        self.progress(Progress("cohort", len(over), len(self.rows), "; ".join(notes)))


def _taken(finished: queue.SimpleQueue[int]) -> Iterator[int]:
    """All that finished meanwhile; waits a tick for the first."""
    try:
        yield finished.get(timeout=_TICK_SECONDS)
        while True:
            yield finished.get_nowait()
    except queue.Empty:
        return
