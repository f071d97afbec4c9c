"""`chromatogram_peaks`: a trace and a method in, its peaks out, as a run folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.analysis.blank import on_axis, subtract_blank
from medidiff.domains.chromatography.analysis.method import Method
from medidiff.domains.chromatography.analysis.method_file import ManualBounds, MethodFile, applied_method
from medidiff.domains.chromatography.analysis.naming import finished
from medidiff.domains.chromatography.analysis.suitability import of_trace
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.figures.peaks import draw_peaks
from medidiff.domains.chromatography.peaks.measure import Measured, measure_peaks
from medidiff.domains.chromatography.peaks.table import DETAILS, Peak, PeakTable
from medidiff.domains.chromatography.tables import cell, write_csv
from medidiff.errors import InputError
from medidiff.runs.clock import Clock, finish_report
from medidiff.runs.provenance import provenance
from medidiff.runs.report import start_report
from medidiff.runs.result import Result

_DENSEST = 4  # times as many points at most, when an axis is made uniform

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Analysed:
    """Peaks with names and amounts, the uniform axis and signal they were measured on, and warnings."""

    peaks: tuple[Peak, ...]
    time_s: Array
    signal: Array
    measured: Measured
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class BaselineCurve:
    """Writes baseline.csv: `time_s,signal,baseline`."""

    time_s: Array
    signal: Array
    baseline: Array

    def write(self, path: Path) -> None:
        """Write CSV, every number to its last bit."""
        rows = np.stack([self.time_s, self.signal, self.baseline], axis=1).tolist()
        write_csv(path, ("time_s", "signal", "baseline"), [[cell(value) for value in row] for row in rows])


def chromatogram_peaks(
    chromatogram: Chromatogram,
    *,
    method: Method | str | Path | None = None,
    t0_s: float | None = None,
    blank: Chromatogram | None = None,
    manual: Sequence[ManualBounds] = (),
) -> Result:
    """Find, measure and name the peaks of a trace.

    method: a `Method`, the name of one that is shipped ("btex") or the path of its YAML file; by default
    arPLS, every peak above 10 noises, no names. t0_s: hold-up time in s, in place of the method's. blank:
    subtracted first; its noise is that of S/N. manual: (start_s, end_s[, name]), each one peak in place of
    what is found there.
    Outputs: peaks.csv, details.csv (EMG, tangents, moments, intervals), baseline.csv, and method.yaml: the
    method with t0_s and manual, which gives the same table again. Raises InputError for a trace over no time,
    a t0 that is not above 0 or after the trace's end, bounds outside the trace, and a method that subtracts a
    blank without one; MissingError where the baseline's package is absent.
    """
    clock = Clock()
    chosen = applied_method(method, t0_s=t0_s, manual=manual, blank=blank is not None)
    found = analyse(chromatogram, chosen, blank=blank)
    report = start_report("chromatography.peaks", 0, describe(chromatogram))
    report["methods"] = {"peaks": {"output": "peaks.csv", "peaks": len(found.peaks)}}
    noise = found.measured.noise
    report["noise"] = {"white_sd": noise.white, "sd": noise.sd, "fwhm_points": noise.width}
    missed = of_trace(found.peaks, chosen.suitability)
    report["suitability"] = {"passed": not any(missed.values()) if missed else None, "missed": missed}
    report["warnings"] = list(found.warnings)
    finish_report(report, clock)
    origins = {"chromatogram": chromatogram.origin or chromatogram.digest()}
    if blank is not None:
        origins["blank"] = blank.origin or blank.digest()
    options = {"method": chosen.model_dump(), "t0_s": chosen.t0_s}
    return Result(
        {
            "peaks.csv": PeakTable(found.peaks),
            "details.csv": PeakTable(found.peaks, DETAILS),
            "baseline.csv": BaselineCurve(found.time_s, found.signal, found.measured.baseline),
            "method.yaml": MethodFile(chosen),
        },
        report,
        provenance("chromatography peaks", options, origins, {}, seed=0, precision="float64"),
        draw=partial(_draw, found=found, unit=chromatogram.signal_unit),
    )


def analyse(
    chromatogram: Chromatogram,
    method: Method,
    *,
    t0_s: float | None = None,
    blank: Chromatogram | None = None,
) -> Analysed:
    """The peaks of a trace, without a run around them; arguments and errors as `chromatogram_peaks`."""
    chromatogram.time_s  # noqa: B018  refuses an axis that is no time
    if method.blank and blank is None:
        expected = "a run without sample, which the method subtracts"
        fix = "Give it with --blank (blank=), or write blank: false in the method."
        raise InputError("blank", expected=expected, got="none", fix=fix, argument=True)
    run = chromatogram if blank is None else subtract_blank(chromatogram, blank)
    quiet = None if blank is None else on_axis(chromatogram, blank)
    time_s, signal, blank_signal, notes = uniform_axis(run, quiet)
    hold_up = t0_s if t0_s is not None else method.t0_s
    if hold_up is not None and not 0 < hold_up < time_s[-1]:
        expected = f"seconds above 0 and before the end of the trace ({time_s[-1]:g} s)"
        fix = "Give the hold-up time in seconds."
        always = not 0 < hold_up < math.inf  # else a longer trace would take it
        raise InputError("t0_s", expected=expected, got=f"{hold_up:g}", fix=fix, argument=always)
    measured = measure_peaks(time_s, signal, method.integration_settings(), blank=blank_signal)
    peaks, warnings = finished(measured.peaks, method, hold_up)
    if not peaks:
        warnings = ["no peak stands out from the noise", *warnings]
    everything = (*chromatogram.notes, *notes, *measured.warnings, *warnings)
    return Analysed(peaks, time_s, signal, measured, everything)


def uniform_axis(
    run: Chromatogram, other: Array | None = None
) -> tuple[Array, Array, Array | None, tuple[str, ...]]:
    """Times and signal on a uniform axis, as smoothing and baselines need it; a uniform one stays."""
    if run.uniform:
        return run.time_s, run.signal, other, ()
    span, least = run.x[-1] - run.x[0], float(np.diff(run.x).min())
    points = int(min(round(span / least), _DENSEST * run.points)) + 1
    time_s = np.linspace(run.x[0], run.x[-1], points)
    note = f"the axis is not uniform: {run.points} points were interpolated to {points}"
    other = None if other is None else np.interp(time_s, run.x, other)
    return time_s, np.interp(time_s, run.x, run.signal), other, (note,)


def describe(chromatogram: Chromatogram) -> dict[str, Any]:
    """`input` of a report."""
    return {
        "sha256": (chromatogram.origin or chromatogram.digest()).removeprefix("sha256:"),
        "points": chromatogram.points,
        "interval_s": chromatogram.interval,
        "units": chromatogram.signal_unit,
    }


def _draw(result: Result, found: Analysed, unit: str) -> Any:
    return draw_peaks(found.time_s, found.signal, found.measured.baseline, found.peaks, unit=unit)
