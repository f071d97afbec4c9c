"""The picture of a fit: data and model, the residuals, each peak near, and how well its numbers are known.

Time is in minutes, residuals are in noise standard deviations, intervals in parts of their value.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from medidiff.domains.chromatography.figures.axes import dress, name_beside
from medidiff.domains.chromatography.figures.simulation import draw_inside
from medidiff.domains.chromatography.fitting.certainty.intervals import Estimate
from medidiff.domains.chromatography.fitting.estimates import Analyte
from medidiff.domains.chromatography.fitting.fit import Fit
from medidiff.domains.chromatography.fitting.solving.shapes import Array
from medidiff.runs.figures.page import FONT, GREY, INK, RULE, Cell, Page, Row, words
from medidiff.runs.figures.panels import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from medidiff.domains.chromatography.simulation import Simulation

_WIDTH, _LEFT, _RIGHT, _GUTTER = 12.0, 0.85, 0.35, 0.55
_MOST_NEAR, _MOST_ROWS = 5, 12
_TOGETHER = 1.5  # resolution below which two peaks are shown in one panel
_AROUND = 5.0  # standard deviations on either side
_BAND = 2.0
_MINUTE = 60.0


def draw_fit(fit: Fit, inside: Simulation | None = None) -> Figure:
    """The figure of a finished fit; with what moved inside of the column, where a simulation knows it."""
    inner = _WIDTH - _LEFT - _RIGHT
    groups = _groups(fit)[:_MOST_NEAR]
    rows = [
        Row(2.7, [Cell(_LEFT, inner, partial(_whole, fit=fit))], gap=0.1),
        Row(0.9, [Cell(_LEFT, inner, partial(_residuals, fit=fit))], gap=0.75),
    ]
    if inside is not None:
        rows.append(Row(2.3, [Cell(_LEFT, inner, partial(draw_inside, simulation=inside))], gap=0.85))
    if groups:
        width = (inner - _GUTTER * (len(groups) - 1)) / len(groups)
        near = [
            Cell(_LEFT + i * (width + _GUTTER), width, partial(_near, fit=fit, members=members, label=not i))
            for i, members in enumerate(groups)
        ]
        rows.append(Row(1.8, near, gap=0.85))
    shown = fit.analytes[:_MOST_ROWS]
    height = max(1.3, 0.24 * len(shown) + 0.3)
    side = min(height, 2.4)
    forest = (inner - side - 2.6 - 2 * _GUTTER) / 2
    second = _LEFT + 1.35 + forest + _GUTTER
    cells = [
        Cell(_LEFT + 0.9, forest, partial(_forest, analytes=shown, what="k", names=True)),
        Cell(second, forest, partial(_forest, analytes=shown, what="kd_per_s", names=False)),
        Cell(_WIDTH - _RIGHT - side, side, partial(_correlation, fit=fit)),
    ]
    rows.append(Row(height, cells, gap=0.6))
    return Page(_WIDTH, rows, title=_title(fit), note=_note(fit), margin=_LEFT, head=0.8).draw()


def _title(fit: Fit) -> str:
    count = len(fit.analytes)
    state = "" if fit.converged else ", NOT CONVERGED"
    return f"Fit of {count} analyte{'s' * (count != 1)}{state}"


def _note(fit: Fit) -> str:
    t0 = fit.model.values(fit.minimum.best.p)[2]["t0_s"]
    injection = fit.model.injected(fit.minimum.best.p)
    width = getattr(injection, "width_s", None)
    how = f"rectangle of {width:.3g} s" if width else type(injection).__name__.lower()
    return (
        f"hold-up time {t0:.5g} s, injection: {how}, dispersion: {fit.conditions.dispersion}; "
        f"{100 * fit.ways.level:g} % intervals by {fit.ways.interval}; noise {fit.covariance.sigma:.3g}"
    )


def _whole(axes: Axes, fit: Fit) -> None:
    """Data, the model over it, and each analyte's part."""
    minutes = fit.trace.time_s / _MINUTE
    baseline, model = fit.baseline, fit.trace.signal - fit.residual
    axes.plot(minutes, fit.trace.signal, color=RULE, lw=2.2)
    parts = list(fit.components.values())
    for part, colour in zip(parts, _colours(fit), strict=True):
        axes.fill_between(minutes, baseline, baseline + part, color=colour, alpha=0.35, lw=0)
    for members in _overlapping(fit):
        together = np.sum([parts[i] for i in members], axis=0)
        top, name = int(np.argmax(together)), " + ".join(fit.analytes[i].name for i in members)
        if together[top] > 0 and len(fit.analytes) <= _MOST_ROWS:
            place = (minutes[top], float(model[top]))
            name_beside(axes, name, place, (0, 3), ha="center", size=7.5)
    axes.plot(minutes, baseline, color=GREY, lw=0.8, ls=(0, (4, 3)))
    axes.plot(minutes, model, color=INK, lw=0.8)
    axes.margins(x=0, y=0.12)
    axes.tick_params(labelbottom=False)
    _plain(axes, "signal")
    _key(axes, (("data", "#a0a0a0"), ("model", INK), ("baseline (dashed)", GREY)))


