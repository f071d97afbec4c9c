"""Jobs: real verbs in real processes, read by whoever looks; and what is said of every way to end."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import medidiff
from medidiff.errors import InputError, OutputError
from medidiff.io.volume import Volume
from medidiff.runs import Result
from medidiff.runs.jobs import (
    Job,
    among_servers,
    cancel_job,
    forget_job,
    list_jobs,
    read_job,
    start_job,
    stop_jobs,
)
from medidiff.runs.jobs import control as control_module
from medidiff.runs.jobs.folder import INPUT, WORKER, worker_of
from medidiff.runs.jobs.process import Process

QUICK = ["chromatography", "simulate"]
SLOW = [*QUICK, "--engine", "pde"]  # many seconds, at work in less than one: it needs no torch
STEPPED = ["reconstruct", "ct", "input/scan.nii.gz", "--views", "24", "--method", "tv"]
WAIT_SECONDS = 90.0


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "jobs"
    stop_jobs(tmp_path / "jobs", seconds=0.0)


@pytest.fixture
def slow(jobs: Path, body: Callable[..., Volume]) -> Callable[[], Job]:
    """Start a job of several seconds, with an input."""
    return lambda: start_job(jobs, SLOW, title="Slow", inputs={"scan.nii.gz": body(slices=2, ny=32, nx=32)})


def until(jobs: Path, id: str, holds: Callable[[Job], bool]) -> Job:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds(job := read_job(jobs, id)):
        assert time.monotonic() < deadline, job
        assert not job.over or holds(job), job
        time.sleep(0.05)
    return job


def at_work(job: Job) -> bool:
    return job.state == "running" and job.total > 0


def over(job: Job) -> bool:
    return job.over


def test_a_job_ends_with_a_whole_run_folder(jobs: Path) -> None:
    started = start_job(jobs, QUICK, title="BTEX")
    assert started.state == "running"
    done = until(jobs, started.id, over)
    assert (done.state, done.title, done.message) == ("done", "BTEX", "")
    assert Result.load(done.result).report["task"] == "chromatography.simulate"
    assert [job.id for job in list_jobs(jobs)] == [done.id]
    forget_job(jobs, done.id)
    assert list_jobs(jobs) == []
    assert not done.folder.exists()


def test_what_a_person_did_wrong_is_the_message(jobs: Path) -> None:
    """Of an argument (refused by the parser) as of an input (refused by the verb)."""
    bad = [start_job(jobs, [*QUICK, *words], title="x") for words in (["--end-s", "soon"], ["--end-s", "-5"])]
    first, second = (until(jobs, job.id, over) for job in bad)
    assert first.state == second.state == "failed"
    assert "expected a number of seconds, got 'soon'" in first.message
    assert "expected" in second.message
    assert not first.result.exists()


def test_one_runs_and_the_next_waits(jobs: Path, slow: Callable[[], Job]) -> None:
    first, second = slow(), start_job(jobs, QUICK, title="second")
    assert (first.state, second.state) == ("running", "waiting")
    cancel_job(jobs, first.id)
    assert until(jobs, second.id, over).state == "done"
    assert read_job(jobs, first.id).state == "cancelled"
    assert [job.title for job in list_jobs(jobs)] == ["second", "Slow"]


def test_progress_has_a_time_left_and_a_cancelled_job_leaves_nothing(
    jobs: Path, body: Callable[..., Volume], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends by itself at its next step: no signal is needed, and the exit code is that of Ctrl-C."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # where other programs run too, threads wait for each other
    scan = body(slices=16, ny=128, nx=128, dy=2.5, dx=2.5)
    id = start_job(jobs, STEPPED, title="Slow", inputs={"scan.nii.gz": scan}).id
    job = until(jobs, id, lambda job: at_work(job) and job.seconds_left is not None)
    assert 0 <= job.done < job.total
    assert 0 < (job.seconds_left or 0) < 1000
    cancel_job(jobs, id)
    job = until(jobs, id, over)
    assert job.state == "cancelled"
    assert json.loads((job.folder / "end.json").read_text())["code"] in (130, 143)
    assert not job.result.exists()
    assert not list(job.folder.glob(".medidiff*"))
    cancel_job(jobs, id)  # once more, in vain


def test_a_job_that_does_not_listen_is_killed_with_all_it_started(
    jobs: Path, slow: Callable[[], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopped process hears neither the file nor SIGTERM."""
    monkeypatch.setattr(control_module, "TERMINATE_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(control_module, "KILL_AFTER_SECONDS", 0.3)
    job = until(jobs, slow().id, at_work)
    worker = worker_of(job.folder)
    assert worker is not None
    os.kill(worker.pid, signal.SIGSTOP)
    cancel_job(jobs, job.id)
    assert until(jobs, job.id, over).state == "cancelled"
    assert not worker.group_alive()


def test_a_job_outlives_who_started_it(jobs: Path) -> None:
    """A shell that is killed right after; another process finds the job, and its result."""
    code = (
        "import sys, os, signal; from pathlib import Path; from medidiff.runs.jobs import start_job\n"
        f"print(start_job(Path(sys.argv[1]), {QUICK!r}, title='x').id, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    shell = subprocess.run(
        [sys.executable, "-c", code, str(jobs)], capture_output=True, text=True, timeout=60
    )
    assert shell.returncode == -signal.SIGKILL
    assert until(jobs, shell.stdout.strip(), over).state == "done"


def test_a_killed_worker_is_lost_and_says_so(jobs: Path, slow: Callable[[], Job]) -> None:
    job = until(jobs, slow().id, at_work)
    worker = worker_of(job.folder)
    assert worker is not None
    os.kill(worker.pid, signal.SIGKILL)
    lost = until(jobs, job.id, over)
    assert (lost.state, lost.result.exists()) == ("lost", False)
    assert "out of memory" in lost.message


def test_a_number_that_is_given_again_is_nobody_of_ours(jobs: Path) -> None:
    """A stranger, who leads a session as a worker does, has the number and another start time."""
    job = until(jobs, start_job(jobs, QUICK, title="x").id, over)
    (job.folder / "end.json").unlink()
    job.result.rename(job.folder / "aside")
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        them = Process.of(stranger.pid)
        assert them is not None
        assert them.alive()
        assert them.group_alive()
        ours = Process(them.pid, them.started + 1, them.boot)
        (job.folder / WORKER).write_text(json.dumps(ours.to_plain()))
        assert read_job(jobs, job.id).state == "lost"
        for process in (ours, Process(them.pid, them.started, "another boot")):
            assert not process.alive()
            assert not process.group_alive()
            process.signal_group(signal.SIGKILL)
        with pytest.raises(subprocess.TimeoutExpired):
            stranger.wait(0.3)
        them.signal_group(signal.SIGKILL)
        assert stranger.wait(10) == -signal.SIGKILL


def test_a_second_worker_for_one_job_gives_way(jobs: Path, slow: Callable[[], Job]) -> None:
    job = until(jobs, slow().id, at_work)
    words = [sys.executable, "-P", "-m", "medidiff", *QUICK, "--out", "other", "--job", "."]
    second = subprocess.run(words, cwd=job.folder, capture_output=True, text=True, timeout=60)
    assert second.returncode == 2
    assert "one that another process does" in second.stderr
    assert read_job(jobs, job.id).state == "running"


def test_stopping_ends_those_at_work_and_those_that_wait(jobs: Path, slow: Callable[[], Job]) -> None:
    first, second = until(jobs, slow().id, at_work), slow()
    began = time.monotonic()
    stop_jobs(jobs)
    assert time.monotonic() - began < 3
    assert [read_job(jobs, job.id).state for job in (first, second)] == ["cancelled", "cancelled"]
    assert not first.result.exists()


@pytest.mark.parametrize("id", ["", "..", "../x", "0" * 16, "ABCDEF0123456789", "a" * 17, "a\n", "%2e%2e"])
def test_odd_ids_are_refused(jobs: Path, id: str) -> None:
    for act in (read_job, cancel_job, forget_job):
        with pytest.raises(InputError) as error:
            act(jobs, id)
        assert error.value.got == "another id"


def test_a_running_job_is_not_forgotten(jobs: Path, slow: Callable[[], Job]) -> None:
    with pytest.raises(InputError):
        forget_job(jobs, slow().id)


@pytest.mark.parametrize(
    "ending", ["done", "failed", "cancelled", "lost", "cancelled while it waits", "stopped"]
)
def test_the_input_goes_when_the_job_is_over(jobs: Path, slow: Callable[[], Job], ending: str) -> None:
    """However it ended: what it read is a copy of somebody's scan."""
    if ending in ("done", "failed"):
        words = QUICK if ending == "done" else [*QUICK, "--end-s", "-5"]
        given = {"scan.nii.gz": Volume.from_array([[0.0]], spacing_mm=(1, 1, 1))}
        job = start_job(jobs, words, title="x", inputs=given)
    else:
        job = slow() if ending == "cancelled while it waits" else until(jobs, slow().id, at_work)
    assert (job.folder / INPUT / "scan.nii.gz").is_file()
    if ending == "cancelled while it waits":
        first, job = job, slow()
        cancel_job(jobs, job.id)
        cancel_job(jobs, first.id)
    elif ending == "cancelled":
        cancel_job(jobs, job.id)
    elif ending == "stopped":
        stop_jobs(jobs)
        assert not (job.folder / INPUT).exists()  # at once: nobody may look again
    elif ending == "lost":
        worker = worker_of(job.folder)
        assert worker is not None
        (job.folder / ".medidiff-0").mkdir()
        os.kill(worker.pid, signal.SIGKILL)
    assert until(jobs, job.id, over).state == {"stopped": "cancelled"}.get(ending, ending.split()[0])
    list_jobs(jobs)
    deadline = time.monotonic() + 10  # of what it started, something may live a moment longer
    while (job.folder / INPUT).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sorted(path.name for path in job.folder.iterdir() if path.name.startswith((".", INPUT))) in (
        [],
        [".terminated"],
    )


def test_a_job_whose_maker_was_killed_goes_and_one_in_the_making_stays(jobs: Path) -> None:
    """The volume was written, and then the power of the maker ended; another maker is at it still."""
    code = (
        "import sys, os, signal; from pathlib import Path; from medidiff.runs.jobs import start_job\n"
        "class Scan:\n"
        "    def write(self, path):\n"
        "        path.write_text('voxels'); print('written', flush=True); sys.stdin.read()\n"
        f"start_job(Path(sys.argv[1]), {QUICK!r}, title='x', inputs={{'a': Scan()}})"
    )
    maker = subprocess.Popen(
        [sys.executable, "-c", code, str(jobs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with maker:
        assert maker.stdout is not None
        assert maker.stdout.readline() == "written\n"
        list_jobs(jobs)
        assert len(list(jobs.glob(".new-*/input/a"))) == 1
        maker.kill()
        maker.wait()
    list_jobs(jobs)
    assert list(jobs.glob(".new-*")) == []


def test_one_waiting_job_is_started_once(jobs: Path) -> None:
    """By three processes that look at the same time: a second worker would say so in the log."""
    with among_servers(jobs):
        pass  # the folder
    code = (
        "import sys; from pathlib import Path; from medidiff.runs.jobs import advance\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for _ in range(20): advance(Path(sys.argv[1]))"
    )
    lookers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(jobs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    with contextlib.ExitStack() as stack:
        for looker in lookers:
            stack.enter_context(looker)
            assert looker.stdout is not None
            assert looker.stdout.readline() == "ready\n"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(control_module, "advance", lambda jobs: None)
            job = start_job(jobs, QUICK, title="x")
        assert job.state == "waiting"
        for looker in lookers:
            assert looker.stdin is not None
            looker.stdin.write("\n")
            looker.stdin.flush()
    assert until(jobs, job.id, over).state == "done"
    assert "another process does" not in (job.folder / "log").read_text()


def test_a_worker_that_cannot_be_noted_is_ended(jobs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at that moment. Nobody else starts the job again and again; there is none."""
    started: list[int] = []

    def full(path: Path, value: object) -> None:
        started.append(json.loads(json.dumps(value))["pid"])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(control_module, "replace_plain", full)
    with pytest.raises(OutputError):
        start_job(jobs, QUICK, title="x")
    assert Process.of(started[0]) is None
    assert list_jobs(jobs) == []
    assert len(started) == 1


def test_a_folder_that_lost_its_record_is_shown_and_can_be_removed(jobs: Path) -> None:
    """It is never started: nobody knows what it was to do."""
    id = "0123456789abcdef"
    (jobs / id).mkdir(parents=True)
    assert [(job.id, job.state) for job in list_jobs(jobs)] == [(id, "lost")]
    forget_job(jobs, id)
    assert list_jobs(jobs) == []


def test_jobs_are_shown_when_their_folder_cannot_be_written(
    jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = until(jobs, start_job(jobs, QUICK, title="x").id, over)

    @contextlib.contextmanager
    def refused(path: Path) -> Iterator[None]:
        raise OutputError("output jobs", expected="a place", got="read-only file system", fix="")
        yield

    monkeypatch.setattr(control_module, "queue_lock", refused)
    assert [job.state for job in list_jobs(jobs)] == ["done"]
    assert read_job(jobs, done.id).state == "done"
    with pytest.raises(OutputError):
        start_job(jobs, QUICK, title="y")


def test_a_job_ends_when_no_word_can_be_left(
    jobs: Path, slow: Callable[[], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk became read-only for who cancels: a signal needs none. One that waits has nobody to signal."""
    first, second = until(jobs, slow().id, at_work), slow()

    def refused(path: Path, **how: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refused)
    with pytest.raises(OutputError):
        cancel_job(jobs, second.id)
    cancel_job(jobs, first.id)
    assert until(jobs, first.id, over).state == "cancelled"
    monkeypatch.undo()
    cancel_job(jobs, second.id)


def test_a_result_that_cannot_be_written_is_told_without_a_log(jobs: Path) -> None:
    """A full disk takes no line of the log; the exit code is what is left to tell."""
    job = until(jobs, start_job(jobs, QUICK, title="x").id, over)
    (job.folder / "end.json").write_text('{"code": 5}')
    (job.folder / "log").write_text("")
    assert read_job(jobs, job.id).message == "its result could not be written: the disk may be full."
    (job.folder / "end.json").write_text('{"code": 1}')
    assert read_job(jobs, job.id).message == "it failed without a word."


def test_a_worker_finds_packages_where_its_starter_did(jobs: Path, tmp_path: Path) -> None:
    """PYTHONPATH=. means another folder where a job runs."""
    code = (
        "import sys; from pathlib import Path; from medidiff.runs.jobs import start_job\n"
        "print(start_job(Path(sys.argv[1]), ['chromatography', 'simulate'], title='x').id)"
    )
    root = Path(medidiff.__file__).parents[1]
    shell = subprocess.run(
        [sys.executable, "-c", code, str(jobs)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=root,
        env={**os.environ, "PYTHONPATH": "."},
    )
    job = until(jobs, shell.stdout.strip(), over)
    assert job.state == "done", (job.folder / "log").read_text()


def test_a_damaged_record_stops_no_list(jobs: Path) -> None:
    done = until(jobs, start_job(jobs, QUICK, title="x").id, over)
    for name in ("job.json", "progress.json", "worker.json"):
        (done.folder / name).write_text("{")
    assert [job.id for job in list_jobs(jobs)] == [done.id]


def test_an_input_keeps_to_its_folder(jobs: Path) -> None:
    with pytest.raises(InputError):
        start_job(
            jobs,
            QUICK,
            title="x",
            inputs={"../scan.nii.gz": Volume.from_array([[0.0]], spacing_mm=(1, 1, 1))},
        )
    assert [path.name for path in jobs.iterdir() if not path.name.startswith(".q")] == []


def test_a_folder_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        start_job(tmp_path / "file" / "jobs", QUICK, title="x")


def test_the_last_of_several_servers_is_known(jobs: Path) -> None:
    with among_servers(jobs) as first:
        with among_servers(jobs) as second:
            assert not first()
            assert not second()
        assert first()
