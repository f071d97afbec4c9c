"""What pictures of curves share: dressed axes, a name beside a place, and which samples are drawn."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medidiff.runs.figures.page import FONT, GREY, INK, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def dress(axes: Axes, *, size: float = 7.5, grid: bool = True) -> None:
    """Open above and to the right, ticks in grey of that size; `grid`: level lines behind the curves."""
    axes.set_facecolor("white")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=GREY, linewidth=0.8)
    axes.tick_params(labelsize=size, labelfontfamily=FONT, color=GREY, labelcolor=GREY)
    if grid:
        axes.grid(axis="y", color=RULE, linewidth=0.5)
        axes.set_axisbelow(True)


def name_beside(
    axes: Axes, name: str, place: tuple[float, float], offset: tuple[float, float], **style: Any
) -> None:
    """A name, never read as mathematics, so many points beside a place."""
    given = {"family": FONT, "size": 7, "color": INK, "annotation_clip": False, "parse_math": False, **style}
    axes.annotate(name, place, offset, textcoords="offset points", **given)


def thinned(signal: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Which samples to draw: all, or of each stretch the lowest and the highest, first and last always."""
    points = len(signal)
    if points <= most:
        return np.arange(points)
    edges = np.linspace(0, points, most // 2 + 1).astype(int)
    low = [a + int(signal[a:b].argmin()) for a, b in pairwise(edges)]
    high = [a + int(signal[a:b].argmax()) for a, b in pairwise(edges)]
    return np.unique([0, *low, *high, points - 1])
