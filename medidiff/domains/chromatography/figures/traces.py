"""The picture of an instrument's file: each trace over its own axis, the vendor's peaks as ticks below it.

Time is in minutes. A file of many traces shows the first eight.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import TIME, Chromatogram
from medidiff.domains.chromatography.figures.axes import dress, thinned
from medidiff.runs.figures.page import FONT, GREY, INK, Cell, Page, Row, words
from medidiff.runs.figures.panels import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _LEFT, _RIGHT = 11.0, 0.95, 0.35
_MOST, _MINUTE = 8, 60.0
_COLUMNS = 2400  # of the panel: more points than that are drawn as the extremes of each column


def draw_traces(traces: Sequence[Chromatogram]) -> Figure:
    """One panel a trace, from top to bottom."""
    shown = traces[:_MOST]
    height = 2.9 if len(shown) == 1 else 1.5
    rows = [
        Row(
            height,
            [Cell(_LEFT, _WIDTH - _LEFT - _RIGHT, partial(_panel, trace=trace, colour=_colour(i)))],
            gap=0.62,
        )
        for i, trace in enumerate(shown)
    ]
    count = len(traces)
    note = f"the first {_MOST} are shown" if count > _MOST else ""
    title = f"{count} trace{'s' * (count != 1)}"
    return Page(_WIDTH, rows, title=title, note=note, margin=_LEFT, head=0.85).draw()


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _panel(axes: Axes, trace: Chromatogram, colour: str) -> None:
    on_time = trace.axis == TIME
    scale = _MINUTE if on_time else 1.0
    x, signal = envelope(trace.x / scale, trace.signal)
    axes.plot(x, signal, color=colour, lw=0.9)
    axes.set_xlim(x[0], x[-1])
    for peak in trace.vendor_peaks:
        axes.axvline(peak.retention_s / scale, 0, 0.05, color=GREY, lw=0.7)
    dress(axes)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "\u2212"))
    x_label = "time in min" if on_time else trace.axis.removeprefix("x_").replace("_", " ")
    axes.set_xlabel(x_label, family=FONT, size=8.5, color=INK, parse_math=False)
    axes.set_ylabel(trace.signal_unit or "signal", family=FONT, size=8.5, color=INK, parse_math=False)
    peaks = f"{len(trace.vendor_peaks)} peaks in the file's own table" if trace.vendor_peaks else ""
    facts = ", ".join(part for part in (trace.detector, f"{trace.points} points", peaks) if part)
    words(axes, 0, 1.03, facts, size=8, color=GREY, va="bottom")


def envelope(
    x: NDArray[np.float64], signal: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All points of a curve; of a long one the lowest and highest of each group, so that no peak is lost."""
    kept = thinned(signal, 2 * _COLUMNS)
    return x[kept], signal[kept]
