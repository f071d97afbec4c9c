"""What stands where no case is: the pause before repeats, the end, and a study that was closed."""

from __future__ import annotations

import math

import streamlit as st
from frame import empty

from medidiff.review import Study, Washout
from reading.sitting import Sitting, sign_out


def wait(study: Study, sitting: Sitting, washout: Washout) -> None:
    """How long until the next case may be shown; the page looks again by itself."""
    done, total = study.done(sitting.reader)
    st.markdown(f"#### {done} of {total} are done. The others need a pause first.")
    st.markdown(
        "Some cases come a second time, and memory of the first reading must fade. You may close this page: "
        "sign in again with your code and PIN after the pause."
    )
    every = 1.0 if washout.seconds_left < 120 else 30.0

    @st.fragment(run_every=every)
    def clock() -> None:
        left = study.next(sitting.reader)
        if not isinstance(left, Washout):
            st.rerun()
        st.metric("Time left", duration(left.seconds_left) if isinstance(left, Washout) else "")

    clock()
    sign_out()


def finish(study: Study, sitting: Sitting) -> None:
    """Thanks, how many answers are stored, and the head of the log to write down."""
    done, total = study.done(sitting.reader)
    st.markdown(f"#### Thank you. All {total} presentations are done.")
    st.markdown(
        f"{done} answers of reader {sitting.reader.code} are stored. Results stay hidden until the study's "
        "coordinator unblinds it."
    )
    st.markdown("Head of the log, for the coordinator's record (`medidiff review verify --expect`):")
    st.code(str(study.head), language=None, wrap_lines=True)
    sign_out()


def closed() -> None:
    """A study that was unblinded."""
    empty("This study was unblinded and is closed: it takes no more answers.")
    sign_out()


def duration(seconds: float) -> str:
    """Seconds as a person reads them, in their two largest units: 13 days 4 h, 4 min 10 s, 9 s."""
    left = math.ceil(seconds)
    words: list[str] = []
    for name, size in (("days", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or words:
            words.append(f"{count} {'day' if name == 'days' and count == 1 else name}")
    return " ".join(words[:2]) or "0 s"
