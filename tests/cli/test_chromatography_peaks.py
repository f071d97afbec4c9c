"""`medidiff chromatography peaks|calibrate|index`: what is written and printed, and each refusal's code."""

from __future__ import annotations

import csv
import inspect
import json
from pathlib import Path

import numpy as np
import pytest

import medidiff as md
from medidiff.cli.main import main
from medidiff.cli.options import Parser, leaves
from medidiff.cli.verbs.chromatography import add_arguments
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.peaks.models import EMG

T = np.arange(0, 300, 0.2)


def run(*words: str) -> int:
    return main(["chromatography", *words])


def trace(path: Path, scale: float = 1.0) -> Path:
    noise = np.random.default_rng(0).normal(0, 1e-3, T.size)
    Chromatogram(T, EMG(20 * scale, 100, 2, 1)(T) + EMG(10, 200, 2, 1)(T) + noise).write(path)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


METHOD = """
peaks: [{name: one, at_s: 101, window_s: 4}, {name: two, at_s: 201, window_s: 4}]
suitability: [{name: one, most_area_rsd_percent: 1}]
"""


def test_peaks_of_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace(here / "run.csv")
    (here / "m.yaml").write_text(METHOD, encoding="utf-8")
    assert run("peaks", "run.csv", "--method", "m.yaml", "--t0-s", "50", "--out", "out") == 0
    printed = capsys.readouterr().out
    assert "minutes" in printed
    assert "one" in printed
    assert "research use only" in printed
    with (here / "out" / "peaks.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["one", "two"]
    assert float(rows[0]["k"]) == pytest.approx(1.02, abs=0.02)
    provenance = (here / "out" / "provenance.json").read_text(encoding="utf-8")
    assert str(here) not in provenance
    assert json.loads(provenance)["options"]["method"]["peaks"][0]["name"] == "one"


def test_peaks_of_a_folder(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "runs").mkdir()
    for name, scale in (("a.csv", 1.0), ("b.csv", 1.2)):
        trace(here / "runs" / name, scale)
    (here / "m.yaml").write_text(METHOD, encoding="utf-8")
    assert run("peaks", "runs", "--method", "m.yaml", "--out", "out", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["report"]["suitability"] == {"passed": False, "failed_rows": 1}
    with (here / "out" / "batch.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["a.csv", "a.csv", "b.csv", "b.csv", "%RSD", "%RSD"]
    assert rows[-2]["suitability"] == "fail"


@pytest.mark.parametrize(("t0_s", "words"), [("1.5", "in minutes, 90 s?"), ("250", "no peak comes after")])
def test_an_odd_hold_up_time_is_said(
    t0_s: str, words: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace(here / "run.csv")
    assert run("peaks", "run.csv", "--t0-s", t0_s, "--out", "out") == 0
    assert words in capsys.readouterr().err


def test_a_blank_is_subtracted(here: Path) -> None:
    trace(here / "run.csv")
    trace(here / "blank.csv")
    assert run("peaks", "run.csv", "--blank", "blank.csv", "--out", "out", "--quiet") == 0
    assert len((here / "out" / "peaks.csv").read_text(encoding="utf-8").splitlines()) == 1


def test_bounds_by_hand_are_recorded_in_the_method(here: Path) -> None:
    trace(here / "run.csv")
    words = ("--manual", "90:105,one", "--manual", "105:125", "--out", "out", "--quiet")
    assert run("peaks", "run.csv", *words) == 0
    assert run("peaks", "run.csv", "--method", "out/method.yaml", "--out", "again", "--quiet") == 0
    first, again = ((here / name / "peaks.csv").read_text(encoding="utf-8") for name in ("out", "again"))
    assert first == again
    rows = list(csv.DictReader(first.splitlines()))
    assert [(row["name"], row["baseline"]) for row in rows] == [("one", "BV"), ("", "VB"), ("", "BB")]
    assert str(here) not in (here / "out" / "method.yaml").read_text(encoding="utf-8")


def test_a_shipped_method_by_name_and_an_output_of_its_name(here: Path) -> None:
    trace(here / "run.csv")
    assert run("peaks", "run.csv", "--method", "btex", "--out", "btex", "--quiet") == 0
    assert "benzene" in (here / "btex" / "method.yaml").read_text(encoding="utf-8")


def test_a_folder_with_a_stray_file_and_a_blank(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "runs").mkdir()
    for name in ("a.csv", "b.csv"):
        trace(here / "runs" / name)
    (here / "runs" / "notes.txt").write_text("of the operator", encoding="utf-8")
    Chromatogram(T, EMG(10, 200, 2, 1)(T)).write(here / "blank.csv")
    (here / "m.yaml").write_text("blank: true\n" + METHOD, encoding="utf-8")
    assert run("peaks", "runs", "--method", "m.yaml", "--blank", "blank.csv", "--out", "out") == 0
    printed = capsys.readouterr().out
    assert "2 files, 1 left out; suitability: pass" in printed
    report = json.loads((here / "out" / "report.json").read_text(encoding="utf-8"))
    assert report["left_out"] == 1
    assert (here / "out" / "figure.png").is_file()
    with (here / "out" / "batch.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["area"] for row in rows if row["name"] == "two"] == ["", "", ""]


def test_calibrate_and_index_with_a_blank(here: Path) -> None:
    table = "amount,file\n"
    for amount in (0.5, 1.0, 2.0):
        trace(here / f"s{amount}.csv", amount)
        table += f"{amount},s{amount}.csv\n"
    (here / "t.csv").write_text(table, encoding="utf-8")
    (here / "m.yaml").write_text("blank: true\n" + METHOD, encoding="utf-8")
    Chromatogram(T, EMG(5, 100, 2, 1)(T)).write(here / "blank.csv")
    more = ("--method", "m.yaml", "--blank", "blank.csv", "--quiet")
    assert run("calibrate", "t.csv", "--peak", "one", *more, "--out", "line") == 0
    found = json.loads((here / "line" / "calibration.json").read_text(encoding="utf-8"))
    assert found["coefficients"] == pytest.approx([-5, 20], rel=0.02)
    assert run("index", "s1.0.csv", "--ladder", "8=90,9=290", *more, "--out", "index") == 0
    assert "blank" in json.loads((here / "index" / "provenance.json").read_text(encoding="utf-8"))["inputs"]


def test_calibrate(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = "amount,file\n"
    for amount in (0.5, 1.0, 2.0, 4.0):
        trace(here / f"s{amount}.csv", amount)
        table += f"{amount},s{amount}.csv\n"
    (here / "t.csv").write_text(table, encoding="utf-8")
    (here / "m.yaml").write_text(METHOD, encoding="utf-8")
    words = ("calibrate", "t.csv", "--method", "m.yaml", "--peak", "one", "--out", "out")
    assert run(*words) == 0
    assert "LOD" in capsys.readouterr().out
    found = json.loads((here / "out" / "calibration.json").read_text(encoding="utf-8"))
    assert found["coefficients"][1] == pytest.approx(20, rel=0.01)
    assert found["limits"]["residual"]["s"] == "residual"


def test_index(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace(here / "run.csv")
    assert run("index", "run.csv", "--ladder", "8=90,C9=190,10=290", "--out", "out") == 0
    assert "van den Dool" in capsys.readouterr().out
    with (here / "out" / "indices.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [float(row["retention_index"]) for row in rows]
    assert found == pytest.approx([811, 911], abs=2)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("peaks", "absent.csv", "--out", "o"), 3),
        (("peaks", "run.csv", "--t0-s", "-1", "--out", "o"), 2),
        (("peaks", "run.csv", "--t0-s", "900", "--out", "o"), 3),
        (("peaks", "run.csv", "--trace", "0", "--out", "o"), 2),
        (("peaks", "run.csv", "--trace", "2", "--out", "o"), 3),
        (("peaks", "run.csv", "--method", "absent.yaml", "--out", "o"), 3),
        (("peaks", "run.csv", "--method", "wrong.yaml", "--out", "o"), 3),
        (("peaks", "run.csv", "--out", "."), 5),
        (("peaks", "runs", "--blank", "run.csv", "--out", "o"), 3),
        (("peaks", "run.csv", "--blank", "absent.csv", "--out", "o"), 3),
        (("peaks", "run.csv", "--method", "blank.yaml", "--out", "o"), 2),
        (("peaks", "run.csv", "--manual", "9:5", "--out", "o"), 2),
        (("peaks", "run.csv", "--manual", "5", "--out", "o"), 2),
        (("peaks", "run.csv", "--manual", "90:900", "--out", "o"), 3),
        (("peaks", "run.csv", "--manual", "90:99", "--manual", "95:120", "--out", "o"), 2),
        (("calibrate", "given.csv", "--blank", "run.csv", "--out", "o"), 2),
        (("calibrate", "run.csv", "--out", "o"), 3),
        (("calibrate", "files.csv", "--out", "o"), 2),
        (("calibrate", "given.csv", "--response", "height", "--out", "o"), 2),
        (("calibrate", "given.csv", "--peak", "one", "--out", "o"), 2),
        (("calibrate", "elsewhere.csv", "--method", "m.yaml", "--peak", "one", "--out", "o"), 3),
        (("calibrate", "internal.csv", "--method", "m.yaml", "--peak", "one", "--out", "o"), 3),
        (("calibrate", "run.csv", "--model", "cubic", "--out", "o"), 2),
        (("index", "run.csv", "--ladder", "8=90", "--out", "o"), 2),
        (("index", "run.csv", "--ladder", "8=90,8=91", "--out", "o"), 2),
        (("index", "run.csv", "--ladder", "8=190,9=90", "--out", "o"), 2),
        (("index", "run.csv", "--ladder", "8", "--out", "o"), 2),
        (("index", "run.csv", "--out", "o"), 2),
    ],
)
def test_each_refusal_is_one_line_and_its_code(
    words: tuple[str, ...], code: int, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace(here / "run.csv")
    (here / "runs").mkdir()
    (here / "files.csv").write_text("amount,file\n1,run.csv\n", encoding="utf-8")
    (here / "elsewhere.csv").write_text("amount,file\n1,../run.csv\n2,run.csv\n", encoding="utf-8")
    (here / "internal.csv").write_text("amount,file,internal_amount\n1,run.csv,2\n", encoding="utf-8")
    (here / "given.csv").write_text("amount,response\n1,2\n2,4\n3,6\n", encoding="utf-8")
    (here / "m.yaml").write_text(METHOD, encoding="utf-8")
    (here / "blank.yaml").write_text("blank: true\n", encoding="utf-8")
    (here / "wrong.yaml").write_text("thresold: 3\n", encoding="utf-8")
    assert run(*words) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert not (here / "o").exists()


@pytest.mark.parametrize("verb", ["peaks", "calibrate", "index"])
def test_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("verb", "name", "beside"),
    [
        ("peaks", "chromatogram_peaks", {"chromatogram": "input", "": "trace"}),
        ("peaks", "batch_peaks", {"folder": "input", "progress": ""}),
        ("calibrate", "calibrate_table", {"path": "input"}),
        ("index", "index_peaks", {"chromatogram": "input", "": "trace"}),
        ("convert", "convert_chromatograms", {"path": "input", "limits": ""}),
    ],
)
def test_python_has_the_verbs_arguments(verb: str, name: str, beside: dict[str, str]) -> None:
    """What the command line takes, the public function takes; files it takes as they are read."""
    parser = Parser()
    add_arguments(parser)
    (leaf,) = (leaf for leaf in leaves(parser) if leaf.prog.endswith(f" {verb}"))
    options = {action.dest for action in leaf._actions} - {"help", "out", "overwrite"}
    taken = set(inspect.signature(getattr(md, name)).parameters)
    assert name in md.__all__
    assert options - set(beside.values()) == taken - set(beside)
