"""The picture of plate heights over velocity: a curve an analyte, its optimum, and the system's velocity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medidiff.atomic import writing_file
from medidiff.domains.chromatography.figures.axes import dress
from medidiff.runs.figures.page import FONT, GREY, INK, Cell, Page, Row, png_bytes
from medidiff.runs.figures.panels import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from medidiff.domains.chromatography.plate_heights import PlateHeights

_WIDTH, _LEFT, _PANEL, _HEIGHT = 9.2, 0.85, 5.0, 3.9
_MOST_NAMES = 16
_LOWEST = 2.5  # heights of the lowest optimum: above, a curve leaves the panel


@dataclass(frozen=True)
class PlateHeightPicture:
    """Writes plate_heights.png."""

    curves: PlateHeights

    def write(self, path: Path) -> None:
        """Write the picture as PNG."""
        with writing_file(path) as temporary:
            temporary.write_bytes(png_bytes(draw_plate_heights(self.curves)))


def draw_plate_heights(curves: PlateHeights, *, title: str = "plate height and gas velocity") -> Figure:
    """The page."""
    rows = [Row(_HEIGHT, [Cell(_LEFT, _PANEL, partial(_panel, curves=curves))], gap=0.5)]
    note = f"dispersion {curves.dispersion}; velocity averaged over the column, L/t0"
    if not np.isnan(curves.inlet_pa).any():
        note += f"; inlet {_kpa(curves.inlet_pa.min())} to {_kpa(curves.inlet_pa.max())} kPa absolute"
    return Page(_WIDTH, rows, title=title, note=note, margin=_LEFT, head=0.85).draw()


def _kpa(pascal: float) -> str:
    return f"{pascal / 1e3:.4g}"


def _panel(axes: Axes, *, curves: PlateHeights) -> None:
    u, heights = 100 * curves.velocity_m_s, 1e3 * curves.height_m
    order = np.argsort(u)
    for row, name in enumerate(curves.names):
        colour = COLOURS[row % (len(COLOURS) - 1)]
        best, least = 100 * curves.optimal_m_s[row], 1e3 * curves.least_m[row]
        shown = f"{name}: {least:.3g} mm at {best:.3g} cm/s" if np.isfinite(best) else name
        axes.plot(u[order], heights[row, order], color=colour, lw=1.4, label=shown)
        axes.plot([best], [least], "o", color=colour, ms=4.5)
    own = f"the system's {100 * curves.own_m_s:.3g} cm/s"
    axes.axvline(100 * curves.own_m_s, color=GREY, lw=0.9, ls=(0, (4, 3)), label=own)
    axes.set_xlim(0, 1.02 * float(u.max()))
    top = float(heights.max())
    if np.isfinite(curves.least_m).all():
        top = min(top, _LOWEST * 1e3 * float(curves.least_m.max()))
    axes.set_ylim(0, 1.05 * top)
    _dress(axes)
    handles, labels = axes.get_legend_handles_labels()
    few = [*range(min(len(curves.names), _MOST_NAMES)), len(curves.names)]
    legend = axes.legend(
        [handles[i] for i in few],
        [labels[i] for i in few],
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        frameon=False,
        prop={"family": FONT, "size": 8},
        labelcolor=INK,
        borderaxespad=0.0,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _dress(axes: Axes) -> None:
    dress(axes)
    axes.set_xlabel("average gas velocity in cm/s", family=FONT, size=8.5, color=INK)
    axes.set_ylabel("plate height in mm", family=FONT, size=8.5, color=INK)
