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
from medidiff.io import SeveralSeriesError, Volume

SHIPPED, UPLOAD, DATA = "Shipped example", "My file", "Data folder"
_TYPES = ["nii", "gz", "zip", "dcm"]
_KEPT_HOW = (
    "Read in memory; its name is not kept. A reconstruction copies the voxels to this machine's data folder "
    "and removes the copy when it is over; its result stays until you remove it under Results."
)
Listing = tuple[str, ...]
"""What each series of a folder is."""

Read = Callable[[int | None], Volume]
"""Reads one series by its number; None: the only one."""


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
    return _once(f"{key}-read", file.file_id, lambda series: volume_from_upload(file, series=series))


def _of_data(key: str) -> Volume | None:
    data = settings().data
    choices = [] if data is None else attempt(data_choices, data)
    if not choices:
        return None
    choice: Choice = st.selectbox(
        "Scan of the folder", choices, format_func=lambda it: it.label, key=f"{key}-data"
    )
    return _once(f"{key}-opened", _place(choice.path), lambda series: open_choice(choice, series=series))


def _once(slot: str, identity: Any, read: Read) -> Volume | None:
    """What `read` gave for this identity, read again only when it is another, or could not be read.

    Where it holds several series, a list to choose one from, and None until one is chosen.
    """
    found = _kept(slot, identity, lambda: attempt(_tried, read, None))
    if isinstance(found, tuple):
        number = _series(f"{slot}-series-{hash(identity):x}", found)
        if number is None:
            return None
        found = _kept(f"{slot}-one", (identity, number), lambda: attempt(_tried, read, number))
    return found if isinstance(found, Volume) else None


def _tried(read: Read, series: int | None) -> Volume | Listing:
    try:
        return read(series)
    except SeveralSeriesError as several:
        return several.series


def _kept(slot: str, identity: Any, make: Callable[[], Volume | Listing | None]) -> Volume | Listing | None:
    kept = st.session_state.get(slot)
    if kept is None or kept[0] != identity:
        kept = st.session_state[slot] = (identity, make())
        if kept[1] is None:
            del st.session_state[slot]
    found: Volume | Listing | None = kept[1]
    return found


def _series(key: str, series: Listing) -> int | None:
    """The number of the series that is chosen; None where none is yet."""
    chosen: int | None = st.selectbox(
        "Series",
        range(1, len(series) + 1),
        index=None,
        placeholder=f"{len(series)} series: choose one",
        format_func=lambda number: series[number - 1],
        key=key,
    )
    return chosen


def _place(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size
