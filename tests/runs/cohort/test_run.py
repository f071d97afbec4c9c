"""Real worker processes: one is killed at work, one scan kills every worker, the scheduler goes away."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from medidiff.errors import InputError, MissingError
from medidiff.progress import Progress
from medidiff.runs.cohort import Existing, Local, Work, run_cohort
from medidiff.runs.cohort import cluster as clusters

pytestmark = pytest.mark.timeout(300)


def _until(condition: Callable[[], bool]) -> None:
    """Wait, at most two minutes, for what another process does."""
    for _ in range(12000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened")


class _Killer(threading.Thread):
    """Kills the worker that is at work on a scan, once, and lets the next one go; notes who listens where."""

    def __init__(self, scan: Path) -> None:
        super().__init__(daemon=True)
        self.scan = scan
        self.addresses: set[str] = set()

    def run(self) -> None:
        written = self.scan.with_suffix(".pid")
        _until(lambda: written.exists() and written.read_text() != "")
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            listening = (c for c in process.net_connections("inet") if c.status == psutil.CONN_LISTEN)
            self.addresses |= {connection.laddr.ip for connection in listening}
        os.kill(int(written.read_text()), signal.SIGKILL)
        self.scan.with_suffix(".go").touch()


def test_a_killed_worker_and_bad_scans_stop_nobody(
    work: Work,
    scans: Callable[..., list[Path]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Item 2's worker is killed from outside in the middle, once; item 5 kills each worker that takes it."""
    paths = scans("ok", "wait", "corrupt", "bug", "kill", "ok")
    out, before, shown = tmp_path / "out", dict(os.environ), list[Progress]()
    killer = _Killer(paths[1])
    killer.start()
    with caplog.at_level(logging.WARNING, "medidiff"):
        summary = run_cohort(work, paths, out, cluster=Local(2), progress=shown.append)
    killer.join()
    rows = {row.item: row for row in summary.rows}
    assert [row.status for row in summary.rows] == ["done", "done", "failed", "failed", "failed", "done"]
    assert [rows[n].attempts for n in (1, 2, 3, 4, 5, 6)] == [1, 2, 1, 1, 3, 1]
    assert summary.failed == (3, 4, 5)
    assert rows[5].reason.startswith("its worker died 3 times: killed, or out of memory.")
    assert sorted(p.name for p in out.iterdir()) == [
        "cohort.csv",
        "cohort.json",
        "item_001",
        "item_002",
        "item_006",
    ]
    assert killer.addresses == {"127.0.0.1"}
    assert summary.cluster["threads"] == max(1, clusters._threads_each(2))
    assert os.environ == before
    assert (shown[0].done, shown[0].total) == (0, 6)

    # The same bytes as in this process.
    volume = work.read(paths[5], **work.reading)
    work.function(volume, **work.options, progress=lambda record: None).save(tmp_path / "single")
    image = "twice.nii.gz"
    assert (out / "item_006" / image).read_bytes() == (tmp_path / "single" / image).read_bytes()

    # Nothing names the folder or the files of the scans.
    words = [record.getMessage() for record in caplog.records]
    assert "item 2: its worker died; the item is done again" in words
    texts = [*map(str, shown), *words, *capfd.readouterr(), str(summary.rows)]
    texts += [path.read_bytes().decode("latin-1") for path in out.rglob("*") if path.is_file()]
    assert [text for text in texts if "CANARY" in text] == []


def test_a_scheduler_by_address_and_what_is_said_when_it_goes(
    work: Work, scans: Callable[..., list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler of somebody else, whose worker has two threads: items still come one at a time."""
    import distributed

    options = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": logging.CRITICAL}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, memory_limit="3GiB", worker_dashboard_address=None, **options
    ) as there:
        address = there.scheduler_address
        summary = run_cohort(work, scans("ok", "ok", "corrupt"), tmp_path / "a", cluster=Existing(address))
        assert [row.status for row in summary.rows] == ["done", "done", "failed"]
        assert summary.cluster == {"kind": "existing", "workers": 1}

        paths = scans("wait")
        stop = threading.Thread(target=lambda: (_until(paths[0].with_suffix(".pid").exists), there.close()))
        stop.start()
        with pytest.raises(MissingError) as error:
            run_cohort(work, paths, tmp_path / "b", cluster=Existing(address))
        stop.join()
        assert error.value.got == "one that went away"
        assert "--resume" in error.value.fix
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == ["cohort.csv", "cohort.json"]


def test_a_scheduler_that_does_not_answer(
    work: Work, scans: Callable[..., list[Path]], tmp_path: Path
) -> None:
    """One that takes the call and says nothing, and one that is not there. Nothing is written."""
    paths = scans("ok")
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        address = f"127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(MissingError) as error:
            run_cohort(work, paths, tmp_path / "a" / "b", cluster=Existing(address, timeout_s=1))
        assert error.value.got == "no answer within 1 s"
    with pytest.raises(MissingError):
        run_cohort(work, paths, tmp_path / "a", cluster=Existing(f"tcp://{address}", timeout_s=1))
    with pytest.raises(MissingError) as error:
        run_cohort(work, paths, tmp_path / "a", cluster=Existing(f"tls://{address}", timeout_s=1))
    assert "certificates" in error.value.got
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("address", ["nonsense", "http://x:1", "tcp://x", "x:port", "-h:1 2", ""])
def test_an_address_that_is_none(
    address: str, work: Work, scans: Callable[..., list[Path]], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        run_cohort(work, scans("ok"), tmp_path / "a", cluster=Existing(address))
    assert error.value.argument


def test_without_dask_the_extra_is_named(
    work: Work, scans: Callable[..., list[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingError) as error:
        run_cohort(work, scans("ok"), tmp_path / "out")
    assert "medidiff[cluster]" in error.value.fix
    assert not (tmp_path / "out").exists()


def test_memory_is_shared_out_before_workers_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "available_memory_mb", lambda: 5000)
    assert clusters._memory_each_mb(4) == 1250
    with pytest.raises(MissingError) as error:
        clusters._memory_each_mb(5)
    assert error.value.got == "5000 MiB free in all"


def test_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Eight cores: two have 4 each, three 2, ten 1 with a warning; never more than OMP_NUM_THREADS."""
    monkeypatch.setattr("dask.system.CPU_COUNT", 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [clusters._threads_each(n) for n in (1, 2, 3, 8)] == [8, 4, 2, 1]
    assert caplog.records == []
    assert clusters._threads_each(10) == 1
    assert "10 workers share 8 cores" in caplog.text
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert [clusters._threads_each(n) for n in (1, 2, 4)] == [3, 3, 2]
