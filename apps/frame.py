"""What every page shares: the table of pages, the look, the head with the notice, errors and downloads.

A page is one script in `screens/` and one line in `PAGES`. Colours are in `.streamlit/config.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from medidiff import __version__
from medidiff.errors import MedidiffError, recognised

NOTICE = "Research use only: not for diagnosis."

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """A page: its script, its title, its address, and a sign of the Material set."""

    script: str
    title: str
    url: str
    icon: str


PAGES = (
    Entry("screens/reconstruct.py", "Reconstruct", "reconstruct", ":material/blur_on:"),
    Entry("screens/compare.py", "Compare", "compare", ":material/compare:"),
    Entry("screens/read.py", "Read", "read", ":material/visibility:"),
    Entry("screens/results.py", "Results", "results", ":material/folder_open:"),
    Entry("screens/chromatogram.py", "Chromatogram", "chromatogram", ":material/show_chart:"),
)

_LOOK = """<style>
[data-testid="stMainBlockContainer"] {padding: 3.6rem 1.4rem 3rem;}
[data-testid="stMainBlockContainer"] h1 {padding: 0; line-height: 1.1;}
[data-testid="stMainBlockContainer"] > div > [data-testid="stVerticalBlock"] {gap: 0.7rem;}
[data-testid="stCaptionContainer"] {opacity: 1; color: #b0b6bc;}
[data-testid="stAppDeployButton"] {display: none;}
[data-testid="stBaseButton-primary"], [data-testid="stBaseButton-primary"] *,
[data-tag], [data-tag] * {color: #0f1113 !important;}
[data-testid="stSlider"] {margin-bottom: -0.6rem;}
@media (max-width: 1000px) {
  [class*="st-key-split"] > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"]
    {flex-direction: column;}
  .st-key-split-below > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"]
    {flex-direction: column-reverse;}
  [class*="st-key-split"] > [data-testid="stLayoutWrapper"] > [data-testid="stHorizontalBlock"]
    > [data-testid="stColumn"] {width: 100%; flex: none;}
}
.medidiff-foot {position: fixed; left: 0; right: 0; bottom: 0; z-index: 1000; padding: 3px 1.4rem;
  display: flex; justify-content: flex-end; gap: 2rem; font-size: 0.8rem; color: #e4e6e8; background: #0f1113;
  border-top: 1px solid #3a3f45;}
</style>"""


def dress() -> None:
    """The look of all pages."""
    # A sign of its own: for one of the Material set the browser would ask a server of Google.
    st.set_page_config(page_title="medidiff", page_icon=_sign(), layout="wide")


def head(title: str, text: str) -> None:
    """A page's title, what it is for in one line, and the notice: here and at the foot of the screen."""
    foot()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        st.title(title, anchor=False, width="content")
        st.caption(f"{text} {NOTICE}", width="content")


def foot() -> None:
    """The look of a page and the notice at the foot of the screen, for a page with a head of its own."""
    line = f'<div class="medidiff-foot"><span>{NOTICE}</span><span>medidiff {__version__}</span></div>'
    st.html(_LOOK + line)


def _sign() -> Image.Image:
    """The tab's sign, 32 x 32: a body and its two lungs, seen in few views."""
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    body = x**2 + (1.35 * y) ** 2 < 0.9
    lungs = ((np.abs(x) - 0.42) / 0.28) ** 2 + (y / 0.42) ** 2 < 1
    shade = np.where(lungs, 40, np.where(body, 200, 0))
    return Image.fromarray(np.stack([0.62 * shade, 0.9 * shade, shade], axis=-1).astype(np.uint8))


def split(*, below: bool = False) -> tuple[DeltaGenerator, DeltaGenerator]:
    """A narrow column of controls and a wide one for what they show.

    On a tablet the controls stand above it, or `below`.
    """
    with st.container(key="split-below" if below else "split"):
        controls, shown = st.columns([1, 3.2], gap="medium")
    return controls, shown


def empty(text: str) -> None:
    """What stands where nothing is yet: a sentence that says what to do."""
    st.info(plain(text), icon=":material/info:")


def pressed(label: str, *, key: str, icon: str | None = None, help: str | None = None, **look: Any) -> bool:
    """A button, and whether it was pressed; `look` as `st.button` has it.

    A run that another event interrupts before it comes to its button would lose the press: the press is noted
    at once, and taken where the button stands. The note is no part of the session's state, every use of which
    may end a run; so what a press does must come before the next such use, or call of Streamlit's.
    """
    notes: set[str] = st.session_state.setdefault("pressed", set())
    st.button(label, key=key, icon=icon, help=help, on_click=notes.add, args=(key,), **look)
    if key not in notes:
        return False
    notes.remove(key)
    return True


def attempt(make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """What `make` returns; or None, and on the page the one line of an error of ours. A bug goes on."""
    try:
        return make(*args, **kwargs)
    except Exception as error:
        found = recognised(error)
        if found is None:
            raise
        complain(found)
        return None


def complain(error: MedidiffError) -> None:
    """An error as one line: what, expected, got, what to do."""
    st.error(plain(str(error)), icon=":material/error:")


def warn(warnings: Sequence[str]) -> None:
    """The warnings of a result, each a line."""
    if warnings:
        lines = (plain(text[:1].upper() + text[1:]) for text in warnings)
        st.warning("  \n".join(lines), icon=":material/warning:")


def table(rows: Sequence[Mapping[str, object]], note: str = "") -> None:
    """Rows with as many digits as a reader needs, and a line below that says what the columns mean."""
    names = list(rows[0]) if rows else []
    formats = {name: st.column_config.NumberColumn(format=how) for name in names if (how := _digits(name))}
    st.dataframe(rows, hide_index=True, height="content", column_config=formats, placeholder="–")
    if note:
        st.caption(note)


def _digits(name: str) -> str | None:
    """The format of a column by its unit."""
    return next((how for ending, how in _DIGITS.items() if name.endswith(ending)), None)


_DIGITS = {
    " dB": "%.1f",
    "SSIM": "%.3f",
    " HU": "%.0f",
    "(min)": "%.3f",
    "(s)": "%.2f",
    "Plates": "%.0f",
    "(USP)": "%.2f",
    "Resolution": "%.2f",
    "S/N": "%.0f",
    "Misfit": "%.2f",
}


def plain(text: str) -> str:
    """Text that Markdown shows as it is: no link, no picture, no formula, no colour, no line break."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~<>$]|:(?=\w))", r"\\\1", " ".join(text.split()))


@dataclass(frozen=True)
class Download:
    """A button: its label, the file's name, and its bytes, or what makes them when it is pressed."""

    label: str
    name: str
    data: bytes | str | Callable[[], bytes]
    mime: str = "application/octet-stream"


def downloads(items: Sequence[Download], *, key: str) -> None:
    """A row of download buttons, which wraps on a narrow screen."""
    with st.container(horizontal=True, key=f"downloads-{key}"):
        for item in items:
            st.download_button(
                item.label,
                item.data,
                file_name=item.name,
                mime=item.mime,
                key=f"{key}-{item.name}",
                on_click="ignore",
                icon=":material/download:",
            )