def _residuals(axes: Axes, fit: Fit) -> None:
    """Data - model, in noise standard deviations."""
    minutes, sigma = fit.trace.time_s / _MINUTE, fit.covariance.sigma or 1.0
    values = fit.residual / sigma
    axes.axhspan(-_BAND, _BAND, color="#f0f0f0", lw=0)
    axes.axhline(0, color=GREY, lw=0.6)
    axes.plot(minutes, values, color=INK, lw=0.5)
    limit = max(4.0, 1.1 * float(np.abs(values).max()))
    axes.set_ylim(-limit, limit)
    axes.margins(x=0)
    _plain(axes, "residual / noise", "time in minutes")


def _near(axes: Axes, fit: Fit, members: list[int], label: bool) -> None:
    """A peak, or peaks that overlap, with the samples."""
    low, high = _span(fit, members)
    near = (fit.trace.time_s >= low) & (fit.trace.time_s <= high)
    minutes, baseline = fit.trace.time_s[near] / _MINUTE, fit.baseline[near]
    colours = _colours(fit)
    for i, part in enumerate(fit.components.values()):
        if i in members:
            axes.plot(minutes, baseline + part[near], color=colours[i], lw=1.2)
            axes.fill_between(minutes, baseline, baseline + part[near], color=colours[i], alpha=0.2, lw=0)
    axes.plot(minutes, (fit.trace.signal - fit.residual)[near], color=INK, lw=0.9)
    axes.plot(minutes, fit.trace.signal[near], "o", color=INK, ms=2.2 if near.sum() < 120 else 1.2, mew=0)
    axes.margins(x=0)
    axes.locator_params(axis="x", nbins=4)
    _plain(axes, "signal" if label else "", "minutes")
    title = " + ".join(fit.analytes[i].name for i in members)
    words(axes, 0, 1.04, title if len(title) < 34 else f"{len(members)} peaks", size=8, va="bottom")


def _forest(axes: Axes, analytes: tuple[Analyte, ...], what: str, names: bool) -> None:
    """Each analyte's interval around its value, in per cent; its value stands beside it."""
    estimates: list[Estimate] = [getattr(analyte, what) for analyte in analytes]
    ends = [_relative(estimate) for estimate in estimates]
    known = [abs(end) for pair in ends if pair for end in pair]
    reach = 1.25 * max(known, default=1.0) or 1.0
    rows = np.arange(len(analytes))[::-1]
    axes.axvline(0, color=RULE, lw=0.8)
    for row, analyte, estimate, pair in zip(rows, analytes, estimates, ends, strict=True):
        if pair:
            axes.plot(pair, (row, row), color=INK, lw=1.4, solid_capstyle="butt")
            axes.plot(pair, (row, row), "|", color=INK, ms=6, mew=1.0)
            axes.plot(0, row, "o", color=INK, ms=3)
        text = "not determined" if estimate.value is None else f"{estimate.value:.5g}"
        axes.text(reach * 1.03, row, text, family=FONT, size=7, color=INK, va="center", clip_on=False)
        if names:
            place = (-reach * 1.05, float(row))
            name_beside(axes, analyte.name, place, (0, 0), ha="right", va="center", size=7.5)
    axes.set_xlim(-reach, reach)
    axes.locator_params(axis="x", nbins=4)
    axes.set_ylim(-0.6, len(analytes) - 0.4)
    axes.set_yticks([])
    _plain(axes, "", "% of the value")
    axes.spines["left"].set_visible(False)
    words(axes, 0, 1.03, "k" if what == "k" else "kd in 1/s", size=8.5, weight="bold", va="bottom")


