"""The runs that a page can open: the shipped one, jobs that are done, and run folders below `--data`.

A loaded run is kept by the SHA-256 of every byte of its files: whatever has the same key is the same run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from settings import settings

from medidiff.errors import InputError
from medidiff.runs.demo import demo_run_folder
from medidiff.runs.jobs import Job, list_jobs
from medidiff.runs.plain import check_regular
from medidiff.runs.result import FIGURE, PROVENANCE, REPORT, Result

PARAMETER = "run"
_KEPT, _SECONDS = 4, 3600


@dataclass(frozen=True)
class Run:
    """A run folder: what people call it, where it lies, and the job that made it, where one did."""

    label: str
    folder: Path
    job: Job | None = None

    @property
    def state(self) -> str:
        """The job's state; "done" of what lies there."""
        return self.job.state if self.job else "done"


def runs() -> list[Run]:
    """Every run: jobs, newest first, those of `--data`, the shipped one; MissingError without that."""
    jobs = [Run(f"{job.title} · {job.id[:6]}", job.result, job) for job in list_jobs(settings().jobs)]
    data = settings().data
    found = [] if data is None else run_folders(data)
    numbered = [Run(f"data: run {number}", folder) for number, folder in enumerate(found, 1)]
    return [*jobs, *numbered, Run("Shipped example: chest CT, 24 views", demo_run_folder("ct"))]


def done(listed: Sequence[Run]) -> list[Run]:
    """Those that can be opened."""
    return [run for run in listed if run.state == "done"]


def asked_for(listed: Sequence[Run]) -> int:
    """The place of the run that the address names by its job (`?run=<id>`); the first where it names none."""
    id = st.query_params.get(PARAMETER)
    return next((place for place, run in enumerate(listed) if run.job and run.job.id == id), 0)


def run_folders(data: Path) -> list[Path]:
    """Run folders in a folder, or the folder itself, in the order of their names."""
    try:
        inside = sorted(path for path in data.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []
    return [path for path in (data, *inside) if (path / REPORT).is_file() and (path / PROVENANCE).is_file()]


def open_run(run: Run) -> Result:
    """The run's result; InputError, which calls it by its label, for a folder that is damaged."""
    try:
        return _loaded(folder_digest(run.folder), run.folder)
    except InputError as error:
        raise InputError(run.label, expected=error.expected, got=error.got, fix=error.fix) from None


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of all plain files in a folder."""
    state = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_dir():
            continue
        check_regular(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        state.update(path.relative_to(folder).as_posix().encode() + b"\0" + digest)
    return state.hexdigest()


@st.cache_resource(show_spinner=False, max_entries=_KEPT, ttl=_SECONDS)
def _loaded(digest: str, _folder: Path) -> Result:
    return Result.load(_folder)


def figure_of(folder: Path) -> bytes | None:
    """The picture that was saved with a run; None without one."""
    path = folder / FIGURE
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None
