"""The picture of a simulation: the trace with its analytes, and below it where they are in the column.

Both panels share the time axis, in minutes: the trace is what reaches the upper edge of the lower panel.
There each place is scaled by the height that a peak has there, so that a peak stays visible as it spreads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.figures.axes import dress
from medidiff.domains.chromatography.model.stored.units import to_minutes
from medidiff.domains.chromatography.profile import column_profile
from medidiff.errors import InputError
from medidiff.runs.figures.page import FONT, GREY, INK, Cell, Page, Row, words
from medidiff.runs.figures.panels import COLOURS
from medidiff.runs.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from medidiff.domains.chromatography.engines.transport import Transport
    from medidiff.domains.chromatography.simulation import Simulation

Array = NDArray[np.float64]

_WIDTH, _LEFT, _RIGHT = 11.0, 0.95, 0.35
_TRACE, _MAP = 3.3, 2.5
_TIMES = 1000  # of the lower panel's picture
_FEWEST_PLACES, _MOST_PLACES = 60, 320  # of it; 8 in a standard deviation, where that lies between
_APART = 0.075  # of the width, between two labels of one line
_LINES = 4  # of labels at most
_MOST_LABELS = 16
_FAINT = 0.6  # power of the concentration that gives the ink


def draw_simulation(result: Result, *, simulation: Simulation) -> Figure:
    """The page of a simulation's result."""
    width = _WIDTH - _LEFT - _RIGHT
    linear = simulation.loading is None or simulation.engine in ("closed", "fft")
    upper = partial(_trace, simulation=simulation, alone=not linear)
    rows = [Row(_TRACE, [Cell(_LEFT, width, upper)], gap=0.32 if linear else 0.5)]
    if linear:
        rows.append(Row(_MAP, [Cell(_LEFT, width, partial(draw_inside, simulation=simulation))], gap=0.5))
    title = f"{simulation.system.name}: {len(simulation.system.analytes)} analytes"
    return Page(_WIDTH, rows, title=title, note=_note(simulation), margin=_LEFT, head=1.0).draw()


def _note(simulation: Simulation) -> str:
    column = simulation.system.column
    size = f"{column.length_m:g} m × {1e3 * column.diameter_m:g} mm × {1e6 * column.film_m:g} µm"
    facts = [size, simulation.system.gas]
    if simulation.transport is not None:
        facts.append(f"{simulation.system.temperature_k - 273.15:.4g} °C")
        facts.append(f"hold-up time {to_minutes(simulation.transport.t0_s):.3f} min")
    return ", ".join([*facts, f"engine {simulation.engine}", f"dispersion {simulation.dispersion}"])


def _trace(axes: Axes, *, simulation: Simulation, alone: bool) -> None:
    t = to_minutes(1.0) * simulation.time_s
    highest = float(simulation.signal.max()) or 1.0
    for row, c in enumerate(simulation.c):
        used = c > 1e-6 * highest
        axes.fill_between(t, c, where=used, color=_colour(row), alpha=0.35, lw=0, interpolate=False)
        axes.plot(np.where(used, t, np.nan), c, color=_colour(row), lw=1.1)
    axes.plot(t, simulation.signal, color=INK, lw=0.7)
    _frame(axes, float(t[0]), float(t[-1]))
    lines = _labels(axes, simulation, highest)
    axes.set_ylim(0, highest * (1.06 + 0.13 * lines))
    if alone:
        _minutes(axes)
    else:
        axes.tick_params(labelbottom=False)
    axes.set_ylabel("mol/m³", family=FONT, size=8.5, color=INK)


