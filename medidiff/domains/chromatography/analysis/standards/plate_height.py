"""Plate height against velocity: van Deemter's curve, and Golay's for an open tube.

    van Deemter   H = A + B/u + C u,   u_opt = sqrt(B/C),   H_min = A + 2 sqrt(B C)
    Golay         the same with A = 0 (an open tube has no packing)

(van Deemter, Zuiderweg and Klinkenberg 1956; Golay 1958). Linear least squares, weighted by 1/H^2: plate
heights have a relative error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.errors import InputError

_LEAST_SPREAD = 1.01  # between the slowest and the fastest


@dataclass(frozen=True)
class PlateHeightCurve:
    """a_m, b_m2_s, c_s with their standard errors; relative_sd: of the heights around the curve.

    The optimum is NaN where B or C came out negative: the velocities do not enclose it.
    """

    a_m: float
    b_m2_s: float
    c_s: float
    errors: tuple[float, float, float]
    relative_sd: float

    @property
    def optimal_velocity_m_s(self) -> float:
        """The velocity of the least plate height."""
        return math.sqrt(self.b_m2_s / self.c_s) if self.b_m2_s > 0 and self.c_s > 0 else math.nan

    @property
    def least_height_m(self) -> float:
        """The plate height there."""
        u = self.optimal_velocity_m_s
        return self.a_m + 2 * math.sqrt(self.b_m2_s * self.c_s) if math.isfinite(u) else math.nan

    def height_m(self, velocity_m_s: ArrayLike) -> NDArray[np.float64]:
        """H at velocities, any shape."""
        u = np.asarray(velocity_m_s, np.float64)
        return self.a_m + self.b_m2_s / u + self.c_s * u


def fit_plate_height(
    velocity_m_s: ArrayLike, height_m: ArrayLike, *, model: Literal["van deemter", "golay"] = "van deemter"
) -> PlateHeightCurve:
    """Fit measured plate heights.

    velocity_m_s, height_m: (points,). Raises InputError for fewer velocities than coefficients, values that
    are not above 0, or arrays that differ in length.
    """
    u, h = (np.asarray(values, np.float64).ravel() for values in (velocity_m_s, height_m))
    least = 2 if model == "golay" else 3
    if u.shape != h.shape or np.unique(u).size < least:
        got = f"{np.unique(u).size} velocities and {h.size} heights"
        raise _bad(f"a height a velocity, of at least {least} different ones", got)
    if not (np.isfinite(u).all() and np.isfinite(h).all() and (u > 0).all() and (h > 0).all()):
        raise _bad("finite velocities and heights above 0", "some that are not")
    if u.max() < _LEAST_SPREAD * u.min():
        raise _bad("velocities that differ", f"{u.min():g} to {u.max():g} m/s")
    columns = [1 / u, u] if model == "golay" else [np.ones_like(u), 1 / u, u]
    design = np.stack(columns, axis=1) / h[:, None]
    scale = np.linalg.norm(design, axis=0)
    solved, _, _, _ = np.linalg.lstsq(design / scale, np.ones_like(h), rcond=None)
    dof = u.size - least
    rest = 1 - design @ (solved / scale)
    sd = math.sqrt(float(rest @ rest) / dof) if dof else math.nan
    inverse = np.linalg.inv((design / scale).T @ (design / scale))
    errors = [*(sd * np.sqrt(np.diag(inverse)) / scale)]
    found = [*(solved / scale)]
    if model == "golay":
        found, errors = [0.0, *found], [0.0, *errors]
    a, b, c = (float(value) for value in found)
    first, second, third = (float(value) for value in errors)
    return PlateHeightCurve(a, b, c, (first, second, third), sd)


def _bad(expected: str, got: str) -> InputError:
    fix = "Give velocities in m/s and plate heights in m."
    return InputError("plate heights", expected=expected, got=got, fix=fix, argument=True)
