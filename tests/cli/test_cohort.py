"""`reconstruct ct --cohort` through the command line: what it refuses, and six scans on two workers."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import psutil
import pytest

import medidiff as md
from medidiff.cli.main import main
from medidiff.cli.terminal import Terminal
from medidiff.progress import Progress

_SIDE = 40
_FEW = ["--views", "9", "--method", "fbp", "--out", "o"]


def _save(path: Path, radius: float) -> Path:
    """Three slices of a disc of soft tissue in air."""
    x, y = np.mgrid[:_SIDE, :_SIDE] - _SIDE / 2
    plane = np.where(x**2 + y**2 < radius**2, 40, -1000)
    image = nibabel.Nifti1Image(np.repeat(plane[:, :, None], 3, axis=2).astype(np.float32), None)
    image.header.set_sform(np.diag([-1.0, -1.0, 2.0, 1.0]), code=1)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six scans, named after a patient, beside the current folder."""
    found = tmp_path / "CANARY^ZX81"
    found.mkdir()
    for n in range(6):
        _save(found / f"CANARY-{n}.nii.gz", 8 + n)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return found


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--workers", "2", "scan.nii"], 2, "--cohort beside it"),
        (["--resume", "scan.nii"], 2, "--cohort beside it"),
        (["--cohort", "FOLDER", "scan.nii"], 2, "not allowed with"),
        (["--cohort", "FOLDER", "--overwrite"], 2, "--resume, or another --out"),
        (["--cohort", "FOLDER", "--workers", "0"], 2, "whole number"),
        (["--cohort", "FOLDER", "--workers", "2", "--scheduler", "x:1"], 2, "not allowed with"),
        (["--cohort", "FOLDER", "--scheduler", "nonsense"], 2, "HOST:PORT"),
        (["--cohort", "FOLDER", "--scheduler", "127.0.0.1:9", "--resume"], 4, "no answer within"),
        (["--cohort", "FOLDER", "--prior", "none-such"], 4, "none-such"),
        (["--cohort", "absent"], 3, "nothing under that name"),
        (["--cohort", "."], 3, "got none"),
        (["--cohort", "missing.txt"], 3, "line 2 that names nothing"),
        (["--cohort", "twice.txt"], 3, "line 2 that repeats line 1"),
        (["--cohort", "FOLDER", "--out", "FOLDER/o"], 5, "a folder apart from the cohort"),
        (["--cohort", "FOLDER", "--out", "FOLDER"], 5, "the folder that holds it"),
        (["--cohort", "FOLDER", "--out", "full"], 5, "Give --resume"),
        (["--cohort", "FOLDER", "--out", "full", "--resume"], 5, "a folder of something else"),
    ],
)
def test_what_is_refused_in_one_line_before_anything_is_written(
    words: list[str],
    code: int,
    said: str,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("medidiff.cli.cohort.SCHEDULER_SECONDS", 0.5)
    if "." not in words:
        Path("missing.txt").write_text(f"{folder}/CANARY-0.nii.gz\n{folder}/CANARY-9.nii.gz\n")
        Path("twice.txt").write_text(f"{folder}/CANARY-0.nii.gz\n" * 2)
        Path("full").mkdir()
        Path("full", "mine.txt").touch()
    before = sorted(tmp_path.rglob("*"))
    given = [word.replace("FOLDER", str(folder)) for word in words]
    assert main(["reconstruct", "ct", *_FEW, *given]) == code
    shown = capsys.readouterr()
    assert said in shown.err
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    if "not allowed with" not in said and str(folder) not in " ".join(given[2:]):
        assert "CANARY" not in shown.err
    assert sorted(tmp_path.rglob("*")) == before


def test_without_dask_one_line_names_the_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    assert main(["reconstruct", "ct", *_FEW, "--cohort", str(folder)]) == 4
    shown = capsys.readouterr().err
    assert "pip install 'medidiff[cluster]'" in shown
    assert shown.count("\n") == 1
    assert list(Path().iterdir()) == []


class _KillOne:
    """Stands in for the terminal's progress: kills a worker while the first two items are at work."""

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None

    def __call__(self, terminal: Terminal, record: Progress) -> None:
        if self.thread is None and record.note == "at work: 1, 2":
            self.thread = threading.Thread(target=self._kill, daemon=True)
            self.thread.start()

    def _kill(self) -> None:
        time.sleep(0.5)  # it imports torch for longer than that before it can be done
        workers = [p for p in psutil.Process().children(recursive=True) if "spawn_main" in str(p.cmdline())]
        workers[0].send_signal(signal.SIGKILL)


@pytest.mark.timeout(600)
def test_six_scans_two_workers_one_killed_one_corrupt(
    folder: Path,
    tiny_prior: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Five results to the byte as single runs, one row that says why, 7; then the sixth alone, 0."""
    scan = folder / "CANARY-3.nii.gz"
    whole = scan.read_bytes()
    scan.write_bytes(whole[: len(whole) // 2])
    (folder / "notes.txt").touch()
    killer = _KillOne()
    monkeypatch.setattr(Terminal, "progress", lambda self, record: killer(self, record))
    words = ["--cohort", str(folder), "--views", "9", "--method", "fbp,diffusion", "--prior", tiny_prior]
    command = ["reconstruct", "ct", *words, "--out", "o", "--workers", "2"]
    assert main(command) == 7
    first = capfd.readouterr()
    with Path("o/cohort.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["done", "done", "done", "failed", "done", "done"]
    assert sorted(row["attempts"] for row in rows) == ["1"] * 5 + ["2"]
    assert "its worker died; the item is done again" in first.err
    assert rows[3]["reason"].startswith("expected a complete NIfTI file, got one that ends early")
    assert "1 of 6 failed: item 4." in first.out
    assert "skipped in the folder: 1 entry (file of another kind)" in first.err

    import torch

    before = torch.get_num_threads()
    for n in (1, 2, 3, 5, 6):
        volume = md.read_volume(folder / f"CANARY-{n - 1}.nii.gz")
        torch.set_num_threads(int(rows[n - 1]["threads"]))
        result = md.retrospective_ct(volume, views=9, methods=("fbp", "diffusion"), prior=tiny_prior)
        torch.set_num_threads(before)
        result.save(tmp_path / f"single-{n}")
        for image in ("fbp.nii.gz", "diffusion.nii.gz", "reference.nii.gz"):
            single = (tmp_path / f"single-{n}" / image).read_bytes()
            assert Path("o", f"item_00{n}", image).read_bytes() == single

    assert main(["rerun", "o/item_002/provenance.json", "--input", str(folder / "CANARY-1.nii.gz")]) == 0
    assert "found: identical bytes in every array; kept" in capfd.readouterr().out

    scan.write_bytes(whole)
    stamps = {path: path.stat().st_mtime_ns for path in Path("o").rglob("item_*/*")}
    assert main([*command[:-1], "1", "--resume", "--json", "--quiet"]) == 0
    second = capfd.readouterr()
    found = json.loads(second.out)
    assert [item["attempts"] for item in found["items"]] == [0, 0, 0, 1, 0, 0]
    assert [item["kept"] for item in found["items"]] == [True, True, True, False, True, True]
    assert found["methods"]["diffusion"]["items"] == 6
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps

    texts = [first.out, first.err, second.out, second.err]
    texts += [path.read_bytes().decode("latin-1") for path in Path("o").rglob("*") if path.is_file()]
    assert [text[:200] for text in texts if "CANARY" in text] == []
    assert [path.name for path in Path().iterdir()] == ["o"]


# The door of a command around planted work, which can be made to last.
_PLANTED = """
import sys
sys.path.insert(0, sys.argv[1])
import argparse, pathlib
import planted_work
from medidiff.cli import cohort
from medidiff.cli.door import guarded
from medidiff.cli.terminal import Terminal
from medidiff.io.listing import Scans
from medidiff.runs.cohort import Work
work = Work("planted", planted_work.read, {"units": "hu"}, planted_work.double, {"factor": 2.0})
given = argparse.Namespace(out=pathlib.Path("o"), scheduler=None, workers=2, resume=False, debug=False)
scans = Scans(tuple(map(pathlib.Path, sys.argv[2:])))
terminal = Terminal()
sys.exit(guarded(lambda: cohort.run(given, work, scans, terminal), terminal, debug=False))
"""


def _until(condition: Callable[[], bool]) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_cohort_leaves_whole_items_and_no_worker(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    """The signal goes to every process, as a terminal's Ctrl-C does."""
    paths = [tmp_path / f"CANARY-{n}.txt" for n in (1, 2, 3)]
    for n, (path, word) in enumerate(zip(paths, ("ok", "wait", "wait"), strict=True), 1):
        path.write_text(f"{word} {n}")
    planted = str(Path(__file__).resolve().parents[1] / "runs" / "cohort")
    command = [sys.executable, "-c", _PLANTED, planted, *map(str, paths)]
    run = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    written = [path.with_suffix(".pid") for path in paths[1:]]
    _until(lambda: all(path.exists() and path.read_text() for path in written))
    workers = [psutil.Process(int(path.read_text())) for path in written]
    if number == signal.SIGINT:
        os.killpg(run.pid, number)
    else:
        run.send_signal(number)
    out, err = run.communicate(timeout=120)
    assert (run.returncode, out) == (code, "")
    assert "the same command with --resume goes on" in err
    assert [line for line in err.splitlines() if not line.startswith("medidiff: ")] == []
    assert "CANARY" not in err
    assert [worker for worker in workers if worker.is_running() and worker.status() != "zombie"] == []
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == [
        "cohort.csv",
        "cohort.json",
        "item_001",
    ]
    assert json.loads((tmp_path / "o" / "cohort.json").read_text())["finished"] is False
