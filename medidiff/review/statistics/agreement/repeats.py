"""Whether a reader answers the same when the same pair or image comes again.

Pairs: percent agreement and kappa with linear weights between the first answer and a later one. Scales: the
standard deviation within a reader and image, and the repeatability coefficient 1.96 sqrt(2) s_w, which two
scores of one reader of one image differ by less than in 95 % (Bland and Altman 1996, BMJ 313:744).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medidiff.review.statistics.agreement.coefficients import weighted_kappa
from medidiff.review.statistics.table import AnswerTable

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Repeats:
    """Of pairs of answers, first and later: `agreement` is a share; kappa NaN where nothing varies."""

    count: int
    agreement: float
    kappa: float


@dataclass(frozen=True)
class Within:
    """s_w with its interval (chi squared), and the repeatability coefficient; in points of the scale."""

    cells: int
    df: int
    sd: float
    low: float
    high: float
    coefficient: float


def repeated(table: AnswerTable) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """(first answers, later answers, reader), a row a later answer; only what could be judged."""
    judged = table.where(table.judged)
    groups = _groups(judged)
    order = np.lexsort((judged.repeat, groups))
    begins = np.r_[True, np.diff(groups[order]) > 0]
    origin = order[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))] if len(order) else order
    later = ~begins[: len(order)]
    return judged.value[origin][later], judged.value[order][later], judged.reader[order][later]


def repeat_agreement(before: Floats, after: Floats) -> Repeats:
    """Of answers to pairs."""
    if not len(before):
        return Repeats(0, np.nan, np.nan)
    kappa = weighted_kappa(before, after, weights="linear", categories=np.array([0.0, 0.5, 1.0]))
    return Repeats(len(before), float((before == after).mean()), kappa)


def within_reader(table: AnswerTable, *, level: float = 0.95) -> Within:
    """Of scores given more than once by one reader to one image."""
    judged = table.where(table.judged)
    _, group = np.unique(_groups(judged), return_inverse=True)
    count = np.bincount(group)
    mean = np.bincount(group, judged.value) / np.maximum(count, 1)
    squares = float(((judged.value - mean[group]) ** 2).sum())
    cells, df = int((count > 1).sum()), int((count - 1).sum())
    if df < 1:
        return Within(0, 0, np.nan, np.nan, np.nan, np.nan)
    sd = float(np.sqrt(squares / df))
    tails = stats.chi2.ppf([(1 + level) / 2, (1 - level) / 2], df)
    low, high = (float(np.sqrt(squares / tail)) for tail in tails)
    return Within(cells, df, sd, low, high, 1.96 * np.sqrt(2) * sd)


def _groups(table: AnswerTable) -> NDArray[np.int64]:
    """(n,): the same number for the same reader, case and arms."""
    units = len(table.cases) * (len(table.arms) + 1) ** 2
    return table.reader * units + table.unit
