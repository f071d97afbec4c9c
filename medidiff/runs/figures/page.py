"""A page: rows of panels in inches, a title, a foot line, and PNG bytes that depend on nothing else.

Figures are made by the object interface of matplotlib; nothing touches pyplot or its global settings, so
that drawing in a thread of an app, in a notebook and on a server without display is the same.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medidiff.errors import InputError
from medidiff.runs.report import NOTICE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FONT = "DejaVu Sans"
"""Comes with matplotlib, so that every machine sets the same type."""

INK, GREY, RULE = "#1a1a1a", "#6b6b6b", "#c8c8c8"
DPI = 160
RESOLUTIONS = (DPI, 140, 120, 100, 80)
LARGEST_PNG = 1_900_000
"""Bytes: a page for a README, a slide or a mail stays below 2 MB."""

MOST_PIXELS = 4096 * 4096
"""Of a saved picture that is shown again: it may come from elsewhere, and is decoded in process."""

Draw = Callable[["Axes"], None]

_LABEL = 0.55  # inches: what a name beside a row takes when it is turned


@dataclass(frozen=True)
class Cell:
    """A panel: left edge and width in inches from the page's left edge, and what draws it."""

    left: float
    width: float
    draw: Draw


@dataclass(frozen=True)
class Row:
    """Cells of one height in inches; `label` stands rotated at the page's left, `gap` inches lie below."""

    height: float
    cells: Sequence[Cell]
    label: str = ""
    gap: float = 0.08


@dataclass(frozen=True)
class Page:
    """Rows from top to bottom; all lengths in inches.

    `note` stands grey under the title, `foot` after "research use only"; `margin` is where they begin, `head`
    the room above the first row.
    """

    width: float
    rows: Sequence[Row]
    title: str = ""
    note: str = ""
    foot: str = ""
    margin: float = 0.5
    head: float = 1.0

    def draw(self) -> Figure:
        """A new figure of this page."""
        from matplotlib.figure import Figure

        foot = 0.42
        height = self.head + sum(row.height + row.gap for row in self.rows) + foot
        figure = Figure((self.width, height), dpi=DPI, facecolor="white")
        left, below = self.margin / self.width, 1 / height
        words(figure, left, 1 - 0.22 * below, self.title, size=12.5, weight="bold", va="top")
        words(figure, left, 1 - 0.47 * below, self.note, size=8, color=GREY, va="top")
        top = height - self.head
        for row in self.rows:
            top -= row.height
            middle = (top + row.height / 2) * below
            beside = left - 0.08 / self.width
            turned = {"size": 8.5, "rotation": 90.0} if row.height > _LABEL else {"size": 7.0}
            words(figure, beside, middle, row.label, color=GREY, ha="right", va="center", **turned)
            for cell in row.cells:
                box = (cell.left / self.width, top * below, cell.width / self.width, row.height * below)
                cell.draw(figure.add_axes(box))
            top -= row.gap
        notice = " · ".join(part for part in (NOTICE, self.foot) if part)
        words(figure, left, 0.17 * below, notice, size=7.5, color=GREY, va="bottom")
        return figure


def words(where: Figure | Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Text in the house's type; in fractions of the figure or axes. Nothing is drawn for an empty text."""
    if not text:
        return
    if hasattr(where, "transAxes"):
        style = {"transform": where.transAxes, **style}
    where.text(x, y, text, **{"family": FONT, "color": INK, "parse_math": False, **style})


def png_bytes(figure: Figure, *, largest: int = LARGEST_PNG) -> bytes:
    """The figure as PNG, without date, software or any other metadata: same figure, same bytes.

    Noise does not compress: a picture above `largest` bytes is drawn again at a lower resolution.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    for dpi in RESOLUTIONS:
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
        if buffer.tell() <= largest:
            break
    return buffer.getvalue()


def picture_figure(png: bytes) -> Figure:
    """A figure that shows a saved picture pixel by pixel.

    Raises InputError for what is no PNG, and before decoding for one of more than 4096 x 4096 pixels.
    """
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    _check_png(png)
    try:
        pixels = imread(io.BytesIO(png), format="png")
    except (OSError, ValueError, SyntaxError):  # the last is Pillow's for a damaged chunk
        raise _no_picture("a damaged one") from None
    rows, columns = pixels.shape[:2]
    figure = Figure((columns / DPI, rows / DPI), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(pixels, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return figure


def _check_png(png: bytes) -> None:
    """Signature, and the size in the header chunk (https://www.w3.org/TR/png, 11.2.1)."""
    if len(png) < 24 or png[:8] != b"\x89PNG\r\n\x1a\n" or png[12:16] != b"IHDR":
        raise _no_picture("another kind of file")
    columns, rows = struct.unpack(">II", png[16:24])
    if columns * rows > MOST_PIXELS:
        raise _no_picture(f"{columns} x {rows}")


def _no_picture(got: str) -> InputError:
    return InputError(
        "picture",
        expected=f"a PNG of at most {MOST_PIXELS} pixels",
        got=got,
        fix="Run it again: this folder was damaged or made by another program.",
    )
