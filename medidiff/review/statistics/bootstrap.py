"""The two-way bootstrap: readers and cases drawn again together, percentiles of the mean.

Owen 2007, Ann Appl Stat 1:386: no bootstrap of a crossed design is exact; this one counts the noise of single
answers three times and so is too wide. It stands beside the interval of `crossed`, not in its place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def bootstrap_two_way(
    cells: Floats,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    readers: bool = True,
    cases: bool = True,
) -> Floats:
    """(..., 2): the bounds of the mean of cells (..., readers, cases), NaN where a cell is empty.

    readers, cases: which of the two are drawn. Every study of a batch is drawn alike, so the result of one
    does not depend on the others. A draw without any filled cell is left out.
    """
    rng = np.random.default_rng(seed)
    R, C = cells.shape[-2:]
    rows = _counts(rng, R, resamples, drawn=readers)
    columns = _counts(rng, C, resamples, drawn=cases)
    filled = np.isfinite(cells)
    sums = _weighted(rows, np.where(filled, cells, 0), columns)
    counts = _weighted(rows, filled.astype(np.float64), columns)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    tails = [(1 - level) / 2, (1 + level) / 2]
    quantiles = np.nanquantile if np.isnan(means).any() else np.quantile
    return np.moveaxis(quantiles(means, tails, axis=-1), 0, -1)


def _counts(rng: np.random.Generator, size: int, resamples: int, *, drawn: bool) -> Floats:
    """(resamples, size): how often each is drawn."""
    if not drawn:
        return np.ones((resamples, size))
    return rng.multinomial(size, np.full(size, 1 / size), size=resamples).astype(np.float64)


def _weighted(rows: Floats, cells: Floats, columns: Floats) -> Floats:
    """(..., resamples): sum over i, j of rows[b, i] cells[i, j] columns[b, j]."""
    found: Floats = np.einsum("...bj,bj->...b", rows @ cells, columns)
    return found
