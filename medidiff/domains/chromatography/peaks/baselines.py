"""Baselines: what the detector would have drawn without the peaks.

    arpls        asymmetrically reweighted penalised least squares (Baek et al. 2015, Analyst 140:250); the
                 default
    asls         asymmetric least squares (Eilers and Boelens 2005)
    snip         statistics-sensitive peak clipping (Ryan et al. 1988, Nucl Instrum Meth B 34:396)
    constant     the median of the samples that hold no signal
    polynomial   of a degree, fitted to those samples
    points       straight lines through chosen times, at the level of the trace there
    valley       for each peak a straight line from its start to its end
    groups       a straight line under each run of touching peaks, with drop lines in its valleys

The first three come from pybaselines. The penalty of a Whittaker smoother at n points goes with n^4 for
one and the same curve, so that `stiffness` is its value at 1000 points of a trace and the result does not
depend on the sampling rate; a long trace is first reduced to at most 2000 block means. 2e4 is the value at
which areas of vendors' files and of an alkane ladder agree best with the vendors' own (1e3 follows unresolved
humps, 1e5 leaves the ladder's drift under its late peaks). Where peaks are wide beside the trace, as in a
section cut out of one, the penalty is at least the fourth power of the widest FWHM: softer, the curve would
climb into the peaks.

An injection dip drags all three down with it: what lies below both neighbouring signal-free stretches is
lifted to the line between them first. `valley` and `groups` depend on the bounds
(`integration.py`); their curve here is the lower envelope from which bounds are found.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import grey_opening, uniform_filter1d

from medidiff.domains.chromatography.peaks.noise import Noise
from medidiff.errors import InputError, MissingError

Method = Literal["arpls", "asls", "snip", "constant", "polynomial", "points", "valley", "groups"]
METHODS: tuple[str, ...] = get_args(Method)

_MOST = 2000  # points that a whittaker smoother is solved on
_DIP = 10.0  # noises below both neighbours: not drift
_ITERATIONS = 100
_FEW = 5  # points: below, no curve is drawn
_STIFF = 1.0  # of the widest FWHM, to the fourth power: the curve bends over six of them, not into one
_ENVELOPE = (10.0, 5.0)  # of the median and the widest FWHM: wider than a foot


@dataclass(frozen=True)
class BaselineChoice:
    """A method and its settings; what a method does not use is ignored.

    stiffness: penalty at 1000 points (arpls, asls). asymmetry: weight of what lies above (asls).
    window_s: half the widest foot of a peak (snip; None: 2.5 times the widest clear FWHM). degree: of the
    polynomial. points_s: times (points).
    """

    method: Method = "arpls"
    stiffness: float = 2e4
    asymmetry: float = 1e-3
    window_s: float | None = None
    degree: int = 1
    points_s: Sequence[float] = ()


def baseline(
    time_s: NDArray[np.float64], signal: NDArray[np.float64], noise: Noise, choice: BaselineChoice
) -> NDArray[np.float64]:
    """The baseline at every sample. InputError for settings that do not fit the trace.

    MissingError without pybaselines, where the method needs it.
    """
    if choice.method not in METHODS:
        raise _bad("baseline", f"one of {', '.join(METHODS)}", repr(choice.method))
    if choice.method == "points":
        return _through_points(time_s, signal, noise, choice.points_s)
    if signal.size < _FEW or choice.method == "constant":
        return np.full(signal.size, _level(signal, noise))
    if choice.method == "polynomial":
        return _polynomial(time_s, signal, noise, choice.degree)
    if choice.method in ("valley", "groups"):
        return envelope(signal, noise)
    return _from_library(lift_dips(signal, noise), noise, _step(time_s), choice)


def lift_dips(signal: NDArray[np.float64], noise: Noise) -> NDArray[np.float64]:
    """The trace with dips filled: between two signal-free stretches, none of it far below both of them.

    Where a sample lies ten noises below the lower one, all that lies below their chord is lifted to it.
    """
    quiet = np.flatnonzero(noise.quiet)
    if quiet.size < 2 or not noise.sd:
        return signal
    index = np.arange(signal.size)
    gap = np.searchsorted(quiet, index)
    levels = uniform_filter1d(signal, 3)[quiet]
    floor = np.minimum(levels[np.maximum(gap - 1, 0)], levels[np.minimum(gap, quiet.size - 1)])
    inside = (gap > 0) & (gap < quiet.size)
    dips = inside & (signal < floor - _DIP * noise.sd)
    filled = (np.bincount(gap, weights=dips, minlength=quiet.size + 1) > 0)[gap] & inside
    return np.where(filled, np.maximum(signal, np.interp(index, quiet, levels)), signal)


def envelope(signal: NDArray[np.float64], noise: Noise) -> NDArray[np.float64]:
    """The lower envelope over ten widths of a peak, smoothed: below every peak, without a package."""
    reach = max(_ENVELOPE[0] * noise.width, _ENVELOPE[1] * noise.widest)
    window = int(min(max(round(reach), 3), signal.size))
    smooth = uniform_filter1d(lift_dips(signal, noise), max(round(noise.width / 2), 1))
    opened = grey_opening(smooth, window, mode="nearest")
    low: NDArray[np.float64] = np.minimum(uniform_filter1d(opened, window, mode="nearest"), smooth)
    return low


def _from_library(
    signal: NDArray[np.float64], noise: Noise, step_s: float, choice: BaselineChoice
) -> NDArray[np.float64]:
    """What pybaselines makes of block means, at every sample."""
    fitter = _library().Baseline()
    block = -(-signal.size // _MOST)
    count = signal.size // block
    means = signal[: count * block].reshape(count, block).mean(axis=1)
    penalty = max(choice.stiffness * (count / 1000) ** 4, (_STIFF * noise.widest / block) ** 4)
    with warnings.catch_warnings():
        # That the reweighting ended early: its last curve is the one wanted.
        warnings.simplefilter("ignore")
        if choice.method == "asls":
            curve, _ = fitter.asls(means, lam=penalty, p=choice.asymmetry, max_iter=_ITERATIONS)
        elif choice.method == "arpls":
            curve, _ = fitter.arpls(means, lam=penalty, max_iter=_ITERATIONS)
        else:
            half, width = _half_window(count, noise, step_s, block, choice.window_s), noise.width / block
            curve, _ = fitter.snip(
                means, max_half_window=half, decreasing=True, smooth_half_window=round(width / 4)
            )
    curve = np.asarray(curve, np.float64)
    if block == 1:
        return curve
    middles = block * np.arange(count) + (block - 1) / 2
    spread: NDArray[np.float64] = CubicSpline(middles, curve)(np.arange(signal.size))
    return spread


def _half_window(count: int, noise: Noise, step_s: float, block: int, window_s: float | None) -> int:
    most = (count - 1) // 2
    if window_s is None:
        return min(max(round(2.5 * noise.width / block), 1), most)
    half = round(window_s / step_s / block)
    if not 1 <= half <= most:
        expected = f"{step_s * block:g} to {most * step_s * block:g} s"
        raise _bad("baseline window_s", expected, f"{window_s:g} s", argument=False)
    return half


def _polynomial(
    time_s: NDArray[np.float64], signal: NDArray[np.float64], noise: Noise, degree: int
) -> NDArray[np.float64]:
    quiet = noise.quiet if np.count_nonzero(noise.quiet) > degree + 1 else np.ones(signal.size, bool)
    if degree < 0 or degree > 9:
        raise _bad("baseline degree", "0 to 9", str(degree))
    if signal.size <= degree + 1:
        raise _bad("baseline degree", f"below the {signal.size} points", str(degree), argument=False)
    fitted = np.polynomial.Polynomial.fit(time_s[quiet], signal[quiet], degree)
    # A foot or a hump that counted as quiet leaves again: twice, which is enough for a straight drift.
    for _ in range(2):
        rest = signal - fitted(time_s)
        spread = 1.4826 * float(np.median(np.abs(rest[quiet])))
        near = quiet & (np.abs(rest) <= max(3 * spread, 3 * noise.sd))
        if np.count_nonzero(near) <= degree + 1:
            break
        fitted = np.polynomial.Polynomial.fit(time_s[near], signal[near], degree)
    return np.asarray(fitted(time_s), np.float64)


def _through_points(
    time_s: NDArray[np.float64], signal: NDArray[np.float64], noise: Noise, points_s: Sequence[float]
) -> NDArray[np.float64]:
    chosen = np.unique(np.asarray(points_s, np.float64))
    if not chosen.size:
        raise _bad("baseline points_s", "at least one time", "none")
    outside = chosen[(chosen < time_s[0]) | (chosen > time_s[-1])]
    if outside.size:
        expected = f"times from {time_s[0]:g} to {time_s[-1]:g} s"
        raise _bad("baseline points_s", expected, f"{outside[0]:g} s", argument=False)
    smooth = uniform_filter1d(signal, max(2 * round(noise.width / 8) + 1, 1))
    curve: NDArray[np.float64] = np.interp(time_s, chosen, np.interp(chosen, time_s, smooth))
    return curve


def _level(signal: NDArray[np.float64], noise: Noise) -> float:
    return float(np.median(signal[noise.quiet] if noise.quiet.any() else signal))


def _step(time_s: NDArray[np.float64]) -> float:
    return float((time_s[-1] - time_s[0]) / (time_s.size - 1))


def _library() -> Any:
    try:
        return importlib.import_module("pybaselines")
    except ImportError as error:
        raise MissingError(
            "package pybaselines",
            expected="an installed package, for this baseline",
            got="none that can be imported",
            fix='Install it: pip install "medidiff[chromatography]", or choose constant, polynomial, points, '
            "valley or groups.",
        ) from error


def _bad(what: str, expected: str, got: str, *, argument: bool = True) -> InputError:
    """`argument` is false for what another trace would take."""
    return InputError(what, expected=expected, got=got, fix="Correct the method file.", argument=argument)
