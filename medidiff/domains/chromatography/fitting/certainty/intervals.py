"""Intervals of a fit: by the covariance, and by the profile of the likelihood.

    covariance   C = s^2 f (X X')^-1, X = [design, slopes], s^2 = RSS/(points - all parameters); value +- t sd
    profile      where RSS(theta) - RSS_min = s^2 f F(level; 1, dof), all other parameters refitted; of
                 several minima below that threshold from the lowest of their ends to the highest
    correlation  f = (1 + a)/(1 - a), a the lag-1 correlation of the residuals, where a > 3/sqrt(points); else
    1

(Bates and Watts 1988, Nonlinear Regression Analysis, 2.3 and 6.1; f is the variance of a mean of AR(1) noise
over that of white noise.) k and kd are taken as logarithms, so that their intervals are not symmetric.
Functions of the parameters (width, plates) follow by the delta method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import fdtri, stdtrit

from medidiff.domains.chromatography.fitting.solving.descent import Bounds, Descent, descend
from medidiff.domains.chromatography.fitting.solving.projection import Problem, Projection
from medidiff.domains.chromatography.fitting.solving.shapes import Array

_SINGULAR = 1e-9  # smallest over largest singular value of the scaled design: parameters that are one
_CORRELATED = 3.0  # times 1/sqrt(points)
_CLOSE = 1e-3  # of the distance from the minimum, in standard errors
_SIDES = 14  # refits a side before an end is called open


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; None where the data do not determine it (an open end, a singular fit)."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class Covariance:
    """matrix: of (nonlinear parameters, areas, baseline), nan in the rows of what is not determined.

    sigma: s, the noise. degrees: of freedom. correlation: a. inflation: f. singular: whether some parameters
    cannot be told apart at all.
    """

    matrix: Array
    sigma: float
    degrees: int
    correlation: float
    inflation: float
    singular: bool

    def quantile(self, level: float) -> float:
        """Student's t for a central interval."""
        return float(stdtrit(self.degrees, 0.5 + level / 2))

    def half_width(self, index: int, level: float) -> float:
        """T times the standard deviation of a parameter; nan where there is none."""
        return self.quantile(level) * float(np.sqrt(self.matrix[index, index]))

    def delta(self, function: Callable[[Array], Array], p: Array) -> Array:
        """Standard deviations of function(p), of its shape, by central differences; p: the nonlinear ones."""
        slopes = []
        for index in range(len(p)):
            step = np.zeros(len(p))
            step[index] = 1e-5
            slopes.append((function(p + step) - function(p - step)) / 2e-5)
        rows = np.stack(slopes)
        flat = rows.reshape(len(p), -1)
        matrix = self.matrix[: len(p), : len(p)]
        unknown = np.isnan(np.diagonal(matrix))
        variance = np.einsum("iq,ij,jq->q", flat, np.where(np.isnan(matrix), 0.0, matrix), flat)
        variance[(flat[unknown] != 0).any(axis=0)] = np.nan
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)).reshape(rows.shape[1:]))


def covariance_of(problem: Problem, descent: Descent, bounds: Bounds) -> Covariance:
    """The covariance at a minimum; parameters at a limit and areas at 0 have none."""
    place, p = descent.place, descent.p
    points, free = place.residual.size, list(problem.free)
    moving = np.flatnonzero((p > bounds.low) & (p < bounds.high) & (np.abs(place.slopes).sum(axis=1) > 0))
    rows = np.concatenate([place.slopes[moving], place.design])
    scale = np.sqrt((rows**2).sum(axis=1))
    degrees = max(points - len(rows), 1)
    sigma = float(np.sqrt(place.rss / degrees))
    a = lag_correlation(place)
    inflation = (1 + a) / (1 - a) if a > _CORRELATED / np.sqrt(points) else 1.0
    _, values, vectors = np.linalg.svd(np.linalg.qr((rows / scale[:, None]).T, mode="r"))
    singular = bool(values[-1] < _SINGULAR * values[0])
    inverse = (vectors.T / np.where(values > 0, values, np.inf) ** 2) @ vectors / np.outer(scale, scale)
    size = len(p) + problem.model.analytes + len(place.baseline)
    matrix = np.full((size, size), np.nan)
    where = np.concatenate(
        [
            moving,
            len(p) + np.array(free, int),
            len(p) + problem.model.analytes + np.arange(len(place.baseline)),
        ]
    )
    matrix[np.ix_(where, where)] = np.nan if singular else sigma**2 * inflation * inverse
    return Covariance(matrix, sigma, degrees, a, inflation, singular)


def lag_correlation(place: Projection) -> float:
    """Correlation of neighbouring residuals, below 1."""
    r = place.residual - place.residual.mean()
    power = float(r @ r)
    return min(float(r[1:] @ r[:-1]) / power, 0.99) if power > 0 else 0.0


