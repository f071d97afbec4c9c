"""The exponentially modified Gaussian: a Gaussian (m, s) run through a first-order lag tau.

    f(t) = A/(2 tau) exp(-x^2/2) erfcx(z),   x = (t - m)/s,   z = (s/tau - x)/sqrt 2

with erfcx = exp(z^2) erfc(z), which neither overflows nor cancels; below z = -5, where erfcx itself would
grow, f = A/(2 tau) exp(s^2/(2 tau^2) - (t - m)/tau) erfc(z) (Kalambet et al. 2011, J Chemometrics 25:352).
Times in s. A fronting peak is the mirror image, written with tau < 0. Gradients follow from
tau f' = A phi - f, with phi the Gaussian: df/dm = -f', df/ds = s f''.

Overlapping peaks are fitted together, by Levenberg and Marquardt on (m, ln s, ln |tau|) and the areas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.special import erfc, erfcx

from medidiff.domains.chromatography.peaks.picking import FWHM_PER_SIGMA
from medidiff.errors import InputError

Array = NDArray[np.float64]

_FAR = -5.0
_EVALUATIONS = 30
_TINY, _HUGE = 0.02, 20.0  # tau / s: below, a Gaussian; above, an exponential
_FEW = 8  # samples across a FWHM: fewer leave tau to chance


@dataclass(frozen=True)
class EMG:
    """An exponentially modified Gaussian: area in the trace's unit times s, the rest in s.

    tau_s < 0 is a fronting peak.
    """

    area: float
    mean_s: float
    sigma_s: float
    tau_s: float

    def __post_init__(self) -> None:
        finite = all(math.isfinite(value) for value in (self.area, self.mean_s, self.sigma_s, self.tau_s))
        if not finite or not self.sigma_s > 0 or not self.tau_s:
            raise InputError(
                "EMG",
                expected="finite numbers, sigma_s > 0 and tau_s not 0",
                got=f"sigma_s={self.sigma_s:g}, tau_s={self.tau_s:g}",
                fix="A Gaussian is tau_s of a hundredth of sigma_s.",
                argument=True,
            )

    def __call__(self, time_s: Array) -> Array:
        """The curve at these times."""
        sign = math.copysign(1.0, self.tau_s)
        times = sign * np.asarray(time_s, np.float64)
        return self.area * _unit(times, sign * self.mean_s, self.sigma_s, abs(self.tau_s))


@dataclass(frozen=True)
class EMGFit:
    """Fitted peaks, the rms of the residuals in the trace's unit, and what makes the fit doubtful."""

    peaks: tuple[EMG, ...]
    rms: float
    converged: bool
    warnings: tuple[str, ...] = ()


def fit_emg(time_s: Array, above: Array, starts: Sequence[tuple[float, float, float, float]]) -> EMGFit:
    """Fit EMGs to a trace above its baseline.

    starts: a tuple for each peak, (apex time s, height, FWHM s, asymmetry b/a at 10 %); unknown asymmetries
    are NaN. Raises InputError for fewer samples than parameters.
    """
    if time_s.size <= 4 * len(starts) or not starts:
        raise InputError(
            "EMG fit",
            expected=f"more than {4 * max(len(starts), 1)} samples and at least one peak",
            got=f"{time_s.size} samples, {len(starts)} peaks",
            fix="Fit fewer peaks, or a wider window.",
        )
    signs = np.array([-1.0 if asymmetry < 1 else 1.0 for *_, asymmetry in starts])
    first = np.concatenate([_start(*start) for start in starts])
    height = max(float(np.abs(above).max()), 1e-300)

    def residuals(p: Array) -> Array:
        total = np.zeros(time_s.size)
        for sign, (m, log_s, log_tau, area) in zip(signs, p.reshape(-1, 4), strict=True):
            total += area * _unit(sign * time_s, sign * m, math.exp(log_s), math.exp(log_tau))
        return (total - above) / height

    def jacobian(p: Array) -> Array:
        columns = [
            column
            for sign, row in zip(signs, p.reshape(-1, 4), strict=True)
            for column in _gradients(time_s, sign, *row)
        ]
        return np.stack(columns, axis=1) / height

    # Steps that run away overflow on their way to being refused.
    with np.errstate(over="ignore", invalid="ignore"):
        scale = np.concatenate([[width / 2, 0.5, 1.0, height * width] for _, height, width, _ in starts])
        lower, upper = _bounds(time_s, first, starts)
        fitted = least_squares(
            residuals,
            np.clip(first, lower, upper),
            jac=jacobian,
            bounds=(lower, upper),
            x_scale=scale,
            max_nfev=_EVALUATIONS,
            xtol=1e-9,
            ftol=1e-9,
            gtol=1e-12,
        )
    peaks = tuple(
        EMG(float(area), float(m), math.exp(log_s), float(sign) * math.exp(log_tau))
        for sign, (m, log_s, log_tau, area) in zip(signs, fitted.x.reshape(-1, 4), strict=True)
    )
    rms = float(np.sqrt(np.mean(fitted.fun**2))) * height
    return EMGFit(peaks, rms, bool(fitted.status > 0), _doubts(time_s, peaks, starts, fitted.status > 0))


