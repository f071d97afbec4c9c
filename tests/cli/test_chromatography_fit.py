"""`medidiff chromatography fit`: what it writes, prints and refuses, each with its exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from medidiff.cli.main import main
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.model.injection import Rectangle
from medidiff.domains.chromatography.model.stored.shipped import named_system

_FIVE = ("benzene", "toluene", "ethylbenzene", "p-xylene", "o-xylene")


def _fit(*words: str) -> int:
    return main(["chromatography", "fit", *words])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with btex.csv: five analytes, a rectangle of 0.5 s, 0.5 % noise."""
    monkeypatch.chdir(tmp_path)
    system = replace(named_system("btex").select(_FIVE), injection=Rectangle(0.5))
    time = 165 + 0.31 * np.arange(1401)
    clean = fft_curves(time, system.transport(), system.injection).c.sum(axis=0)
    noise = 0.005 * clean.max() * np.random.default_rng(0).standard_normal(time.size)
    Chromatogram(time, clean + noise).write(tmp_path / "btex.csv")
    return tmp_path


def test_a_system_and_some_of_its_analytes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--system", "btex", "--analytes", ",".join(_FIVE), "--injection-width-s", "0.5")
    assert _fit("btex.csv", *words, "--out", "o") == 0
    names = {path.name for path in (here / "o").iterdir()}
    assert names == {"fit.json", "chromatogram.csv", "figure.png", "report.json", "provenance.json"}
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()[1:6]] == list(_FIVE)
    assert "converged; 95 % intervals by covariance" in out
    assert "most of the variance is not kinetic" in err
    found = json.loads((here / "o" / "fit.json").read_text())
    assert found["analytes"]["benzene"]["k"]["value"] == pytest.approx(0.606064, rel=1e-4)
    made = json.loads((here / "o" / "provenance.json").read_text())
    assert made["verb"] == "chromatography fit"
    assert made["options"]["injection_width_s"] == 0.5
    assert made["reading"] == {"trace": None}
    assert made["options"]["system"]["name"] == "btex"
    assert made["inputs"]["system"].startswith("sha256:")


def test_a_hold_up_time_in_minutes_is_suspected(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--analytes", "benzene@206.5", "--window-s", "180:240", "--injection-width-s", "0.5")
    assert _fit("btex.csv", "--t0-s", "2.14", *words, "--out", "o") == 0
    assert "was it meant in minutes, 128.4 s?" in capsys.readouterr().err


def test_a_tall_peak_before_the_hold_up_time_is_not_left_in_the_residual(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _fit("btex.csv", "--t0-s", "250", "--out", "o") == 3
    assert "no tall peak before the hold-up time, 250 s, got one at 206.5" in capsys.readouterr().err
    assert _fit("btex.csv", "--t0-s", "250", "--window-s", "260:600", "--out", "o", "--quiet") == 0


def test_the_folder_of_a_system_is_kept_nowhere(here: Path) -> None:
    """Folders are often named after people."""
    (here / "Jane Doe").mkdir()
    asset = files("medidiff") / "assets" / "chromatography-btex.yaml"
    (here / "Jane Doe" / "own.yaml").write_text(asset.read_text(encoding="utf-8"), encoding="utf-8")
    words = ("--system", "Jane Doe/own.yaml", "--analytes", "benzene@206.5", "--window-s", "180:240")
    assert _fit("btex.csv", *words, "--out", "o", "--quiet") == 0
    for name in ("fit.json", "report.json", "provenance.json"):
        assert "Jane" not in (here / "o" / name).read_text()


def test_a_hold_up_time_and_named_peaks_as_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--t0-s", "128.47", "--analytes", "b@206.6,t@295", "--window-s", "180:350", "--samples", "40")
    more = ("--interval", "profile", "--baseline-order", "0", "--seed", "3", "--json", "--quiet")
    assert _fit("btex.csv", *words, *more, "--out", "o") == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["fit"]["analytes"]) == ["b", "t"]
    assert (found["fit"]["interval"], found["fit"]["dispersion"]) == ("profile", "none")
    assert found["fit"]["posterior"]["seed"] == 3
    assert len(found["fit"]["baseline"]) == 1
    assert found["report"]["protocol"]["points"] < 560
    assert (here / "o" / "samples.csv").exists()


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        ((), 2, "expected t0_s or a system, got neither"),
        (("--t0-s", "-1"), 2, "expected seconds above 0"),
        (("--t0-s", "128", "--dispersion", "golay"), 2, "a system beside it"),
        (("--t0-s", "128", "--analytes", "a,,b"), 2, "expected NAME@RT_s,NAME@RT_s"),
        (("--t0-s", "128", "--shared", "width"), 2, "expected some of t0_s"),
        (("--t0-s", "128", "--window-s", "300:200"), 2, "expected A:B in seconds"),
        (("--t0-s", "128", "--injection-width-s", "-0.5"), 2, "expected seconds of at least 0"),
        (("--t0-s", "128", "--analytes", "b@3.443"), 3, "If it is in minutes, write 206.58."),
        (("--t0-s", "400", "--analytes", "b@206.6"), 3, "a retention after the hold-up time"),
        (("--t0-s", "128", "--trace", "2"), 3, "trace"),
    ],
)
def test_refusals(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, line: str
) -> None:
    assert _fit("btex.csv", *words, "--out", "o") == code
    out, err = capsys.readouterr()
    assert out == ""
    assert line in err
    assert not (here / "o").exists()


def test_a_saturated_peak_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = np.loadtxt(here / "btex.csv", delimiter=",", skiprows=1)
    Chromatogram(table[:, 0], np.minimum(table[:, 1], 0.1)).write(here / "flat.csv")
    assert _fit("flat.csv", "--t0-s", "128.47", "--out", "o") == 3
    assert "a plateau of" in capsys.readouterr().err


def test_what_is_not_determined_is_shown_as_open(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--system", "btex", "--analytes", ",".join(_FIVE), "--shared", "t0_s")
    assert _fit("btex.csv", *words, "--injection-width-s", "0.5", "--out", "o") == 0
    assert "(open)" in capsys.readouterr().out


def test_it_needs_neither_torch_nor_monai(here: Path) -> None:
    """Of a fresh process, because other tests load them."""
    import subprocess
    import sys

    code = (
        "import sys; from medidiff.domains.chromatography.fitting.result import fit_chromatogram; "
        "from medidiff.domains.chromatography.files.reading import read_chromatogram; "
        "fit_chromatogram(read_chromatogram('btex.csv'), t0_s=128.47, analytes=['b@206.6']).save('o'); "
        "slow = {'torch', 'monai', 'numba', 'pybaselines', 'scipy.signal', 'scipy.optimize'}; "
        "print(slow & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
