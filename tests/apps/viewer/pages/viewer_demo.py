"""The shipped chest CT beside a smoothed copy: what the tests of the viewer look at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st
from scipy.ndimage import gaussian_filter
from viewer import Arm, Overlay, show

import medidiff

st.set_page_config(layout="wide")


@st.cache_resource
def volumes():
    truth = medidiff.demo_volume("ct")
    smooth = replace(truth, array=gaussian_filter(truth.array, (0, 2, 2)))
    error = replace(truth, array=np.abs(truth.array - smooth.array))
    return truth, smooth, error


truth, smooth, error = volumes()
view = show(
    [Arm("reference", truth, "demo", "1.2"), Arm("smoothed", smooth, "demo", "1.2")],
    key="demo",
    layout=st.query_params.get("layout", "arms"),
    overlays=[Overlay("error", error, "heat", 1)],
    window=(-600, 1500),
)
st.write(f"slice {view.z} plane {view.plane}")