def _correlation(axes: Axes, fit: Fit) -> None:
    """Correlations of the parameters: first all ln k, then all ln kd."""
    matrix = fit.correlation
    axes.imshow(
        np.where(np.isnan(matrix), 0, matrix), cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest"
    )
    n = len(fit.analytes)
    for edge in (n - 0.5, 2 * n - 0.5):
        if edge < len(matrix) - 1:
            axes.axhline(edge, color=INK, lw=0.5)
            axes.axvline(edge, color=INK, lw=0.5)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(edgecolor=RULE, linewidth=0.6)
    words(axes, 0, 1.03, "correlations", size=8.5, weight="bold", va="bottom")
    off = np.abs(matrix[~np.eye(len(matrix), dtype=bool)])
    largest = f"largest {np.nanmax(off):.2f}" if off.size and not np.isnan(off).all() else ""
    words(axes, 0, -0.04, f"ln k, ln kd; red +1; {largest}", size=7, color=GREY, va="top")


def _plain(axes: Axes, y_label: str, x_label: str = "") -> None:
    dress(axes, size=7, grid=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_offset_text().set(size=7, color=GREY, family=FONT)
    axes.set_xlabel(x_label, family=FONT, size=8, color=INK)
    axes.set_ylabel(y_label, family=FONT, size=8, color=INK)


def _key(axes: Axes, entries: tuple[tuple[str, str], ...]) -> None:
    for row, (text, colour) in enumerate(entries):
        words(axes, 0.99, 0.97 - 0.075 * row, text, size=7.5, color=colour, ha="right", va="top")


def _relative(estimate: Estimate) -> tuple[float, float] | None:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    return 100 * (estimate.low / estimate.value - 1), 100 * (estimate.high / estimate.value - 1)


def _colours(fit: Fit) -> list[str]:
    return [COLOURS[i % (len(COLOURS) - 1)] for i in range(len(fit.analytes))]


def _groups(fit: Fit) -> list[list[int]]:
    """Of the analytes that overlap the groups with the largest areas, in the order of time."""
    groups, areas = _overlapping(fit), fit.minimum.best.place.areas
    largest = sorted(groups, key=lambda group: -sum(areas[i] for i in group))[:_MOST_NEAR]
    return [group for group in groups if group in largest]


def _overlapping(fit: Fit) -> list[list[int]]:
    """Analytes that overlap, together, in the order of time; absent ones in none."""
    present = [i for i in range(len(fit.analytes)) if i not in fit.minimum.problem.absent]
    centres, sigma = _places(fit)
    groups: list[list[int]] = []
    for i in sorted(present, key=lambda i: centres[i]):
        last = groups[-1][-1] if groups else None
        if last is not None and centres[i] - centres[last] < _TOGETHER * 2 * (sigma[i] + sigma[last]):
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _span(fit: Fit, members: list[int]) -> tuple[float, float]:
    centres, sigma = _places(fit)
    return (
        min(float(centres[i] - _AROUND * sigma[i]) for i in members),
        max(float(centres[i] + (_AROUND + 1) * sigma[i]) for i in members),
    )


def _places(fit: Fit) -> tuple[Array, Array]:
    p = fit.minimum.best.p
    return fit.model.centres(p), np.sqrt(fit.model.variances(p)[1])
