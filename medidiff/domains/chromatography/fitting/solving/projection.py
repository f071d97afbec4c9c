"""Variable projection: areas and baseline, which enter linearly, are solved for at every step.

    r(p) = Phi(p) c(p) - y,   c(p) = argmin |Phi(p) c - y|,   Phi = [columns, baseline] = Q R
    J = (I - Q Q') D,         D = (dPhi/dp) c

(Golub and Pereyra 1973, SIAM J Numer Anal 10:413; this J, which leaves out a term of the order of the
residual, is Kaufman's: 1975, BIT 15:49. The gradient J' r is exact with either.) Arrays are kept in rows: Phi
(rows, points), D and J (parameters, points).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from medidiff.domains.chromatography.fitting.solving.shapes import Array, PeakModel, Shapes

_RANK = 1e-11  # of the largest: a smaller diagonal of R is a column that others make up


@dataclass(frozen=True, eq=False)
class Projection:
    """A place of the fit.

    areas: (n,). baseline: its coefficients. residual: model - data, (points,). slopes: D, jacobian: J, both
    (parameters, points). design: the rows of Phi that were solved for.
    """

    areas: Array
    baseline: Array
    residual: Array
    slopes: Array
    jacobian: Array
    design: Array

    @property
    def rss(self) -> float:
        """Sum of squared residuals."""
        return float(self.residual @ self.residual)


@dataclass(frozen=True, eq=False)
class Problem:
    """Data and model: what is to be fitted.

    signal: (points,). baseline: rows that are added to the columns, (b, points). absent: columns whose area
    is 0. held: column -> its area, where a profile holds it.
    """

    signal: Array
    model: PeakModel
    baseline: Array
    absent: frozenset[int] = frozenset()
    held: Mapping[int, float] = field(default_factory=dict)

    @property
    def free(self) -> tuple[int, ...]:
        """Columns whose areas are solved for."""
        return tuple(i for i in range(self.model.analytes) if i not in self.absent and i not in self.held)

    def project(self, p: Array) -> Projection:
        """Areas, baseline, residual and slopes at p."""
        return self._place(self.model.shapes(p))

    def _place(self, shapes: Shapes) -> Projection:
        free = list(self.free)
        areas = np.zeros(self.model.analytes)
        areas[list(self.held)] = list(self.held.values())
        design = np.concatenate([shapes.columns[free], self.baseline])
        target = self.signal - areas @ shapes.columns
        scale = np.sqrt((design**2).sum(axis=1))
        scale[scale == 0] = 1.0
        q, r = np.linalg.qr((design / scale[:, None]).T)
        solved = _solve(r, q.T @ target) / scale
        areas[free] = solved[: len(free)]
        residual = solved @ design - target
        slopes = np.concatenate([(areas[:, None] * own) for own in shapes.own])
        if len(shapes.shared):
            slopes = np.concatenate([slopes, np.tensordot(shapes.shared, areas, (1, 0))])
        jacobian = slopes - (slopes @ q) @ q.T
        return Projection(areas, solved[len(free) :], residual, slopes, jacobian, design)

    def projected_logdet(self, p: Array) -> tuple[Projection, float, Array]:
        """The place, ln det(Phi Phi') / 2 and its gradient by p: for areas that are integrated out."""
        shapes = self.model.shapes(p)
        place, free = self._place(shapes), list(self.free)
        q, r = np.linalg.qr(place.design.T)
        inverse = np.linalg.solve(r, q.T)
        logdet = float(np.log(np.abs(np.diagonal(r))).sum())
        own = np.zeros((len(shapes.own), self.model.analytes))
        own[:, free] = np.einsum("it,kit->ki", inverse[: len(free)], shapes.own[:, free])
        shared = np.einsum("it,sit->s", inverse[: len(free)], shapes.shared[:, free])
        return place, logdet, np.concatenate([own.ravel(), shared])


def polynomial(time_s: Array, order: int) -> Array:
    """Rows of a polynomial baseline, (order + 1, points): Legendre's in u, -1 to 1 over the trace."""
    u = 2 * (time_s - time_s[0]) / np.ptp(time_s) - 1
    return np.asarray(np.polynomial.legendre.legvander(u, order).T)


def _solve(r: Array, target: Array) -> Array:
    diagonal = np.abs(np.diagonal(r))
    if diagonal.min() > _RANK * diagonal.max():
        return np.asarray(np.linalg.solve(r, target))
    return np.asarray(np.linalg.lstsq(r, target, rcond=_RANK)[0])
