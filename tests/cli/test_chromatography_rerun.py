"""`medidiff rerun` of the chromatograph's verbs: the same bytes again, from the same files only."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medidiff.cli.main import main
from medidiff.cli.reruns import RERUNS
from medidiff.domains.chromatography.analysis.chromatogram import chromatogram_peaks
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files import read_chromatogram
from medidiff.domains.chromatography.fitting.result import fit_chromatogram
from medidiff.domains.chromatography.model.injection import TailedRectangle
from medidiff.domains.chromatography.model.stored.shipped import named_system
from medidiff.domains.chromatography.simulate import simulate

METHOD = """
t0_s: 128.47
baseline: {method: constant}
integration: {emg: false}
peaks:
  - {name: benzene, at_s: 206.8, window_s: 5}
calibrations:
  benzene: {points: [{amount: 0, response: 0}, {amount: 2, response: 2}]}
ladder: {6: 180.0, 7: 220.0, 8: 320.0}
"""


Folder = Callable[..., None]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of a column with noise, a blank, and a method."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "method.yaml").write_text(METHOD, encoding="utf-8")
    column = named_system("btex").select(("benzene", "toluene"))
    clean = simulate(replace(column, start_s=150.0, end_s=350.0, interval_s=0.2))
    noise = 1e-3 * np.random.default_rng(0).standard_normal((3, clean.time_s.size))
    (folder / "runs").mkdir()
    traces = (clean.signal + noise[0], clean.signal + noise[1], noise[2])
    for name, signal in zip(("runs/a.csv", "runs/b.csv", "blank.csv"), traces, strict=True):
        table = np.stack([clean.time_s, signal], axis=1)
        np.savetxt(folder / name, table, delimiter=",", header="time_s,signal", comments="")
    (folder / "runs" / "standards.txt").write_text("amount,file\n1,a.csv\n2,b.csv\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def done(bench: Path) -> dict[tuple[str, ...], Path]:
    """Words of a run -> its folder, each run once."""
    return {}


@pytest.fixture
def here(bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bench, to work in."""
    work = tmp_path / "work"
    shutil.copytree(bench, work)
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def run(here: Path, bench: Path, done: dict[tuple[str, ...], Path]) -> Folder:
    """Do a run of the chromatograph's verbs, or take it from those that are done, as folder `o`."""

    def call(*words: str) -> None:
        if words not in done:
            assert main(["chromatography", *words, "--out", "o", "--quiet"]) == 0
            done[words] = bench.parent / f"done{len(done)}"
            shutil.copytree("o", done[words])
        else:
            shutil.copytree(done[words], "o")

    return call


def rerun(*words: str) -> int:
    return main(["rerun", "o/provenance.json", *words, "--quiet", "--json"])


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


FILE, INPUT = "runs/a.csv", ("--input", "runs/a.csv")
RUNS: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("simulate", "--engine", "closed", "--dispersion", "none", "--injection-width-s", "0.5"), ()),
    (("fit", FILE, "--system", "btex", "--analytes", "benzene@206.87654321,toluene"), INPUT),
    (("fit", FILE, "--t0-s", "128.47", "--window-s", "195:225", "--samples", "20", "--seed", "3"), INPUT),
    (("peaks", FILE, "--method", "method.yaml"), INPUT),
    (
        ("peaks", FILE, "--method", "method.yaml", "--blank", "blank.csv"),
        ("--input", "blank.csv", *INPUT),
    ),
    (("peaks", "runs", "--method", "method.yaml"), ("--input", "runs")),
    (
        ("peaks", "runs", "--method", "method.yaml", "--blank", "blank.csv"),
        ("--input", "runs", "--input", "blank.csv"),
    ),
    (("index", FILE, "--ladder", "6=180,7=220,8=320", "--method", "method.yaml"), INPUT),
    (
        ("index", FILE, "--ladder", "6=180,7=220,8=320", "--blank", "blank.csv"),
        (*INPUT, "--input", "blank.csv"),
    ),
    (
        ("calibrate", "runs/standards.txt", "--method", "method.yaml", "--peak", "benzene"),
        ("--input", "runs/standards.txt"),
    ),
    (("convert", FILE, "--to", "json"), INPUT),
    (("convert", FILE, "--to", "andi"), INPUT),
]


def test_every_verb_of_the_table_is_tried_here_or_beside() -> None:
    tried = {f"chromatography {words[0]}" for words, _ in RUNS}
    assert set(RERUNS) == tried | {"reconstruct ct"}


