"""What every page shares: the table of pages, the look, the head and the notice.

A page is one script in `pages/` and one line in `PAGES`.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

NOTICE = "Research use only: not for diagnosis."


@dataclass(frozen=True)
class Entry:
    """A page: its script, its title, and its address."""

    script: str
    title: str
    url: str


PAGES = (Entry("pages/compare.py", "Compare", "compare"),)


def dress() -> None:
    """The look of all pages."""
    st.set_page_config(page_title="medidiff", layout="wide")


def head(title: str, text: str) -> None:
    """A page's title, one line that says what it is for, and the notice."""
    st.title(title)
    st.caption(f"{text}  ·  {NOTICE}")