def _doubts(
    time_s: Array, peaks: tuple[EMG, ...], starts: Sequence[tuple[float, ...]], converged: bool
) -> tuple[str, ...]:
    step = float((time_s[-1] - time_s[0]) / (time_s.size - 1))
    doubts = [] if converged else ["the EMG fit did not converge"]
    if any(width < _FEW * step for _, _, width, _ in starts):
        doubts.append(f"fewer than {_FEW} samples across a FWHM")
    if any(peak.area <= 0 for peak in peaks):
        doubts.append("an EMG has no positive area")
    if any(abs(b.mean_s - a.mean_s) < 0.5 * min(a.sigma_s, b.sigma_s) for a, b in pairwise(peaks)):
        doubts.append("two EMGs lie upon each other")
    return tuple(doubts)


def _start(apex_s: float, height: float, fwhm_s: float, asymmetry: float) -> Array:
    """Foley and Dorsey's estimates (1983, Anal Chem 55:730), from the FWHM in place of the width at 10 %."""
    skew = asymmetry if asymmetry >= 1 else 1 / asymmetry if asymmetry > 0 else 1.2
    skew = min(max(skew if math.isfinite(skew) else 1.2, 1.05), 3.0)
    ratio = max(0.6 * (skew - 1) ** 0.5, 0.2)  # tau / s
    sigma = fwhm_s / FWHM_PER_SIGMA / (1 + 0.35 * ratio)
    tau = ratio * sigma
    sign = -1.0 if asymmetry < 1 else 1.0
    area = height * fwhm_s * 1.0645 * (1 + 0.05 * ratio)
    return np.array([apex_s - 0.6 * sign * tau, math.log(sigma), math.log(tau), area])


def _bounds(time_s: Array, first: Array, starts: Sequence[tuple[float, ...]]) -> tuple[Array, Array]:
    span, step = float(time_s[-1] - time_s[0]), float(np.diff(time_s).min())
    lower, upper = first.copy(), first.copy()
    for i, (_, height, width, _) in enumerate(starts):
        at = slice(4 * i, 4 * i + 4)
        m, log_s, _, area = first[at]
        most = 100 * max(abs(area), abs(height) * width)
        lower[at] = m - 2 * width, math.log(step / 4), log_s + math.log(_TINY / 4), -most
        upper[at] = m + 2 * width, math.log(max(span, step)), log_s + math.log(_HUGE), most
    return lower, upper


def _unit(t: Array, m: float, s: float, tau: float) -> Array:
    """The tailing EMG of unit area."""
    x = (t - m) / s
    z = (s / tau - x) / math.sqrt(2)
    values: Array = np.exp(-(x**2) / 2) * erfcx(np.maximum(z, _FAR)) / (2 * tau)
    if (far := z < _FAR).any():
        values[far] = np.exp(s**2 / (2 * tau**2) - (t[far] - m) / tau) * erfc(z[far]) / (2 * tau)
    return values


def _gradients(
    time_s: Array, sign: float, m: float, log_s: float, log_tau: float, area: float
) -> list[Array]:
    """Derivatives by m, ln s, ln tau and the area."""
    s, tau = math.exp(log_s), math.exp(log_tau)
    t, centre = sign * time_s, sign * m
    x = (t - centre) / s
    f = _unit(t, centre, s, tau)
    phi = np.exp(-(x**2) / 2) / (s * math.sqrt(2 * math.pi))
    first = (phi - f) / tau
    second = (-x / s * phi - first) / tau
    # d/dz (exp(-x^2/2) erfcx z) = 2 z (...) - 2/sqrt(pi) exp(-x^2/2), and dz/dtau = -s/(sqrt 2 tau^2)
    z = (s / tau - x) / math.sqrt(2)
    by_tau = -f - s / (math.sqrt(2) * tau) * (2 * z * f - phi * s * math.sqrt(2) / tau)
    return [-sign * area * first, area * s**2 * second, area * by_tau, f]
