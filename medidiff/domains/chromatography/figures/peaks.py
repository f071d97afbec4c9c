"""The picture of a measured trace: peaks filled from bound to bound above the baseline, numbered or named.

The upper panel shows the whole trace, the lower one the same with its foot enlarged: what small peaks and
the baseline are judged on.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.figures.axes import dress, name_beside, thinned
from medidiff.domains.chromatography.peaks.table import Peak
from medidiff.runs.figures import Cell, Page, Row
from medidiff.runs.figures.page import FONT, GREY, INK, words
from medidiff.runs.figures.panels import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _LEFT, _PANEL = 12.0, 0.9, 10.7
_TALL, _LOW = 3.3, 2.3
_MOST_LABELS = 40
_POINTS = 6000  # that are drawn: more lie upon each other
_ENLARGED, _OVER = 12.0, 2.0  # times at least; times the median peak, which a solvent would hide
_APART, _ROOM = 0.011, 0.06  # of the width: nearer labels would cover each other; of the height, for one

Array = NDArray[np.float64]


def draw_peaks(
    time_s: Array, signal: Array, baseline: Array, peaks: Sequence[Peak], *, unit: str = ""
) -> Figure:
    """The page; time_s, signal, baseline: (points,)."""
    whole = partial(_panel, time_s=time_s, signal=signal, baseline=baseline, peaks=peaks, unit=unit)
    low, high = _foot(signal, baseline, peaks)
    rows = [
        Row(_TALL, [Cell(_LEFT, _PANEL, partial(whole, limits=None))], gap=0.55),
        Row(_LOW, [Cell(_LEFT, _PANEL, partial(whole, limits=(low, high)))], gap=0.45),
    ]
    title = f"{len(peaks)} peak{'s' * (len(peaks) != 1)}"
    note = "Filled: what is integrated, from bound to bound above the baseline. Below: the foot, enlarged."
    return Page(_WIDTH, rows, title=title, note=note, head=0.85).draw()


def _foot(signal: Array, baseline: Array, peaks: Sequence[Peak]) -> tuple[float, float]:
    """From below the baseline to a twelfth of the trace's height, or to where half of the peaks are seen."""
    height = max(float((signal - baseline).max()), 1e-12) / _ENLARGED
    if peaks:
        height = min(height, _OVER * float(np.median([abs(peak.height) for peak in peaks])))
    low, high = float(baseline.min()), float(baseline.max())
    return min(low, float(np.quantile(signal, 0.002))) - 0.15 * height, high + height


def _panel(
    axes: Axes,
    time_s: Array,
    signal: Array,
    baseline: Array,
    peaks: Sequence[Peak],
    unit: str,
    limits: tuple[float, float] | None,
) -> None:
    minutes = time_s / 60
    thin = thinned(signal, _POINTS)
    for number, peak in enumerate(peaks):
        first, last = np.searchsorted(time_s, [peak.start_s, peak.end_s])
        part = slice(first, last + 1)
        colour = COLOURS[number % 6]
        axes.fill_between(minutes[part], baseline[part], signal[part], color=colour, alpha=0.45, linewidth=0)
        for at in (first, min(last, time_s.size - 1)):
            axes.plot([minutes[at]] * 2, [baseline[at], signal[at]], color=colour, lw=0.8)
    axes.plot(minutes[thin], signal[thin], color=INK, lw=0.8)
    axes.plot(minutes[thin], baseline[thin], color=GREY, lw=0.8, ls=(0, (4, 2)))
    axes.set_xlim(minutes[0], minutes[-1])
    axes.margins(y=0.12)
    span = float(np.ptp(signal))
    whole = float(signal.min()) - 0.03 * span, float(signal.max()) + 0.22 * span
    axes.set_ylim(*(limits or whole))
    _dress(axes, unit, last=limits is not None)
    _label(axes, peaks, signal, time_s, names=limits is None)


def _label(axes: Axes, peaks: Sequence[Peak], signal: Array, time_s: Array, *, names: bool) -> None:
    """Numbers, and `names` where there are some, above the tallest peaks that end below the panel's edge.

    None where two would meet.
    """
    span, (low, high) = float(time_s[-1] - time_s[0]), axes.get_ylim()
    tallest = sorted(enumerate(peaks, 1), key=lambda pair: (not pair[1].name, -abs(pair[1].height)))
    placed: list[float] = []
    for number, peak in tallest:
        at = peak.retention_time_s
        level = float(np.interp(at, time_s, signal))
        near = any(abs(at - other) < _APART * span for other in placed)
        if near or level > high - _ROOM * (high - low) or len(placed) == _MOST_LABELS:
            continue
        placed.append(at)
        text = f"{number}  {peak.name}" if names and peak.name else f"{number}"
        style = {"rotation": 90 if names and peak.name else 0, "ha": "center", "va": "bottom"}
        name_beside(axes, text, (at / 60, level), (0, 4), **style)


def _dress(axes: Axes, unit: str, *, last: bool) -> None:
    dress(axes)
    axes.yaxis.get_offset_text().set(size=7.5, color=GREY, family=FONT)
    if last:
        axes.set_xlabel("time, min", family=FONT, size=8.5, color=INK)
    axes.set_ylabel(
        f"signal, {unit}" if unit else "signal", family=FONT, size=8.5, color=INK, parse_math=False
    )
    words(axes, 0.0, 1.02, "enlarged" if last else "", size=8, color=GREY, va="bottom")
