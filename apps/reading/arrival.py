"""What a reader meets first: the study's title, its instructions, and the sign-in by code and PIN."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from frame import plain

from medidiff.errors import InputError
from medidiff.review import Reader, Study
from reading.sitting import Sitting, seat
from reading.studies import tried

_KNOWN, _NEW = "I have a PIN", "First time here"
_STEPS = {
    "pairs": "Two images of one case stand side by side, A and B. Look through all slices of both, then say "
    "which one fits the question better.",
    "likert": "One image is shown at a time. Look through all its slices, then give it a point of the scale.",
}


def welcome(study: Study, folder: Path, *, practice: bool) -> None:
    """Instructions beside the sign-in; a reader who signs in sits down."""
    for notice in study.notices:
        st.warning(plain(notice[:1].upper() + notice[1:] + "."), icon=":material/info:")
    told, asked = st.columns([3, 2], gap="large")
    with told, st.container(key="reading-instructions"):
        _instructions(study)
    with asked, st.container(border=True, key="reading-sign-in"):
        _sign_in(study, folder, practice=practice)


def _instructions(study: Study) -> None:
    protocol = study.protocol
    st.markdown(f"#### {plain(protocol.question)}")
    for line in filter(None, map(str.strip, protocol.instructions.splitlines())):
        st.markdown(plain(line))
    st.markdown(_STEPS[protocol.kind])
    order = study.items(1)
    training = sum(item.training for item in order)
    facts = [f"{len(order)} presentations for each reader"]
    facts += [f"the first{f' {training}' if training > 1 else ''} for training"] if training else []
    st.markdown(", ".join(facts) + ".")
    st.markdown(
        "Each answer is stored when you submit it. You may stop at any time: sign in again with your code "
        "and PIN, and you go on where you were. The last answer can be corrected; both are kept."
    )


def _sign_in(study: Study, folder: Path, *, practice: bool) -> None:
    place = seat()
    if practice:
        st.markdown("Practice: take any code, such as `ME`, and any PIN of 4 digits.")
    first = st.segmented_control(
        "Are you known here?", [_KNOWN, _NEW], default=_NEW if practice else _KNOWN, required=True
    )
    new = first == _NEW
    with st.form("sign-in", border=False):
        code = st.text_input("Reader code", max_chars=40, autocomplete="off", key="reader-code")
        pin = st.text_input(
            "PIN, 4 to 12 digits", type="password", max_chars=40, autocomplete="off", key="reader-pin"
        )
        again = pin
        if new:
            again = st.text_input(
                "The same PIN again",
                type="password",
                max_chars=40,
                autocomplete="off",
                key="reader-pin-again",
            )
        pressed = st.form_submit_button("Register and begin" if new else "Sign in", type="primary")
    if not pressed:
        return
    reader, _ = tried(_known, study, code or "", pin or "", again or "", new=new)
    if reader is not None:
        place.sitting = Sitting(folder, reader)
        st.rerun()


def _known(study: Study, code: str, pin: str, again: str, *, new: bool) -> Reader:
    if pin != again:
        raise InputError(
            "PIN", expected="the same digits twice", got="two different ones", fix="Type both again."
        )
    return study.sign_in(code, pin, new=new)
