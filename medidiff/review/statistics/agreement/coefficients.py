"""Agreement between readers: weighted kappa, Krippendorff's alpha, Fleiss' kappa, intraclass correlations.

Ratings are (raters, units) with NaN where a rater gave none. 1 is perfect agreement and 0 what chance gives;
where nothing varies, chance explains everything and the answer is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medidiff.errors import InputError

Floats = NDArray[np.float64]
Weights = Literal["none", "linear", "quadratic"]
Metric = Literal["nominal", "ordinal", "interval"]


def weighted_kappa(
    a: Floats, b: Floats, *, weights: Weights = "quadratic", categories: Floats | None = None
) -> float:
    """Cohen's kappa of two raters, disagreements weighted (Cohen 1968, Psychol Bull 70:213).

        kappa = 1 - sum w o / sum w e

    a, b: (n,); units that one of them left out (NaN) do not count. categories: all possible answers, from
    lowest to highest; by default those that occur, which must then be equally far apart to mean the same.
    """
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    scale = np.unique(np.concatenate([a, b])) if categories is None else np.asarray(categories)
    i, j = np.searchsorted(scale, a), np.searchsorted(scale, b)
    k = len(scale)
    if not len(a) or max(i.max(), j.max()) >= k or (scale[i] != a).any() or (scale[j] != b).any():
        raise _ratings("ratings of both raters, all of them in the categories", f"{len(a)} pairs")
    observed = np.zeros((k, k))
    np.add.at(observed, (i, j), 1 / len(a))
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0))
    distance = np.abs(np.subtract.outer(np.arange(k), np.arange(k)))
    w = {"none": distance > 0, "linear": distance, "quadratic": distance**2}[weights]
    chance = float((w * expected).sum())
    return 1 - float((w * observed).sum()) / chance if chance > 0 else np.nan


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha, and percentiles of it over units drawn again; NaN where not defined."""

    value: float
    low: float
    high: float
    metric: Metric
    units: int


def krippendorff_alpha(
    ratings: Floats,
    *,
    metric: Metric = "ordinal",
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Alpha:
    """1 - D_o / D_e from coincidences within units (Krippendorff 2019, Content Analysis, chapter 12).

    A unit with fewer than two ratings does not count. The interval resamples units, readers as they are.
    """
    scale = np.unique(ratings[np.isfinite(ratings)])
    counts = (ratings[:, :, None] == scale).sum(axis=0).astype(np.float64)  # (units, values)
    counts = counts[counts.sum(axis=1) >= 2]
    if not len(counts):
        raise _ratings("at least one unit with two ratings", "none")
    inside = counts[:, :, None] * counts[:, None, :]
    at = np.arange(len(scale))
    inside[:, at, at] -= counts
    coincidences = inside / (counts.sum(axis=1) - 1)[:, None, None]
    rng = np.random.default_rng(seed)
    n = len(counts)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float64)
    weights = np.concatenate([np.ones((1, n)), drawn])
    found = _alpha(np.tensordot(weights, coincidences, axes=1), scale, metric)
    kept = found[1:][np.isfinite(found[1:])]
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2]) if len(kept) else (np.nan, np.nan)
    return Alpha(float(found[0]), float(low), float(high), metric, n)


def _alpha(o: Floats, scale: Floats, metric: Metric) -> Floats:
    """(...,) of coincidences (..., values, values)."""
    n_c = o.sum(axis=-1)
    n = n_c.sum(axis=-1)
    if metric == "ordinal":
        upto = np.cumsum(n_c, axis=-1) - n_c / 2  # between c and k: all in between, and half of each end
        delta = (upto[..., :, None] - upto[..., None, :]) ** 2
    elif metric == "interval":
        delta = np.broadcast_to(np.subtract.outer(scale, scale) ** 2, o.shape)
    else:
        delta = np.broadcast_to(1 - np.eye(len(scale)), o.shape)
    seen = (o * delta).sum(axis=(-2, -1))
    chance = (n_c[..., :, None] * n_c[..., None, :] * delta).sum(axis=(-2, -1))
    return np.where(chance > 0, 1 - (n - 1) * seen / np.where(chance > 0, chance, 1), np.nan)


def fleiss_kappa(counts: Floats) -> float:
    """Kappa of a fixed number of raters a unit (Fleiss 1971, Psychol Bull 76:378); counts (units, values)."""
    raters = counts.sum(axis=1)
    if raters.min() != raters.max() or raters[0] < 2:
        raise _ratings(
            "the same number of raters a unit, at least two", f"{raters.min():g} to {raters.max():g}"
        )
    m = raters[0]
    agreed = float(((counts**2).sum(axis=1) - m).mean() / (m * (m - 1)))
    chance = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return (agreed - chance) / (1 - chance) if chance < 1 else np.nan


@dataclass(frozen=True)
class Icc:
    """Intraclass correlations.

    single: ICC(2,1), of one reader, with its interval; consistency: ICC(3,1), of one reader whose constant
    offset does not count; mean_of_all: ICC(2,k), of the mean of k readers.
    """

    single: float
    low: float
    high: float
    consistency: float
    mean_of_all: float
    readers: int
    units: int


def icc(ratings: Floats, *, level: float = 0.95) -> Icc:
    """Intraclass correlations, readers and units random (Shrout and Fleiss 1979, Psychol Bull 86:420).

    Units that a rater left out do not count. InputError for fewer than two raters or complete units.
    """
    x = ratings[:, np.isfinite(ratings).all(axis=0)].T
    n, k = x.shape
    if n < 2 or k < 2:
        raise _ratings("two raters and two units that all rated", f"{k} raters, {n} units")
    rows, columns = x.mean(axis=1), x.mean(axis=0)
    bms = k * float(rows.var(ddof=1))
    jms = n * float(columns.var(ddof=1))
    rest = x - rows[:, None] - columns + x.mean()
    ems = float((rest**2).sum()) / ((n - 1) * (k - 1))
    below = bms + (k - 1) * ems + k * (jms - ems) / n
    if below <= 0:
        return Icc(np.nan, np.nan, np.nan, np.nan, np.nan, k, n)
    single = (bms - ems) / below
    low, high = _icc_bounds(single, bms, jms, ems, n, k, (1 - level) / 2)
    consistency = (bms - ems) / (bms + (k - 1) * ems)
    whole = bms + (jms - ems) / n
    mean_of_all = (bms - ems) / whole if whole > 0 else np.nan
    return Icc(single, low, high, consistency, mean_of_all, k, n)


def _icc_bounds(
    rho: float, bms: float, jms: float, ems: float, n: int, k: int, alpha: float
) -> tuple[float, float]:
    """Of ICC(2,1), the source's equation with Satterthwaite's degrees of freedom."""
    if ems <= 0:
        return np.nan, np.nan
    f = jms / ems
    a, b = k * rho * f, n * (1 + (k - 1) * rho) - k * rho
    v = (k - 1) * (n - 1) * (a + b) ** 2 / ((n - 1) * a**2 + b**2)
    upper = float(stats.f.ppf(1 - alpha, n - 1, v))
    lower = float(stats.f.ppf(1 - alpha, v, n - 1))
    rest = k * jms + (k * n - k - n) * ems
    return n * (bms - upper * ems) / (upper * rest + n * bms), n * (lower * bms - ems) / (
        rest + n * lower * bms
    )


def _ratings(expected: str, got: str) -> InputError:
    return InputError("ratings", expected=expected, got=got, fix="Look at the export of the study.")
