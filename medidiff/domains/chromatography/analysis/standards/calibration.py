"""Calibration: response = f(amount), its inverse with an interval, residuals, limits.

    linear      y = a + b x         zero      y = b x         quadratic   y = a + b x + c x^2

by least squares with weights 1, 1/x or 1/x^2, scaled to a mean of 1. With an internal standard both sides are
ratios to it. With n points, p coefficients and weights w, s^2 = sum w (y - f)^2 / (n - p).

Inverse prediction of m readings with mean y0 (Draper and Smith 1998, 3.2; for a curve by its slope there):

    s_x = s / |f'(x0)| sqrt( 1/(m w0) + g^T C g ),   g = (1, x0, x0^2),  C = (X^T W X)^-1

and x0 -+ t(95 %, n - p) s_x. LOD = 3.3 s / b and LOQ = 10 s / b (ICH Q2): s is the residual standard
deviation, or the standard deviation of the intercept; b the slope (of a quadratic, at 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from medidiff.errors import InputError
from medidiff.runs.plain import to_plain, write_json

Model = Literal["linear", "zero", "quadratic"]
Weights = Literal["1", "1/x", "1/x2"]
LimitBy = Literal["residual", "intercept"]
_POWERS: dict[str, tuple[int, ...]] = {"linear": (0, 1), "zero": (1,), "quadratic": (0, 1, 2)}
_WEIGHTS = {"1": 0, "1/x": -1, "1/x2": -2}
_LEVEL = 0.95
_FLAT = 1e-12  # of the responses: a line that does not rise at all

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """An amount with its 95 % interval; `outside` where it lies beyond the standards."""

    value: float
    low: float
    high: float
    outside: bool = False


@dataclass(frozen=True)
class Calibration:
    """A fitted calibration; `calibrate` makes it.

    coefficients: (a, b), (b,) or (a, b, c), rising powers; errors: their standard errors. residual_sd: s.
    covariance: (p, p), C above times 1 (multiply by s^2). back: amounts calculated back from each response;
    their relative error to the standards is what a laboratory accepts or rejects.
    """

    model: Model
    weights: Weights
    amounts: Array
    responses: Array
    coefficients: Array
    errors: Array
    covariance: Array
    residual_sd: float
    r_squared: float
    back: Array

    @property
    def dof(self) -> int:
        """Points minus coefficients."""
        return int(self.amounts.size - self.coefficients.size)

    def response(self, amounts: ArrayLike) -> Array:
        """f(amount), any shape."""
        x = np.asarray(amounts, np.float64)
        terms = [c * x**power for c, power in zip(self.coefficients, _POWERS[self.model], strict=True)]
        return np.asarray(sum(terms), np.float64)

    def slope(self, amount: float = 0.0) -> float:
        """The derivative of f at an amount."""
        pairs = zip(self.coefficients, _POWERS[self.model], strict=True)
        return float(sum(c * power * amount ** (power - 1) for c, power in pairs if power))

    def limits(self, by: LimitBy = "residual") -> tuple[float, float]:
        """LOD and LOQ with s as named; NaN without degrees of freedom.

        The residual's s is that of a reading near the limit: with weights, of the lowest standard.
        InputError for "intercept" of a line through zero.
        """
        if by == "intercept" and self.model == "zero":
            raise _bad("limits", "a model with an intercept", "a line through zero", "Take by='residual'.")
        lowest = _relative_weight(self.amounts, self.weights, float(self.amounts.min()))
        s = self.residual_sd / math.sqrt(lowest) if by == "residual" else float(self.errors[0])
        slope = abs(self.slope())
        return 3.3 * s / slope, 10 * s / slope

    def amount(self, response: float, *, readings: int = 1) -> Prediction:
        """The amount of a response (the mean of `readings`), with its interval.

        Raises InputError for a response that the curve never has.
        """
        value = self._inverse(response)
        low = high = math.nan
        slope = self.slope(value)
        if self.dof > 0 and slope:
            g = np.array([value**power for power in _POWERS[self.model]])
            weight = _relative_weight(self.amounts, self.weights, value)
            spread = math.sqrt(1 / (readings * weight) + float(g @ self.covariance @ g))
            half = float(stats.t.ppf((1 + _LEVEL) / 2, self.dof)) * self.residual_sd / abs(slope) * spread
            low, high = value - half, value + half
        outside = not self.amounts.min() <= value <= self.amounts.max()
        return Prediction(value, low, high, outside)

    def _inverse(self, response: float) -> float:
        if self.model == "zero":
            return response / float(self.coefficients[0])
        a, b = (float(value) for value in self.coefficients[:2])
        if self.model == "linear":
            return (response - a) / b
        c = float(self.coefficients[2])
        root = b**2 - 4 * c * (a - response)
        if root < 0:
            got = f"a response of {response:g}, beyond the curve's turning point"
            raise _bad("calibration", "a response on the curve", got, "Dilute, or calibrate further up.")
        # The branch on which the response rises (or falls) from amount 0 on, without cancellation.
        return 2 * (response - a) / (b + math.copysign(math.sqrt(root), b))

    def to_plain(self) -> dict[str, Any]:
        """What calibration.json holds; `fitted` are the points of the fit, ratios to an internal standard."""
        limits = {
            by: self.limits(by) for by in get_args(LimitBy) if (by, self.model) != ("intercept", "zero")
        }
        plain = {
            "schema": "medidiff.calibration/1",
            "model": self.model,
            "weights": self.weights,
            "coefficients": self.coefficients,
            "standard_errors": self.errors,
            "residual_sd": self.residual_sd,
            "r_squared": self.r_squared,
            "degrees_of_freedom": self.dof,
            "limits": {by: {"lod": lod, "loq": loq, "s": by} for by, (lod, loq) in limits.items()},
            "fitted": [
                {"amount": x, "response": y, "back_calculated": b, "relative_error": b / x - 1 if x else None}
                for x, y, b in zip(self.amounts, self.responses, self.back, strict=True)
            ],
        }
        return dict(to_plain(plain))

    def write(self, path: Path) -> None:
        """Write calibration.json."""
        write_json(path, self.to_plain())


def calibrate(
    amounts: ArrayLike,
    responses: ArrayLike,
    *,
    model: Model = "linear",
    weights: Weights = "1",
    internal_amounts: ArrayLike | None = None,
    internal_responses: ArrayLike | None = None,
) -> Calibration:
    """Fit a calibration to standards.

    amounts, responses: (points,), replicates as points of their own. internal_*: of the internal standard in
    each; both are then divided by them (amounts only where given). Raises InputError for too few different
    amounts, values that are not finite, a weight of 1/0, or a slope of 0.
    """
    if model not in _POWERS or weights not in _WEIGHTS:
        known = f"{', '.join(_POWERS)} and weights {', '.join(_WEIGHTS)}"
        raise _bad("calibration", known, f"{model!r}, {weights!r}", "Choose one of these.", argument=True)
    x, y = (np.asarray(values, np.float64).ravel() for values in (amounts, responses))
    x, y = _over(x, internal_amounts, "amounts"), _over(y, internal_responses, "responses")
    powers = _POWERS[model]
    _check_points(x, y, len(powers), weights)
    design = np.stack([x**power for power in powers], axis=1)
    w = _weights_of(x, weights)
    root = np.sqrt(w)
    coefficients, _, rank, _ = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)
    if rank < len(powers):
        raise _bad("calibration", f"{len(powers)} different amounts", "fewer", "Add standards.")
    covariance = np.linalg.inv((design * w[:, None]).T @ design)
    rest = y - design @ coefficients
    dof = x.size - len(powers)
    s = math.sqrt(float(w @ rest**2) / dof) if dof else math.nan
    around = y if model == "zero" else y - float(w @ y) / float(w.sum())
    total = float(w @ around**2)
    fitted = Calibration(
        model,
        weights,
        x,
        y,
        np.asarray(coefficients, np.float64),
        s * np.sqrt(np.diag(covariance)),
        np.asarray(covariance, np.float64),
        s,
        1 - float(w @ rest**2) / total if total else math.nan,
        np.full(x.size, math.nan),
    )
    if abs(fitted.slope(float(np.median(x)))) * np.ptp(x) <= _FLAT * np.abs(y).max():
        raise _bad("calibration", "a response that follows the amount", "a slope of 0", "Check the columns.")
    back = np.array([_back(fitted, float(value)) for value in y])
    return Calibration(**{**vars(fitted), "back": back})


def _back(fitted: Calibration, response: float) -> float:
    try:
        return fitted.amount(response).value
    except InputError:  # above the turning point of a parabola: there is no such amount
        return math.nan


def _over(values: Array, internal: ArrayLike | None, what: str) -> Array:
    if internal is None:
        return values
    standard = np.asarray(internal, np.float64).ravel()
    if standard.shape != values.shape or not (standard > 0).all():
        got = f"{standard.size} values" if standard.shape != values.shape else "a value of 0 or below"
        expected = f"{values.size} {what} of the internal standard above 0"
        raise _bad("calibration", expected, got, "Give one a standard.")
    return values / standard


def _check_points(x: Array, y: Array, coefficients: int, weights: Weights) -> None:
    if x.shape != y.shape:
        got = f"{x.size} and {y.size}"
        raise _bad("calibration", "as many responses as amounts", got, "Give one response a standard.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise _bad("calibration", "finite amounts and responses", "some that are not", "Leave them out.")
    if (x < 0).any():
        raise _bad("calibration", "amounts of at least 0", f"{x.min():g}", "Correct the table.")
    if np.unique(x).size < coefficients:
        expected = f"at least {coefficients} different amounts"
        raise _bad("calibration", expected, f"{np.unique(x).size}", "Add standards, or take a simpler model.")
    if weights != "1" and (x == 0).any():
        got = "a standard of amount 0"
        raise _bad(
            "calibration", f"amounts above 0 for weights {weights}", got, "Leave it out, or weights 1."
        )


def _weights_of(x: Array, weights: Weights) -> Array:
    w = x ** float(_WEIGHTS[weights]) if _WEIGHTS[weights] else np.ones(x.size)
    return np.asarray(w / w.mean(), np.float64)


def _relative_weight(x: Array, weights: Weights, amount: float) -> float:
    """The weight that a standard of this amount would have had; the lowest standard's below it."""
    power = _WEIGHTS[weights]
    if not power:
        return 1.0
    return float(max(amount, x.min()) ** float(power) / np.mean(x ** float(power)))


def _bad(what: str, expected: str, got: str, fix: str, *, argument: bool = False) -> InputError:
    return InputError(what, expected=expected, got=got, fix=fix, argument=argument)