def _labels(axes: Axes, simulation: Simulation, highest: float) -> int:
    """Name and retention above each peak, on as many lines as neighbours need; how many lines."""
    begin, end = axes.get_xlim()
    order = np.argsort(simulation.retention_s)[:_MOST_LABELS]
    last = [-np.inf] * _LINES
    lines = 0
    for row in order.tolist():
        x = to_minutes(float(simulation.retention_s[row]))
        if not begin <= x <= end:
            continue
        share = (x - begin) / (end - begin)
        line = next((n for n in range(_LINES) if share - last[n] > _APART), _LINES - 1)
        last[line] = share
        lines = max(lines, line + 1)
        text = f"{simulation.system.names[row]}\n{x:.3f}"
        y = highest * (1.05 + 0.13 * line)
        style: dict[str, Any] = {
            "ha": "center",
            "va": "bottom",
            "family": FONT,
            "size": 7.5,
            "parse_math": False,
            "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        }
        axes.text(x, y, text, color=_colour(row), linespacing=1.05, **style)
    return lines


def draw_inside(axes: Axes, *, simulation: Simulation) -> None:
    """Where the analytes are in the column over time, scaled at each place by the height of a peak there."""
    system = simulation.system
    t, length = simulation.time_s, system.column.length_m
    if simulation.transport is None:
        from medidiff.domains.chromatography.engines.programme import programme_peaks

        note = "inside the column"
        places = programme_peaks(system, dispersion=simulation.dispersion).places(t)
        for row, place in enumerate(places):
            inside = place < 1
            axes.plot(to_minutes(1.0) * t[inside], length * place[inside], color=_colour(row), lw=1.3)
        axes.set_ylim(0, length)
    else:
        note = "inside the column (each place scaled by its peak's height)"
        sharp = float(simulation.transport.plates.max()) ** 0.5
        count = int(np.clip(8 * sharp, _FEWEST_PLACES, _MOST_PLACES))
        x = length * np.arange(1, count + 1) / count
        times = np.linspace(t[0], t[-1], min(t.size, _TIMES))
        try:
            c = column_profile(system, x, times, dispersion=simulation.dispersion)
        except InputError:  # peaks far broader than the trace
            note = "inside the column: not drawn, the peaks are too broad"
            c = np.zeros((len(system.names), len(x), len(times)))
        axes.imshow(
            _inks(c / _heights(simulation, simulation.transport, x)),
            origin="lower",
            aspect="auto",
            interpolation="bilinear",
            extent=(to_minutes(float(t[0])), to_minutes(float(t[-1])), 0.0, length),
        )
    _frame(axes, to_minutes(float(t[0])), to_minutes(float(t[-1])))
    axes.grid(visible=False)
    _minutes(axes)
    axes.set_ylabel("place in the column in m", family=FONT, size=8.5, color=INK)
    words(axes, 0, 1.02, note, size=8, color=GREY, va="bottom")


def _heights(simulation: Simulation, transport: Transport, x: Array) -> Array:
    """Height of a Gaussian of the variance that a peak has at a place, (n, places, 1)."""
    injection = simulation.system.injection
    spread = (transport.variance_s2 / simulation.system.column.length_m)[:, None] * x
    sigma = np.sqrt(spread + injection.variance_s2)
    return np.asarray((simulation.system.areas[:, None] / (np.sqrt(2 * np.pi) * sigma))[..., None])


def _inks(share: Array) -> Array:
    """(n, places, times) as a picture (places, times, 3): each analyte's colour, mixed as inks on white."""
    from matplotlib.colors import to_rgb

    picture = np.ones((*share.shape[1:], 3))
    for row, ink in enumerate(np.clip(share, 0, 1) ** _FAINT):
        picture *= 1 - ink[..., None] * (1 - np.array(to_rgb(_colour(row))))
    return picture


def _frame(axes: Axes, begin: float, end: float) -> None:
    axes.set_xlim(begin, end)
    dress(axes)


def _minutes(axes: Axes) -> None:
    axes.set_xlabel("time in minutes", family=FONT, size=8.5, color=INK)


def _colour(row: int) -> str:
    """The last of the colours is the sum's ink."""
    inks: Sequence[str] = COLOURS[:-1]
    return inks[row % len(inks)]
