"""One presentation: its images, the question, the answer, and the correction of the one before."""

from __future__ import annotations

import time
from dataclasses import asdict

import streamlit as st
from frame import complain, plain
from settings import settings
from viewer import Arm, View, show

from medidiff.errors import InputError, MedidiffError
from medidiff.review import Choice, Given, Presentation, Study
from reading.sitting import Shown, Sitting, sign_out
from reading.studies import tried, without_case

SHORTCUTS = "123456789"
_NARROW = 1000  # CSS pixels: below, the question stands under the images
_BESIDE, _UNDER = 132, 400  # CSS pixels that the rest of the page needs, beside and under
_MENU = 44  # and the way to other pages, where there are others
_LOWEST, _HIGHEST = 480, 1100  # of the viewer, in CSS pixels
_AREA = 2000  # characters of a comment

_ELSEWHERE = "The case before was answered in another window; that answer is kept."


def read_case(study: Study, sitting: Sitting, presentation: Presentation, earlier: Given | None) -> None:
    """Show a presentation and ask; earlier: the answer that is corrected."""
    shown = _on_screen(study, sitting, presentation, earlier)
    if shown is None:
        st.button("Try again")
        sign_out()
        return
    with st.container(key="reading-notice"):  # always there, so that the images keep their place
        if sitting.notice:
            st.info(plain(sitting.notice), icon=":material/info:")
    width, height = sitting.screen or (0, 0)
    height -= _MENU if settings().study is None else 0
    if width < _NARROW:
        _images(study, sitting, shown, height - _UNDER)
        _ask(sitting, shown, beside=False)
        return
    left, right = st.columns([4, 1], gap="small")
    with left:
        _images(study, sitting, shown, height - _BESIDE)
    with right:
        _ask(sitting, shown, beside=True)


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


def _ask(sitting: Sitting, shown: Shown, *, beside: bool) -> None:
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
                args=(shown,),
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
        key=_place_of(shown, choice.value),
        icon=":material/radio_button_checked:" if chosen else ":material/radio_button_unchecked:",
        shortcut=SHORTCUTS[place] if place < len(SHORTCUTS) else None,
        width="stretch",
        disabled=not ready,
        on_click=_choose,
        args=(shown, choice.value),
    )


def _place_of(shown: Shown, value: str) -> str:
    return f"choice-{value}-{shown.key}"


def _choose(shown: Shown, value: str) -> None:
    shown.pressed.append(value)


def _submit(shown: Shown) -> None:
    shown.submitted = True


def settle(study: Study, sitting: Sitting) -> None:
    """Take what was pressed since the last run, before anything is drawn: a choice, a submission, or both.

    Fast keys reach the server together, in an order that is not known here, so callbacks only note them. A
    first choice counts for the submission beside it; one that differs from the choice before does not. From
    the taking to the storing nothing asks Streamlit, which may end a run there for a newer event.
    """
    shown = sitting.shown
    if shown is None or not (shown.pressed or shown.submitted):
        return
    comment = st.session_state.get(f"comment-{shown.key}", "")
    pressed, submitted, before = set(shown.pressed), shown.submitted, shown.choice
    shown.pressed, shown.submitted = [], False
    if shown.stored:
        return  # the second half of a double click
    shown.trouble = None
    if pressed:
        shown.choice = pressed.pop() if len(pressed) == 1 else None
    if not submitted:
        return
    if shown.choice is None or before not in (None, shown.choice):
        shown.trouble = _not_clear("none" if shown.choice is None else "another one at the same moment")
    else:
        _store(study, sitting, shown, shown.choice, comment)


def _store(study: Study, sitting: Sitting, shown: Shown, choice: str, comment: str) -> None:
    """On trouble all stays on the screen, to try again."""
    sitting.notice = ""
    try:
        study.answer(
            sitting.reader,
            shown.presentation,
            choice,
            comment=comment,
            seconds=shown.seconds(),
            corrects=shown.earlier.row if shown.earlier else None,
        )
    except MedidiffError as error:
        if not _moved_on(study, sitting, shown):
            shown.trouble = error
            return
        sitting.notice = _ELSEWHERE
    shown.stored, sitting.correcting = True, False


def _not_clear(got: str) -> InputError:
    return InputError("answer", expected="one choice", got=got, fix="Choose, then submit.")


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
