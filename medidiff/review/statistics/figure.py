"""The picture of a study: the gain by reader and pooled with its interval, and the answers by case.

Made from the content of statistics.json, so that it can be drawn again without the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from medidiff.runs.figures import Cell, Page, Row
from medidiff.runs.figures.page import FONT, GREY, INK, RULE, words
from medidiff.runs.figures.panels import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LEFT, _FOREST, _GAP, _CASES, _RIGHT = 1.55, 5.0, 1.55, 4.0, 0.35
_WIDTH = _LEFT + _FOREST + _GAP + _CASES + _RIGHT
_LINE, _LEAST, _MOST = 0.25, 2.6, 12.0  # inches: a line of either panel, and the height of both
_NAMED_CASES = 30
_LONGEST = 18  # letters of an arm's name
_SHOWN = 6
_FOR, _AGAINST, _TIE, _UNSURE = COLOURS[0], COLOURS[1], "#c9c9c9", "#8a8a8a"


def study_figure(statistics: Mapping[str, Any]) -> Figure:
    """A page of what `summarise` returned: a row of panels for each of the first six comparisons of arms."""
    rows = []
    for comparison in statistics["comparisons"][:_SHOWN]:
        lines = max(len(comparison["by_reader"]) + 3, min(len(comparison["by_case"]), _NAMED_CASES))
        height = min(max(_LINE * lines, _LEAST), _MOST)
        forest = partial(_forest, statistics=statistics, comparison=comparison)
        cases = partial(_cases, kind=statistics["kind"], comparison=comparison)
        left = _LEFT + _FOREST + _GAP
        rows.append(Row(height, [Cell(_LEFT, _FOREST, forest), Cell(left, _CASES, cases)], gap=0.9))
    pairs = statistics["kind"] == "pairs"
    title = "Which image readers prefer" if pairs else "How readers score the images"
    rows[-1] = replace(rows[-1], gap=0.5)
    return Page(_WIDTH, rows, title=title, note=_note(statistics), margin=0.35, head=1.15).draw()


def _note(statistics: Mapping[str, Any]) -> str:
    answers = statistics["answers"]
    parts = [
        f"{statistics['readers']} readers",
        f"{statistics['cases']} cases",
        f"{answers['judged']} answers",
        f"{answers['cannot_judge']} 'cannot judge' left out",
    ]
    fixed = "; readers fixed: for these readers only" if statistics["readers_fixed"] else ""
    count = len(statistics["comparisons"])
    more = f"; {_SHOWN} of {count} comparisons shown" if count > _SHOWN else ""
    return ", ".join(parts) + fixed + more


def _forest(axes: Axes, statistics: Mapping[str, Any], comparison: Mapping[str, Any]) -> None:
    """Readers from top to bottom, then all of them, then the bootstrap."""
    pairs = statistics["kind"] == "pairs"
    null = 0.5 if pairs else 0.0
    labels = []
    for row, (code, one) in enumerate(comparison["by_reader"].items()):
        _interval(axes, row, one["estimate"], one["low"], one["high"], colour=GREY, width=1.3, size=5)
        labels.append(code)
    pooled, boot = len(labels) + 0.4, len(labels) + 1.4
    bounds = comparison["low"], comparison["high"]
    _interval(axes, pooled, comparison["estimate"], *bounds, colour=_FOR, width=3.0, size=9)
    beside = comparison["bootstrap"]["low"], comparison["bootstrap"]["high"]
    _interval(axes, boot, None, *beside, colour=COLOURS[5], width=1.8, size=0)
    ticks = [*range(len(labels)), pooled, boot]
    axes.set_yticks(ticks, [*labels, "all readers", "bootstrap"])
    axes.get_yticklabels()[-2].set(weight="bold", color=INK)
    axes.set_ylim(boot + 0.7, -0.7)
    axes.axhline(len(labels) - 0.3, color=RULE, lw=0.8)
    axes.axvline(null, color=INK, lw=0.9)
    margin = _margin(statistics, comparison)
    if margin:
        axes.axvline(null - margin, color=_AGAINST, lw=1.1, ls=(0, (4, 3)))
    if pairs:
        axes.set_xlim(-0.02, 1.02)
    else:
        axes.margins(x=0.08)
    arm, against = _short(comparison["arm"]), _short(comparison["against"])
    what = f"share that prefers {arm} to {against}" if pairs else f"score of {arm} minus score of {against}"
    _dress(axes, what + ("; dashed: the margin" if margin else ""))
    axes.grid(axis="x", color=RULE, linewidth=0.5)
    words(axes, 0, 1.02, _headline(statistics, comparison), size=9.5, weight="bold", va="bottom")


def _headline(statistics: Mapping[str, Any], comparison: Mapping[str, Any]) -> str:
    level = f"{100 * statistics['plan']['level']:g} %"
    if statistics["kind"] == "pairs":
        value, unit, form = 100 * comparison["estimate"], " %", "{:.0f}"
        bounds = [None if comparison[k] is None else 100 * comparison[k] for k in ("low", "high")]
    else:
        value, unit, form = comparison["estimate"], " points", "{:+.2f}"
        bounds = [comparison["low"], comparison["high"]]
    known = all(bound is not None for bound in bounds)
    interval = f" ({level} interval {form.format(bounds[0])} to {form.format(bounds[1])})" if known else ""
    verb = "preferred in" if statistics["kind"] == "pairs" else "differs by"
    return (f"{_short(comparison['arm'])} {verb} {form.format(value)}{unit}" + interval).replace(
        "-", "\u2212"
    )


def _margin(statistics: Mapping[str, Any], comparison: Mapping[str, Any]) -> float | None:
    """The plan's, where this is the comparison it speaks of."""
    return statistics["plan"]["margin"] if "claims" in comparison else None


