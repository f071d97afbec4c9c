"""The mean of readers crossed with cases, and how well it is known.

    x_ij = mu + r_i + c_j + e_ij         reader i, case j; e holds their interaction and the answer itself

    V = V_readers + V_cases - V_error    (variance of the mean; Satterthwaite 1946, Biometrics Bull 2:110)
    V_readers = s_r^2 sum (m_i/M)^2 + V_error,  V_cases = s_c^2 sum (m_j/M)^2 + V_error,  V_error = s_e^2 / M

M cells are filled, m_i of reader i, m_j of case j. Where all are, V_readers is the variance of the readers'
means over their number, V_cases the same of cases, and V_error the residual mean square over M. The three
variances come from three sums of squares, whose expectations are known for any pattern of missing cells
(Henderson 1953, Biometrics 9:226, method 1). A component below zero counts as zero. Answers of one reader
to one case are averaged first, so that a repeated pair counts once; then V is unbiased even where the noise
of a cell depends on the cell, as that of a yes or no does.

Below five readers the readers are fixed: V = V_cases, and the result holds for these readers only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medidiff.errors import InputError

Floats = NDArray[np.float64]

FEWEST_READERS = 5
"""From here on readers are a sample of all readers; below, nothing can be said of others."""

COMPONENTS = "variance components of readers and cases, t interval with Satterthwaite's degrees of freedom"
FIXED = "readers fixed: t interval on the variance between cases"
EXACT = "no spread was seen: exact binomial interval (Clopper and Pearson 1934), a trial a reader or a case"
UNKNOWN = "no interval: fewer than two cases, or no spread was seen"
WITH_T = (COMPONENTS, FIXED)


@dataclass(frozen=True)
class Components:
    """Of one or many studies, arrays of one shape (...): the mean, its variances, and what they rest on.

    readers and cases are effective numbers, M^2 / sum m^2: how many equally busy ones weigh the same.
    """

    mean: Floats
    v_readers: Floats
    v_cases: Floats
    v_error: Floats
    readers: Floats
    cases: Floats
    df_error: Floats

    def variance(self, *, readers_fixed: bool) -> Floats:
        """Of the mean, with no component below zero."""
        above = np.maximum(self.v_cases, self.v_error)
        if readers_fixed:
            return above
        return np.maximum(self.v_readers, self.v_error) + above - self.v_error

    def df(self, *, readers_fixed: bool) -> Floats:
        """Satterthwaite's degrees of freedom, at least 1."""
        if readers_fixed:
            return np.maximum(self.cases - 1, 1)
        spread = (
            self.v_readers**2 / np.maximum(self.readers - 1, 1e-3)
            + self.v_cases**2 / np.maximum(self.cases - 1, 1e-3)
            + self.v_error**2 / np.maximum(self.df_error, 1)
        )
        v = self.variance(readers_fixed=False)
        return np.maximum(v**2 / np.where(spread > 0, spread, 1), 1)


def components(cells: Floats) -> Components:
    """cells: (..., readers, cases), NaN where a cell is empty; at least one is filled."""
    filled = np.isfinite(cells)
    in_rows, in_columns = filled.sum(-1), filled.sum(-2)
    M = in_rows.sum(-1)
    mean = np.where(filled, cells, 0).sum((-2, -1)) / M
    d = np.where(filled, cells - mean[..., None, None], 0)
    squares = np.stack(
        [
            (d.sum(-1) ** 2 / np.maximum(in_rows, 1)).sum(-1),
            (d.sum(-2) ** 2 / np.maximum(in_columns, 1)).sum(-1),
            (d**2).sum((-2, -1)),
        ],
        axis=-1,
    )
    R, C = (in_rows > 0).sum(-1), (in_columns > 0).sum(-1)
    a, b = (in_rows**2).sum(-1) / M, (in_columns**2).sum(-1) / M
    expected = np.stack([M - a, R - b, R - 1, C - a, M - b, C - 1, M - a, M - b, M - 1], axis=-1)
    expected = expected.reshape(*M.shape, 3, 3).astype(np.float64)
    # Where cases are not shared between readers, two of the variances cannot be told apart: the
    # pseudo-inverse halves them, and V, which holds their sum, stays what it is.
    s = (np.linalg.pinv(expected, rcond=1e-10) @ squares[..., None])[..., 0]
    v_error = np.maximum(s[..., 2], 0) / M
    return Components(
        mean,
        s[..., 0] * a / M + v_error,
        s[..., 1] * b / M + v_error,
        v_error,
        M / a,
        M / b,
        M - R - C + 1.0,
    )