def test_the_folder_of_a_run_is_taken_for_its_provenance(
    run: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    words, inputs = RUNS[0]
    run(*words)
    capsys.readouterr()
    assert main(["rerun", "o", *inputs, "--quiet", "--json"]) == 0
    assert shown(capsys)["kept"] is True


@pytest.mark.parametrize(("words", "inputs"), RUNS, ids=lambda words: " ".join(words)[:40])
def test_the_same_bytes_come_again(
    words: tuple[str, ...], inputs: tuple[str, ...], run: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*words)
    capsys.readouterr()
    assert rerun(*inputs) == 0
    found = shown(capsys)
    assert (found["promise"], found["changed"], found["kept"]) == ("identical bytes", [], True)


def test_a_run_that_was_done_again_can_be_done_again(run: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    """What the door read, and the whole of the options, stand in the new provenance too."""
    run(*RUNS[1][0])
    options = json.loads(Path("o/provenance.json").read_text())["options"]
    assert options["analytes"][0] == "benzene@206.87654321"
    assert rerun(*INPUT, "--out", "again") == 0
    capsys.readouterr()
    assert main(["rerun", "again/provenance.json", *INPUT, "--quiet", "--json"]) == 0
    assert shown(capsys)["kept"] is True


@pytest.mark.parametrize("whole", [True, False])
def test_a_table_that_was_changed_breaks_the_promise(
    whole: bool, here: Path, run: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    """Digit by digit in a folder; without its report, by the digest in the provenance."""
    run(*RUNS[3][0])
    table, record = here / "o" / "peaks.csv", here / "o" / "provenance.json"
    if whole:
        table.write_text(table.read_text().replace("benzene", "benzine"))
    else:
        (here / "o" / "report.json").unlink()
        found = json.loads(record.read_text())
        found["outputs"]["peaks.csv"] = "sha256:" + 64 * "0"
        record.write_text(json.dumps(found))
    capsys.readouterr()
    assert rerun(*INPUT) == 6
    assert shown(capsys)["identical"] is False


@pytest.mark.parametrize(("words", "inputs"), RUNS[1:], ids=lambda words: " ".join(words)[:40])
def test_another_file_is_refused(
    words: tuple[str, ...],
    inputs: tuple[str, ...],
    here: Path,
    run: Folder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(*words)
    path = here / "runs" / "a.csv"
    path.write_text(path.read_text() + "350.2,0.0\n")
    assert rerun(*inputs, "--out", "again") == 3
    assert "digest" in capsys.readouterr().err
    assert not (here / "again").exists()


def test_the_files_that_a_run_needs_are_asked_for(
    here: Path, run: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    run("simulate")
    assert rerun(*INPUT) == 2
    shutil.rmtree("o")
    run(*RUNS[4][0])
    assert rerun(*INPUT) == 2
    assert "each with --input" in capsys.readouterr().err
    assert rerun(*INPUT, *INPUT) == 2
    assert rerun() == 2


def test_a_system_of_ones_own_needs_no_file(
    here: Path, run: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (files("medidiff") / "assets" / "chromatography-btex.yaml").read_text(encoding="utf-8")
    (here / "mine.yaml").write_text(text.replace("length_m: 30.0", "length_m: 29.7"), encoding="utf-8")
    run("simulate", "--system", "mine.yaml", "--detector-s", "0.1")
    (here / "mine.yaml").unlink()
    capsys.readouterr()
    assert rerun() == 0
    assert shown(capsys)["identical"] is True


def test_the_demo_is_done_again_without_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "chromatography", "--out", "o", "--quiet"]) == 0
    capsys.readouterr()
    assert rerun() == 0
    assert shown(capsys)["kept"] is True


def test_a_simulation_is_its_plate_heights_too(here: Path, run: Folder) -> None:
    run("simulate", "--plate-heights")
    assert rerun("--out", "again") == 0
    for name in ("plate_heights.csv", "plate_heights.png"):
        assert (here / "again" / name).read_bytes() == (here / "o" / name).read_bytes()


def test_a_fit_from_python_with_an_injection_of_its_own(here: Path) -> None:
    trace = read_chromatogram(FILE)
    injection = TailedRectangle(0.1, 1 / 3)
    fit_chromatogram(trace, t0_s=128.47, analytes=["benzene@206.9"], injection=injection).save("o")
    assert rerun(*INPUT) == 0


def test_a_run_of_a_trace_that_no_file_holds_cannot_be_read_again(here: Path) -> None:
    """Its digest is that of the samples, which no file has."""
    trace = read_chromatogram(FILE)
    chromatogram_peaks(Chromatogram(trace.x, 2 * trace.signal), method="method.yaml").save("o")
    assert rerun(*INPUT) == 3


@pytest.mark.parametrize(
    ("words", "place", "value", "says"),
    [
        (("simulate",), ("options", "system", "column", "length_m"), 31.0, "another digest"),
        (("simulate",), ("options", "system", "column", "length_m"), "long", "a value of its type"),
        (("simulate",), ("options", "system", "kind"), "Path", "a kind of"),
        (("simulate",), ("options", "engine"), "magic", "options.engine"),
        (("simulate",), ("options", "limit_s"), 0.0, "options.limit_s"),
        (("fit", FILE, "--t0-s", "128.47"), ("options", "samples"), 10**9, "options.samples"),
        (("fit", FILE, "--t0-s", "128.47"), ("options", "shared"), ["all"], "options.shared.0"),
        (("fit", FILE, "--t0-s", "128.47"), ("reading", "trace"), 0, "reading.trace"),
        (("peaks", FILE), ("options", "method", "baseline", "method"), "magic", "options.method.baseline"),
        (("peaks", FILE), ("inputs", "chromatogram"), 1, "inputs.chromatogram"),
        (("convert", FILE), ("options", "to"), "exe", "options.to"),
        (("convert", FILE), ("verb",), "chromatography guess", "verb: 'chromatography guess'"),
    ],
)
def test_no_provenance_is_trusted(
    words: tuple[str, ...],
    place: tuple[str, ...],
    value: object,
    says: str,
    here: Path,
    run: Folder,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(*words)
    record = here / "o" / "provenance.json"
    found = json.loads(record.read_text())
    part = found
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    record.write_text(json.dumps(found))
    capsys.readouterr()
    assert rerun(*(() if words == ("simulate",) else INPUT)) == 3
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_a_folder_with_a_blank_needs_both(run: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    run(*next(words for words, _ in RUNS if words[1] == "runs" and "--blank" in words))
    assert rerun("--input", "runs") == 2
    assert "expected --input twice" in capsys.readouterr().err
    assert rerun("--input", "blank.csv", *INPUT) == 3
    assert "expected a folder" in capsys.readouterr().err
