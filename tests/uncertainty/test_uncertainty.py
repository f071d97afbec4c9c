"""Summaries, intervals, coverage and samplers against laws known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from medidiff.errors import InputError
from medidiff.uncertainty import (
    binomial_interval,
    central_interval,
    coverage,
    effective_sample_size,
    highest_density_interval,
    sample_hamiltonian,
    sample_random_walk,
    split_rhat,
    summarise,
)

_MEAN = np.array([1.0, -2.0, 30.0])
_FACTOR = np.array([[0.5, 0, 0], [0.9, 0.3, 0], [-1.0, 2.0, 4.0]])
_COVARIANCE = _FACTOR @ _FACTOR.T
_PRECISION = np.linalg.inv(_COVARIANCE)


def _rng(index: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence((0, 1, index)))


def _normal(x: np.ndarray) -> tuple[float, np.ndarray]:
    slope = -_PRECISION @ (x - _MEAN)
    return 0.5 * float((x - _MEAN) @ slope), slope


def test_a_summary_of_samples_from_a_known_normal_law() -> None:
    """40000 draws: the mean errs by sd/200, the sd by 1/283, a correlation by 1/200; four errors allowed."""
    draws = _MEAN + _rng(0).standard_normal((4, 10_000, 3)) @ _FACTOR.T
    found = summarise(draws, ("a", "b", "c"))
    sd = np.sqrt(np.diag(_COVARIANCE))
    assert found.draws == 40_000
    assert np.abs((found.mean - _MEAN) / sd).max() < 4 / 200
    assert np.abs(found.sd / sd - 1).max() < 4 / 283
    assert np.abs(found.correlation - _COVARIANCE / np.outer(sd, sd)).max() < 4 / 200
    assert np.abs((found.quantiles[-1] - _MEAN) / sd - ndtri(0.975)).max() < 0.06
    assert summarise([[1.0], [3.0]], ["x"]).sd[0] == pytest.approx(np.sqrt(2))


def test_intervals_of_a_grid_of_quantiles() -> None:
    """Of an exponential law the shortest 90 % begin at zero; the central ones do not."""
    x = -np.log1p(-(np.arange(20_000) + 0.5) / 20_000)[:, None]
    low, high = central_interval(x, 0.9)
    assert (low[0], high[0]) == pytest.approx((-np.log(0.95), -np.log(0.05)), rel=2e-3)
    low, high = highest_density_interval(x, 0.9)
    assert low[0] == x[0, 0]
    assert high[0] == pytest.approx(-np.log(0.1), rel=2e-3)


def test_coverage_counts_and_its_errors() -> None:
    low = np.array([[0.0, 0.0], [0.0, 2.0], [1.5, -np.inf], [0.0, 0.0]])
    found = coverage(low, low + 1.2, [1.0, 1.0], level=0.95)
    assert found.share.tolist() == [0.75, 0.5]
    assert found.pooled == 0.625
    assert found.error == pytest.approx(np.sqrt(0.95 * 0.05 / 4))
    assert found.pooled_error == pytest.approx(np.std([1, 0.5, 0, 1], ddof=1) / 2)


def test_normal_intervals_cover_as_they_promise() -> None:
    """4000 draws at 90 %: 0.0047 a parameter; four of them."""
    centre = _rng(2).standard_normal((4000, 2))
    half = ndtri(0.95)
    found = coverage(centre - half, centre + half, np.zeros(2), level=0.9)
    assert np.abs(found.share - 0.9).max() < 4 * found.error
    assert (found.bounds(0.999)[:, 0] < 0.9).all()


def test_the_binomial_interval_is_the_textbooks() -> None:
    """Clopper-Pearson of 0 of n is [0, 1 - (alpha/2)^(1/n)]; 8 of 10 is in every table."""
    assert binomial_interval(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert binomial_interval(8, 10) == pytest.approx((0.4439045, 0.9747893), abs=1e-7)
    assert binomial_interval(10, 10)[1] == 1


def test_effective_size_of_an_autoregression() -> None:
    """AR(1) with a = 0.8 is worth (1 - a)/(1 + a) of its draws; white noise is worth them all."""
    noise = _rng(3).standard_normal((4, 20_000, 1))
    chain = noise.copy()
    for i in range(1, chain.shape[1]):
        chain[:, i] = 0.8 * chain[:, i - 1] + 0.6 * noise[:, i]
    assert effective_sample_size(chain)[0] == pytest.approx(80_000 / 9, rel=0.1)
    assert effective_sample_size(noise)[0] == pytest.approx(80_000, rel=0.1)
    assert split_rhat(chain)[0] < 1.01


def test_rhat_sees_chains_that_have_not_met() -> None:
    noise = _rng(4).standard_normal((4, 500, 2))
    noise[0, :, 1] += 2
    rhat = split_rhat(noise)
    assert rhat[0] < 1.02
    assert rhat[1] > 1.1
    assert split_rhat(np.ones((2, 20, 1)))[0] == 1
    assert effective_sample_size(np.ones((2, 20, 1)))[0] == 0


def test_a_drift_within_chains_is_seen() -> None:
    """Halves of one chain are compared, so that a common drift is no agreement."""
    drift = np.linspace(0, 3, 400)[None, :, None] + 0.1 * _rng(5).standard_normal((3, 400, 1))
    assert split_rhat(drift)[0] > 1.5


@pytest.mark.parametrize("kind", ["walk", "hamiltonian"])
def test_samplers_draw_a_correlated_normal_law(kind: str) -> None:
    """The scale given is wrong on purpose: round. Four errors by the chain's own effective size."""
    start = _MEAN + np.array([[1.0, 1, 1], [-1, -1, -1], [0, 2, 8]]) * 0.3
    scale = np.diag([0.5, 0.9, 4.0])
    if kind == "walk":
        chains = sample_random_walk(lambda x: _normal(x)[0], start, scale, draws=12_000, seed=3)
    else:
        chains = sample_hamiltonian(_normal, start, scale, draws=1500, seed=3)
    flat = chains.samples.reshape(-1, 3)
    sd = np.sqrt(np.diag(_COVARIANCE))
    assert (chains.rhat < 1.05).all()
    assert (chains.effective > 200).all()
    assert (np.abs(flat.mean(0) - _MEAN) < 4 * sd / np.sqrt(chains.effective)).all()
    assert np.abs(flat.std(0) / sd - 1).max() < 4 / np.sqrt(2 * chains.effective.min()) + 0.02
    assert 0.15 < chains.acceptance.mean() < 0.95