def _short(arm: str) -> str:
    return arm if len(arm) <= _LONGEST else arm[: _LONGEST - 1] + "…"


def _interval(
    axes: Axes,
    row: float,
    at: float | None,
    low: float | None,
    high: float | None,
    *,
    colour: str,
    width: float,
    size: float,
) -> None:
    if low is not None and high is not None:
        axes.plot([low, high], [row, row], color=colour, lw=width, solid_capstyle="butt")
    if at is not None:
        axes.plot([at], [row], "D" if size > 6 else "o", color=colour, ms=size, clip_on=False, zorder=3)


def _cases(axes: Axes, kind: str, comparison: Mapping[str, Any]) -> None:
    """Cases in order of their gain, the best on top."""
    draw = _counts if kind == "pairs" else _differences
    names = draw(axes, comparison)
    named = len(names) <= _NAMED_CASES
    axes.set_yticks(range(len(names)) if named else [], names if named else [])
    axes.set_ylim(len(names) - 0.4, -0.6)
    if not named:
        axes.set_ylabel(f"{len(names)} cases", family=FONT, size=8.5, color=INK)


def _counts(axes: Axes, comparison: Mapping[str, Any]) -> list[str]:
    from matplotlib.ticker import MaxNLocator

    arm, against = _short(comparison["arm"]), _short(comparison["against"])
    parts = {
        "for": (_FOR, f"prefer {arm}"),
        "ties": (_TIE, "no difference"),
        "against": (_AGAINST, f"prefer {against}"),
        "cannot_judge": (_UNSURE, "cannot judge"),
    }
    cases = comparison["by_case"]
    names = sorted(cases, key=lambda name: _gain(cases[name]), reverse=True)
    start = [0.0] * len(names)
    for key, (colour, label) in parts.items():
        width = [float(cases[name][key]) for name in names]
        if any(width) or key in ("for", "against"):
            axes.barh(range(len(names)), width, left=start, color=colour, height=0.72, label=label)
        start = [a + b for a, b in zip(start, width, strict=True)]
    _dress(axes, "answers")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    legend = axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=4,
        frameon=False,
        prop={"family": FONT, "size": 7.5},
        handlelength=0.9,
        columnspacing=1.0,
        handletextpad=0.4,
    )
    for text in legend.get_texts():
        text.set(color=INK, parse_math=False)
    return names


def _gain(case: Mapping[str, int]) -> float:
    judged = case["for"] + case["ties"] + case["against"]
    return (case["for"] + case["ties"] / 2) / judged if judged else -1.0


def _differences(axes: Axes, comparison: Mapping[str, Any]) -> list[str]:
    cases = comparison["by_case"]
    names = sorted(cases, key=lambda name: float(cases[name]["difference"]), reverse=True)
    values = [float(cases[name]["difference"]) for name in names]
    colours = [_FOR if value >= 0 else _AGAINST for value in values]
    axes.barh(range(len(names)), values, color=colours, height=0.72)
    axes.axvline(0, color=INK, lw=0.9)
    axes.margins(x=0.08)
    _dress(axes, "mean difference by case")
    return names


def _dress(axes: Axes, x_label: str) -> None:
    axes.set_facecolor("white")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set(color=GREY, linewidth=0.8)
    axes.tick_params(labelsize=8, labelfontfamily=FONT, color=GREY, labelcolor=GREY)
    axes.tick_params(axis="y", length=0)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "\u2212"))
    axes.set_axisbelow(True)
    axes.set_xlabel(x_label, family=FONT, size=8.5, color=INK, parse_math=False)
