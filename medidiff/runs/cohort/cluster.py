"""Where the items of a cohort run: worker processes of this machine, or a Dask scheduler that runs already.

Dask sends work as pickles: whoever reaches a scheduler's port can run code as the user who started it. The
local cluster therefore listens on 127.0.0.1 only and serves no pages; an existing scheduler belongs in a
trusted network, or behind Dask's own TLS (an address tls://..., certificates in Dask's configuration).

A local worker has one item at a time, an even share of the free memory and as many threads as leave no core
to two workers. Those of an existing scheduler have what they were started with; each provenance says it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from medidiff.errors import InputError, MissingError
from medidiff.runs.clock import available_memory_mb
from medidiff.runs.provenance import code_digest

_log = logging.getLogger(__name__)

LEAST_WORKER_MB = 1024
"""Python with torch takes 600 MiB before it has read a voxel."""

_START_SECONDS = 120.0  # a worker imports torch, on a machine that may be busy
_CLOSE_SECONDS = 30.0  # a worker that is being started anew is waited for, then stopped
_MIB = 1 << 20
_ADDRESS = re.compile(r"((tcp|tls)://)?(\[[0-9a-fA-F:]+\]|[\w.\-]+):\d{1,5}")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

_LOGGERS = ("distributed", "distributed.client", "distributed.gc", "bokeh", "tornado", "asyncio")
_LOCAL: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 0,  # `run` counts them, and says so
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.memory.target": False,  # nothing is kept in workers that could be spilled
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.multiprocessing-method": "spawn",
    "distributed.worker.daemon": True,
}


@dataclass(frozen=True)
class Local:
    """Worker processes of this machine."""

    workers: int = 1


@dataclass(frozen=True)
class Existing:
    """A scheduler that runs already, HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT."""

    address: str
    timeout_s: float = 10.0


@dataclass
class Pool:
    """Connected workers. facts: what `cohort.json` says of them."""

    client: Any
    facts: Mapping[str, Any]
    _sent: list[Any] = field(default_factory=list)

    def size(self) -> int:
        """How many workers there are now."""
        return len(self.client.nthreads())

    def alive(self) -> bool:
        """Whether the scheduler is still there."""
        return bool(self.client.status == "running")

    def submit(self, function: Callable[..., Any], argument: Any, key: str) -> Any:
        """A future of `function(argument)` on some worker."""
        future = self.client.submit(function, argument, key=key, pure=False)
        self._sent.append(future)
        return future

    def withdraw(self) -> None:
        """Take back what no worker has begun."""
        with contextlib.suppress(Exception):
            if self.alive():
                self.client.cancel(self._sent, force=True)


def deaths(error: BaseException | None) -> int:
    """How many workers died over a task, by the error of its future; 0 for another error."""
    if type(error).__name__ == "KilledWorker":
        return int(getattr(error, "allowed_failures", 0)) + 1
    return 0


@contextlib.contextmanager
def connected(cluster: Local | Existing) -> Iterator[Pool]:
    """Workers for a while; on leaving, those of this machine are gone.

    Raises MissingError when Dask is not installed, no scheduler or worker answers in time, or there is too
    little memory; InputError for an address that is none.
    """
    dask, distributed = _dask()
    with _silent_loggers():
        if isinstance(cluster, Existing):
            with _client(distributed, cluster) as client:
                yield Pool(client, _checked(client, cluster))
        else:
            with _local(dask, distributed, cluster.workers) as (client, facts):
                yield Pool(client, facts)


def _dask() -> tuple[Any, Any]:
    try:
        import dask
        import distributed
    except ImportError:
        raise MissingError(
            "cohort",
            expected="the extra [cluster] (dask, distributed)",
            got="none that can be imported",
            fix="Install it: pip install 'medidiff[cluster]'",
        ) from None
    return dask, distributed


@contextlib.contextmanager
def _local(dask: Any, distributed: Any, workers: int) -> Iterator[tuple[Any, dict[str, Any]]]:
    threads, share = _threads_each(workers), _memory_each_mb(workers)
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="medidiff-"))
        environment = {name: str(threads) for name in _THREADS}
        stack.enter_context(_environment(environment))
        before = dask.config.get("distributed.nanny.pre-spawn-environ")
        spawned = {"distributed.nanny.pre-spawn-environ": {**before, **environment}}
        stack.enter_context(dask.config.set({**_LOCAL, **spawned, "temporary-directory": scratch}))
        try:
            with _interrupts_held():  # which processes that are started now, and later by them, inherit
                cluster = distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                    memory_limit=0 if share is None else share * _MIB,
                    local_directory=scratch,
                    silence_logs=logging.CRITICAL,
                )
            stack.callback(_close, cluster)
            client = distributed.Client(cluster, set_as_default=False)
            stack.callback(_close, client)
            client.wait_for_workers(workers, timeout=_START_SECONDS)
        except (OSError, RuntimeError, TimeoutError) as error:
            raise MissingError(
                "local cluster",
                expected=f"{workers} worker processes that start",
                got=type(error).__name__,
                fix="Take fewer --workers.",
            ) from error
        yield client, {"kind": "local", "workers": workers, "threads": threads, "memory_mb": share}


def _threads_each(workers: int) -> int:
    """Threads of a worker: the cores divided, and no more than OMP_NUM_THREADS asks for."""
    from dask.system import CPU_COUNT  # heeds affinity and the container's share

    if workers > CPU_COUNT:
        _log.warning("%d workers share %d cores: more is not faster", workers, CPU_COUNT)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    most = int(asked) if asked.isdecimal() and int(asked) > 0 else CPU_COUNT
    return max(1, min(most, int(CPU_COUNT) // workers))


def _memory_each_mb(workers: int) -> int | None:
    free = available_memory_mb()
    if free is not None and free // workers < LEAST_WORKER_MB:
        raise MissingError(
            f"memory for {workers} worker{'s' * (workers > 1)}",
            expected=f"{LEAST_WORKER_MB} MiB each",
            got=f"{free} MiB free in all",
            fix="Take fewer --workers.",
        )
    return None if free is None else free // workers


@contextlib.contextmanager
def _client(distributed: Any, cluster: Existing) -> Iterator[Any]:
    if not _ADDRESS.fullmatch(cluster.address):
        raise InputError(
            "scheduler",
            expected="an address HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT",
            got=repr(cluster.address),
            fix="See the line 'Scheduler at' that dask scheduler prints.",
            argument=True,
        )
    try:
        # In a thread of its own: in a notebook this one has a loop that runs.
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(asyncio.run, _identity(distributed, cluster.address, cluster.timeout_s))
            found = asked.result()
    except (OSError, TimeoutError):
        raise _no_scheduler(f"no answer within {cluster.timeout_s:g} s") from None
    except (TypeError, ValueError, RuntimeError):
        raise _no_scheduler("an address for which Dask's configuration holds no certificates") from None
    if found.get("type") != "Scheduler":
        raise _no_scheduler("something else at that address")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions: `_checked` compares what matters
        client = distributed.Client(cluster.address, timeout=cluster.timeout_s, set_as_default=False)
    try:
        yield client
    finally:
        _close(client)


async def _identity(distributed: Any, address: str, timeout_s: float) -> dict[str, Any]:
    """What a scheduler says of itself. Asked before a Client is made, which waits for minutes in vain.

    Raises OSError or TimeoutError where nothing answers, TypeError for TLS without certificates.
    """
    wanted = distributed.Security().get_connection_args("client")
    comm = await asyncio.wait_for(distributed.comm.connect(address, timeout=timeout_s, **wanted), timeout_s)
    try:
        found: dict[str, Any] = await asyncio.wait_for(
            distributed.core.send_recv(comm, op="identity"), timeout_s
        )
    finally:
        comm.abort()
    return found


def _checked(client: Any, cluster: Existing) -> dict[str, Any]:
    """Facts of an existing cluster, whose workers must have the same medidiff as this process."""
    try:
        client.wait_for_workers(1, timeout=cluster.timeout_s)
    except (OSError, TimeoutError):
        raise _no_scheduler(f"one without workers for {cluster.timeout_s:g} s") from None
    found = client.run(code_digest, on_error="return")
    other = sum(digest != code_digest() for digest in found.values())
    if other:
        raise MissingError(
            "scheduler",
            expected="workers with this version of medidiff",
            got=f"{other} of {len(found)} without it",
            fix="Install the same version where the workers run.",
        )
    return {"kind": "existing", "workers": len(found)}


def _no_scheduler(got: str) -> MissingError:
    return MissingError(
        "scheduler",
        expected="a Dask scheduler that answers, with workers",
        got=got,
        fix="Start it (dask scheduler, dask worker), check the address, or use --workers N.",
    )


def _close(closable: Any) -> None:
    with contextlib.suppress(Exception):
        closable.close(timeout=_CLOSE_SECONDS)


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for processes that are started meanwhile; Dask sets more of its own."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C from what is started meanwhile: a terminal sends it to all, and this process answers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _silent_loggers() -> Iterator[None]:
    """Dask says on stderr what `run` says in one line of its own."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
