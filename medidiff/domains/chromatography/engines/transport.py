"""What the linear engines see of a column, and what they give: the two numbers per analyte, and curves.

    dc/dt + u dc/dx = D d2c/dx2 - F dq/dt,    dq/dt = ka c - kd q            (arXiv:2501.00001, linear limit)

With t0 = L/u, k = F ka/kd and N = F ka t0 = k kd t0 the outlet's transform for a unit impulse is
H(s) = psi(theta(s)), theta = s t0 + N s/(s + kd), and psi the passage through the gas alone: exp(-theta)
without dispersion. A pressure drop reduces to the same with t0 = integral of dx/u. The cumulants follow:

    theta(s) = a1 s - a2 s^2/2 + a3 s^3/6 ...,   a1 = t0 (1 + k),  a2 = 2 N/kd^2,  a3 = 6 N/kd^3
    mean = a1,   variance = a2 + v a1^2,   third = a3 + 3 v a1 a2 + w a1^3

v and w are variance and third central moment of the passage alone, in units of its mean: open 2/Pe and
12/Pe^2; Danckwerts 2/Pe - 2 (1 - e^-Pe)/Pe^2 and 12 (1 + e^-Pe)/Pe^2 - 24 (1 - e^-Pe)/Pe^3
(van der Laan 1958, Chem Eng Sci 7:187).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.errors import InputError

if TYPE_CHECKING:
    from medidiff.domains.chromatography.model.injection import Injection

Boundary = Literal["open", "danckwerts"]
Array = NDArray[np.float64]

_SERIES_PECLET = 0.03  # below, the differences in v and w lose more digits than six terms of their series
_V = (1.0, -1 / 3, 1 / 12, -1 / 60, 1 / 360, -1 / 2520)
_W = (2.0, -1.0, 3 / 10, -1 / 15, 1 / 84, -1 / 560)


@dataclass(frozen=True, eq=False)
class Transport:
    """n analytes in one column, as the linear engines see them.

    names: (n,). t0_s: hold-up time. k: retention factors > 0, kd_per_s: desorption rates, peclet: u L / D,
    inf where there is no dispersion; each (n,), or one number for all. boundary: of the dispersion, "open"
    (semi-infinite) or "danckwerts" (closed at both ends). Raises InputError for what cannot be.
    """

    names: tuple[str, ...]
    t0_s: float
    k: Array
    kd_per_s: Array
    peclet: Array = field(default_factory=lambda: np.array([np.inf]))
    boundary: Boundary = "danckwerts"

    def __post_init__(self) -> None:
        size = len(self.names)
        for name in ("k", "kd_per_s", "peclet"):
            value = np.atleast_1d(np.asarray(getattr(self, name), np.float64))
            if value.ndim != 1 or value.size not in (1, size):
                raise _bad(f"{name} of {size} analytes", f"shape {value.shape}", "Give one an analyte.")
            object.__setattr__(self, name, np.broadcast_to(value, (size,)).copy())
            if not (value > 0).all() or (name != "peclet" and not np.isfinite(value).all()):
                raise _bad(f"{name} above 0", np.array2string(value, precision=4, threshold=6), "Mend it.")
        if not (size and 0 < self.t0_s < np.inf):
            raise _bad("analytes and a hold-up time above 0 s", f"{size} and {self.t0_s:g} s", "Mend it.")
        if self.boundary not in ("open", "danckwerts"):
            raise _bad("boundary open or danckwerts", repr(self.boundary), "Choose one.")

    @property
    def transfer_units(self) -> Array:
        """N = k kd t0, (n,)."""
        return self.k * self.kd_per_s * self.t0_s

    @property
    def mean_s(self) -> Array:
        """Mean of the outlet for an impulse at t = 0, t0 (1 + k), (n,)."""
        return self.t0_s * (1 + self.k)

    @property
    def kinetic_variance_s2(self) -> Array:
        """2 N/kd^2, the part of the variance that adsorption alone makes, (n,)."""
        return 2 * self.k * self.t0_s / self.kd_per_s

    @property
    def variance_s2(self) -> Array:
        """Variance of the column alone, (n,)."""
        return self.kinetic_variance_s2 + self._passage()[0] * self.mean_s**2

    @property
    def third_moment_s3(self) -> Array:
        """Third central moment of the column alone, (n,)."""
        spread, skew = self._passage()
        a1, a2, a3 = self.mean_s, self.kinetic_variance_s2, 6 * self.k * self.t0_s / self.kd_per_s**2
        return a3 + 3 * spread * a1 * a2 + skew * a1**3

    @property
    def plates(self) -> Array:
        """Plate number mean^2 / variance, (n,)."""
        return self.mean_s**2 / self.variance_s2

    def select(self, names: tuple[str, ...]) -> Transport:
        """The same column with these analytes only."""
        rows = [self.names.index(name) for name in names]
        return Transport(
            names, self.t0_s, self.k[rows], self.kd_per_s[rows], self.peclet[rows], self.boundary
        )

    def _passage(self) -> tuple[Array, Array]:
        """V and w of the module's docstring, (n,) each."""
        pe = self.peclet
        if self.boundary == "open":
            return 2 / pe, 12 / pe**2
        small = pe < _SERIES_PECLET
        large = np.where(small, 1.0, pe)
        rest = np.exp(-large)
        v = 2 / large - 2 * (1 - rest) / large**2
        w = 12 * (1 + rest) / large**2 - 24 * (1 - rest) / large**3
        few = np.where(small, pe, 0.0)
        return (
            np.where(small, np.polynomial.polynomial.polyval(few, _V), v),
            np.where(small, np.polynomial.polynomial.polyval(few, _W), w),
        )


@dataclass(frozen=True, eq=False)
class Curves:
    """c: (n, points), responses to injections of unit area, in 1/s.

    gradients: name -> (n, points), dc/d(parameter). spike: (n,), e^-N, the area that is not retained at all;
    it is not in c. engine: who computed it.
    """

    c: Array
    gradients: Mapping[str, Array]
    spike: Array
    engine: str
    warnings: tuple[str, ...] = ()


def moments(
    transport: Transport, injection: Injection, detector_s: float = 0.0
) -> tuple[Array, Array, Array]:
    """Mean (s), variance (s^2), third central moment (s^3) of column, injection and detector; (n,) each."""
    return (
        transport.mean_s + injection.mean_s + detector_s,
        transport.variance_s2 + injection.variance_s2 + detector_s**2,
        transport.third_moment_s3 + injection.third_moment_s3 + 2 * detector_s**3,
    )


def check_times(t: ArrayLike) -> Array:
    """`t` as float64; InputError unless it is at least one finite time, in rising order."""
    times = np.asarray(t, np.float64)
    if times.ndim != 1 or times.size == 0 or not np.isfinite(times).all():
        raise _bad("finite times in one row", f"shape {times.shape}", "Give seconds, one a sample.")
    if times.size > 1 and not (np.diff(times) > 0).all():
        raise _bad("rising times", "one that repeats or falls", "Sort them.")
    return times


def check_gradients(asked: object, known: tuple[str, ...]) -> None:
    """InputError for the name of a parameter that the engine or the injection does not have."""
    names = asked if isinstance(asked, (tuple, list)) else (asked,)
    wrong = [str(name) for name in names if name not in known]
    if wrong:
        raise _bad(f"gradients of {', '.join(known)}", ", ".join(wrong), "Choose among these.")


def _bad(expected: str, got: str, fix: str) -> InputError:
    return InputError("transport", expected=expected, got=got, fix=fix, argument=True)
