"""What the residuals and the parameters say of a fit: which shape explains it best, and what is not
determined.

AICc = n ln(RSS/n) + 2 K + 2 K (K + 1)/(n - K - 1), K all parameters and the noise (Hurvich and Tsai 1989)
runs  z = (R - m)/sd, m = 2 n+ n-/n + 1, sd^2 = (m - 1)(m - 2)/(n - 1)        (Wald and Wolfowitz 1940)
Rs    (t2 - t1) / (2 (sigma1 + sigma2))
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtrc, ndtr

from medidiff.domains.chromatography.fitting.solving.shapes import Array

OVERLAP = 0.5  # resolution below which the covariance's intervals are too short (coverage 0.85 to 0.93)
FUSED = 0.1  # resolution below which two peaks are one to the data
ONE_PEAK = 0.99995  # correlation of two areas: a misfit of half a percent moves all of one to the other
NON_KINETIC = 0.5  # share of the variance above which kd is hardly seen
FEWEST_POINTS = 8.0  # across the width at half height
BEYOND_DOUBT = 10.0  # AICc: what is so much better is better beyond doubt (Burnham and Anderson 2002)
ROUNDING = 1e-9  # of the highest point: of a simulation without noise what is left is rounding
RANDOM = 1e-3  # the least probability of the runs that still counts as chance


MISFIT = 1.5  # times the noise elsewhere: residuals under a peak that say that it has another shape


@dataclass(frozen=True)
class Ranked:
    """A family of shapes: AICc, and how much worse than the best one."""

    name: str
    aicc: float
    difference: float


def aicc(rss: float, points: int, parameters: int) -> float:
    """Akaike's criterion, corrected for few points; inf where there are too few."""
    spare = points - parameters - 2
    if spare <= 0:
        return float("inf")
    k = parameters + 1
    return points * float(np.log(max(rss, np.finfo(float).tiny) / points)) + 2 * k + 2 * k * (k + 1) / spare


def ranked(found: dict[str, float]) -> tuple[Ranked, ...]:
    """Families by their AICc, the best first."""
    best = min(found.values())
    return tuple(
        Ranked(name, value, value - best) for name, value in sorted(found.items(), key=lambda item: item[1])
    )


def runs_test(residual: Array) -> tuple[float, float]:
    """(z, probability) of as few runs of one sign, were the residuals independent; z < 0: too few runs."""
    positive = residual > 0
    ups, downs = int(positive.sum()), int((~positive).sum())
    points = ups + downs
    if min(ups, downs) < 2:
        return float("-inf"), 0.0
    mean = 2 * ups * downs / points + 1
    spread = np.sqrt((mean - 1) * (mean - 2) / (points - 1))
    z = float((1 + np.count_nonzero(np.diff(positive)) - mean) / spread)
    return z, float(ndtr(z))


def misfits(residual: Array, under: NDArray[np.bool_]) -> Array:
    """How many times as large residuals under each peak are as those under none, (n,); 0 where it is chance.

    residual: (points,). under: (n, points). Chance is judged by the ratio of the variances (F test).
    """
    elsewhere = residual[~under.any(axis=0)]
    found = np.zeros(len(under))
    if elsewhere.size < FEWEST_POINTS or not elsewhere.any():
        return found
    for row, inside in enumerate(under):
        if count := int(inside.sum()):
            ratio = float(np.mean(residual[inside] ** 2) / np.mean(elsewhere**2))
            if ratio > MISFIT**2 and fdtrc(count, elsewhere.size, ratio) < RANDOM:
                found[row] = ratio**0.5
    return found


def resolutions(centres: Array, sigma: Array) -> tuple[NDArray[np.intp], Array]:
    """Order of the peaks in time, and the resolution between each and the next, (n - 1,)."""
    order = np.argsort(centres)
    apart, wide = np.diff(centres[order]), sigma[order]
    return order, np.asarray(apart / (2 * (wide[1:] + wide[:-1])))
