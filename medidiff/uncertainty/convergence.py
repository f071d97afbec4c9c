"""Whether chains have met, and how many independent draws they are worth.

    split R-hat  sqrt(((d - 1)/d W + B/d) / W) over the halves of the chains, d draws a half, W the mean
                 variance within, B = d times the variance of the halves' means
    effective sample size  chains draws / (1 + 2 sum rho_t), with rho_t from all chains together, cut where
                 the sum of a neighbouring pair falls below zero, pairs made to fall monotonously

(Gelman et al., Bayesian Data Analysis, 3rd edition, 11.4-11.5; Geyer 1992, Stat Sci 7:473, for the cut.)
R-hat above 1.01 or fewer than 100 effective draws: sample longer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.errors import InputError

_FEWEST = 4


def split_rhat(samples: ArrayLike) -> NDArray[np.float64]:
    """(n,) split R-hat of samples (chains, draws, n); 1 is perfect, inf where halves stand still apart."""
    halves = _halves(samples)
    draws = halves.shape[1]
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = draws * halves.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.sqrt(((draws - 1) / draws * within + between / draws) / within)
    return np.where(within > 0, ratio, np.where(between > 0, np.inf, 1.0))


def effective_sample_size(samples: ArrayLike) -> NDArray[np.float64]:
    """(n,) how many independent draws samples (chains, draws, n) are worth; 0 for what never moved."""
    halves = _halves(samples)
    return np.array([_size_of(halves[:, :, index]) for index in range(halves.shape[2])])


def _halves(samples: ArrayLike) -> NDArray[np.float64]:
    """(2 chains, draws // 2, n); the middle draw of an odd number is left out."""
    values = np.asarray(samples, np.float64)
    if values.ndim != 3 or values.shape[1] < 2 * _FEWEST:
        raise InputError(
            "samples",
            expected=f"(chains, draws, parameters) with at least {2 * _FEWEST} draws",
            got=f"shape {values.shape}",
            fix="Draw more.",
        )
    half = values.shape[1] // 2
    return np.concatenate([values[:, :half], values[:, -half:]])


def _size_of(chains: NDArray[np.float64]) -> float:
    count, draws = chains.shape
    within = chains.var(axis=1, ddof=1).mean()
    if not within > 0:
        return 0.0
    total = (draws - 1) / draws * within + chains.mean(axis=1).var(ddof=1)
    lagged = _autocovariance(chains).mean(axis=0)
    rho = 1 - (within - lagged * draws / (draws - 1)) / total
    rho[0] = 1.0
    pairs = rho[: draws // 2 * 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs < 0)
    kept = np.minimum.accumulate(pairs[: negative[0] if negative.size else None])
    # An antithetic chain may be worth more than its draws; log10 bounds by how much (Vehtari et al. 2021).
    time = max(-1.0 + 2.0 * float(kept.sum()), 1.0 / np.log10(count * draws))
    return float(count * draws / time)


def _autocovariance(chains: NDArray[np.float64]) -> NDArray[np.float64]:
    """(chains, draws): of each chain at every lag, divided by its length; by FFT, padded."""
    centred = chains - chains.mean(axis=1, keepdims=True)
    draws = chains.shape[1]
    spectrum = np.fft.rfft(centred, 2 * draws, axis=1)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, 2 * draws, axis=1)[:, :draws] / draws)
