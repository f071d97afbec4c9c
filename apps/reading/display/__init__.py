"""The display check at the start of a session: what the reader sees of a grey pattern, and the window's size.

Two squares of low contrast, 5 % on black and 95 % on white, each in a corner that the reader must name; a
ramp of eleven steps; the size of the window and the ratio of screen pixels to CSS pixels. The result is
recorded, and forbids nothing but a window that is smaller than the protocol's.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from frame import pressed

from medidiff.review import Study
from reading.sitting import Sitting
from reading.studies import tried

__all__ = ["Screen", "check_display"]

CORNERS = ("top left", "top right", "bottom left", "bottom right")
UNSEEN = "not visible"


@dataclass(frozen=True)
class Screen:
    """What the browser says: the window in CSS pixels, screen pixels in one of them, bits of colour."""

    width: int
    height: int
    ratio: float
    depth: int


_mount = st.components.v2.component(
    "medidiff_display_check",
    html='<div><canvas role="img" aria-label="Grey pattern of the display check"></canvas></div>',
    css=":host { display: block; } canvas { display: block; width: 100%; border-radius: 4px; }",
    js=(Path(__file__).parent / "pattern.js").read_text(encoding="utf-8"),
)


def pattern(dark: int, light: int) -> Screen | None:
    """Draw the pattern with its squares in those corners, and return the screen once it is known."""
    result = _mount(
        key="display-check",
        data={"dark": dark, "light": light},
        default={"screen": None},
        on_screen_change=_nothing,
    )
    return Screen(**result.screen) if result.screen else None


def check_display(study: Study, sitting: Sitting) -> None:
    """Pattern and questions; the sitting knows its screen when they are answered and recorded."""
    corners: tuple[int, int] = st.session_state.setdefault(
        "display-corners", (secrets.randbelow(4), secrets.randbelow(4))
    )
    st.markdown("#### Before you read: is this screen fit for it?")
    seen, asked = st.columns([3, 2], gap="large")
    with seen:
        screen = pattern(*corners)
        st.caption("Below, eleven steps from black to white: each should differ from its neighbours.")
    with asked:
        answers = tuple(_where(name) for name in ("black", "white"))
        if UNSEEN in answers:
            st.warning("Darken the room or raise the brightness, and look again. It is recorded either way.")
        fits = _size(study, screen)
        ready = screen is not None and fits and None not in answers
        go_on = pressed("Continue", key="display-done", type="primary", disabled=not ready, shortcut="Enter")
        if go_on and screen is not None and ready:
            _record(study, sitting, screen, corners, answers)


def _where(field: str) -> str | None:
    return st.segmented_control(
        f"Where in the {field} field is the faint square?",
        [*CORNERS, UNSEEN],
        key=f"square-{field}",
        wrap=True,
    )


def _size(study: Study, screen: Screen | None) -> bool:
    """Say how large the window is, and whether that is enough."""
    if screen is None:
        st.caption("Measuring the window")
        return False
    least = study.protocol.screen
    fits = screen.width >= least.width and screen.height >= least.height
    st.markdown(
        f"Window {screen.width} × {screen.height}, pixel ratio {screen.ratio:g}. "
        f"This study needs {least.width} × {least.height} or more."
    )
    if not fits:
        st.error("The window is too small: enlarge it, or zoom the browser out.", icon=":material/error:")
    return fits


def _record(
    study: Study, sitting: Sitting, screen: Screen, corners: tuple[int, int], answers: tuple[str | None, ...]
) -> None:
    least = study.protocol.screen
    facts: dict[str, Any] = {
        "window_px": [screen.width, screen.height],
        "least_window_px": [least.width, least.height],
        "pixel_ratio": screen.ratio,
        "colour_bits": screen.depth,
    }
    for name, corner, answer in zip(("5_percent", "95_percent"), corners, answers, strict=True):
        facts[f"square_{name}"] = "seen" if answer == CORNERS[corner] else "not seen"
    _, stored = tried(study.record, sitting.reader, "display_check", facts)
    if stored:
        sitting.screen = (screen.width, screen.height)
        st.session_state.pop("display-corners")
        st.rerun()


def _nothing() -> None:
    """A state needs a callback to exist; the page runs again by itself."""
