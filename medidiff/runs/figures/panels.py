"""Panels: an image, an error map, a zoom, a colour bar, a curve. Each draws into the axes it is given.

Images are (rows, columns) with spacing (row, column) in millimetres, drawn in millimetres, row 0 on top;
between pixels they are interpolated linearly, for display only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.runs.figures.page import FONT, GREY, INK, RULE, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Image = NDArray[np.floating]
Spacing = tuple[float, float]

MARKS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#1a1a1a")
"""Okabe and Ito's colours, which people with any colour vision tell apart."""

ERROR_COLOURS = "inferno"
"""No error is black, as air is; equal steps of error are equal steps to the eye."""

_BAR_END = 0.91  # of the width: the letter of the side stands right of it
_BARS_MM = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass(frozen=True, slots=True)
class Box:
    """A square in an image: centre in pixels (row, column), side in millimetres, and the mark's colour."""

    row: float
    column: float
    side_mm: float
    colour: str = MARKS[0]

    def limits_mm(self, spacing: Spacing) -> tuple[float, float, float, float]:
        """(left, right, bottom, top) in the panel's millimetres."""
        y, x, half = self.row * spacing[0], self.column * spacing[1], self.side_mm / 2
        return x - half, x + half, y + half, y - half


def image_panel(
    axes: Axes,
    image: Image,
    spacing: Spacing,
    *,
    window: tuple[float, float] = (-1000.0, 1000.0),
    title: str = "",
    caption: str = "",
    strong: bool = False,
    boxes: Sequence[Box] = (),
    scale_bar: bool = False,
    letters: Mapping[str, str] | None = None,
    colours: str = "gray",
) -> None:
    """Draw an image in its true proportions.

    title above, caption below (bold where `strong`); boxes are outlined; letters: "left", "right", "top",
    "bottom" -> the side of the patient that lies there.
    """
    _show(axes, image, spacing, window, colours)
    words(axes, 0.5, 1.04, title, size=9.5, weight="bold", ha="center", va="bottom")
    under_panel(axes, caption, strong=strong)
    for box in boxes:
        outline(axes, box, spacing)
    if scale_bar:
        draw_scale_bar(axes)
    for side, letter in (letters or {}).items():
        _letter(axes, side, letter)


def error_panel(
    axes: Axes,
    image: Image,
    reference: Image,
    spacing: Spacing,
    *,
    limit: float = 200.0,
    title: str = "",
    caption: str = "",
    boxes: Sequence[Box] = (),
) -> None:
    """Draw |image - reference| from 0 (black) to `limit` in the image's units; larger errors are white."""
    error = np.abs(np.subtract(image, reference, dtype=np.float64))
    image_panel(
        axes,
        error,
        spacing,
        window=(0.0, limit),
        title=title,
        caption=caption,
        boxes=boxes,
        colours=ERROR_COLOURS,
    )


def zoom(
    axes: Axes,
    image: Image,
    spacing: Spacing,
    box: Box,
    *,
    window: tuple[float, float] = (-1000.0, 1000.0),
    colours: str = "gray",
    scale_bar: bool = False,
) -> None:
    """Draw the part of an image inside `box`, framed in the colour that marks it there."""
    _show(axes, image, spacing, window, colours)
    left, right, bottom, top = box.limits_mm(spacing)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(edgecolor=box.colour, linewidth=1.6)
    if scale_bar:
        draw_scale_bar(axes, share=0.45)


def outline(axes: Axes, box: Box, spacing: Spacing) -> None:
    """Draw the outline of a box on the image that it belongs to."""
    from matplotlib.patches import Rectangle

    left, right, bottom, top = box.limits_mm(spacing)
    axes.add_patch(
        Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=box.colour, linewidth=1.2)
    )


