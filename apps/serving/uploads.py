"""From a file that a person brings to a checked `Volume`; its name goes nowhere."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medidiff.errors import InputError
from medidiff.io import SeveralSeriesError, Volume, read_volume
from medidiff.io.archive import unpacked
from medidiff.io.dicom.headers import is_dicom
from medidiff.io.limits import GIB, Limits
from medidiff.io.listing import list_scans

UPLOAD_LIMITS = Limits(voxels=GIB // 2, file_bytes=4 * GIB)
"""Of one upload: 2048 slices of 512 x 512, and of what an archive unpacks to."""

_LOOKED_AT = 1000  # files of a folder, before it is said to hold no DICOM


class Upload(Protocol):
    """What Streamlit hands over."""

    name: str

    def getbuffer(self) -> memoryview:
        """The bytes."""


@dataclass(frozen=True)
class Choice:
    """A scan of the folder that `--data` named, told from the others by a number alone."""

    label: str
    path: Path


def volume_from_upload(file: Upload, *, series: int | None = None) -> Volume:
    """A NIfTI file, packed or not, a DICOM file, or a zip of a DICOM folder or of one NIfTI file.

    What it is, its content says. series: which of several, as `read_volume` has it. Raises InputError for
    anything else, and for whatever passes the limits.
    """
    content = file if isinstance(file, io.BytesIO) else io.BytesIO(file.getbuffer())
    with unpacked(content, UPLOAD_LIMITS) as path:
        return read_volume(path, series=series, limits=UPLOAD_LIMITS)


def data_choices(folder: Path) -> list[Choice]:
    """What lies in a folder: NIfTI files, and one DICOM scan a sub-folder, in the order of their names.

    A folder of loose DICOM files is one scan. Raises InputError for a folder without any.
    """
    try:
        paths = list_scans(folder).paths
    except InputError:
        if not _holds_slices(folder):
            raise
        paths = (folder,)
    return [
        Choice(f"scan {number} ({'DICOM' if path.is_dir() else 'NIfTI'})", path)
        for number, path in enumerate(paths, 1)
    ]


def open_choice(choice: Choice, *, series: int | None = None) -> Volume:
    """Read one. Raises InputError, which speaks of it by its label: names of files may be names of people."""
    try:
        return read_volume(choice.path, series=series)
    except SeveralSeriesError:
        raise  # the page lists them and says nothing else of the error
    except InputError as error:
        raise InputError(choice.label, expected=error.expected, got=error.got, fix=error.fix) from None


def _holds_slices(folder: Path) -> bool:
    try:
        return any(is_dicom(path) for path in sorted(folder.iterdir())[:_LOOKED_AT] if path.is_file())
    except (InputError, OSError):
        return False
