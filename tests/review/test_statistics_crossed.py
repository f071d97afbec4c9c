"""The mean of crossed readers and cases: formulas by hand, gaps, repeats, degenerate studies, claims."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from medidiff.errors import InputError
from medidiff.review.statistics import (
    bootstrap_two_way,
    components,
    crossed_mean,
    non_inferiority,
    preference,
    score_difference,
    superiority,
)
from medidiff.review.statistics.crossed import COMPONENTS, EXACT, UNKNOWN, clopper_pearson


def crossed(rng: np.random.Generator, studies: int, readers: int, cases: int) -> np.ndarray:
    """Variances 0.3 of readers, 0.5 of cases, 1 of cells."""
    r = 0.3**0.5 * rng.standard_normal((studies, readers, 1))
    c = 0.5**0.5 * rng.standard_normal((studies, 1, cases))
    return np.asarray(r + c + rng.standard_normal((studies, readers, cases)))


def places(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    reader, case = np.nonzero(np.isfinite(cells))
    return reader, case, cells[reader, case]


def test_a_full_table_by_hand() -> None:
    """V_readers, V_cases: variance of means over their number; V_error: residual mean square over cells."""
    cells = crossed(np.random.default_rng(0), 1, 6, 9)[0]
    found = crossed_mean(*places(cells))
    rows, columns = cells.mean(axis=1), cells.mean(axis=0)
    rest = cells - rows[:, None] - columns + cells.mean()
    v = [rows.var(ddof=1) / 6, columns.var(ddof=1) / 9, (rest**2).sum() / (5 * 8) / 54]
    assert (found.v_readers, found.v_cases, found.v_error) == pytest.approx(v, rel=1e-12)
    whole = v[0] + v[1] - v[2]
    df = whole**2 / (v[0] ** 2 / 5 + v[1] ** 2 / 8 + v[2] ** 2 / 40)
    reach = stats.t.ppf(0.975, df) * whole**0.5
    assert found.df == pytest.approx(df, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((cells.mean() - reach, cells.mean() + reach), rel=1e-12)
    assert found.complete
    assert not found.readers_fixed


def test_with_gaps_the_variance_is_that_of_the_mean() -> None:
    """6000 studies, a third of the cells empty in one fixed pattern, one reader with a single case."""
    rng = np.random.default_rng(1)
    empty = rng.random((7, 12)) < 0.33
    empty[0] = True
    empty[0, 0] = False
    cells = np.where(empty, np.nan, crossed(rng, 6000, 7, 12))
    found = components(cells)
    v = found.v_readers + found.v_cases - found.v_error
    # Truth by the definition of the mean's variance, then by the spread of the means themselves.
    filled = ~empty
    M = filled.sum()
    truth = (0.3 * (filled.sum(1) ** 2).sum() / M + 0.5 * (filled.sum(0) ** 2).sum() / M + 1) / M
    assert v.mean() == pytest.approx(truth, rel=0.02)  # its standard error is 0.5 %
    assert found.mean.var() == pytest.approx(truth, rel=0.06)  # 1.8 %


def test_where_each_reader_has_cases_of_their_own() -> None:
    """Cases nested in readers: V is the variance of equally busy readers' means over their number."""
    rng = np.random.default_rng(2)
    reader = np.repeat(np.arange(6), 5)
    value = rng.standard_normal(30) + 2 * rng.standard_normal(6)[reader]
    found = crossed_mean(reader, np.arange(30), value)
    means = value.reshape(6, 5).mean(axis=1)
    assert found.standard_error**2 == pytest.approx(means.var(ddof=1) / 6, rel=1e-9)


def test_a_repeated_pair_counts_once() -> None:
    cells = crossed(np.random.default_rng(3), 1, 5, 8)[0]
    reader, case, value = places(cells)
    twice = case < 3
    again = crossed_mean(
        np.r_[reader, reader[twice]],
        np.r_[case, case[twice]],
        np.r_[np.where(twice, value + 0.4, value), value[twice] - 0.4],
    )
    once = crossed_mean(reader, case, value)
    assert again.answers == 40 + 15
    assert (again.estimate, again.low, again.high) == pytest.approx((once.estimate, once.low, once.high))


def test_few_readers_are_fixed() -> None:
    """Four readers: the interval of the cases' means; labels may be anything."""
    cells = crossed(np.random.default_rng(4), 1, 4, 15)[0]
    reader, case, value = places(cells)
    found = crossed_mean(np.array(list("qxza"))[reader], case, value)
    of_cases = stats.ttest_1samp(cells.mean(axis=0), 0).confidence_interval(0.95)
    assert found.readers_fixed
    assert (found.low, found.high) == pytest.approx(tuple(of_cases), rel=1e-9)
    alone = crossed_mean(reader[reader == 0], case[reader == 0], value[reader == 0])
    of_one = stats.ttest_1samp(cells[0], 0).confidence_interval(0.95)
    assert (alone.low, alone.high) == pytest.approx(tuple(of_one), rel=1e-9)


