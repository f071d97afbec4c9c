"""The outlet of a column without dispersion for a unit impulse, and its derivatives.

    h = kd sqrt(N/T) e^(-N-T) I1(z),   T = kd tau,   tau = t - t0,   z = 2 sqrt(N T)
    (Lapidus & Amundson 1952, J Phys Chem 56:984; Goldstein 1953, Proc R Soc A 219:151)

It is a compound Poisson law: N jumps whose dwell times are exponential with rate kd, so that its cumulants
are n! N/kd^n. Its area is 1 - e^-N; the rest, never retained, arrives at t0 as a spike that is not in h.

Written with scaled Bessel functions, i1e(z) = e^-z I1(z), nothing overflows:

    h = 2 N kd exp(-((N-T)/(a+b))^2) i1e(z)/z,   a = sqrt N,  b = sqrt T;    with e = z (I0/I1 - 1):
    dh/dln N  (kd fixed)  = h (a (T-N)/(a+b) + e/2)
    dh/dln kd (N/kd fixed) = h (e - ((N-T)/(a+b))^2)
    dh/dt                 = kd h/T (b (N-T)/(a+b) + e/2 - 1)

where differences of square roots are quotients and e has its asymptotic series beyond z = 1000: both keep the
digits that N = 1e8 would cost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e, i1e

Array = NDArray[np.float64]

REACH = 6.4
"""|sqrt T - sqrt N| beyond which h is below e^-40 = 4e-18 of its height."""

_SERIES = 1e3  # of z
_NO_TIME = 1e-12  # of T: below, dh/dt by its limit


@dataclass(frozen=True)
class Kernel:
    """h of one analyte: `units` is N > 0, `kd` in 1/s. Times are tau, in s since the hold-up time."""

    units: float
    kd: float

    @property
    def window_s(self) -> tuple[float, float]:
        """Where h is above 4e-18 of its height."""
        root = self.units**0.5
        return max(root - REACH, 0.0) ** 2 / self.kd, (root + REACH) ** 2 / self.kd

    @property
    def scale_s(self) -> float:
        """The length on which h changes: its standard deviation, a dwell time at least."""
        return max(math.sqrt(2 * self.units), 1.0) / self.kd

    def __call__(self, tau: Array) -> Array:
        """H at `tau`, any shape; 0 before 0."""
        return self._parts(tau)[0]

    def gradients(self, tau: Array, names: tuple[str, ...]) -> list[Array]:
        """h, then dh/d(name) for "ln_k" (kd fixed), "ln_kd" (k fixed) and "time"."""
        if not names:
            return [self(tau)]
        h, T, z, gap, first = self._parts(tau)
        e = _excess(z, first)
        a, b = self.units**0.5, np.sqrt(T)
        out = [h]
        for name in names:
            if name == "ln_k":
                out.append(h * (e / 2 - a * gap))
            elif name == "ln_kd":
                out.append(h * (e - gap**2))
            else:
                limit = (self.units / 2 - 1) * self.kd * h
                safe = np.where(T < _NO_TIME, 1.0, T)
                slope = self.kd * h / safe * (b * gap + e / 2 - 1)
                out.append(np.where(T < _NO_TIME, limit, slope))
        return out

    def _parts(self, tau: Array) -> tuple[Array, Array, Array, Array, Array]:
        """h, T, z, (N-T)/(a+b) and i1e(z)."""
        N, kd = self.units, self.kd
        T = np.maximum(kd * tau, 0.0)
        a, b = N**0.5, np.sqrt(T)
        z = 2 * a * b
        gap = (N - T) / (a + b)
        first = i1e(z)
        share = np.divide(first, z, out=np.full_like(z, 0.5), where=z > 0)
        h = 2 * N * kd * np.exp(-(gap**2)) * share
        return np.where(tau < 0, 0.0, h), T, z, gap, first


def _excess(z: Array, first: Array) -> Array:
    """E = z (I0(z)/I1(z) - 1), 2 at z = 0 and 1/2 at infinity; `first` is i1e(z)."""
    large = z > _SERIES
    zz = np.where(large, z, 1.0)
    series = 0.5 + (3 / 8 + (3 / 8 + 63 / 128 / zz) / zz) / zz
    if large.all():
        return series
    exact = np.divide(z * (i0e(z) - first), first, out=np.full_like(z, 2.0), where=first > 0)
    return np.where(large, series, exact)
