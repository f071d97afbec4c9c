"""The parts of the chromatograph's bench, the fast ones whole; no time is asserted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medidiff.bench import chromatography as bench
from medidiff.bench.chromatography import cadet, exactness, oracle, programmes, speed
from medidiff.bench.chromatography.cases import BTEX, C1, C3_PE, FIVE, Measured, Options, btex_five, off_by
from medidiff.bench.report import Row
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.model.injection import Rectangle
from medidiff.errors import InputError


def test_the_oracle_of_the_brief() -> None:
    """C1 at t = 15 and C3 with Pe 1e5, whose ends matter by less than 1e-4 there."""
    assert oracle.impulse_response(C1, np.array([15.0]))[0] == pytest.approx(0.1212626813844555, rel=1e-15)
    assert oracle.outlet(C3_PE, 0.0, np.array([185.75]))[0] == pytest.approx(0.14707671685286, rel=1e-5)
    mean, variance, third = oracle.cumulants(C1, 0.0)
    assert (mean, variance, third) == pytest.approx((15.0, 10.0, 30.0), rel=1e-15)


def test_engines_agree_and_the_names_are_those_that_other_programs_read() -> None:
    rows = exactness.agreement(Options()).rows
    assert {row.metric for row in rows} == {"closed_vs_fft", "closed_vs_mpmath", "fft_vs_mpmath"}
    assert all(row.ok for row in rows)
    assert any(row.case.startswith("btex") for row in rows)


def test_mass_moments_and_orders() -> None:
    pytest.importorskip("numba")
    rows = exactness.conservation(Options()).rows
    engines = {row.metric for row in rows}
    assert {f"mass_error.{name}" for name in ("closed", "fft", "pde", "nonlinear")} <= engines
    assert {f"moment_error.{name}" for name in ("closed", "fft", "pde")} <= engines
    assert [row.case for row in rows if row.ok is False] == []
    assert [round(row.value) for row in rows if row.metric == "order.nonlinear"] == [2, 4, 6]


def test_a_wrong_engine_misses_its_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shift by a millionth of a second is seen."""

    def shifted(t, transport, injection):
        return fft_curves(t - 1e-6, transport, injection)

    monkeypatch.setattr(exactness, "fft_curves", shifted)
    assert not any(row.ok for row in exactness.agreement(Options()).rows if row.metric == "fft_vs_mpmath")


def test_programmes_need_their_files(chromatography_files: Path) -> None:
    found = programmes.retention(Options(data=chromatography_files))
    rows = {row.metric: row for row in found.rows}
    for name in ("retention_error.A", "retention_error.B"):
        assert rows[name].ok
        assert rows[name].gate == 0.02
        assert rows[name].value < rows[name].aim == 0.007
    without = programmes.retention(Options())
    assert without.rows == ()
    assert len(without.skipped) == 2


def test_without_cadet_one_line_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(cadet.VARIABLE, raising=False)
    found = speed.beside_cadet(Options())
    assert found.rows == ()
    assert all(cadet.VARIABLE in words and "cadet-core" in words for words in found.skipped)


@pytest.mark.usefixtures("quick")
def test_beside_cadet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A program that is as exact as ours and takes a second: it is asked in its own file format."""
    pytest.importorskip("numba")
    program = tmp_path / "cadet-cli"
    program.touch()
    monkeypatch.setenv(cadet.VARIABLE, str(program))
    asked: list[cadet.Problem] = []

    def solve(_: Path, problem: cadet.Problem, settings: cadet.Settings) -> tuple[np.ndarray, float]:
        asked.append(problem)
        truth = races[problem.b_m3_per_mol is not None].truth
        return np.concatenate([np.zeros((len(truth), 1)), truth * (1 + 1e-6)], axis=1), 1.0

    races = (speed._linear(), speed._langmuir())
    monkeypatch.setattr(cadet, "solve", solve)
    rows = {row.metric: row for row in speed.beside_cadet(Options()).rows}
    assert rows["speedup_vs_cadet.linear"].gate == 1000
    assert rows["speedup_vs_cadet.langmuir"].gate == 10
    for name in ("linear", "langmuir"):
        taken = rows[f"seconds_beside_cadet.{name}"].value
        assert rows[f"speedup_vs_cadet.{name}"].value == pytest.approx(1 / taken)
        assert rows[f"error_beside_cadet.{name}"].ok
    assert {problem.peclet for problem in asked} == {1e5, np.inf}


def test_the_input_that_cadet_reads(tmp_path: Path) -> None:
    import h5py

    units, kd, b = np.array([50.0, 40.0]), np.array([1.0, 1.2]), np.array([0.5, 0.8])
    problem = cadet.Problem(10.0, units, kd, np.ones(2), 4.0, np.linspace(0, 60, 7), np.inf, b)
    with h5py.File(tmp_path / "problem.h5", "w") as file:
        cadet._write(file.create_group("input"), problem, cadet.Settings(20, 4, 1e-6, 1e-8))
        column = file["input/model/unit_001"]
        assert column["UNIT_TYPE"][()] == b"LUMPED_RATE_MODEL_WITHOUT_PORES"
        assert column["adsorption/MCL_KA"][()] == pytest.approx(kd * b)
        assert column["adsorption/MCL_QMAX"][()] == pytest.approx(units / (kd * b * 10))
        assert column["COL_DISPERSION"][()] == 0
        assert column["discretization/NELEM"][()] == 20
        assert file["input/solver/sections/SECTION_TIMES"][()] == pytest.approx([0, 4, 60])
        assert file["input/solver/time_integrator/RELTOL"][()] == 1e-6


@pytest.mark.usefixtures("quick")
def test_run_joins_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Measured((Row("btex", "seconds.fft", 1e-4, "s", 1e-3, better="lower"),), ("x: absent",), ("said",))
    seen: list[Options] = []
    monkeypatch.setattr(bench, "PARTS", {"one": lambda options: seen.append(options) or part})
    result = bench.run(draws=7)
    assert result.name == "chromatography"
    assert result.rows == part.rows
    assert (result.skipped, result.remarks) == (("x: absent",), ("said",))
    assert seen == [Options(7, None)]
    assert result.to_plain()["draws"] == 7


def test_data_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        bench.run(data=tmp_path / "none")
    assert error.value.argument


def test_five_analytes_on_1401_points() -> None:
    system, t = btex_five()
    assert system.names == FIVE
    assert len(t) == 1401
    assert BTEX == "btex, five analytes, 1401 points"
    c = fft_curves(t, system.transport(), Rectangle(1.0)).c
    assert c.sum(axis=1) * 0.31 == pytest.approx(np.ones(5), abs=1e-9)  # all of them lie inside
    assert off_by(c, 1.001 * c) == pytest.approx(0.001 / 1.001)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """One call in place of twenty."""
    monkeypatch.setattr("medidiff.bench.chromatography.cases.RUNS", 1)


@pytest.fixture
def chromatography_files() -> Path:
    """The folder of chromatograms beside the checkout; skips where absent."""
    place = Path(__file__).resolve().parents[3] / "shared" / "data" / "chromatography"
    if not (place / "leppert2020").is_dir():
        pytest.skip("the chromatography files are absent")
    return place
