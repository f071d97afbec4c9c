"""The picture of a batch: its runs upon each other, and below one under the other, named peaks marked.

Time is in minutes. The upper panel has one scale for all, and shows by how much runs differ; the lower one
has a scale for each, and shows where its peaks lie. A batch of many runs shows the first twelve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.figures.axes import dress, name_beside
from medidiff.domains.chromatography.figures.traces import envelope
from medidiff.domains.chromatography.peaks.table import Peak
from medidiff.runs.figures import Cell, Page, Row
from medidiff.runs.figures.page import FONT, GREY, INK, RULE
from medidiff.runs.figures.panels import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_RUNS = 12
_WIDTH, _LEFT, _PANEL = 12.0, 0.9, 9.2
_TALL, _STEP = 2.6, 0.55
_FILLED = 0.92  # of the room of a run in the lower panel
_MINUTE = 60.0
_LETTERS, _LETTER = 26, 0.065  # of a name at most, and inches of each
_MOST_LABELS, _BESIDE = 40, 0.013  # labels, and of the width: nearer ones would cover each other

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DrawnRun:
    """A run as it is drawn: the extremes of each column of its panel, so that a batch takes little memory."""

    name: str
    minutes: Array
    signal: Array
    unit: str


def drawn_run(name: str, time_s: Array, signal: Array, unit: str) -> DrawnRun:
    """What the picture needs of a run; time_s, signal: (points,)."""
    return DrawnRun(name, *envelope(time_s / _MINUTE, signal), unit)


def draw_runs(drawn: Sequence[DrawnRun], runs: Mapping[str, Sequence[Peak]]) -> Figure:
    """The page.

    drawn: at most the first `MOST_RUNS` that could be read. runs: file name -> peaks of every run; those with
    a name are marked where the drawn runs have them.
    """
    peaks = {run.name: [peak for peak in runs[run.name] if peak.name] for run in drawn}
    stack = _STEP * max(len(drawn), 2)
    rows = [
        Row(_TALL, [Cell(_LEFT, _PANEL, partial(_overlay, drawn=drawn, peaks=peaks))], gap=0.35),
        Row(stack, [Cell(_LEFT, _PANEL, partial(_stack, drawn=drawn, peaks=peaks))], gap=0.45),
    ]
    title = f"{len(runs)} run{'s' * (len(runs) != 1)}"
    notes = ["Above: on one scale. Below: each on its own; dots are peaks with a name."]
    if len(runs) > len(drawn):
        notes.append(f"The first {len(drawn)} of {len(runs)} are shown.")
    longest = max((len(_short(peak.name)) for found in peaks.values() for peak in found), default=0)
    head = 0.85 + _LETTER * longest
    return Page(_WIDTH, rows, title=title, note=" ".join(notes), margin=_LEFT, head=head).draw()


def _overlay(axes: Axes, drawn: Sequence[DrawnRun], peaks: Mapping[str, Sequence[Peak]]) -> None:
    for place, run in enumerate(drawn):
        axes.plot(run.minutes, run.signal, color=_colour(place), lw=0.8, alpha=0.7)
    axes.margins(y=0.05)
    _dress(axes, drawn)
    # Left of the axis: above the panel it would stand upon the names of the first peaks.
    axes.yaxis.get_offset_text().set(size=7.5, color=GREY, family=FONT, ha="right", x=-0.01)
    units = {run.unit for run in drawn}
    text = f"signal, {units.pop()}" if len(units) == 1 and "" not in units else "signal"
    axes.set_ylabel(text, family=FONT, size=8.5, color=INK, parse_math=False)
    _label(axes, peaks)


def _stack(axes: Axes, drawn: Sequence[DrawnRun], peaks: Mapping[str, Sequence[Peak]]) -> None:
    """The first run on top, as its rows stand in the table."""
    for place, run in enumerate(drawn):
        up, low = len(drawn) - 1 - place, float(run.signal.min())
        span = max(float(np.ptp(run.signal)), np.finfo(np.float64).tiny)
        level = up + _FILLED * (run.signal - low) / span
        axes.plot(run.minutes, level, color=_colour(place), lw=0.8)
        times = np.array([peak.retention_time_s / _MINUTE for peak in peaks[run.name]])
        axes.plot(times, np.interp(times, run.minutes, level), "o", color=_colour(place), ms=2.6)
        style = {"xycoords": ("axes fraction", "data"), "va": "center", "color": _colour(place)}
        name_beside(axes, _short(run.name), (1.0, float(np.median(level))), (6, 0), **style)
    axes.set_ylim(-0.1, len(drawn) + 0.05)
    axes.set_yticks([])
    _dress(axes, drawn)
    axes.set_xlabel("time, min", family=FONT, size=8.5, color=INK)
    axes.set_ylabel("signal, scaled", family=FONT, size=8.5, color=INK)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _label(axes: Axes, peaks: Mapping[str, Sequence[Peak]]) -> None:
    """Names above the panel, each at the mean of its peak's times, the tallest first; none upon another."""
    times: dict[str, list[float]] = {}
    heights: dict[str, float] = {}
    for peak in (peak for found in peaks.values() for peak in found):
        times.setdefault(peak.name, []).append(peak.retention_time_s / _MINUTE)
        heights[peak.name] = max(heights.get(peak.name, 0.0), abs(peak.height))
    low, high = axes.get_xlim()
    placed: list[float] = []
    for name in sorted(heights, key=lambda name: -heights[name])[:_MOST_LABELS]:
        at = float(np.mean(times[name]))
        axes.axvline(at, color=RULE, lw=0.7, zorder=0)
        if any(abs(at - other) < _BESIDE * (high - low) for other in placed):
            continue
        placed.append(at)
        style = {"xycoords": ("data", "axes fraction"), "rotation": 90, "ha": "center", "va": "bottom"}
        name_beside(axes, _short(name), (at, 1.0), (0, 3), **style)


def _short(name: str) -> str:
    """A long name without its middle: what tells files apart stands at their ends."""
    half = _LETTERS // 2
    return name if len(name) <= _LETTERS else f"{name[: half - 1]}…{name[-half:]}"


def _dress(axes: Axes, drawn: Sequence[DrawnRun]) -> None:
    axes.set_xlim(min(run.minutes[0] for run in drawn), max(run.minutes[-1] for run in drawn))
    dress(axes)