def test_no_component_is_below_zero() -> None:
    """Readers whose means agree better than chance would have it: as if there were no difference at all."""
    cells = np.tile(np.array([1.0, 0.0]), (6, 5))
    cells[1::2] = 1 - cells[1::2]
    cells[0, 0] = 0
    found = components(cells)
    assert found.v_readers + found.v_cases < found.v_error
    assert found.variance(readers_fixed=False) == pytest.approx(found.v_error)


def test_when_all_prefer_one_arm_the_interval_is_exact() -> None:
    """8 readers, 30 cases, every answer the same: eight of eight, since readers are fewer."""
    reader, case = np.indices((8, 30)).reshape(2, -1)
    found = preference(reader, case, np.ones(240))
    assert found.method == EXACT
    assert (found.low, found.high) == (pytest.approx(0.025 ** (1 / 8)), 1.0)
    exact = stats.binomtest(3, 11).proportion_ci(0.95, method="exact")
    assert clopper_pearson(3 / 11, 11, 0.025) == pytest.approx((exact.low, exact.high))
    ties = preference(reader, case, np.full(240, 0.5))
    assert ties.low < 0.25 < 0.75 < ties.high


def test_a_share_stays_between_0_and_1() -> None:
    reader, case = np.indices((5, 6)).reshape(2, -1)
    outcome = np.ones(30)
    outcome[:2] = 0
    found = preference(reader, case, outcome)
    assert found.high == 1
    assert found.method == COMPONENTS


@pytest.mark.parametrize("value", [np.ones(6), np.array([1.0])])
def test_without_spread_or_a_second_case_there_is_no_interval(value: np.ndarray) -> None:
    found = crossed_mean(np.zeros(len(value)), np.arange(len(value)), value)
    assert found.method == UNKNOWN
    assert np.isnan([found.low, found.high]).all()
    assert not superiority(found).shown


def test_no_answers() -> None:
    with pytest.raises(InputError):
        crossed_mean(np.zeros(0), np.zeros(0), np.zeros(0))


def test_scores_are_compared_within_reader_and_case() -> None:
    """Only the cells with both arms; a repeat is averaged; test minus reference."""
    rows = [
        (r, c, arm, r + 2 * c + (0.5 + 0.1 * c) * arm) for r in range(5) for c in range(6) for arm in (0, 1)
    ]
    rows += [(0, 6, 1, 9.0), (1, 7, 0, 9.0)]  # without the other arm
    reader, case, arm, score = (np.array(column) for column in zip(*rows, strict=True))
    found = score_difference(reader, case, arm, score)
    assert found.estimate == pytest.approx(0.75)
    assert (found.readers, found.cases, found.answers) == (5, 6, 30)
    turned = score_difference(reader, case, arm, score, test=0, reference=1)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    with pytest.raises(InputError):
        score_difference(reader[arm == 1], case[arm == 1], arm[arm == 1], score[arm == 1])


def test_claims_follow_the_bound() -> None:
    cells = crossed(np.random.default_rng(5), 1, 8, 20)[0] + 0.2
    gain = crossed_mean(*places(cells))
    low, _ = gain.bounds(0.025)
    assert low == pytest.approx(gain.low)  # one-sided 2.5 % is the lower end of 95 %
    assert non_inferiority(gain, margin=-low + 0.01).shown
    assert not non_inferiority(gain, margin=max(-low - 0.01, 1e-6)).shown
    at_the_bound = non_inferiority(gain, margin=-low, alpha=0.025)
    assert at_the_bound.p == pytest.approx(0.025)
    assert superiority(gain).shown == (low > 0)
    assert gain.bounds(0.05)[0] > low


def test_the_bootstrap_draws_what_it_is_told() -> None:
    rng = np.random.default_rng(6)
    cells = crossed(rng, 3, 8, 30)
    cells[:, 2, 4] = np.nan
    both, readers, cases = (
        bootstrap_two_way(cells, resamples=4000, readers=r, cases=c) for r, c in ((1, 1), (1, 0), (0, 1))
    )
    assert both.shape == (3, 2)
    assert np.array_equal(both[1], bootstrap_two_way(cells[1], resamples=4000))
    for one, interval in zip(cells, readers, strict=True):
        spread = np.nanmean(one, axis=1).std() / 8**0.5  # divided by n, as a bootstrap does
        assert np.diff(interval)[0] == pytest.approx(2 * 1.96 * spread, rel=0.1)
    assert (np.diff(both) > np.maximum(np.diff(readers), np.diff(cases))).all()
