"""The scan that a page works on: the shipped one, an upload, or one of `--data`.

What was read last stays in the session, under the upload's own number or the file's place, size and time, so
that a rerun reads nothing again; another session never sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st
from frame import attempt
from serving.uploads import Choice, data_choices, open_choice, volume_from_upload
from settings import settings

import medidiff as md
from medidiff.io.volume import Volume

SHIPPED, UPLOAD, DATA = "Shipped example", "My file", "Data folder"
_TYPES = ["nii", "gz", "zip", "dcm"]
_KEPT_HOW = (
    "Read in memory; its name is not kept. A reconstruction copies the voxels to this machine's data folder "
    "and removes the copy when it is over; its result stays until you remove it under Results."
)


def choose_scan(*, key: str) -> Volume | None:
    """Widgets, and the volume that they choose; None where nothing is chosen, or what is cannot be read."""
    sources = [SHIPPED, UPLOAD, *([DATA] if settings().data else [])]
    source = st.segmented_control("Scan", sources, default=SHIPPED, wrap=True, key=f"{key}-source")
    if source == UPLOAD:
        return upload("CT: NIfTI, or a zip of a DICOM folder", key=key)
    if source == DATA:
        return _of_data(key)
    return shipped()


@st.cache_resource(show_spinner=False)
def shipped() -> Volume:
    """The demo volume, which never changes."""
    return md.demo_volume("ct")


def upload(label: str, *, key: str) -> Volume | None:
    """An upload and what it holds; None without one, or with one line on what is wrong."""
    file = st.file_uploader(label, type=_TYPES, key=f"{key}-file", help=_KEPT_HOW)
    if file is None:
        st.session_state.pop(f"{key}-read", None)
        return None
    return _once(f"{key}-read", file.file_id, lambda: attempt(volume_from_upload, file))


def _of_data(key: str) -> Volume | None:
    data = settings().data
    choices = [] if data is None else attempt(data_choices, data)
    if not choices:
        return None
    choice: Choice = st.selectbox(
        "Scan of the folder", choices, format_func=lambda it: it.label, key=f"{key}-data"
    )
    return _once(f"{key}-opened", _place(choice.path), lambda: attempt(open_choice, choice))


def _once(slot: str, identity: Any, read: Callable[[], Volume | None]) -> Volume | None:
    """What `read` gave for this identity, read again only when it is another, or could not be read."""
    kept = st.session_state.get(slot)
    if kept is None or kept[0] != identity:
        found = read()
        if found is None:
            st.session_state.pop(slot, None)
            return None
        kept = st.session_state[slot] = (identity, found)
    volume: Volume = kept[1]
    return volume


def _place(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size
