"""Read: a blinded reader study, from sign-in to the last answer; all that `medidiff app --study` shows."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from frame import head, plain
from reading.arrival import welcome
from reading.bar import PRACTICE, bar, dress_reading
from reading.case import read_case
from reading.display import check_display
from reading.endings import closed, finish, wait
from reading.sitting import Sitting, leave, sitting
from reading.studies import found_studies, opened, practice, title_of, tried
from settings import settings

from medidiff.review import Presentation, Study, Washout


def page() -> None:
    """What this session's reader sees now."""
    alone, here = settings().study, sitting()
    if alone is not None and here is not None and here.folder != alone:
        leave()
        here = None
    dress_reading(alone=alone is not None)
    if here is not None:
        study, _ = tried(opened, here.folder)
        if study is not None:
            _go_on(study, here, practising=alone is None and here.folder == practice())
        return
    folder = alone or _chosen()
    study, _ = tried(opened, folder) if folder is not None else (None, False)
    if folder is not None and study is not None:
        practising = alone is None and folder == practice()
        _title(study.protocol.title, practising=practising)
        welcome(study, folder, practice=practising)


def _chosen() -> Path | None:
    """The practice study, or one of the folder of `--data`."""
    made, _ = tried(practice)
    folders = found_studies(settings().data)
    names = ["Practice", *(f"{k}: {title_of(folder)}" for k, folder in enumerate(folders, 1))]
    if not folders:
        return made
    name = st.selectbox("Study", names)
    return made if name == names[0] else folders[names.index(name) - 1]


def _go_on(study: Study, here: Sitting, *, practising: bool) -> None:
    if study.unblinded:
        _title(study.protocol.title, practising=practising)
        closed()
    elif here.screen is None:
        _title(study.protocol.title, practising=practising)
        check_display(study, here)
    else:
        _read(study, here, practising=practising)


def _read(study: Study, here: Sitting, *, practising: bool) -> None:
    latest, following = study.latest(here.reader), study.next(here.reader)
    if here.correcting and latest is not None:
        bar(here, latest.presentation, latest, practice=practising)
        read_case(study, here, latest.presentation, latest)
    elif isinstance(following, Presentation):
        bar(here, following, latest, practice=practising)
        read_case(study, here, following, None)
    else:
        _title(study.protocol.title, practising=practising)
        if isinstance(following, Washout):
            wait(study, here, following)
        else:
            finish(study, here)


def _title(text: str, *, practising: bool) -> None:
    head(plain(text), f"{PRACTICE}." if practising else "Blinded reading.")


page()
