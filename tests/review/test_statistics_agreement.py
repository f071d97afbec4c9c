"""Agreement against published tables, scikit-learn and statsmodels; repeats against sums by hand."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.review.statistics import (
    AnswerTable,
    fleiss_kappa,
    icc,
    krippendorff_alpha,
    repeat_agreement,
    repeated,
    weighted_kappa,
    within_reader,
)

NAN = np.nan
FOUR_OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)
"""Krippendorff 2011, Computing Krippendorff's alpha-reliability, section D: twelve units, gaps."""

SIX_TARGETS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7.0]]
).T
"""Shrout and Fleiss 1979, table 2: four judges of six targets."""


@pytest.mark.parametrize(
    ("weights", "theirs"), [("none", None), ("linear", "linear"), ("quadratic", "quadratic")]
)
def test_kappa_is_that_of_scikit_learn(weights: str, theirs: str | None) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="the oracle is scikit-learn")
    rng = np.random.default_rng(0)
    a = rng.integers(1, 6, 80)
    b = np.clip(a + rng.integers(-2, 3, 80), 1, 5)
    mine = weighted_kappa(a.astype(float), b.astype(float), weights=weights)  # type: ignore[arg-type]  parametrised
    assert mine == pytest.approx(metrics.cohen_kappa_score(a, b, weights=theirs), abs=1e-12)


def test_kappa_leaves_out_what_one_rater_left_out() -> None:
    a, b = np.array([1, 2, 3, NAN, 1]), np.array([1, 2, 3, 3, NAN])
    assert weighted_kappa(a, b) == 1
    assert np.isnan(weighted_kappa(np.ones(4), np.ones(4)))
    with pytest.raises(InputError):
        weighted_kappa(np.array([NAN]), np.array([1.0]))


