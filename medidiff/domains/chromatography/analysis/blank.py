"""Blank subtraction: a run minus a run without sample, on the run's own axis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files import read_chromatogram, read_chromatograms
from medidiff.errors import InputError


def read_blank(path: Path, trace: int | None = None) -> Chromatogram:
    """A blank's file: the trace of that number, as of the run, or the only one that it has.

    Raises InputError as `read_chromatogram`.
    """
    alone = trace is not None and len(read_chromatograms(path)) == 1
    return read_chromatogram(path, None if alone else trace)


def subtract_blank(run: Chromatogram, blank: Chromatogram) -> Chromatogram:
    """The run minus the blank, which is interpolated linearly; InputError where it ends before the run does.

    Also for different axes or signal units: nothing is converted.
    """
    subtracted = run.signal - on_axis(run, blank)
    return replace(run, signal=subtracted, components={}, notes=(*run.notes, "a blank was subtracted"))


def on_axis(run: Chromatogram, blank: Chromatogram) -> NDArray[np.float64]:
    """The blank at the run's times, (points,). A step of the axis may be missing at either end."""
    if blank.axis != run.axis or blank.signal_unit != run.signal_unit:
        expected = f"a blank of axis {run.axis} in {run.signal_unit or 'no unit'}"
        raise _bad(expected, f"axis {blank.axis} in {blank.signal_unit or 'no unit'}")
    spare = max(run.interval, blank.interval)
    if blank.x[0] > run.x[0] + spare or blank.x[-1] < run.x[-1] - spare:
        expected = f"a blank from {run.x[0]:g} to {run.x[-1]:g} s"
        raise _bad(expected, f"one from {blank.x[0]:g} to {blank.x[-1]:g} s")
    values: NDArray[np.float64] = np.interp(run.x, blank.x, blank.signal)
    return values


def _bad(expected: str, got: str) -> InputError:
    return InputError("blank", expected=expected, got=got, fix="Record it with the same method as the run.")
