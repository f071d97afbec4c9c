"""The page that `viewer.py` measures: `?slices=300&side=512&arms=3` of the shipped chest CT."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st
from viewer import Arm, show

import medidiff
from medidiff.io.volume import Volume, block_mean

st.set_page_config(layout="wide")


@st.cache_resource
def volumes(slices: int, side: int, arms: int) -> list[Volume]:
    """The CT repeated to that depth, and copies with other values."""
    volume = medidiff.demo_volume("ct")
    volume = block_mean(volume, volume.shape[1] // side)
    array = np.concatenate([volume.array] * -(-slices // volume.shape[0]))[:slices]
    return [replace(volume, array=array + np.float32(10 * i)) for i in range(arms)]


slices, side, arms = (int(st.query_params[name]) for name in ("slices", "side", "arms"))
show(
    [Arm(f"arm {i + 1}", volume) for i, volume in enumerate(volumes(slices, side, arms))],
    key=f"{slices} {side} {arms}",
    window=(-600, 1500),
)
