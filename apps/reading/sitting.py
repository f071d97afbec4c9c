"""One reader at one browser, from sign-in to sign-out. Answers are never kept here: they are in the log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st
from viewer import View

from medidiff.errors import MedidiffError
from medidiff.io.volume import Volume
from medidiff.review import Given, Presentation, Reader


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


@dataclass
class Seat:
    """Where the session keeps who reads: each use of Streamlit's own state may end a run, one of this not."""

    sitting: Sitting | None = None

    def leave(self) -> None:
        """Sign out."""
        self.sitting = None


def seat() -> Seat:
    """Of this browser's session; empty until somebody signed in."""
    found: Seat = st.session_state.setdefault("reading", Seat())
    return found


def sign_out(**look: Any) -> None:
    """The button; `look` as `st.button` has it."""
    st.button("Sign out", on_click=seat().leave, **look)