@dataclass(frozen=True)
class CrossedMean:
    """A mean over readers and cases with its interval; `readers_fixed`: for these readers only.

    v_readers, v_cases, v_error: what V is made of. complete: every reader answered every case. bounded: the
    lowest and highest value that the mean can have. method says how the interval was made.
    """

    estimate: float
    low: float
    high: float
    level: float
    standard_error: float
    df: float
    v_readers: float
    v_cases: float
    v_error: float
    readers: int
    cases: int
    answers: int
    readers_fixed: bool
    complete: bool
    bounded: tuple[float, float]
    method: str

    def bounds(self, alpha: float) -> tuple[float, float]:
        """The lower and the upper bound, each of which the truth passes in a share `alpha` of studies."""
        if self.method == UNKNOWN:
            return np.nan, np.nan
        if self.method == EXACT:
            trials = self.cases if self.readers_fixed else min(self.readers, self.cases)
            return clopper_pearson(self.estimate, trials, alpha)
        reach = float(stats.t.ppf(1 - alpha, self.df)) * self.standard_error
        least, most = self.bounded
        return max(self.estimate - reach, least), min(self.estimate + reach, most)


def clopper_pearson(share: float, trials: int, alpha: float) -> tuple[float, float]:
    """The exact bounds of a share, each with error `alpha`; a tie is half a success."""
    successes = share * trials
    low = float(stats.beta.ppf(alpha, successes, trials - successes + 1)) if share > 0 else 0.0
    high = float(stats.beta.ppf(1 - alpha, successes + 1, trials - successes)) if share < 1 else 1.0
    return low, high


def crossed_mean(
    reader: NDArray[np.generic],
    case: NDArray[np.generic],
    value: Floats,
    *,
    level: float = 0.95,
    bounded: tuple[float, float] = (-np.inf, np.inf),
) -> CrossedMean:
    """The mean of `value` over readers and cases; reader, case, value: (n,), any labels, no NaN.

    Where nothing varies, the interval of a share is exact with the fewer of readers and cases as trials
    (with fixed readers: the cases); of any other mean it is not known (NaN).
    """
    cells = cells_of(reader, case, value)
    readers, cases = cells.shape
    fixed = readers < FEWEST_READERS
    found = components(cells)
    variance, df = float(found.variance(readers_fixed=fixed)), float(found.df(readers_fixed=fixed))
    share = bounded == (0.0, 1.0)
    if cases < 2 or (variance <= 1e-14 and not share):
        method = UNKNOWN
    else:
        method = EXACT if variance <= 1e-14 else FIXED if fixed else COMPONENTS
    known = method in WITH_T
    mean = CrossedMean(
        float(found.mean),
        np.nan,
        np.nan,
        level,
        float(np.sqrt(variance)) if known else np.nan,
        df if known else np.nan,
        float(found.v_readers),
        float(found.v_cases),
        float(found.v_error),
        readers,
        cases,
        len(value),
        fixed,
        bool(np.isfinite(cells).all()),
        bounded,
        method,
    )
    low, high = mean.bounds((1 - level) / 2)
    return replace(mean, low=low, high=high)


def cells_of(reader: NDArray[np.generic], case: NDArray[np.generic], value: Floats) -> Floats:
    """(readers, cases): the mean of each cell's answers, NaN where there is none. InputError for none."""
    if not len(value) or not np.isfinite(value).all():
        raise InputError(
            "answers",
            expected="at least one, all of them numbers",
            got=f"{len(value)}, {int(np.isnan(value).sum())} of them not",
            fix="Leave out what could not be judged.",
        )
    _, i = np.unique(reader, return_inverse=True)
    _, j = np.unique(case, return_inverse=True)
    shape = (int(i.max()) + 1, int(j.max()) + 1)
    total, count = np.zeros(shape), np.zeros(shape)
    np.add.at(total, (i, j), value)
    np.add.at(count, (i, j), 1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
