"""The study that is read: opened once for all sessions of this server, and again when its files changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import streamlit as st
from frame import complain

from medidiff.errors import InputError, MedidiffError, recognised
from medidiff.review import Study, open_study, practice_study, read_protocol
from medidiff.review.design.cases import MANIFEST
from medidiff.review.design.protocol import PROTOCOL
from medidiff.review.opening import DATABASE

_DEEPEST, _MOST = 2, 50

P = ParamSpec("P")
T = TypeVar("T")


def opened(folder: Path) -> Study:
    """The open study of a folder; raises what `open_study` raises."""
    return _opened(str(folder), _stamps(folder))


def practice() -> Path:
    """The folder of the practice study, made by the first who asks."""
    return _practice(os.environ.get("XDG_DATA_HOME", ""))


def found_studies(data: Path | None) -> list[Path]:
    """Frozen studies in a folder, at most two levels down, in the order of their places."""
    if data is None:
        return []
    patterns = ["*/" * depth + MANIFEST for depth in range(_DEEPEST + 1)]
    found = sorted(path.parent for pattern in patterns for path in data.glob(pattern) if path.is_file())
    return found[:_MOST]


def title_of(folder: Path) -> str:
    """What the protocol calls the study; a folder's name may be a patient's."""
    try:
        return read_protocol(folder)[0].title
    except MedidiffError:
        return "a study whose protocol cannot be read"


def tried(make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T | None, bool]:
    """(what `make` returns, True), or (None, False) and its error as one line that names no case."""
    try:
        return make(*args, **kwargs), True
    except Exception as error:
        found = recognised(error)
        if found is None:
            raise
        complain(without_case(found))
        return None, False


def without_case(error: MedidiffError) -> MedidiffError:
    """The same error for a reader, who must not learn which case it is: `medidiff review verify` says it."""
    if not error.what.startswith("case "):
        return error
    return InputError("images of a case", expected=error.expected, got=error.got, fix=error.fix)


@st.cache_resource(show_spinner="Checking the study's images", max_entries=16)
def _opened(folder: str, stamps: tuple[object, ...]) -> Study:
    return open_study(folder)


@st.cache_resource(show_spinner="Making the practice study, once", max_entries=2)
def _practice(data_home: str) -> Path:
    return practice_study()


def _stamps(folder: Path) -> tuple[object, ...]:
    """What changes when files of the study are replaced, or cannot be written any more."""
    stamps: list[object] = [os.access(folder, os.W_OK), os.access(folder / DATABASE, os.W_OK)]
    for name in (PROTOCOL, MANIFEST, DATABASE):
        try:
            facts = (folder / name).stat()
        except OSError:
            stamps.append(None)
            continue
        # The database changes with every answer, its file does not.
        stamps.append((facts.st_ino, *(() if name == DATABASE else (facts.st_mtime_ns, facts.st_size))))
    return tuple(stamps)
