"""The picture of a calibration: standards, the curve, and below by how much each standard misses it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from medidiff.domains.chromatography.figures.axes import dress
from medidiff.runs.figures import Cell, Page, Row
from medidiff.runs.figures.page import FONT, GREY, INK
from medidiff.runs.figures.panels import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from medidiff.domains.chromatography.analysis.standards.calibration import Calibration

_WIDTH, _LEFT, _PANEL = 7.0, 1.0, 5.6


def draw_calibration(curve: Calibration) -> Figure:
    """The page."""
    rows = [
        Row(3.4, [Cell(_LEFT, _PANEL, partial(_curve, curve=curve))], gap=0.5),
        Row(1.3, [Cell(_LEFT, _PANEL, partial(_errors, curve=curve))], gap=0.45),
    ]
    title = f"calibration, {curve.model}, weights {curve.weights}"
    lod, loq = curve.limits()
    known = f"R² {curve.r_squared:.5f}"
    if np.isfinite(lod):
        s = "s the residual standard deviation" + (" at the lowest standard" if curve.weights != "1" else "")
        known += f"; LOD {lod:.3g}, LOQ {loq:.3g} (3.3 and 10 s/b, {s})"
    return Page(_WIDTH, rows, title=title, note=known, margin=0.4, head=0.85).draw()


def _curve(axes: Axes, curve: Calibration) -> None:
    x = np.linspace(0, 1.05 * float(curve.amounts.max()), 200)
    axes.plot(x, curve.response(x), color=COLOURS[0], lw=1.4)
    axes.plot(curve.amounts, curve.responses, "o", color=COLOURS[1], ms=4.5)
    _dress(axes, curve, "", "response")


def _errors(axes: Axes, curve: Calibration) -> None:
    """The error of the amount calculated back from each standard, in percent of it."""
    known = curve.amounts > 0
    errors = 100 * (curve.back[known] / curve.amounts[known] - 1)
    axes.axhline(0, color=GREY, lw=0.8)
    axes.plot(curve.amounts[known], errors, "o", color=COLOURS[1], ms=4.5)
    axes.margins(y=0.25)
    _dress(axes, curve, "amount", "calculated back, %")


def _dress(axes: Axes, curve: Calibration, x_label: str, y_label: str) -> None:
    most = float(curve.amounts.max())
    axes.set_xlim(-0.03 * most, 1.06 * most)
    dress(axes)
    axes.set_xlabel(x_label, family=FONT, size=8.5, color=INK)
    axes.set_ylabel(y_label, family=FONT, size=8.5, color=INK)
