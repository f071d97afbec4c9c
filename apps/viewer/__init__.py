"""The linked viewer: `show` puts volumes of one grid on the page and says what the reader looks at.

The page carries only what is small (tokens, geometry, labels, window). The browser fetches voxels by token
from the server's routes, holds them, and draws them; scrolling, windowing and measuring call no Python.
300 ms after the last change the view is reported once, so that a reader study can log it.

Radiological convention, always: patient's right on the left of the screen, head up, front up (axial) or to
the left (sagittal).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from viewer.content import Arm, Layout, Overlay, check, digest, page_data, texts

__all__ = ["Arm", "Overlay", "View", "show"]

SCRIPTS = (
    "geometry.js",  # planes, millimetres, orientation letters
    "voxels.js",  # fetching: the shown slab first, the rest behind it
    "colour.js",  # grey and colour tables
    "drawing.js",  # one pane's picture
    "marks.js",  # what is drawn over it: crosshair, distances, regions, scale bar
    "panes.js",  # the panes of a layout and their corner texts
    "gestures.js",  # mouse and touch
    "keys.js",  # keyboard and the help sheet
    "controls.js",  # buttons and fields
    "state.js",  # the state of an instance, and what changes it
    "viewer.js",  # drawing, reporting, and the mount
)
"""The scripts in browser/, joined in this order to one module."""


@dataclass(frozen=True)
class View:
    """What the browser reported last: slice index z in `plane` of the canonical grid, window, zoom, modes.

    drawn: every image is on the screen (blinded reading: both at once).
    """

    layout: Layout
    plane: Literal["axial", "coronal", "sagittal"]
    z: int
    level: float
    width: float
    zoom: float
    mode: Literal["side", "difference", "swipe"]
    slab_mm: float
    projection: Literal["mean", "mip"]
    drawn: bool


def _browser_file(name: str) -> str:
    return (Path(__file__).parent / "browser" / name).read_text(encoding="utf-8")


_mount = st.components.v2.component(
    "medidiff_viewer",
    html='<div class="viewer" tabindex="0" role="application" aria-label="Linked image viewer"></div>',
    css=_browser_file("viewer.css"),
    js="\n".join(_browser_file(name) for name in SCRIPTS),
)


def show(
    arms: Sequence[Arm],
    *,
    key: str,
    layout: Layout = "arms",
    overlays: Sequence[Overlay] = (),
    window: tuple[float, float] | None = None,
    blinded: bool = False,
    presentation: int | None = None,
    height: int = 640,
) -> View:
    """Show volumes of one grid side by side or in three planes, and return the view.

    window is (level, width) in the volumes' units: 40/400 by default for HU, else from the first volume.
    key names this instance and stands in the page's source; another key starts with a fresh view.
    blinded: sides are called A, B ...; no label, case, frame, position, range or digest reaches the
    browser; `presentation` is the number shown.
    height in CSS pixels, controls included. Raises InputError when grids or units differ.
    """
    check(arms, overlays, window, blinded, presentation)
    volumes = [arm.volume for arm in arms] + [overlay.volume for overlay in overlays]
    facts = (layout, window, blinded, presentation, height, texts(arms, overlays))
    with ThreadPoolExecutor(2) as threads:
        signature = (tuple(threads.map(digest, volumes)), facts)
    held, place = st.session_state, f"{key} packed"
    if place not in held or held[place][0] != signature:
        held[place] = (
            signature,
            page_data(arms, overlays, key, layout, window, blinded, presentation, height),
        )
    data = held[place][1]

    def pack_again() -> None:
        held.pop(place, None)

    level, width = data["window"]
    first = {
        "layout": layout,
        "plane": "axial",
        "z": data["grid"]["shape"][0] // 2,
        "level": level,
        "width": width,
        "zoom": 1.0,
        "mode": "side",
        "slab_mm": 0.0,
        "projection": "mean",
        "drawn": False,
    }
    result = _mount(
        key=key,
        data=data,
        default={"view": first},
        on_view_change=_nothing,
        on_lost_change=pack_again,
    )
    return View(**result.view)


def _nothing() -> None:
    """A state needs a callback to exist; the page runs again by itself."""
