"""What every reader does first: open a regular file, and speak of it by its base name only.

Paths hold names of people (folders of patients, home folders), so that no error shows one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medidiff.errors import InputError


def regular_size(path: Path) -> int:
    """Bytes of a regular file; InputError when it is absent, a folder, a pipe, or may not be read."""
    with _reading(path):
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise unreadable(path.name, "a folder or a device")
        with path.open("rb"):
            return status.st_size


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder; InputError when it is absent or out of reach.

    `Path.is_dir` lets the system's own errors out where a folder above may not be entered.
    """
    with _reading(path):
        return stat.S_ISDIR(os.stat(path).st_mode)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise unreadable(path.name, "nothing under that name") from None
    except PermissionError:
        raise unreadable(path.name, "a file that may not be read") from None
    except (OSError, ValueError):
        raise unreadable(path.name, "a file that cannot be opened") from None


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put the base name of the file before what an InputError says of its content."""
    try:
        yield
    except InputError as error:
        if error.what.startswith(name):
            raise
        what = f"{name}, {error.what}"
        raise InputError(what, expected=error.expected, got=error.got, fix=error.fix) from None


def not_an_image(name: str, got: str) -> InputError:
    """The error for a file of another kind."""
    return InputError(
        name,
        expected="a NIfTI file (.nii, .nii.gz), or a DICOM file or folder",
        got=got,
        fix="Convert it, for example with dcm2niix or Slicer.",
    )


def unreadable(name: str, got: str) -> InputError:
    """The error for a file or folder that is absent or closed."""
    return InputError(
        name, expected="a file that can be read", got=got, fix="Check the path and its permissions."
    )
