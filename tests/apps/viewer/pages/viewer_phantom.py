"""Two arms whose every voxel is known, stored with x, y and z against the canonical order.

Air, with a block of 140 HU in arm A and 240 HU in arm B at canonical indices x 10:20, y 30:40, z 5:9 of
60 x 50 x 12 voxels of 1.5 x 1 x 4 mm; the heat map is 10 there, the label 1.
"""

from __future__ import annotations

import numpy as np
import streamlit as st
from viewer import Arm, Overlay, show

from medidiff.io.volume import Volume

st.set_page_config(layout="wide")


def phantom(inside: float, outside: float, units: str = "HU") -> Volume:
    array = np.full((12, 50, 60), outside, np.float32)
    array[5:9, 30:40, 10:20] = inside
    # Canonical x runs to the left; this file's axes run to the right, to the front and to the feet.
    affine = np.diag([1.5, 1.0, -4.0, 1.0])
    affine[:3, 3] = (-59 * 1.5, -49.0, 11 * 4.0)
    return Volume(array[::-1, ::-1, ::-1], affine, units)


@st.cache_resource
def volumes() -> tuple[Volume, ...]:
    return (
        phantom(140, -1000),
        phantom(240, -1000),
        phantom(10, 0),
        phantom(1, 0, "a.u."),
    )


a, b, heat, label = volumes()
blinded = "blinded" in st.query_params
second_case = "CASE-78" if "cases" in st.query_params else "CASE-77"
overlays = (Overlay("heat map", heat, "heat", 1), Overlay("mask", label, "label"))
view = show(
    [Arm("SECRET-fbp", a, "CASE-77", "FRAME-9"), Arm("SECRET-tv", b, second_case, "FRAME-9")],
    key="phantom",
    overlays=() if blinded or "plain" in st.query_params else overlays,
    window=(40, 400),
    blinded=blinded,
    presentation=3 if blinded else None,
)
st.text(f"reported {view.plane} {view.z} {view.level:.0f} {view.width:.0f} {view.mode}")
