"""What stands above (a title, or one line over images), and the look: little chrome, large images."""

from __future__ import annotations

import streamlit as st
from frame import foot, head, plain

from medidiff.review import Given, Presentation, Study
from reading.sitting import Sitting, sign_out

PRACTICE = "Practice: answers count for nothing"

_LOOK = """<style>
[data-testid="stElementContainer"]:has([data-testid="stHtml"]) {position: absolute;}
[data-testid="stMainBlockContainer"] button:is([kind="primary"], [kind="primaryFormSubmit"]) {color: #0f1113;}
[data-testid="stMainBlockContainer"] button[kind="primary"]:disabled {color: #b0b6bc;}
.st-key-reading-bar p {font-size: 1.05rem;}
.st-key-reading-choices button, .st-key-reading-submit button {min-height: 2.9rem;}
.st-key-reading-instructions p {font-size: 1.05rem; line-height: 1.6; max-width: 60ch;}
</style>"""
_ALONE = """<style>
[data-testid="stHeader"], [data-testid="stSidebar"] {display: none;}
[data-testid="stMainBlockContainer"] {padding-top: 0.7rem;}
</style>"""


def heading(study: Study | None, *, alone: bool, practice: bool) -> None:
    """Title and notice. alone: nothing but this study is served, so its own title stands there."""
    title = study.protocol.title if study is not None else ""
    about = f"{PRACTICE}." if practice else "A blinded reader study."
    if alone:
        head(plain(title or "Reader study"), about)
    else:
        head("Read", f"{plain(title)}: {about}" if title else about)
    _dress(alone=alone)


def _dress(*, alone: bool) -> None:
    """The look of the page; alone: without the header, where there is no other page."""
    st.html(_LOOK + (_ALONE if alone else ""))


def bar(
    sitting: Sitting, presentation: Presentation, latest: Given | None, *, alone: bool, practice: bool
) -> None:
    """Which case of how many, and the ways to the one before and out."""
    foot()
    _dress(alone=alone)
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
            sign_out(type="tertiary")


def _correct(sitting: Sitting) -> None:
    sitting.correcting, sitting.notice = True, ""
