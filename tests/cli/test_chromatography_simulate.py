"""`medidiff chromatography simulate`: what it writes, prints and refuses, each with its exit code."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from medidiff.cli.main import main


def _simulate(*words: str) -> int:
    return main(["chromatography", "simulate", *words])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    text = (files("medidiff") / "assets" / "chromatography-btex.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(text.replace("name: btex", "name: mine"), encoding="utf-8")
    return tmp_path


def test_btex_by_default(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _simulate("--out", "o") == 0
    names = {path.name for path in (here / "o").iterdir()}
    assert names == {"chromatogram.csv", "figure.png", "report.json", "provenance.json"}
    out, err = capsys.readouterr()
    assert out.startswith("engine fft, dispersion molecular\n")
    assert "benzene          3.447     0.663    0.6061    119523" in out
    assert "m-xylene and p-xylene overlap" in err
    header = (here / "o" / "chromatogram.csv").read_text().splitlines()[0]
    assert header == "time_s,signal,benzene,toluene,ethylbenzene,m-xylene,p-xylene,o-xylene"


def test_a_file_with_overrides_as_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--analytes", "benzene,toluene", "--temperature-c", "80", "--end-s", "300", "--start-s", "-10")
    more = (
        "--injection-width-s",
        "0.5",
        "--detector-s",
        "0",
        "--interval-s",
        "0.25",
        "--dispersion",
        "golay",
    )
    assert _simulate("--system", "mine.yaml", *words, *more, "--json", "--quiet", "--out", "o") == 0
    found = json.loads(capsys.readouterr().out)["report"]
    assert (found["input"]["system"], found["input"]["points"], found["dispersion"]) == (
        "mine",
        1241,
        "golay",
    )
    assert list(found["analytes"]) == ["benzene", "toluene"]


def test_a_programme(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Retention and width alone: there is no one k, nor a plate number of one temperature."""
    text = (here / "mine.yaml").read_text(encoding="utf-8")
    ramp = "  temperature_c: 40.0\n  ramps:\n    - {rate_c_min: 10, to_c: 150}\n"
    (here / "ramp.yaml").write_text(text.replace("  temperature_c: 60.0\n", ramp), encoding="utf-8")
    assert _simulate("--system", "ramp.yaml", "--out", "o") == 0
    out = capsys.readouterr().out
    assert out.startswith("engine programme, dispersion molecular\n")
    assert "plates" not in out


def test_a_trace_without_a_peak_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be a file of zeros."""
    monkeypatch.chdir(tmp_path)
    words = ["chromatography", "simulate", "--analytes", "benzene,toluene", "--out", "o"]
    assert main([*words, "--end-s", "150"]) == 3
    assert (
        "expected a peak inside it, 0 to 150 s, got apexes from 206.8 to 295.3 s" in capsys.readouterr().err
    )
    assert not (tmp_path / "o").exists()
    assert main([*words, "--end-s", "250", "--quiet"]) == 0


def test_plate_heights_come_beside_the_trace(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The optimum of benzene is 54.6 cm/s: helium in 0.25 mm, at the pressure that this velocity takes."""
    assert _simulate("--plate-heights", "--analytes", "benzene,toluene", "--out", "o") == 0
    names = {path.name for path in (here / "o").iterdir()}
    assert {"plate_heights.csv", "plate_heights.png"} <= names
    assert "benzene    0.2510    0.1343     54.56" in capsys.readouterr().out
    report = json.loads((here / "o" / "report.json").read_text())
    assert report["plate_heights"]["velocity_m_s"] == pytest.approx(0.233515, rel=1e-5)
    assert _simulate("--plate-heights", "--dispersion", "none", "--analytes", "benzene", "--out", "p") == 0
    assert "benzene    0.0198         -         -" in capsys.readouterr().out
    assert "not a finite number" not in (here / "p" / "report.json").read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--engine", "fast"), 2, "invalid choice"),
        (("--engine", "closed"), 2, "expected a column without dispersion"),
        (("--dispersion", "some"), 2, "invalid choice"),
        (("--system", "btx"), 2, "expected btex, got 'btx'"),
        (("--system", "absent.yaml"), 3, "absent.yaml: expected a file that can be read"),
        (
            ("--system", "bad.yaml"),
            3,
            "bad.yaml: expected a system of a gas chromatograph, got colour: an unknown key",
        ),
        (("--analytes", "benzene,benzene"), 2, "each once"),
        (("--analytes", "water"), 2, "expected some of benzene"),
        (("--temperature-c", "warm"), 2, "expected a number of °C"),
        (("--temperature-c", "-300"), 2, "expected a finite temperature above 0 K"),
        (("--interval-s", "0"), 2, "expected seconds above 0"),
        (("--injection-width-s", "-1"), 2, "expected seconds of at least 0"),
        (("--end-s", "nan"), 2, "expected a number of seconds"),
        (("--end-s", "-5"), 2, "an end after its start"),
        (("--engine", "pde", "--limit-s", "0.001"), 2, "expected a run of at most 0.001 s"),
        (("--engine", "nonlinear"), 2, "Langmuir's b"),
        (("--system", "pascal.yaml"), 2, "was it meant in Pa, not kPa? A Peclet"),
        (("--plate-heights", "--system", "ramp.yaml"), 2, "an oven of one temperature, got a programme"),
    ],
)
def test_what_is_refused_and_how(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str
) -> None:
    text = (here / "mine.yaml").read_text(encoding="utf-8")
    pascal = text.replace("inlet_kpa_absolute: 180.0", "inlet_kpa_absolute: 180000.0")
    (here / "pascal.yaml").write_text(pascal, encoding="utf-8")
    ramp = "  temperature_c: 40.0\n  ramps:\n    - {rate_c_min: 10, to_c: 150}\n"
    (here / "ramp.yaml").write_text(text.replace("  temperature_c: 60.0\n", ramp), encoding="utf-8")
    (here / "bad.yaml").write_text(text + "colour: red\n", encoding="utf-8")
    assert _simulate(*words, "--out", "o") == code
    err = capsys.readouterr().err.strip()
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (here / "o").exists()


def test_the_systems_own_folder_is_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _simulate("--system", "mine.yaml", "--out", ".", "--overwrite") == 5
    assert (here / "mine.yaml").exists()
