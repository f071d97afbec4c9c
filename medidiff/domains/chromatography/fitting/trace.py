"""The part of a chromatogram that is fitted, checked: samples, window, plateau, retention times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.fitting.solving.shapes import Array
from medidiff.domains.chromatography.samples import plateau
from medidiff.errors import InputError

FEWEST = 16
"""Samples of a trace that is fitted."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Samples that are fitted. time_s: (points,), uniform to the bit where the axis nearly is."""

    time_s: Array
    signal: Array
    uniform: bool


def trace_of(chromatogram: Chromatogram, window_s: tuple[float, float] | None = None) -> Trace:
    """The samples inside a window (start, end) in s; without one, all.

    Raises InputError for an axis that is no time, fewer than 16 samples and a constant signal.
    """
    time, signal = chromatogram.time_s, chromatogram.signal
    uniform = chromatogram.uniform
    if uniform:
        time = np.linspace(time[0], time[-1], time.size)
    if window_s is not None:
        first, last = window_s
        if not first < last:
            fix = "Give its start and its end in seconds."
            raise _bad("window", "start < end", f"{first:g} and {last:g}", fix, argument=True)
        inside = (time >= first) & (time <= last)
        time, signal = time[inside], signal[inside]
    if time.size < FEWEST:
        fix = "Widen the window." if window_s else "Record more of it."
        raise _bad("trace", f"at least {FEWEST} samples", str(time.size), fix)
    if np.ptp(signal) == 0:
        raise _bad("trace", "a signal that changes", f"{signal[0]:g} throughout", "Choose another trace.")
    return Trace(time, signal, uniform)


def check_saturation(trace: Trace) -> None:
    """InputError for a plateau at the detector's maximum."""
    highest = int(np.argmax(trace.signal))
    if count := plateau(trace.signal, highest):
        raise _bad(
            "trace",
            "peaks that the detector followed",
            f"a plateau of {count} samples at the maximum from {trace.time_s[highest]:.4g} s on",
            "A saturated peak has no shape to fit: inject less, or fit a window without it.",
        )


def check_wanted(names: Sequence[str], times: Sequence[float], trace: Trace, t0_s: float) -> None:
    """InputError for a retention time outside of the trace or not after the hold-up time."""
    first, last = float(trace.time_s[0]), float(trace.time_s[-1])
    for name, time in zip(names, times, strict=True):
        if time <= t0_s:
            raise _bad(
                f"analyte {name}",
                f"a retention after the hold-up time, {t0_s:.6g} s",
                f"{time:.6g} s",
                _minutes(time, t0_s, last) or "Look at --t0-s: what is not retained comes at t0.",
            )
        if not first < time < last:
            raise _bad(
                f"analyte {name}",
                f"a retention inside the trace, {first:.6g} to {last:.6g} s",
                f"{time:.6g} s",
                _minutes(time, first, last) or "Leave it out, or widen the window.",
            )


def _minutes(time: float, first: float, last: float) -> str:
    return f"If it is in minutes, write {60 * time:g}." if first < 60 * time < last else ""


def _bad(what: str, expected: str, got: str, fix: str, *, argument: bool = False) -> InputError:
    return InputError(what, expected=expected, got=got, fix=fix, argument=argument)
