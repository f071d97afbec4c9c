"""The numbers of a fit, each with its interval: k, kd and area, and what follows from them.

Intervals of k and kd are those of their logarithms; centre, width and plates of the recorded peak follow by
the delta method. What the data do not determine has no value, or an open end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from medidiff.domains.chromatography.fitting.certainty.intervals import Covariance, Estimate
from medidiff.domains.chromatography.fitting.solving.minimum import Minimum
from medidiff.domains.chromatography.fitting.solving.shapes import Array, KineticModel
from medidiff.domains.chromatography.fitting.trace import Trace
from medidiff.domains.chromatography.samples import FWHM_PER_SIGMA

_WIDEST = 3.0  # of a logarithm: an interval over a factor 20 either way says that nothing is known


@dataclass(frozen=True)
class Analyte:
    """One analyte of a fit, each number with its interval. retention_s, sigma_s and plates: of the recorded
    peak.

    resolution: to its nearest neighbour; inf for a lone peak. kinetic_share: of the variance. points: across
    its width at half height.
    """

    name: str
    k: Estimate
    kd_per_s: Estimate
    area: Estimate
    retention_s: Estimate
    sigma_s: Estimate
    plates: Estimate
    resolution: float
    kinetic_share: float
    points: float


@dataclass(frozen=True, eq=False)
class Estimates:
    """Numbers with intervals from a minimum; `ends` by index where a profile gave them."""

    model: KineticModel
    minimum: Minimum
    covariance: Covariance
    level: float
    ends: dict[int, tuple[float | None, float | None]]

    def analytes(self, trace: Trace) -> tuple[Analyte, ...]:
        """All of them."""
        p, n = self.minimum.best.p, self.model.analytes
        spread = self.covariance.delta(self._shape, p)
        shape = self._shape(p)
        kinetic, total = self.model.variances(p)
        step = np.ptp(trace.time_s) / (trace.time_s.size - 1)
        apart = _nearest(self.model.centres(p), np.sqrt(total))
        found = []
        for i, name in enumerate(self.model.names):
            absent = i in self.minimum.problem.absent
            retention, sigma, plates = (
                self._symmetric(shape[row, i], spread[row, i], logarithm=row > 0) for row in range(3)
            )
            nothing = Estimate(None, None, None)
            found.append(
                Analyte(
                    name,
                    nothing if absent else self._logarithm(i),
                    nothing if absent else self._logarithm(n + i),
                    self._area(i),
                    nothing if absent else retention,
                    nothing if absent else sigma,
                    nothing if absent else plates,
                    float(apart[i]),
                    float(kinetic[i] / total[i]),
                    float(FWHM_PER_SIGMA * np.sqrt(total[i]) / step),
                )
            )
        return tuple(found)

    def shared(self) -> dict[str, Estimate]:
        """The fitted shared parameters."""
        first = 2 * self.model.analytes
        return {name: self._logarithm(first + i) for i, name in enumerate(self.model.shared)}

    def _shape(self, p: Array) -> Array:
        """(3, n): centre in s, ln sigma, ln plates of the recorded peaks."""
        centre, total = self.model.centres(p), self.model.variances(p)[1]
        return np.stack([centre, 0.5 * np.log(total), np.log(centre**2 / total)])

    def _logarithm(self, index: int) -> Estimate:
        """exp(p) with its interval; no value where it lies at a limit."""
        value, bounds = float(self.minimum.best.p[index]), self.minimum.bounds
        low, high = self._interval(index, value)
        if not bounds.low[index] < value < bounds.high[index]:
            low = None if value <= bounds.low[index] else low
            return Estimate(None, _exp(low), None if value >= bounds.high[index] else _exp(high))
        return Estimate(float(np.exp(value)), _exp(low), _exp(high))

    def _area(self, i: int) -> Estimate:
        index = len(self.minimum.best.p) + i
        value = float(self.minimum.best.place.areas[i])
        if i in self.minimum.problem.absent:
            return Estimate(0.0, 0.0, self._at_most(i))
        low, high = self._interval(index, value)
        return Estimate(value, low, high)

    def _at_most(self, i: int) -> float | None:
        """The upper end of an absent analyte's area, were its shape the one last tried."""
        if not self.minimum.best.converged:
            return None
        with_it = replace(self.minimum.problem, absent=self.minimum.problem.absent - {i})
        place = with_it.project(self.minimum.best.p)
        row = with_it.free.index(i)
        variance = float(np.linalg.pinv(place.design @ place.design.T)[row, row])
        spread = self.covariance.sigma * float(np.sqrt(self.covariance.inflation * variance))
        half = self.covariance.quantile(self.level) * spread
        return max(float(place.areas[i]) + half, 0.0)

    def _interval(self, index: int, value: float) -> tuple[float | None, float | None]:
        if not self.minimum.best.converged:
            return None, None
        if index in self.ends:
            return self.ends[index]
        half = self.covariance.half_width(index, self.level)
        logarithm = index < len(self.minimum.best.p)
        if not np.isfinite(half) or (logarithm and half > _WIDEST):
            return None, None
        return (value - half if logarithm else max(value - half, 0.0)), value + half

    def _symmetric(self, value: float, spread: float, *, logarithm: bool) -> Estimate:
        half = self.covariance.quantile(self.level) * spread
        known = self.minimum.best.converged and np.isfinite(half)
        ends = (value - half, value + half) if known else (None, None)
        low, high = (_exp(end) if logarithm else end for end in ends)
        return Estimate(float(np.exp(value)) if logarithm else float(value), low, high)


def _nearest(centres: Array, sigma: Array) -> Array:
    """Resolution of each peak to its nearest neighbour, (n,); inf for a lone one."""
    apart = np.abs(centres[:, None] - centres) / (2 * (sigma[:, None] + sigma))
    np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.min(axis=1))


def _exp(value: float | None) -> float | None:
    return None if value is None else float(np.exp(value))
