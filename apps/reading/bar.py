"""The line above the images, and the look of the Read page: little chrome, so that the images are large."""

from __future__ import annotations

import streamlit as st
from frame import foot, plain

from medidiff.review import Given, Presentation
from reading.sitting import Sitting, leave

PRACTICE = "Practice: answers count for nothing"

_LOOK = """<style>
.st-key-reading-bar p {font-size: 1.05rem;}
.st-key-reading-bar {row-gap: 0.2rem;}
.st-key-reading-choices button {min-height: 2.9rem; justify-content: flex-start;}
.st-key-reading-submit button {min-height: 2.9rem;}
.st-key-reading-instructions p {font-size: 1.05rem; line-height: 1.6; max-width: 60ch;}
</style>"""
_ALONE = """<style>
[data-testid="stHeader"], [data-testid="stSidebar"] {display: none;}
[data-testid="stMainBlockContainer"] {padding-top: 0.7rem;}
</style>"""


def dress_reading(*, alone: bool) -> None:
    """The look and the foot of the page; alone: without the header, where there is no other page."""
    foot()
    st.html(_LOOK + (_ALONE if alone else ""))


def bar(sitting: Sitting, presentation: Presentation, latest: Given | None, *, practice: bool) -> None:
    """Which case of how many, and the ways to the one before and out."""
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="reading-bar"
    ):
        words = [f"**Case {presentation.number} of {presentation.total}**"]
        words += [":orange-badge[Training case]"] if presentation.training else []
        words += [":blue-badge[Correction]"] if sitting.correcting else []
        words += [f":violet-badge[{plain(PRACTICE)}]"] if practice else []
        st.markdown(" ".join(words), width="content")
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            if latest is not None and not sitting.correcting:
                st.button("Correct the previous answer", type="tertiary", on_click=_correct, args=(sitting,))
            st.markdown(f"Reader {plain(sitting.reader.code)}", width="content")
            st.button("Sign out", type="tertiary", on_click=leave)


def _correct(sitting: Sitting) -> None:
    sitting.correcting, sitting.notice = True, ""
