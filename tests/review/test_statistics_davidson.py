"""Strengths of arms: a published example with ties, two independent programs, and an arm that always wins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from medidiff.errors import InputError
from medidiff.review.statistics import bradley_terry
from medidiff.review.statistics.davidson import CLUSTERED, CLUSTERED_CASES, PROFILE

PUDDINGS = np.array(
    [
        [1, 2, 19, 22, 16],
        [1, 3, 16, 19, 12],
        [2, 3, 19, 19, 10],
        [1, 4, 18, 23, 13],
        [2, 4, 23, 19, 9],
        [3, 4, 19, 20, 15],
        [1, 5, 13, 19, 18],
        [2, 5, 16, 20, 12],
        [3, 5, 16, 15, 17],
        [4, 5, 17, 14, 16],
        [1, 6, 18, 21, 12],
        [2, 6, 22, 20, 12],
        [3, 6, 13, 18, 10],
        [4, 6, 14, 19, 18],
        [5, 6, 11, 21, 12],
    ]
)
"""Davidson 1970, the chocolate puddings: i, j, preferences for i, for j, ties."""

PUBLISHED = (0.1388005, 0.1729985, 0.1617420, 0.1653930, 0.1586805, 0.2023855, 0.7468147)
"""pi and nu there, as PlackettLuce's vignette repeats them after the paper's few iterations."""


def answers(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    i, j = counts[:, 0] - counts[:, :2].min(), counts[:, 1] - counts[:, :2].min()
    n = counts[:, 2:]
    outcome = np.concatenate([np.repeat([1.0, 0.0, 0.5], row) for row in n])
    return np.repeat(i, n.sum(axis=1)), np.repeat(j, n.sum(axis=1)), outcome


def test_puddings_come_out_as_published() -> None:
    found = bradley_terry(*answers(PUDDINGS), arms=6)
    pi = np.exp(found.log_strengths)
    assert np.allclose(pi / pi.sum(), PUBLISHED[:6], atol=5e-5)
    assert found.nu == pytest.approx(PUBLISHED[6], abs=5e-4)
    assert not found.separated


def test_a_pair_may_be_given_either_way_round() -> None:
    first, second, outcome = answers(PUDDINGS)
    turned = np.random.default_rng(0).random(len(first)) < 0.5
    one, other = np.where(turned, second, first), np.where(turned, first, second)
    again = bradley_terry(one, other, np.where(turned, 1 - outcome, outcome), arms=6)
    found = bradley_terry(first, second, outcome, arms=6)
    assert np.allclose(again.log_strengths, found.log_strengths, atol=1e-12)
    assert again.nu == pytest.approx(found.nu)


def test_the_likelihood_equations_hold() -> None:
    """Davidson's: wins and half the ties of each arm, and all ties, equal what the model expects."""
    found = bradley_terry(*answers(PUDDINGS), arms=6)
    expected, observed, ties = np.zeros(6), np.zeros(6), 0.0
    for i, j, wins, losses, tied in PUDDINGS - np.array([1, 1, 0, 0, 0]):
        n = wins + losses + tied
        share = found.preferred(i, j)
        expected[[i, j]] += n * np.array([share, 1 - share])
        observed[[i, j]] += np.array([wins, losses]) + tied / 2
        p = np.exp(found.log_strengths[[i, j]])
        tie = found.nu * np.sqrt(p.prod())
        ties += n * tie / (p.sum() + tie)
    assert np.allclose(expected, observed, atol=1e-9)
    assert ties == pytest.approx(PUDDINGS[:, 4].sum(), abs=1e-9)


def test_with_ties_it_is_a_log_linear_model() -> None:
    """Statsmodels fits it as Poisson counts with a constant a pair: estimates and covariance to 1e-6."""
    models = pytest.importorskip("statsmodels.api", reason="the oracle is statsmodels")
    found = bradley_terry(*answers(PUDDINGS), arms=6)
    rows, counts = [], []
    for pair, (i, j, *n) in enumerate(PUDDINGS):
        for kind in range(3):
            arm = np.zeros(6)
            for one, on in ((i, kind != 1), (j, kind != 0)):
                arm[one - 1] += on * (0.5 if kind == 2 else 1)
            rows.append([*np.eye(15)[pair], *arm[1:], float(kind == 2)])
            counts.append(n[kind])
    fit = models.GLM(counts, np.array(rows), family=models.families.Poisson()).fit(tol=1e-14)
    theta, covariance = np.r_[0, fit.params[15:20]], np.zeros((6, 6))
    covariance[1:, 1:] = fit.cov_params()[15:20, 15:20]
    centre = np.eye(6) - 1 / 6
    assert np.allclose(found.log_strengths, centre @ theta, atol=1e-6)
    assert found.nu == pytest.approx(np.exp(fit.params[20]), abs=1e-6)
    assert np.allclose(found.covariance, centre @ covariance @ centre, atol=1e-6)


