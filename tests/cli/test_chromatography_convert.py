"""`medidiff chromatography convert`: what it writes, prints and refuses, each with its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medidiff.cli.main import main

_TWO = "Operator\tJane Doe\nTime (min)\tA (mV)\tB (pA)\n0.0\t1\t5\n0.1\t2\t6\n0.2\t3\t7\n"


def _convert(*words: str) -> int:
    return main(["chromatography", "convert", *words])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.txt").write_text(_TWO)
    return tmp_path


def test_all_traces_by_default(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _convert("run.txt", "--out", "o") == 0
    names = {path.name for path in (here / "o").iterdir()}
    curves = {"chromatogram.csv", "chromatogram_002.csv", "traces.json"}
    assert names == curves | {"report.json", "provenance.json", "figure.png"}
    out = capsys.readouterr().out
    assert "chromatogram_002.csv" in out
    assert "0 to 12 s  B, pA" in out
    assert "Jane" not in out + (here / "o" / "report.json").read_text()


def test_one_trace_in_another_format_with_its_metadata(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--trace", "2", "--to", "json", "--keep-metadata", "--json")
    assert _convert("run.txt", *words, "--out", "o") == 0
    stored = json.loads((here / "o" / "chromatogram.json").read_text())
    assert (stored["signal"], stored["metadata"]) == ([5.0, 6.0, 7.0], {"Operator": "Jane Doe"})
    assert json.loads(capsys.readouterr().out)["report"]["traces"][0]["units"] == "pA"
    assert _convert("o/chromatogram.json", "--to", "andi", "--out", "p") == 0
    assert _convert("p/chromatogram.cdf", "--out", "q") == 0
    assert (here / "q" / "chromatogram.csv").read_text().startswith("time_s,signal\n0.0,5.0\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("absent.txt", "--out", "o"), 3),
        (("run.txt", "--trace", "3", "--out", "o"), 3),
        (("run.txt", "--trace", "0", "--out", "o"), 2),
        (("run.txt", "--to", "xls", "--out", "o"), 2),
        (("run.txt",), 2),
        (("run.txt", "--out", "."), 5),
        (("spectrum.csv", "--to", "andi", "--out", "o"), 3),
        (("zero.cdf", "--out", "o"), 3),
    ],
)
def test_refusals_and_their_codes(
    here: Path, words: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "spectrum.csv").write_text("x_nm,signal\n190,1\n191,2\n")
    (here / "zero.cdf").write_bytes(b"")
    assert _convert(*words) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert not (here / "o").exists()