@pytest.mark.parametrize(
    ("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_as_published(metric: str, published: float) -> None:
    found = krippendorff_alpha(FOUR_OBSERVERS, metric=metric)  # type: ignore[arg-type]  parametrised
    assert found.value == pytest.approx(published, abs=6e-4)
    assert found.units == 11  # the last unit has one rating
    assert found.low < found.value <= found.high <= 1


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval"])
def test_alpha_by_its_definition(metric: str) -> None:
    """1 - D_o / D_e, summed over every pair of ratings within units and of all (Krippendorff 2019)."""
    rng = np.random.default_rng(7)
    ratings = rng.integers(1, 6, (5, 30)).astype(float)
    ratings[rng.random(ratings.shape) < 0.2] = NAN
    units = [unit[np.isfinite(unit)] for unit in ratings.T if np.isfinite(unit).sum() >= 2]
    every = np.concatenate(units)

    def delta(a: float, b: float) -> float:
        if metric == "ordinal":
            between = ((every >= min(a, b)) & (every <= max(a, b))).sum()
            return float(between - ((every == a).sum() + (every == b).sum()) / 2) ** 2
        return float(a != b) if metric == "nominal" else (a - b) ** 2

    def disagreement(values: np.ndarray) -> float:
        return sum(delta(a, b) for a, b in permutations(values, 2)) / (len(values) - 1)

    seen, chance = sum(map(disagreement, units)), disagreement(every)
    found = krippendorff_alpha(ratings, metric=metric)  # type: ignore[arg-type]  parametrised
    assert found.value == pytest.approx(1 - seen / chance, abs=1e-12)


def test_alpha_of_two_raters_with_a_gap() -> None:
    """Made by the package krippendorff 0.9.0; nominal by hand: 1 - 7 * 2 / (64 - 18)."""
    ratings = np.array([[1, 2, 3, 3, NAN], [1, 2, 3, 4, 5]])
    assert krippendorff_alpha(ratings).value == pytest.approx(0.9103, abs=5e-5)
    assert krippendorff_alpha(ratings, metric="nominal").value == pytest.approx(1 - 14 / 46, abs=1e-12)


def test_alpha_where_nothing_varies_is_not_defined() -> None:
    assert np.isnan(krippendorff_alpha(np.ones((3, 5))).value)
    with pytest.raises(InputError):
        krippendorff_alpha(np.array([[1.0, NAN], [NAN, 2.0]]))


def test_fleiss_is_that_of_statsmodels() -> None:
    raters = pytest.importorskip("statsmodels.stats.inter_rater", reason="the oracle is statsmodels")
    counts = np.random.default_rng(1).multinomial(5, [0.2, 0.5, 0.3], 40).astype(float)
    assert fleiss_kappa(counts) == pytest.approx(raters.fleiss_kappa(counts), abs=1e-12)
    with pytest.raises(InputError):
        fleiss_kappa(np.array([[2.0, 1.0], [1.0, 1.0]]))


def test_intraclass_correlations_as_published() -> None:
    """ICC(2,1) 0.29 with bounds 0.019 and 0.761, ICC(3,1) 0.71, ICC(2,4) 0.62."""
    found = icc(SIX_TARGETS)
    assert found.single == pytest.approx(0.29, abs=5e-3)
    assert found.consistency == pytest.approx(0.71, abs=6e-3)
    assert found.mean_of_all == pytest.approx(0.62, abs=5e-3)
    assert (found.low, found.high) == pytest.approx((0.019, 0.761), abs=1e-3)
    gapped = np.concatenate([SIX_TARGETS, np.full((4, 1), NAN)], axis=1)
    assert icc(gapped) == found
    with pytest.raises(InputError):
        icc(SIX_TARGETS[:1])


def test_intraclass_correlations_are_those_of_an_analysis_of_variance() -> None:
    """Mean squares by least squares on raters and targets; Shrout and Fleiss's equations."""
    fit = pytest.importorskip("statsmodels.api", reason="the oracle is statsmodels")
    rng = np.random.default_rng(5)
    k, n = 4, 12
    x = rng.normal(size=(k, n)) + 2 * rng.normal(size=n) + rng.normal(size=(k, 1))
    rater, target = (np.ravel(i) for i in np.indices(x.shape))
    by_rater, by_target = np.eye(k)[rater], np.eye(n)[target]

    def residual(*design: np.ndarray) -> float:
        return float(fit.OLS(x.ravel(), np.concatenate(design, axis=1)).fit().ssr)

    rest = residual(by_rater, by_target[:, 1:])
    jms, bms = (residual(by_target) - rest) / (k - 1), (residual(by_rater) - rest) / (n - 1)
    ems = rest / ((k - 1) * (n - 1))
    found = icc(x)
    assert found.single == pytest.approx((bms - ems) / (bms + (k - 1) * ems + k * (jms - ems) / n), abs=1e-12)
    assert found.consistency == pytest.approx((bms - ems) / (bms + (k - 1) * ems), abs=1e-12)
    assert found.mean_of_all == pytest.approx((bms - ems) / (bms + (jms - ems) / n), abs=1e-12)


def scores(value: list[float], repeat: list[int], case: list[int], *, kind: str = "scale") -> AnswerTable:
    n = len(value)
    whole = np.zeros(n, int)
    second = np.ones(n, int) if kind == "pairs" else np.full(n, -1)
    return AnswerTable(
        kind,  # type: ignore[arg-type]  a literal of the caller
        ("fbp", "tv"),
        ("r",),
        tuple("abc"),
        whole,
        np.array(case),
        whole,
        second,
        np.array(value),
        np.array(repeat),
        whole,
        np.full(n, NAN),
    )


def test_spread_within_a_reader_by_hand() -> None:
    """Images a: 3, 5; b: 4, 4, 1; c once; one not judged. Squares 2 and 6 on 3 degrees of freedom."""
    table = scores([3, 5, 4, 4, 1, 2, NAN], [0, 1, 0, 1, 2, 0, 1], [0, 0, 1, 1, 1, 2, 2])
    found = within_reader(table)
    assert (found.cells, found.df) == (2, 3)
    assert found.sd == pytest.approx((8 / 3) ** 0.5)
    assert found.coefficient == pytest.approx(1.96 * 2**0.5 * found.sd)
    assert found.low < found.sd < found.high
    assert within_reader(scores([1.0], [0], [0])).df == 0


def test_repeats_of_pairs_by_hand() -> None:
    """Shuffled rows; later answers stand beside the first one, whatever their order in the file."""
    table = scores([0, 1, 0.5, 1, 1, 0], [1, 0, 0, 1, 0, 2], [0, 0, 1, 1, 2, 1], kind="pairs")
    before, after, reader = repeated(table)
    assert sorted(zip(before.tolist(), after.tolist(), strict=True)) == [(0.5, 0), (0.5, 1), (1, 0)]
    assert reader.tolist() == [0, 0, 0]
    same = repeat_agreement(np.array([1, 0, 0.5, 1]), np.array([1, 0, 0.5, 0]))
    assert same.agreement == 0.75
    assert same.kappa < 1
    assert repeat_agreement(before[:0], after[:0]).count == 0
