"""Read: a blinded reader study, from sign-in to the last answer; all that `medidiff app --study` shows."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from reading.arrival import welcome
from reading.bar import bar, heading
from reading.case import read_case, settle
from reading.display import check_display
from reading.endings import closed, finish, wait
from reading.sitting import Sitting, seat
from reading.studies import found_studies, opened, practice, title_of, tried
from settings import settings
from streamlit.delta_generator import DeltaGenerator

from medidiff.review import Presentation, Study, Washout


def page() -> None:
    """What this session's reader sees now."""
    only, place = settings().study, seat()
    if only is not None and place.sitting is not None and place.sitting.folder != only:
        place.leave()
    here = place.sitting
    alone, top = only is not None, st.container()
    folder = here.folder if here is not None else only or _chosen()
    study = tried(opened, folder)[0] if folder is not None else None
    practising = not alone and folder is not None and folder == tried(practice)[0]
    if here is not None and study is not None and here.screen is not None and not study.unblinded:
        _read(study, here, top, alone=alone, practising=practising)
        return
    with top:
        heading(study, alone=alone, practice=practising)
    if study is None or folder is None:
        return
    if here is None:
        welcome(study, folder, practice=practising)
    elif study.unblinded:
        closed()
    else:
        check_display(study, here)


def _chosen() -> Path | None:
    """The practice study, or one of the folder of `--data`."""
    made, _ = tried(practice)
    folders = found_studies(settings().data)
    if not folders:
        return made
    names = ["Practice", *(f"{k}: {title_of(folder)}" for k, folder in enumerate(folders, 1))]
    place = names.index(st.selectbox("Study", names))
    return made if place == 0 else folders[place - 1]


def _read(study: Study, here: Sitting, top: DeltaGenerator, *, alone: bool, practising: bool) -> None:
    settle(study, here)
    latest, following = study.latest(here.reader), study.next(here.reader)
    earlier = latest if here.correcting else None
    shown = earlier.presentation if earlier is not None else following
    with top:
        if isinstance(shown, Presentation):
            bar(here, shown, latest, alone=alone, practice=practising)
        else:
            heading(study, alone=alone, practice=practising)
    if isinstance(shown, Presentation):
        read_case(study, here, shown, earlier)
    elif isinstance(shown, Washout):
        wait(study, here, shown)
    else:
        finish(study, here)


page()
