"""One presentation: its images, the question, the answer, and the correction of the one before."""

from __future__ import annotations

import time
from dataclasses import asdict

import streamlit as st
from frame import complain, plain
from viewer import Arm, View, show

from medidiff.errors import InputError, MedidiffError
from medidiff.review import Choice, Given, Presentation, Study
from reading.sitting import Shown, Sitting, leave
from reading.studies import tried, without_case

SHORTCUTS = "123456789"
_NARROW = 1000  # CSS pixels: below, the question stands under the images
_BESIDE, _UNDER = 132, 400  # CSS pixels that the rest of the page needs, beside and under
_LOWEST, _HIGHEST = 480, 1100  # of the viewer, in CSS pixels
_AREA = 2000  # characters of a comment

_ELSEWHERE = "The case before was answered in another window; that answer is kept."


def read_case(study: Study, sitting: Sitting, presentation: Presentation, earlier: Given | None) -> None:
    """Show a presentation and ask; earlier: the answer that is corrected."""
    shown = _on_screen(study, sitting, presentation, earlier)
    if shown is None:
        st.button("Try again")
        st.button("Sign out", on_click=leave)
        return
    with st.container(key="reading-notice"):  # always there, so that the images keep their place
        if sitting.notice:
            st.info(plain(sitting.notice), icon=":material/info:")
    width, height = sitting.screen or (0, 0)
    if width < _NARROW:
        _images(study, sitting, shown, height - _UNDER)
        _ask(study, sitting, shown, beside=False)
        return
    left, right = st.columns([4, 1], gap="small")
    with left:
        _images(study, sitting, shown, height - _BESIDE)
    with right:
        _ask(study, sitting, shown, beside=True)


def _on_screen(
    study: Study, sitting: Sitting, presentation: Presentation, earlier: Given | None
) -> Shown | None:
    """What is shown, opened when another case comes; None, with a line on the page, when it cannot be."""
    found = sitting.shown
    if found is not None and (found.presentation, found.earlier) == (presentation, earlier):
        return found
    if found is not None and not found.stored and (found.earlier, earlier) == (None, None):
        sitting.notice = _ELSEWHERE
    volumes, _ = tried(study.images, presentation)
    if volumes is None:
        return None
    sitting.shown = Shown(presentation, volumes, earlier, choice=earlier.choice if earlier else None)
    return sitting.shown


def _images(study: Study, sitting: Sitting, shown: Shown, height: int) -> None:
    presentation = shown.presentation
    view = show(
        [Arm(side, volume) for side, volume in zip(presentation.sides, shown.volumes, strict=True)],
        key=f"images-{shown.key}",
        window=presentation.window,
        blinded=True,
        presentation=presentation.number,
        height=max(_LOWEST, min(_HIGHEST, height)),
    )
    if view.drawn and shown.drawn is None:
        shown.drawn = time.monotonic()
    if shown.drawn is not None and view != shown.view:
        shown.view = view
        tried(study.record, sitting.reader, "view", _facts(view), presentation)


def _facts(view: View) -> dict[str, object]:
    return {name: value for name, value in asdict(view).items() if name != "drawn"}


def _ask(study: Study, sitting: Sitting, shown: Shown, *, beside: bool) -> None:
    presentation, ready = shown.presentation, shown.drawn is not None
    with st.container(key="reading-question", gap="small"):
        st.markdown(f"**{plain(presentation.question)}**")
        with st.container(horizontal=not beside, gap="small", key="reading-choices"):
            for place, choice in enumerate(presentation.choices):
                _choice(shown, place, choice, ready=ready)
        if presentation.comments:
            text = shown.earlier.comment if shown.earlier else ""
            st.text_area("Comment", text, max_chars=_AREA, height=76, key=f"comment-{shown.key}")
        with st.container(horizontal=not beside, gap="small", key="reading-submit"):
            st.button(
                "Submit the correction" if shown.earlier else "Submit",
                key=f"submit-{shown.key}",
                type="primary",
                shortcut="Enter",
                width="stretch",
                disabled=not ready,
                on_click=_submit,
                args=(study, sitting, shown),
            )
            if shown.earlier:
                leave_it = "Leave it as it was"
                st.button(leave_it, on_click=_back, args=(sitting,), key=f"back-{shown.key}", width="stretch")
        if isinstance(shown.trouble, InputError):
            st.warning(plain(str(without_case(shown.trouble))))
        elif shown.trouble is not None:
            complain(shown.trouble)


def _choice(shown: Shown, place: int, choice: Choice, *, ready: bool) -> None:
    # Buttons, because only they have keys.
    chosen = shown.choice == choice.value
    st.button(
        plain(choice.label),
        key=_place_of(shown, choice),
        icon=":material/radio_button_checked:" if chosen else ":material/radio_button_unchecked:",
        shortcut=SHORTCUTS[place] if place < len(SHORTCUTS) else None,
        width="stretch",
        disabled=not ready,
        on_click=_choose,
        args=(shown,),
    )


def _place_of(shown: Shown, choice: Choice) -> str:
    return f"choice-{choice.value}-{shown.key}"


def _choose(shown: Shown) -> None:
    """Take the choice that was pressed; two at once are none, because their order is not known here."""
    pressed = [one.value for one in shown.presentation.choices if st.session_state.get(_place_of(shown, one))]
    shown.choice, shown.trouble = (pressed[0] if len(pressed) == 1 else None), None


def _submit(study: Study, sitting: Sitting, shown: Shown) -> None:
    """Store the answer before anything is drawn; on trouble all stays on the screen, to try again."""
    if shown.stored:
        return  # the second half of a double click
    if any(st.session_state.get(_place_of(shown, one)) for one in shown.presentation.choices):
        _choose(shown)  # a choice and the submission came together, perhaps in this order
    sitting.notice, shown.trouble = "", None
    try:
        if shown.choice is None:
            raise _none_chosen()
        study.answer(
            sitting.reader,
            shown.presentation,
            shown.choice,
            comment=st.session_state.get(f"comment-{shown.key}", ""),
            seconds=shown.seconds(),
            corrects=shown.earlier.row if shown.earlier else None,
        )
    except MedidiffError as error:
        if not _moved_on(study, sitting, shown):
            shown.trouble = error
            return
        sitting.notice = _ELSEWHERE
    shown.stored = True
    _back(sitting)


def _none_chosen() -> InputError:
    return InputError("answer", expected="one of the choices", got="none", fix="Choose one, then submit.")


def _moved_on(study: Study, sitting: Sitting, shown: Shown) -> bool:
    """Whether somebody answered, or corrected, this presentation meanwhile."""
    try:
        latest = study.latest(sitting.reader)
    except MedidiffError:
        return False
    if latest is None:
        return False
    if shown.earlier is not None:
        return latest.row != shown.earlier.row
    return latest.presentation.number >= shown.presentation.number


def _back(sitting: Sitting) -> None:
    sitting.correcting = False
