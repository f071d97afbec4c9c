"""Coverage: in which share of repeated experiments an interval held the truth, and how sure that share is.

    error of one parameter   sqrt(level (1 - level) / draws): how far a perfect interval would scatter
    error of the pooled one  sd over the draws of the share of parameters held / sqrt(draws)

The parameters of one draw share its noise, so that their hits are not independent: the pooled error is taken
from the draws, and is usually larger than sqrt(level (1 - level) / (draws parameters)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

from medidiff.errors import InputError
from medidiff.uncertainty.intervals import checked_level


@dataclass(frozen=True, eq=False)
class Coverage:
    """Hits of n parameters in a number of draws: `hits` is (draws, n), true where the truth lay inside."""

    hits: NDArray[np.bool_]
    level: float

    @property
    def draws(self) -> int:
        """How many experiments."""
        return len(self.hits)

    @property
    def share(self) -> NDArray[np.float64]:
        """(n,) the coverage of each parameter."""
        return np.asarray(self.hits.mean(axis=0))

    @property
    def error(self) -> float:
        """The binomial standard error of one parameter's share, were its coverage `level`."""
        return float(np.sqrt(self.level * (1 - self.level) / self.draws))

    @property
    def pooled(self) -> float:
        """The coverage over all parameters."""
        return float(self.hits.mean())

    @property
    def pooled_error(self) -> float:
        """Its standard error, with the parameters of one draw as dependent as they are."""
        return float(self.hits.mean(axis=1).std(ddof=1) / np.sqrt(self.draws))

    def bounds(self, confidence: float = 0.95) -> NDArray[np.float64]:
        """(n, 2): the binomial interval of each parameter's coverage."""
        hits = self.hits.sum(axis=0)
        return np.array([binomial_interval(int(hit), self.draws, confidence) for hit in hits])


def coverage(low: ArrayLike, high: ArrayLike, truth: ArrayLike, *, level: float) -> Coverage:
    """What intervals held.

    low, high: (draws, n); an open end is infinite. truth: (n,), or (draws, n) where it changes. level: what
    the intervals promise. Raises InputError for shapes that do not fit, fewer than two draws, or nan.
    """
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    truth = np.asarray(truth, np.float64)
    fits = low.ndim == 2 and low.shape == high.shape and truth.shape in (low.shape, low.shape[1:])
    if not fits or len(low) < 2:
        raise InputError(
            "intervals",
            expected="low and high (draws, parameters), truth (parameters,), at least two draws",
            got=f"shapes {low.shape}, {high.shape} and {truth.shape}",
            fix="Stack one row a draw.",
        )
    if np.isnan(low).any() or np.isnan(high).any() or np.isnan(truth).any():
        fix = "An interval that could not be found is no miss and no hit: leave the draw out and count it."
        raise InputError("intervals", expected="numbers or infinity", got="nan", fix=fix)
    return Coverage((low <= truth) & (truth <= high), checked_level(level))


def binomial_interval(hits: int, draws: int, confidence: float = 0.95) -> tuple[float, float]:
    """The share's exact interval (Clopper and Pearson 1934, Biometrika 26:404)."""
    if not 0 <= hits <= draws or draws < 1:
        got = f"{hits} of {draws}"
        raise InputError("hits", expected="0 <= hits <= draws", got=got, fix="Count again.", argument=True)
    tail = (1 - checked_level(confidence)) / 2
    low = float(betaincinv(hits, draws - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, draws - hits, 1 - tail)) if hits < draws else 1.0
    return low, high