def test_a_skewed_law_keeps_its_moments() -> None:
    """The logarithm of a Gamma(3) variable: mean digamma(3) = 0.92278, variance trigamma(3) = 0.39493."""

    def law(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(3 * x[0] - np.exp(x[0])), np.array([3 - np.exp(x[0])])

    chains = sample_hamiltonian(law, [[0.5], [1.5]], [[0.6]], draws=4000)
    x = chains.samples.reshape(-1)
    assert x.mean() == pytest.approx(0.92278, abs=4 * np.sqrt(0.39493 / chains.effective[0]))
    assert x.var() == pytest.approx(0.39493, rel=0.1)


def test_the_same_seed_gives_the_same_chain_whatever_stands_beside_it() -> None:
    alone = sample_hamiltonian(_normal, [_MEAN], _FACTOR, draws=20, warm_up=10, seed=5)
    beside = sample_hamiltonian(_normal, [_MEAN, _MEAN + 0.1], _FACTOR, draws=20, warm_up=10, seed=5)
    other = sample_hamiltonian(_normal, [_MEAN], _FACTOR, draws=20, warm_up=10, seed=6)
    assert np.array_equal(alone.samples[0], beside.samples[0])
    assert not np.array_equal(alone.samples, other.samples)


def test_an_edge_of_the_law_is_never_crossed() -> None:
    """A half-normal law, -inf below zero: mean sqrt(2/pi)."""

    def law(x: np.ndarray) -> float:
        return -0.5 * float(x[0] ** 2) if x[0] > 0 else -np.inf

    chains = sample_random_walk(law, [[0.5], [1.0]], [[1.0]], draws=8000)
    assert (chains.samples > 0).all()
    assert chains.samples.mean() == pytest.approx(np.sqrt(2 / np.pi), abs=0.05)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: summarise(np.ones((3, 2)), ["a"]), "a column for each of 1 names"),
        (lambda: summarise([[np.nan], [1.0]], ["a"]), "finite values"),
        (lambda: summarise(np.ones((1, 2)), ["a", "b"]), "(draws, parameters)"),
        (lambda: summarise(np.ones((3, 1)), ["a"], levels=[2.5]), "probabilities"),
        (lambda: central_interval(np.ones((3, 1)), 95), "a probability above 0 and below 1"),
        (lambda: coverage([[0.0]], [[1.0]], [0.5], level=0.9), "low and high (draws, parameters)"),
        (lambda: coverage([[0.0]] * 2, [[np.nan]] * 2, [0.5], level=0.9), "numbers or infinity"),
        (lambda: binomial_interval(5, 4), "0 <= hits <= draws"),
        (lambda: split_rhat(np.ones((2, 5, 1))), "(chains, draws, parameters)"),
        (lambda: sample_random_walk(lambda x: 0.0, [[0.0]], [[0.0]], draws=3), "finite, scale regular"),
        (lambda: sample_random_walk(lambda x: 0.0, [0.0], [[1.0]], draws=3), "(chains, n) and (n, n)"),
        (lambda: sample_random_walk(lambda x: -np.inf, [[0.0]], [[1.0]], draws=3), "a place inside the law"),
    ],
)
def test_what_cannot_be_used_is_refused(call, expected: str) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert error.value.expected.startswith(expected)
