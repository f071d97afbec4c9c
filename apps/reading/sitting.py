"""One reader at one browser, from sign-in to sign-out. Answers are never kept here: they are in the log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import streamlit as st
from viewer import View

from medidiff.errors import MedidiffError
from medidiff.io.volume import Volume
from medidiff.review import Given, Presentation, Reader

_PLACE = "reading"


@dataclass
class Shown:
    """The presentation on the screen. earlier: the answer that is being corrected.

    key: names its widgets, random so that it tells nothing. drawn: when its
    images were on the screen, in seconds of the monotonic clock. pressed, submitted: not looked at yet.
    """

    presentation: Presentation
    volumes: tuple[Volume, ...]
    earlier: Given | None = None
    key: str = field(default_factory=lambda: secrets.token_hex(6))
    drawn: float | None = None
    choice: str | None = None
    pressed: list[str] = field(default_factory=list)
    submitted: bool = False
    view: View | None = None
    stored: bool = False
    trouble: MedidiffError | None = None

    def seconds(self, clock: Callable[[], float] = time.monotonic) -> float:
        """How long its images have been on the screen."""
        return 0.0 if self.drawn is None else clock() - self.drawn


@dataclass
class Sitting:
    """Who reads what. screen: (width, height) of the window in CSS pixels, once the display was checked."""

    folder: Path
    reader: Reader
    screen: tuple[int, int] | None = None
    correcting: bool = False
    shown: Shown | None = None
    notice: str = ""


def sitting() -> Sitting | None:
    """Of this browser's session, when somebody signed in."""
    return st.session_state.get(_PLACE)


def sit_down(folder: Path, reader: Reader) -> None:
    """Begin; what another reader left in this session goes."""
    st.session_state[_PLACE] = Sitting(folder, reader)


def leave() -> None:
    """Sign out."""
    st.session_state.pop(_PLACE, None)
