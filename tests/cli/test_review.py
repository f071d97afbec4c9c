"""A whole reader study on the command line, with answers given from Python in place of the app."""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medidiff.cli.main import main
from medidiff.io.nifti import write_nifti
from medidiff.io.volume import Volume
from medidiff.review import Presentation, open_study, read_protocol

CANARY = "CANARY^ZX81"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a run in `run`; keys go to `home`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    run = tmp_path / "run"
    run.mkdir()
    for k, arm in enumerate(("tv", "diffusion")):
        values = np.random.default_rng(k).normal(40, 20 * (k + 1), (7, 10, 8)).astype(np.float32)
        affine = np.diag([-0.7, -0.7, 2.5, 1.0])
        write_nifti(Volume(values, affine), run / f"{arm}.nii.gz")
    methods = {arm: {"output": f"{arm}.nii.gz"} for arm in ("tv", "diffusion")}
    (run / "report.json").write_text(json.dumps({"schema": "medidiff.report/1", "methods": methods}))
    return tmp_path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """`said(code, "verb", ...)`: run `medidiff review verb ... --json`, check its code; what it said."""

    def run(code: int, *words: str) -> Any:
        capsys.readouterr()
        assert main(["review", *words, "--json", "--quiet"]) == code
        found = capsys.readouterr()
        return json.loads(found.out) if found.out else found.err

    return run


def draft(here: Path, said: Callable[..., Any], folder: str = "s") -> None:
    said(0, "new", folder, "--run", "run", "--arms", "tv,diffusion")
    protocol = here / folder / "protocol.yaml"
    protocol.write_text(protocol.read_text().replace("minimum_display: 2 s", "minimum_display: 0 s"))


def read_all(folder: Path, code: str) -> None:
    study = open_study(folder)
    reader = study.sign_in(code, "4711", new=True)
    while isinstance(shown := study.next(reader), Presentation):
        study.answer(reader, shown, "A", seconds=3.0)
    study.log.close()


def test_a_study_from_draft_to_statistics(here: Path, said: Callable[..., Any]) -> None:
    draft(here, said)
    frozen = said(0, "freeze", "s")
    assert said(3, "freeze", "s").startswith("medidiff: error: study: expected one that is not frozen")
    assert said(0, "status", "s")["answers"] == 0
    read_all(here / "s", "R01")
    exported = said(0, "export", "s", "--out", "out")
    assert (exported["blinded"], exported["answers"]) == (True, 10)
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        "answers.csv",
        "answers.json",
        "dictionary.json",
    ]
    assert "blinded" in said(3, "stats", "s")
    for head in (frozen["head"], exported["head"]):
        assert said(0, "verify", "s", "--expect", head)["whole"]
    said(2, "unblind", "s", "--reason", "")
    opened = said(0, "unblind", "s", "--reason", "all readers are done")
    assert opened["answers"] == 10
    found = said(0, "stats", "s")
    assert found["comparisons"][0]["arm"] == "diffusion"
    assert {"answers.csv", "statistics.json", "figure.png"} & {p.name for p in (here / "s").iterdir()} == {
        "statistics.json",
        "figure.png",
    }
    assert "unblinded" in said(3, "unblind", "s", "--reason", "once more")


def test_only_earlier_results_of_a_study_are_replaced(here: Path, said: Callable[..., Any]) -> None:
    draft(here, said)
    said(0, "freeze", "s")
    read_all(here / "s", "R01")
    said(0, "unblind", "s", "--reason", "all readers are done")
    (here / "run" / "figure.png").write_bytes(b"of a reconstruction")
    (here / "own").mkdir()
    (here / "own" / "answers.csv").write_text("somebody's")
    before = {path: path.read_bytes() for path in (*here.glob("run/*"), *here.glob("own/*"))}
    assert "output figure.png" in said(5, "stats", "s", "--out", "run")
    assert "output answers.csv" in said(5, "export", "s", "--out", "own")
    assert {path: path.read_bytes() for path in (*here.glob("run/*"), *here.glob("own/*"))} == before
    for _ in range(2):
        said(0, "export", "s", "--out", "out")
        said(0, "stats", "s", "--out", "out")


def tamper(here: Path, statement: str) -> None:
    """Change the database of study `s` by hand, and put its triggers back."""
    with sqlite3.connect(here / "s" / "study.sqlite") as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        for _, text in triggers:
            connection.execute(text)
    connection.close()


def test_a_changed_answer_is_exit_code_6_with_its_row(here: Path, said: Callable[..., Any]) -> None:
    draft(here, said)
    said(0, "freeze", "s")
    read_all(here / "s", "R01")
    head = said(0, "status", "s")["head"]
    tamper(here, "UPDATE log SET body = replace(body, '\"A\"', '\"B\"') WHERE number = 7")
    assert said(6, "verify", "s")["faults"] == [{"place": "row 7", "text": "was changed"}]
    for verb in ("status", "export", "stats"):  # no result comes out of it
        assert "row 7 was changed" in said(3, verb, "s")
    tamper(here, "DELETE FROM log WHERE number > 6")
    assert said(0, "verify", "s")["whole"]
    (fault,) = said(6, "verify", "s", "--expect", head)["faults"]
    assert fault["place"] == "row 7"


