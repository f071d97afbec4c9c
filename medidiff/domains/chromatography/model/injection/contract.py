"""How the sample enters the column: a rate of unit area in 1/s, with its transform and what depends on it.

    G(s) = integral rate(t) e^(-s t) dt = e^(-s origin) S(s)
    rectangle   S = sinh(x)/x, x = s w/2, origin at its middle        tail   times 1/(1 + s tau)
    Gaussian    S = exp(s^2 sigma^2/2), origin at its mean
    sampled     linear between equal steps h: S = h sum_j r_j e^(-s (t_j - origin)) (sinh(x)/x)^2, x = s h/2

Splitting off the origin keeps phases small where the engines add it to the column's own. A gradient dG/dp
is e^(-s origin) times what `shape_gradient` gives. `pieces` are the stretches on which the rate is smooth,
and `edges(p)` the steps that dc/dp sees beside the integral of `rate_gradient(p)`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Edges = tuple[tuple[float, float], ...]
"""(time in s, weight): a step of the rate, or of its derivative by a parameter."""

_SMALL = 0.1  # of |x|: below, the slope of sinh(x)/x by its series


class Injection(Protocol):
    """What the engines ask of an injection; times in s, every rate in 1/s and of unit area."""

    @property
    def origin_s(self) -> float:
        """The time about which `shape` is taken."""

    @property
    def mean_s(self) -> float:
        """First moment."""

    @property
    def variance_s2(self) -> float:
        """Second central moment."""

    @property
    def third_moment_s3(self) -> float:
        """Third central moment."""

    @property
    def begin_s(self) -> float:
        """From when on the rate is not 0."""

    @property
    def end_s(self) -> float:
        """From when on the rate is 0, or below 1e-17 of its height."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names by which a gradient can be asked."""

    def shape(self, s: Complex) -> Complex:
        """S(s), the transform about the origin; any shape."""

    def shape_gradient(self, name: str, s: Complex) -> Complex:
        """dG/d(name) times e^(s origin)."""

    @property
    def scale_s(self) -> float:
        """The length on which the rate changes inside a piece; inf where it is constant there."""

    @property
    def pieces(self) -> tuple[tuple[float, float], ...]:
        """The stretches on which the rate is smooth; none for an impulse."""

    def spectrum(self, s: Complex) -> Complex:
        """G(s), the transform; G(0) = 1."""

    def rate(self, t: Array) -> Array:
        """The rate at times `t`, any shape."""

    def rate_gradient(self, name: str, t: Array) -> Array:
        """Slope d rate/d(name) inside the pieces; "time" gives the slope."""

    def edges(self, name: str = "time") -> Edges:
        """Steps that dc/d(name) sees beside the integral of `rate_gradient`; "time": those of the rate."""


def sinhc(x: Complex) -> Complex:
    """sinh(x)/x, any shape; on the imaginary axis, where the engines are, sin(y)/y is five times faster."""
    if not x.real.any():
        return np.sinc(x.imag / np.pi).astype(np.complex128)
    safe = np.where(x == 0, 1, x)
    return np.where(x == 0, 1, np.sinh(safe) / safe)


def sinhc_slope(x: Complex) -> Complex:
    """The derivative of sinh(x)/x, (cosh x - sinh(x)/x)/x; by its series near 0."""
    small = np.abs(x) < _SMALL
    safe, few = np.where(small, 1, x), np.where(small, x, 0)
    square = few**2
    series = few / 3 * (1 + square / 10 * (1 + square / 28 * (1 + square / 54 * (1 + square / 88))))
    return np.where(small, series, (np.cosh(safe) - np.sinh(safe) / safe) / safe)


def check_time(name: str, value: float, least: float = -np.inf) -> None:
    """InputError for a value that is not finite or below `least`."""
    if not np.isfinite(value) or value < least:
        bound = f"a finite {name}" + (f" of at least {least:g}" if least == 0 else "")
        raise bad_injection(bound, f"{value:g}", "Times are in seconds.")


def bad_injection(expected: str, got: str, fix: str) -> InputError:
    """What is wrong with an injection, as an error to raise."""
    return InputError("injection", expected=expected, got=got, fix=fix, argument=True)
