"""The picture of a batch: its runs upon each other, and below one above the other, named peaks marked.

Time is in minutes. The upper panel shows what differs between runs, the lower one what each run is; both
have one scale for all. A batch of many runs shows the first twelve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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
_TALL, _STEP, _TOP = 2.6, 0.34, 1.1
_APART = 0.3  # of the tallest peak: from one run to the next
_MINUTE = 60.0
_LETTERS = 26
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
    low = min(float(np.quantile(run.signal, 0.02)) for run in drawn)
    high = max(float(run.signal.max()) for run in drawn)
    panel = partial(_panel, drawn=drawn, peaks=peaks, limits=(low, high))
    rows = [Row(_TALL, [Cell(_LEFT, _PANEL, partial(panel, apart=0.0))], gap=0.35)]
    if len(drawn) > 1:
        height = _TOP + _STEP * len(drawn)
        rows += [Row(height, [Cell(_LEFT, _PANEL, partial(panel, apart=_APART))], gap=0.45)]
    title = f"{len(runs)} run{'s' * (len(runs) != 1)}"
    notes = ["Above upon each other, below one above the other, on one scale; dots: peaks with a name."]
    if len(runs) > len(drawn):
        notes.append(f"The first {len(drawn)} of {len(runs)} are shown.")
    return Page(_WIDTH, rows, title=title, note=" ".join(notes), margin=_LEFT, head=1.55).draw()


def _panel(
    axes: Axes,
    drawn: Sequence[DrawnRun],
    peaks: Mapping[str, Sequence[Peak]],
    limits: tuple[float, float],
    apart: float,
) -> None:
    low, high = limits
    step = apart * max(high - low, 1e-12)
    # The first run stands on top, as its row does in the table.
    for place, run in enumerate(drawn):
        up, colour = step * (len(drawn) - 1 - place), COLOURS[place % len(COLOURS)]
        axes.plot(run.minutes, run.signal + up, color=colour, lw=0.8, alpha=1.0 if apart else 0.7)
        if apart:
            name = run.name if len(run.name) <= _LETTERS else f"{run.name[: _LETTERS - 1]}…"
            _beside(axes, name, float(np.median(run.signal)) + up, colour)
            times = np.array([peak.retention_time_s / _MINUTE for peak in peaks[run.name]])
            levels = np.interp(times, run.minutes, run.signal) + up
            axes.plot(times, levels, "o", color=colour, ms=2.6)
    axes.set_xlim(min(run.minutes[0] for run in drawn), max(run.minutes[-1] for run in drawn))
    span = high - low
    axes.set_ylim(low - 0.05 * span, high + step * (len(drawn) - 1) + 0.06 * span)
    alone = len(drawn) == 1
    if not apart:
        _label(axes, peaks)
        if alone:
            _beside(axes, drawn[0].name[:_LETTERS], float(np.median(drawn[0].signal)), COLOURS[0])
    _dress(axes, _unit(drawn), last=bool(apart) or alone, numbers=not apart)


def _beside(axes: Axes, text: str, level: float, colour: str) -> None:
    axes.annotate(
        text,
        (1.0, level),
        (6, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        family=FONT,
        size=7,
        color=colour,
        annotation_clip=False,
        parse_math=False,
    )


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
        axes.annotate(
            name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…",
            (at, 1.0),
            (0, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=90,
            ha="center",
            va="bottom",
            family=FONT,
            size=7,
            color=INK,
            annotation_clip=False,
            parse_math=False,
        )


def _unit(drawn: Sequence[DrawnRun]) -> str:
    units = {run.unit for run in drawn}
    return units.pop() if len(units) == 1 else ""


def _dress(axes: Axes, unit: str, *, last: bool, numbers: bool) -> None:
    axes.set_facecolor("white")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=GREY, linewidth=0.8)
    axes.tick_params(labelsize=7.5, labelfontfamily=FONT, color=GREY, labelcolor=GREY)
    axes.yaxis.get_offset_text().set(size=7.5, color=GREY, family=FONT)
    axes.set_axisbelow(True)
    if numbers:
        axes.grid(axis="y", color=RULE, linewidth=0.5)
    else:
        axes.set_yticks([])
    if last:
        axes.set_xlabel("time, min", family=FONT, size=8.5, color=INK)
    text = (f"signal, {unit}" if unit else "signal") if numbers else "signal, shifted"
    axes.set_ylabel(text, family=FONT, size=8.5, color=INK, parse_math=False)
