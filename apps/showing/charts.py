"""Charts of a chromatogram for the dark theme, as Vega-Lite: data, model, each analyte, residuals.

Time stands in minutes. Long traces are thinned to the lowest and the highest sample of each stretch, so that
no peak is lost and little is sent to the browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.figures.axes import thinned

Array = NDArray[np.float64]
Spec = dict[str, Any]

_MOST_SAMPLES = 3000
"""Samples that are drawn at most."""

DATA, MODEL, BASE = "#a4adb5", "#ffd27a", "#8a9199"
COLOURS = ("#7db7e8", "#f0885e", "#8fcf8f", "#e58fb1", "#b79cf0", "#cfd66f", "#77cfc9")
_MINUTE, _LABEL = 60.0, 0.12  # of the span of the peaks: nearer labels would touch

_ROOM = 0.12  # of the signal's span, for the labels

Span = tuple[float, float]
"""The lowest and the highest value that are shown."""

Top = tuple[float, float, str]
"""Where a label stands: minutes, height, text."""


def frame(time_s: Array, columns: Sequence[Array], *, by: Array) -> dict[str, Array]:
    """Columns c0, c1 ... over `minutes`, thinned by the signal `by`; names of analytes stand in the spec."""
    rows = thinned(by, _MOST_SAMPLES)
    return {"minutes": time_s[rows] / _MINUTE, **{f"c{i}": column[rows] for i, column in enumerate(columns)}}


def overlay_chart(names: Sequence[str], tops: Sequence[Top], unit: str, span: Span, time_s: Array) -> Spec:
    """Data (c0), model (c1), and an area an analyte (c2 ...), each with its label."""
    layers: list[Spec] = [_layer("area", f"c{i + 2}", name, opacity=0.55) for i, name in enumerate(names)]
    layers += [_layer("line", "c0", "data", strokeWidth=2.4), _layer("line", "c1", "model", strokeWidth=1.2)]
    colours = [*(COLOURS[i % len(COLOURS)] for i in range(len(names))), DATA, MODEL]
    by_name = dict(zip([*names, "data", "model"], colours, strict=True))
    return _labelled(layers, tops, by_name, unit, span, time_s)


def residual_chart(y: str, time_s: Array, residual: Array, *, most: float = np.inf) -> Spec:
    """Residuals (c0) around zero, cut off beyond `most`."""
    zero: Spec = {"mark": {"type": "rule", "color": BASE, "strokeWidth": 1}, "encoding": {"y": {"datum": 0}}}
    line = _layer("line", "c0", None, strokeWidth=1.0)
    line["mark"]["color"] = COLOURS[0]
    most = min(float(np.abs(residual).max()), most) or 1.0
    line["encoding"]["y"]["scale"] = {"domain": [-most, most]}
    return _chart([zero, line], height=110, y=y, time_s=time_s)


def _labelled(
    layers: list[Spec], tops: Sequence[Top], colours: dict[str, str], unit: str, span: Span, time_s: Array
) -> Spec:
    """The layers with a colour a name, the labels, and zoom by wheel and drag along the time."""
    layers[0]["encoding"]["color"]["scale"] = {"domain": [*colours], "range": [*colours.values()]}
    low, high = span
    room = _ROOM * (high - low)
    layers[0]["encoding"]["y"]["scale"] = {"domain": [low - room / 3, high + room], "nice": False}
    layers[0]["params"] = [
        {"name": "view", "select": {"type": "interval", "encodings": ["x"]}, "bind": "scales"}
    ]
    labels = [
        {
            "data": {
                "values": [
                    {"x": x, "y": y, "name": name} for (x, y, name), side in _sides(tops) if side == at
                ]
            },
            "mark": {"type": "text", "dy": -9, "dx": dx, "align": at, "color": "#e4e6e8", "fontSize": 12},
            "encoding": {
                "x": {"field": "x", "type": "quantitative"},
                "y": {"field": "y", "type": "quantitative"},
                "text": {"field": "name"},
            },
        }
        for at, dx in (("center", 0), ("right", 8), ("left", -8))
    ]
    return _chart([*layers, *labels], height=330, y=_title("signal", unit), time_s=time_s)


def _sides(tops: Sequence[Top]) -> list[tuple[Top, str]]:
    """Each label with where it stands: beside its peak where a neighbour's label would cover it."""
    ordered = sorted(tops)
    span = (ordered[-1][0] - ordered[0][0]) if ordered else 0.0
    found = []
    for i, top in enumerate(ordered):
        after = i + 1 < len(ordered) and ordered[i + 1][0] - top[0] < _LABEL * span
        before = i > 0 and top[0] - ordered[i - 1][0] < _LABEL * span
        found.append((top, "center" if after == before else "right" if after else "left"))
    return found


def _layer(mark: str, column: str, name: str | None, **look: Any) -> Spec:
    encoding: Spec = {
        "x": {"field": "minutes", "type": "quantitative"},
        "y": {"field": column, "type": "quantitative"},
    }
    if name is not None:
        encoding["color"] = {"datum": name, "legend": {"title": None}}
    return {"mark": {"type": mark, "clip": True, **look}, "encoding": encoding}


def _chart(layers: list[Spec], *, height: int, y: str, time_s: Array) -> Spec:
    """With a range of its own for the time: Vega draws once before it has the data, and warns without one."""
    minutes = [float(time_s[0]) / _MINUTE, float(time_s[-1]) / _MINUTE]
    for layer in layers:
        layer["encoding"].setdefault("y", {})["title"] = y
        if "x" in layer["encoding"]:
            layer["encoding"]["x"]["title"] = "time / min"
            layer["encoding"]["x"]["scale"] = {"domain": minutes, "nice": False, "zero": False}
    return {
        "layer": layers,
        "height": height,
        "config": {
            "axis": {
                "labelColor": "#c3c8cd",
                "titleColor": "#e4e6e8",
                "gridColor": "#24282d",
                "labelFontSize": 12,
            },
            "axisY": {"minExtent": 44},
            "legend": {"labelColor": "#e4e6e8", "orient": "top", "labelFontSize": 12, "symbolOpacity": 1},
            "view": {"stroke": "#3a3f45"},
        },
    }


def _title(what: str, unit: str) -> str:
    return f"{what} / {unit}" if unit else what