def draw_scale_bar(axes: Axes, *, share: float = 0.3) -> None:
    """A white bar of a round length, at most `share` of the width, in the lower right corner, in mm."""
    left, right = axes.get_xlim()
    width = right - left
    length = max((mm for mm in _BARS_MM if mm <= share * width), default=_BARS_MM[0])
    points = 72 * axes.bbox.height / axes.figure.dpi
    y, gap = 7 / points, 4 / points
    start, middle, edge = _BAR_END - length / width, _BAR_END - length / width / 2, _edge(1.6)
    (bar,) = axes.plot([start, _BAR_END], [y, y], color="white", lw=1.6, transform=axes.transAxes)
    bar.set(solid_capstyle="butt", path_effects=edge)
    light = {"size": 6.5, "color": "white", "path_effects": edge}
    words(axes, middle, y + gap, f"{length} mm", ha="center", va="bottom", **light)


def under_panel(axes: Axes, caption: str, *, strong: bool = False) -> None:
    """A line right under the panel."""
    if caption:
        axes.annotate(
            caption,
            (0.5, 0),
            (0, -3),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center",
            va="top",
            family=FONT,
            size=7.5,
            weight="bold" if strong else "normal",
            color=INK if strong else GREY,
        )


def colour_bar(axes: Axes, low: float, high: float, label: str, *, colours: str = "gray") -> None:
    """A horizontal bar of the colours between two values, with the label at its right."""
    axes.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap=colours, extent=(0, 1, 0, 1))
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(edgecolor=RULE, linewidth=0.6)
    style = {"size": 7.5, "color": GREY, "va": "center"}
    words(axes, -0.03, 0.45, _number(low), ha="right", **style)
    words(axes, 1.03, 0.45, f"{_number(high)} {label}", ha="left", **style)


def curve(
    axes: Axes,
    x: ArrayLike,
    lines: Mapping[str, ArrayLike],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    log_x: bool = False,
    marks: bool = False,
) -> None:
    """Draw lines over one axis, each named at its right end in its own colour (no legend to look up)."""
    axes.set_facecolor("white")
    if log_x:
        axes.set_xscale("log")
    for (name, y), colour in zip(lines.items(), COLOURS * (1 + len(lines) // len(COLOURS)), strict=False):
        values = np.asarray(y, float)
        axes.plot(x, values, color=colour, lw=1.6, marker="o" if marks else None, ms=3.5)
        axes.annotate(
            name,
            (np.asarray(x, float)[-1], values[-1]),
            (5, 0),
            textcoords="offset points",
            va="center",
            family=FONT,
            size=8,
            color=colour,
            annotation_clip=False,
        )
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=GREY, linewidth=0.8)
    axes.tick_params(labelsize=7.5, labelfontfamily=FONT, color=GREY, labelcolor=GREY)
    axes.grid(axis="y", color=RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel(x_label, family=FONT, size=8.5, color=INK)
    axes.set_ylabel(y_label, family=FONT, size=8.5, color=INK)
    words(axes, 0, 1.04, title, size=9.5, weight="bold", va="bottom")


def _show(axes: Axes, image: Image, spacing: Spacing, window: tuple[float, float], colours: str) -> None:
    (rows, columns), (dy, dx) = image.shape, spacing
    axes.imshow(
        image,
        cmap=colours,
        vmin=window[0],
        vmax=window[1],
        extent=(-dx / 2, (columns - 0.5) * dx, (rows - 0.5) * dy, -dy / 2),
        aspect="equal",
        interpolation="bilinear",
        origin="upper",
    )
    axes.set_axis_off()


def _letter(axes: Axes, side: str, letter: str) -> None:
    x, y = {"left": (0.025, 0.5), "right": (0.975, 0.5), "top": (0.5, 0.97), "bottom": (0.5, 0.03)}[side]
    ha = {"left": "left", "right": "right"}.get(side, "center")
    va = {"top": "top", "bottom": "bottom"}.get(side, "center")
    words(axes, x, y, letter, size=7, color="white", ha=ha, va=va, path_effects=_edge(1.2))


def _edge(width: float) -> list[object]:
    """A thin dark rim, so that white marks can be read on bright tissue."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width + 1.2, foreground="#00000090")]


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")
