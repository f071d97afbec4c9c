"""Non-inferiority and superiority of an arm, by the bound of an interval.

The arm is no worse when the one-sided lower bound of its gain lies above -margin, and better when it lies
above 0 (Committee for Proprietary Medicinal Products 2001, Br J Clin Pharmacol 52:223: once non-inferiority
is shown, superiority may be read from the same interval without another test).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medidiff.errors import InputError
from medidiff.review.statistics.crossed import WITH_T, CrossedMean, Floats, crossed_mean


@dataclass(frozen=True)
class Claim:
    """`bound`: of the estimate, one-sided at alpha; the claim holds where it lies above `limit`.

    p: one-sided, of a truth at the limit; NaN where the interval has no t. The gain's sign is already such
    that more is better. A bound that is not known shows nothing.
    """

    kind: Literal["non-inferiority", "superiority"]
    bound: float
    limit: float
    alpha: float
    p: float

    @property
    def shown(self) -> bool:
        """Whether the answers show it."""
        return self.bound > self.limit


def preference(
    reader: NDArray[np.generic], case: NDArray[np.generic], outcome: Floats, *, level: float = 0.95
) -> CrossedMean:
    """The share that prefers arm 1 (outcome 1; 0.5 a tie, 0 arm 2), averaged over readers and cases."""
    return crossed_mean(reader, case, outcome, level=level, bounded=(0.0, 1.0))


def score_difference(
    reader: NDArray[np.generic],
    case: NDArray[np.generic],
    arm: NDArray[np.generic],
    score: Floats,
    *,
    test: int = 1,
    reference: int = 0,
    level: float = 0.95,
) -> CrossedMean:
    """Mean score of the test arm minus that of the reference, over readers and cases that have both.

    All (n,); repeats of a reader, case and arm are averaged. InputError where no reader scored both arms.
    """
    i, j, gain = score_differences(reader, case, arm, score, test=test, reference=reference)
    return crossed_mean(i, j, gain, level=level)


def score_differences(
    reader: NDArray[np.generic],
    case: NDArray[np.generic],
    arm: NDArray[np.generic],
    score: Floats,
    *,
    test: int,
    reference: int,
) -> tuple[NDArray[np.generic], NDArray[np.generic], Floats]:
    """Reader, case and difference of every cell that has both arms; as `score_difference`."""
    readers, i = np.unique(reader, return_inverse=True)
    cases, j = np.unique(case, return_inverse=True)
    total = np.zeros((2, len(readers), len(cases)))
    count = np.zeros_like(total)
    for place, one in enumerate((reference, test)):
        of = arm == one
        np.add.at(total[place], (i[of], j[of]), score[of])
        np.add.at(count[place], (i[of], j[of]), 1)
    at = np.nonzero((count > 0).all(axis=0))
    if not len(at[0]):
        raise InputError(
            "scores",
            expected="a reader who scored a case in both arms",
            got="none",
            fix="Wait for more answers.",
        )
    means = total / np.maximum(count, 1)
    return readers[at[0]], cases[at[1]], (means[1] - means[0])[at]


def non_inferiority(gain: CrossedMean, *, margin: float, alpha: float = 0.025, null: float = 0.0) -> Claim:
    """Whether the arm is worse than `null` by less than the margin; null: 0.5 of a share of preferences."""
    return _claim("non-inferiority", gain, null - margin, alpha)


def superiority(gain: CrossedMean, *, alpha: float = 0.025, null: float = 0.0) -> Claim:
    """Whether the arm is better than `null`."""
    return _claim("superiority", gain, null, alpha)


def _claim(
    kind: Literal["non-inferiority", "superiority"], gain: CrossedMean, limit: float, alpha: float
) -> Claim:
    p = np.nan
    if gain.method in WITH_T:
        p = float(stats.t.sf((gain.estimate - limit) / gain.standard_error, gain.df))
    return Claim(kind, gain.bounds(alpha)[0], limit, alpha, p)