def test_without_ties_it_is_choix() -> None:
    choix = pytest.importorskip("choix", reason="the oracle is choix")
    counts = PUDDINGS.copy()
    counts[:, 4] = 0
    first, second, outcome = answers(counts)
    found = bradley_terry(first, second, outcome, arms=6)
    pairs = np.where(outcome[:, None] == 1, np.c_[first, second], np.c_[second, first])
    theirs = choix.opt_pairwise(6, [tuple(p) for p in pairs], method="BFGS", tol=1e-10)
    assert np.allclose(found.log_strengths, theirs - theirs.mean(), atol=1e-6)
    assert found.nu == 0


def test_an_arm_that_always_wins_has_a_finite_interval() -> None:
    """Two arms, n of n: Jeffreys gives log odds of n + 1/2 to 1/2, and the profile is that likelihood's."""
    n = 20
    found = bradley_terry(np.zeros(n, int), np.ones(n, int), np.ones(n), arms=2)
    (difference,) = found.differences
    assert found.separated
    assert found.method == PROFILE
    assert difference.estimate == pytest.approx(np.log((n + 0.5) / 0.5), abs=1e-5)

    def penalised(d: float) -> float:
        p = special.expit(d)
        return (n + 0.5) * np.log(p) + 0.5 * np.log(1 - p)

    top = penalised(difference.estimate) - stats.chi2.ppf(0.95, 1) / 2
    assert penalised(difference.low) == pytest.approx(top, abs=1e-5)
    assert penalised(difference.high) == pytest.approx(top, abs=1e-5)
    assert 0 < difference.low < difference.estimate < difference.high < 15


def test_one_of_three_arms_always_loses() -> None:
    first = np.array([0] * 8 + [0] * 6 + [1] * 6)
    second = np.array([1] * 8 + [2] * 6 + [2] * 6)
    outcome = np.array([1, 1, 1, 0, 0, 0.5, 0.5, 1] + [1] * 12)
    found = bradley_terry(first, second, outcome, arms=3)
    assert found.separated
    assert np.isfinite([[d.estimate, d.low, d.high] for d in found.differences]).all()
    assert found.log_strengths[2] < found.log_strengths[:2].min()
    assert found.differences[0].low < 0 < found.differences[0].high


def test_ties_alone_are_separated_too() -> None:
    found = bradley_terry(np.zeros(9, int), np.ones(9, int), np.full(9, 0.5), arms=2)
    assert found.separated
    assert found.differences[0].low < 0 < found.differences[0].high


def test_arms_that_were_never_compared() -> None:
    with pytest.raises(InputError) as caught:
        bradley_terry(np.array([0, 0]), np.array([1, 1]), np.array([1.0, 0.0]), arms=3)
    assert caught.value.got == "arms that stand alone"


def test_clusters_widen_the_interval_and_cells_of_their_own_do_not() -> None:
    """Two arms, one answer a cell, readers who differ: wider than independent answers would be."""
    rng = np.random.default_rng(3)
    shift = np.linspace(-1.5, 1.5, 8)[:, None]
    outcome = (rng.random((8, 30)) < special.expit(shift)).astype(float)
    reader, case = np.indices((8, 30)).reshape(2, -1)
    pair = np.zeros(240, int), np.ones(240, int), outcome.ravel()
    alone = bradley_terry(*pair, arms=2)
    both = bradley_terry(*pair, arms=2, reader=reader, case=case)
    assert both.method == CLUSTERED
    width = [d.high - d.low for d in (alone.differences[0], both.differences[0])]
    assert width[1] > 2 * width[0]
    few = reader < 3
    fixed = bradley_terry(*(a[few] for a in pair), arms=2, reader=reader[few], case=case[few])
    assert fixed.method == CLUSTERED_CASES
