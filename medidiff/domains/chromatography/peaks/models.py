"""The exponentially modified Gaussian: a Gaussian (m, s) run through a first-order lag tau.

    f(t) = A emg((t - m)/s, s, tau)

Times in s. A fronting peak is the mirror image, written with tau < 0. Gradients follow from
tau f' = A phi - f, with phi the Gaussian: df/dm = -f', df/ds = s f''.

Overlapping peaks are fitted together, by a trust region on the mean m + tau, ln sqrt(s^2 + tau^2), the share
of tau in that and the area: the first two are moments, which the trace determines however small tau is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from medidiff.domains.chromatography.emg import emg
from medidiff.domains.chromatography.samples import FWHM_PER_SIGMA
from medidiff.errors import InputError

Array = NDArray[np.float64]

_EVALUATIONS = 100
_LEAST, _MOST = 0.02, 0.998  # tau over sqrt(s^2 + tau^2): below, a Gaussian; above, an exponential
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
    are NaN. Raises InputError for fewer samples than parameters, and a start without height or width.
    """
    if time_s.size <= 4 * len(starts) or not starts:
        raise InputError(
            "EMG fit",
            expected=f"more than {4 * max(len(starts), 1)} samples and at least one peak",
            got=f"{time_s.size} samples, {len(starts)} peaks",
            fix="Fit fewer peaks, or a wider window.",
        )
    wrong = [start for start in starts if not (start[1] > 0 and start[2] > 0 and math.isfinite(start[0]))]
    if wrong:
        at, height, width, _ = wrong[0]
        raise InputError(
            "EMG fit",
            expected="starts with a height and a FWHM above 0",
            got=f"{height:g} and {width:g} s at {at:g} s",
            fix="Leave that peak out.",
        )
    signs = [-1.0 if asymmetry < 1 else 1.0 for *_, asymmetry in starts]
    first = np.concatenate([_start(*start) for start in starts])
    height = max(float(np.abs(above).max()), 1e-300)

    def residuals(p: Array) -> Array:
        total = np.zeros(time_s.size)
        for sign, (*shape, area) in zip(signs, p.reshape(-1, 4), strict=True):
            m, s, tau = _natural(sign, *shape)
            total += area * _unit(sign * time_s, sign * m, s, tau)
        return (total - above) / height

    def jacobian(p: Array) -> Array:
        rows = zip(signs, p.reshape(-1, 4), strict=True)
        columns = [column for sign, row in rows for column in _gradients(time_s, sign, *row)]
        return np.stack(columns, axis=1) / height

    scale = np.concatenate([[width / 2, 0.5, 0.5, height * width] for _, height, width, _ in starts])
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
        EMG(float(area), m, s, sign * tau)
        for sign, (*shape, area) in zip(signs, fitted.x.reshape(-1, 4), strict=True)
        for m, s, tau in [_natural(sign, *shape)]
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


def _natural(sign: float, mean: float, log_width: float, ratio: float) -> tuple[float, float, float]:
    """The parameters (m, s, tau) of the fitted ones: the mean, ln sqrt(s^2 + tau^2), and tau over that."""
    width = math.exp(log_width)
    return mean - sign * ratio * width, width * math.sqrt(1 - ratio**2), ratio * width


def _start(apex_s: float, height: float, fwhm_s: float, asymmetry: float) -> Array:
    """A guess from apex, height, FWHM and the asymmetry at 10 %, where that is known."""
    tailing = asymmetry if asymmetry >= 1 else 1 / asymmetry if asymmetry > 0 else 1.2
    skewed = min(max(tailing if math.isfinite(tailing) else 1.2, 1.02), 3.0) - 1
    ratio = min(0.3 + 0.7 * math.sqrt(skewed), 0.9)
    width = fwhm_s / FWHM_PER_SIGMA * (1 + 0.4 * ratio**3)
    sign = -1.0 if asymmetry < 1 else 1.0
    return np.array([apex_s + 0.4 * sign * ratio**2 * width, math.log(width), ratio, 1.08 * height * fwhm_s])


def _bounds(time_s: Array, first: Array, starts: Sequence[tuple[float, ...]]) -> tuple[Array, Array]:
    span, step = float(time_s[-1] - time_s[0]), float(np.diff(time_s).min())
    lower, upper = first.copy(), first.copy()
    for i, (_, height, width, _) in enumerate(starts):
        mean, _, _, area = first[4 * i : 4 * i + 4]
        most = 100 * max(abs(area), abs(height) * width)
        lower[4 * i : 4 * i + 4] = mean - 3 * width, math.log(step / 4), _LEAST, -most
        upper[4 * i : 4 * i + 4] = mean + 3 * width, math.log(max(span, step)), _MOST, most
    return lower, upper


def _unit(t: Array, m: float, s: float, tau: float) -> Array:
    """The tailing EMG of unit area."""
    return emg((t - m) / s, s, tau)


def _gradients(
    time_s: Array, sign: float, mean: float, log_width: float, ratio: float, area: float
) -> list[Array]:
    """Derivatives by the fitted parameters: mean, ln width, ratio and area."""
    m, s, tau = _natural(sign, mean, log_width, ratio)
    t, centre = sign * time_s, sign * m
    x = (t - centre) / s
    f = _unit(t, centre, s, tau)
    phi = np.exp(-(x**2) / 2) / (s * math.sqrt(2 * math.pi))
    slope = (phi - f) / tau  # by the tailing curve's own time
    curvature = (-x / s * phi - slope) / tau
    # d/dz (exp(-x^2/2) erfcx z) = 2 z (...) - 2/sqrt(pi) exp(-x^2/2), and dz/dtau = -s/(sqrt 2 tau^2)
    z = (s / tau - x) / math.sqrt(2)
    by_log_tau = -f - s / (math.sqrt(2) * tau) * (2 * z * f - phi * s * math.sqrt(2) / tau)
    by_log_s = s**2 * curvature
    by_width = tau * slope + by_log_s + by_log_tau
    by_ratio = math.exp(log_width) * slope - ratio / (1 - ratio**2) * by_log_s + by_log_tau / ratio
    return [-sign * area * slope, area * by_width, area * by_ratio, f]
