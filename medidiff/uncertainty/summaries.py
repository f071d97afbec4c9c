"""Samples of a few parameters in numbers: mean, standard deviation, quantiles, correlation.

Samples are (draws, parameters), or (chains, draws, parameters), whose chains are joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.errors import InputError

LEVELS = (0.025, 0.25, 0.5, 0.75, 0.975)
"""The quantiles of a summary unless others are asked for: median, middle half, middle 95 %."""


@dataclass(frozen=True, eq=False)
class Summary:
    """n parameters in numbers, in the samples' own units.

    names: one each. draws: how many samples. mean, sd: (n,), sd with draws - 1. levels: the probabilities of
    the quantiles. quantiles: (levels, n). correlation: (n, n); nan for a parameter that never moved.
    """

    names: tuple[str, ...]
    draws: int
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    levels: tuple[float, ...]
    quantiles: NDArray[np.float64]
    correlation: NDArray[np.float64]


def summarise(samples: ArrayLike, names: Sequence[str], *, levels: Sequence[float] = LEVELS) -> Summary:
    """The summary of samples (draws, n) or (chains, draws, n); quantiles are linear between order statistics.

    Raises InputError for fewer than two draws, values that are not finite, names or levels that do not fit.
    """
    flat = flat_samples(samples)
    if len(names) != flat.shape[1]:
        raise InputError(
            "samples",
            expected=f"a column for each of {len(names)} names",
            got=f"{flat.shape[1]} columns",
            fix="Give one name a parameter.",
        )
    if wrong := [level for level in levels if not 0 <= level <= 1]:
        fix = "0.025 and 0.975 hold the middle 95 %."
        raise InputError("levels", expected="probabilities", got=f"{wrong[0]:g}", fix=fix, argument=True)
    covariance = np.atleast_2d(np.cov(flat, rowvar=False))
    return Summary(
        tuple(names),
        len(flat),
        flat.mean(axis=0),
        flat.std(axis=0, ddof=1),
        tuple(levels),
        np.quantile(flat, list(levels), axis=0),
        correlation_of(covariance),
    )


def correlation_of(covariance: ArrayLike) -> NDArray[np.float64]:
    """Correlations (n, n) of a covariance (n, n); nan where a variance is not above zero."""
    matrix = np.asarray(covariance, np.float64)
    variance = np.diagonal(matrix)
    sd = np.sqrt(np.where(variance > 0, variance, np.nan))
    return np.asarray(matrix / np.outer(sd, sd))


def flat_samples(samples: ArrayLike) -> NDArray[np.float64]:
    """Samples as (draws, n), chains joined; InputError for another shape or values that are not finite."""
    values = np.asarray(samples, np.float64)
    if values.ndim == 3:
        values = values.reshape(-1, values.shape[2])
    if values.ndim != 2 or len(values) < 2 or not values.shape[1]:
        raise InputError(
            "samples",
            expected="(draws, parameters) or (chains, draws, parameters), at least two draws",
            got=f"shape {np.shape(samples)}",
            fix="Draw more.",
        )
    if wrong := int(np.count_nonzero(~np.isfinite(values))):
        fix = "Look at the sampler: a chain has left the law."
        raise InputError("samples", expected="finite values", got=f"{wrong} that are not", fix=fix)
    return values
