"""The viewer on a page: one line instead of it where the images do not fit together.

It runs by itself: what a reader does in it is reported without running the page again. Streamlit replaces the
files behind a page's download buttons with every run, and a button pressed meanwhile gives nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from frame import attempt
from viewer import Arm, Overlay, show
from viewer.content import Layout

LUNG = (-600.0, 1500.0)
"""Level and width in HU."""


@st.fragment
def look(
    arms: Sequence[Arm],
    *,
    key: str,
    layout: Layout = "arms",
    overlays: Sequence[Overlay] = (),
    height: int,
) -> bool:
    """Show the arms, HU in the lung window; False, and one line, where their grids differ."""
    window = LUNG if arms[0].volume.units == "HU" else None
    view = attempt(show, arms, key=key, layout=layout, overlays=overlays, window=window, height=height)
    return view is not None
