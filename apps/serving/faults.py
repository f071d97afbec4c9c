"""What a person sees when a page fails: one line; and the log holds the place in the code, no file's name."""

from __future__ import annotations

import logging

import streamlit as st
from frame import complain

from medidiff.errors import places, recognised

_log = logging.getLogger("medidiff.app")


def told(error: Exception) -> bool:
    """Say on the page what went wrong; True, because there is nothing else to show."""
    found = recognised(error)
    if found is not None:
        complain(found)
    else:
        st.error(f"A bug ({type(error).__name__}): the terminal shows where.", icon=":material/bug_report:")
        _log.error("a page failed:\n%s", "\n".join(places(error)))
    return True


def quiet_logs() -> None:
    """Keep Streamlit's own account of an error off the terminal: it quotes what the error quotes."""
    logging.getLogger("streamlit.error_util").setLevel(logging.CRITICAL)
