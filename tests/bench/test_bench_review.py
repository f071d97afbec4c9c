"""The coverage bench: gates on few studies, its truth by hand, and intervals that are the package's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from medidiff.bench import review as bench
from medidiff.bench.report import Row
from medidiff.bench.review import Study
from medidiff.review.statistics import preference

MAIN = Study(preference=0.5, gated=True)


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], Row]:
    result = bench.run(studies=400, resamples=200)
    return {(row.case, row.metric): row for row in result.rows}


def test_gates_and_what_stands_beside_them(rows: dict[tuple[str, str], Row]) -> None:
    """400 studies know a coverage to about 1.1 points, so the band is wider than the gate's."""
    for study in bench.STUDIES:
        least = rows[study.name, "coverage.components"]
        assert (least.gate, rows[study.name, "coverage.components.most"].gate) == (
            (93, 97) if study.gated else (None, None)
        )
        assert 90.5 < least.value < 99
    main = MAIN.name
    assert "8 readers x 30 cases" in main
    assert rows[main, "coverage.bootstrap"].value > 95
    assert 77 < rows[main, "coverage.bootstrap_readers"].value < 90


def test_an_interval_that_forgets_the_cases_misses_the_gate(rows: dict[tuple[str, str], Row]) -> None:
    assert rows[MAIN.name, "coverage.bootstrap_readers"].value < bench.LOWEST


@pytest.mark.parametrize("study", [Study(preference=0.7), Study(preference=0.85, ties=0.5)])
def test_the_truth_is_what_very_many_answers_give(study: Study) -> None:
    rng = np.random.default_rng(0)
    eta = bench._offset(study) + np.hypot(0.5, 0.8) * rng.standard_normal(1_000_000)
    wins, losses = special.expit(eta - study.ties), special.expit(-eta - study.ties)
    assert np.mean(wins + (1 - wins - losses) / 2) == pytest.approx(study.preference, abs=1e-3)
    answers = bench._answered(eta, study.ties, rng)
    assert answers.mean() == pytest.approx(study.preference, abs=2e-3)
    assert np.mean(answers == 0.5) == pytest.approx(np.mean(1 - wins - losses), abs=2e-3)


@pytest.mark.parametrize("study", [Study(), Study(readers=4), Study(empty=0.3)])
def test_its_intervals_are_those_of_the_package(study: Study) -> None:
    cells, _ = bench._simulated(study, bench._offset(study), 5, np.random.default_rng(1))
    for one, interval in zip(cells, bench.component_intervals(cells), strict=True):
        reader, case = np.nonzero(np.isfinite(one))
        found = preference(reader, case, one[reader, case])
        assert (found.low, found.high) == pytest.approx(tuple(interval), rel=1e-9)