def test_two_workstations_are_merged(here: Path, said: Callable[..., Any]) -> None:
    draft(here, said)
    said(0, "freeze", "s")
    shutil.copytree(here / "s", here / "t", ignore=shutil.ignore_patterns("study.sqlite*"))
    read_all(here / "s", "R01")
    read_all(here / "t", "R02")
    assert said(0, "merge", "joined", "s", "t")["answers"] == 20
    assert said(0, "verify", "joined")["whole"]
    assert "not empty" in said(5, "merge", "joined", "s", "t")


def test_runs_may_be_given_one_by_one(here: Path, said: Callable[..., Any]) -> None:
    """As README does it."""
    shutil.copytree(here / "run", here / "run2")
    said(0, "new", "s", "--run", "run", "--run", "run2", "--arms", "tv,diffusion")
    said(0, "new", "t", "--run", "run", "run2", "--arms", "tv,diffusion")
    for folder in ("s", "t"):
        cases = read_protocol(here / folder)[0].cases
        assert {case.run for case in cases} == {"../run", "../run2"}


def test_runs_that_are_left_out_are_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [f"run{k}" for k in range(9)]
    for run in runs:
        shutil.copytree(here / "run", here / run)
    assert main(["review", "new", "s", "--run", *runs, "--arms", "tv,diffusion", "--quiet"]) == 0
    assert "the first 7 of 9 runs" in capsys.readouterr().err
    assert main(["review", "new", "t", "--run", *runs, "--arms", "tv,diffusion", "--cases", "8"]) == 0
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["new", "s", "--run", "run", "--arms", "tv"], 2),
        (["new", "s", "--run", "run", "--arms", "tv,fbp"], 3),
        (["new", "s", "--run", "absent", "--arms", "tv,diffusion"], 3),
        (["new", "s", "--run", "run", "--arms", "tv,diffusion", "--cases", "5"], 2),
        (["new", "run", "--run", "run", "--arms", "tv,diffusion"], 5),
        (["freeze", "absent"], 3),
        (["status", "run"], 3),
        (["verify", "run"], 3),
        (["verify", "run", "--expect", "nonsense"], 2),
        (["unblind", "run"], 2),
        (["merge", "out", "run"], 2),
    ],
)
def test_bad_input_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int
) -> None:
    assert main(["review", *words]) == code
    found = capsys.readouterr()
    assert (found.out, found.err.count("\n")) == ("", 1)
    assert str(here) not in found.err


def test_words_for_a_person(here: Path, said: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["review", "new", "s", "--run", "run", "--arms", "tv,diffusion"]) == 0
    assert "not independent" in capsys.readouterr().err
    protocol = here / "s" / "protocol.yaml"
    protocol.write_text(protocol.read_text().replace("minimum_display: 2 s", "minimum_display: 0 s"))
    assert main(["review", "freeze", "s"]) == 0
    assert "medidiff app --study s" in capsys.readouterr().out
    read_all(here / "s", "R01")
    assert main(["review", "status", "s"]) == 0
    shown = capsys.readouterr().out
    assert "R01" in shown
    assert "research use only" in shown
    assert main(["review", "export", "s"]) == 0
    assert "arms hidden (research use only)" in capsys.readouterr().out
    assert main(["review", "unblind", "s", "--reason", "done"]) == 0
    assert main(["review", "stats", "s"]) == 0
    assert "readers are treated as fixed" in capsys.readouterr().out


def test_no_place_or_name_of_a_person_gets_into_what_is_shown_or_exported(
    here: Path, said: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The protocol and nothing else names the folder of a run, because the operator needs it there."""
    (here / "run").rename(here / CANARY)
    said(0, "new", "s", "--run", CANARY, "--arms", "tv,diffusion")
    protocol = here / "s" / "protocol.yaml"
    protocol.write_text(protocol.read_text().replace("minimum_display: 2 s", "minimum_display: 0 s"))
    capsys.readouterr()
    for words in (["freeze", "s"], ["status", "s"], ["verify", "s"]):
        assert main(["review", *words]) == 0
    read_all(here / "s", "R01")
    for words in (["export", "s"], ["unblind", "s", "--reason", "done"], ["stats", "s"], ["export", "s"]):
        assert main(["review", *words]) == 0
    found = capsys.readouterr()
    assert CANARY not in found.out + found.err
    holds = [path.name for path in (here / "s").rglob("*") if path.is_file() and _holds(path, CANARY)]
    assert holds == ["protocol.yaml"]


def _holds(path: Path, text: str) -> bool:
    content = path.read_bytes()
    content += gzip.decompress(content) if content.startswith(b"\x1f\x8b") else b""
    return any(text.encode(code) in content for code in ("utf-8", "utf-16-le"))


def test_an_unfinished_study_that_is_unblinded_is_told(
    here: Path, said: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    draft(here, said)
    said(0, "freeze", "s")
    study = open_study(here / "s")
    reader = study.sign_in("R01", "4711", new=True)
    shown = study.next(reader)
    assert isinstance(shown, Presentation)
    study.answer(reader, shown, "A", seconds=3.0)
    study.log.close()
    assert main(["review", "unblind", "s", "--reason", "no time"]) == 0
    told = capsys.readouterr().err
    assert "closed with 1 of 5 planned readers" in told
    assert "reader 1 was closed out after 1 of 10" in told