class BetterFit(Exception):  # noqa: N818  no error: it carries a lower minimum to where the fit is made
    """A profile came upon a lower sum of squares than the fit's."""

    def __init__(self, p: Array) -> None:
        super().__init__("a lower minimum")
        self.p = p


@dataclass(frozen=True, eq=False)
class Profile:
    """What a profile needs of a finished fit: `best` is a minimum, `least` the lowest one's RSS."""

    problem: Problem
    best: Descent
    bounds: Bounds
    covariance: Covariance
    level: float
    least: float

    @property
    def reached(self) -> bool:
        """Whether this minimum lies below the threshold, counted from the lowest one."""
        most = self._noise * float(fdtri(1, self.covariance.degrees, self.level))
        return self.best.place.rss - self.least < most

    @property
    def _noise(self) -> float:
        return self.covariance.sigma**2 * self.covariance.inflation

    def of_parameter(self, index: int) -> tuple[float | None, float | None]:
        """(low, high) of a nonlinear parameter; None for an end that lies beyond its limits."""

        def refit(value: float, start: Array) -> Descent:
            start = start.copy()
            start[index] = value
            bounds = replace(self.bounds, fixed=self.bounds.fixed | {index})
            return descend(self.problem.project, start, bounds, linear=0)

        limits = float(self.bounds.low[index]), float(self.bounds.high[index])
        return self._ends(index, float(self.best.p[index]), limits, refit)

    def of_area(self, analyte: int) -> tuple[float | None, float | None]:
        """(low, high) of an area; never below 0."""

        def refit(value: float, start: Array) -> Descent:
            problem = replace(self.problem, held={**self.problem.held, analyte: value})
            return descend(problem.project, start, self.bounds, linear=0)

        index = len(self.best.p) + analyte
        value = float(self.best.place.areas[analyte])
        low, high = self._ends(index, value, (0.0, np.inf), refit)
        return (0.0 if low is None else low), high

    def _ends(
        self,
        index: int,
        value: float,
        limits: tuple[float, float],
        refit: Callable[[float, Array], Descent],
    ) -> tuple[float | None, float | None]:
        half = self.covariance.half_width(index, self.level)
        if not np.isfinite(half) or half <= 0:
            half = 0.1 * max(abs(value), 1.0) if index >= len(self.best.p) else 0.1
        column = self.covariance.matrix[: len(self.best.p), index]
        along = column / self.covariance.matrix[index, index]
        along = np.where(np.isfinite(along), along, 0.0)
        low, high = (self._end(value, side * half, along, limits[side > 0], refit) for side in (-1.0, 1.0))
        return low, high

    def _end(
        self, value: float, half: float, along: Array, limit: float, refit: Callable[[float, Array], Descent]
    ) -> float | None:
        """Where the signed root of the excess reaches its threshold: nearly linear, so by secants."""
        wanted = float(np.sqrt(fdtri(1, self.covariance.degrees, self.level)))
        noise, least = self._noise, self.least
        here = float(np.sqrt(max(self.best.place.rss - least, 0.0) / noise))
        inner, outer = (0.0, here), (np.inf, np.inf)  # (distance, root) on either side of the threshold
        distance, p = abs(half), self.best.p
        reach = abs(limit - value)
        for _ in range(_SIDES):
            distance = min(distance, reach)
            shift = np.copysign(distance, half)
            start = (
                self.best.p + along * shift
                if not inner[0]
                else p + along * (shift - np.copysign(inner[0], half))
            )
            found = refit(value + shift, start)
            excess = found.place.rss - least
            if excess < -1e-6 * noise - 1e-12 * least:
                raise BetterFit(found.p)
            root = float(np.sqrt(max(excess, 0.0) / noise))
            if abs(root / wanted - 1) < _CLOSE:
                return value + float(shift)
            if root < wanted:
                inner, p = (distance, root), found.p
                if distance >= reach:
                    return None
            else:
                outer = (distance, root)
            distance = _next(inner, outer, wanted)
        return None if not np.isfinite(outer[0]) else value + float(np.copysign(distance, half))


def _next(inner: tuple[float, float], outer: tuple[float, float], wanted: float) -> float:
    """The next distance to try: between the two sides, or further out, at most threefold."""
    if not np.isfinite(outer[0]):
        grow = wanted / inner[1] if inner[1] > 0 else 3.0
        return inner[0] * min(max(1.05 * grow, 1.2), 3.0)
    share = (wanted - inner[1]) / (outer[1] - inner[1])
    return inner[0] + (outer[0] - inner[0]) * min(max(share, 0.02), 0.98)
