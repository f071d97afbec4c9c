"""Chromatograms for the page: the shipped one, an upload, their peaks and fits, each kept by its digest.

What Streamlit caches is keyed by SHA-256 digests alone; arrays go in unhashed (`_trace`), because its own
hash of a large array looks at a sample of it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

import streamlit as st

from medidiff.domains.chromatography.analysis.chromatogram import Analysed, analyse
from medidiff.domains.chromatography.analysis.method import Method
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.demo import demo_system, noisy_trace
from medidiff.domains.chromatography.files.reading import read_chromatograms
from medidiff.domains.chromatography.fitting.result import fit_chromatogram
from medidiff.domains.chromatography.model.stored.system_file import read_system
from medidiff.domains.chromatography.model.system import System
from medidiff.errors import InputError
from medidiff.runs.result import Result

MOST_FITTED = 40_000
"""Points that are fitted while a person waits: about two seconds."""

_LARGEST = 64 << 20
_KEPT, _SECONDS = 16, 3600  # traces whose peaks and fits stay, and how long


class Upload(Protocol):
    """What Streamlit gives for an upload, as far as it is used: never its name."""

    def getbuffer(self) -> memoryview:
        """The bytes."""


def traces_of(upload: Upload) -> tuple[Chromatogram, ...]:
    """Every trace of an uploaded file, read under a name that says nothing from a folder that is then gone.

    Raises InputError for what is no chromatogram, and for more than 64 MiB.
    """
    data = upload.getbuffer()
    if data.nbytes > _LARGEST:
        fix = "Export the trace alone."
        raise InputError(
            "upload", expected=f"at most {_LARGEST >> 20} MiB", got=f"{data.nbytes >> 20} MiB", fix=fix
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        path.write_bytes(data)
        return read_chromatograms(path)


def system_of(upload: Upload) -> System:
    """The system that an uploaded YAML file describes; InputError for another file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "system.yaml"
        path.write_bytes(upload.getbuffer())
        return read_system(path)


@st.cache_resource(show_spinner=False)
def shipped_trace() -> Chromatogram:
    """What a detector records of the five analytes of the shipped system, with noise."""
    return noisy_trace(demo_system())


def shipped_system() -> System:
    """The shipped system "btex" with the five analytes that the shipped trace holds."""
    return demo_system()


@st.cache_resource(show_spinner=False, max_entries=_KEPT, ttl=_SECONDS)
def peaks_of(digest: str, _trace: Chromatogram) -> Analysed:
    """The peaks of the trace with that digest."""
    return analyse(_trace, Method())


@st.cache_resource(show_spinner=False, max_entries=_KEPT, ttl=_SECONDS)
def fit_of(digest: str, system: str, _trace: Chromatogram, _system: System) -> Result:
    """The fit of the trace with that digest from the system with that digest."""
    if _trace.points > MOST_FITTED:
        raise InputError(
            "chromatogram",
            expected=f"at most {MOST_FITTED} points to fit while you wait",
            got=str(_trace.points),
            fix="Take `medidiff chromatography fit`, which has no such limit.",
        )
    return fit_chromatogram(_trace, system=_system)
