"""The scans of a cohort: what a folder holds, or a text file lists.

Scans are told apart by their number alone, from 1: in a folder by the order of names, in a list by the order
of lines. Names of files and folders are often names of people, so that no sentence made here holds one.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from medidiff.errors import InputError
from medidiff.io.dicom.headers import is_dicom
from medidiff.io.opening import is_folder, regular_size

_LARGEST_LIST = 16 << 20
_MOST_LOOKED_AT = 1000
"""Files of a folder that are looked at before it is said to hold no DICOM."""


@dataclass(frozen=True)
class Scans:
    """`paths` are absolute, in the order that numbers them; `skipped` says what a folder held besides."""

    paths: tuple[Path, ...]
    skipped: tuple[str, ...] = ()


def list_scans(source: Path | str) -> Scans:
    """The scans in a folder (NIfTI files, and one DICOM scan a sub-folder) or in a list (one path a line).

    Paths in a list are relative to its own folder; empty lines are passed over. Raises InputError for a
    source that is absent or holds no scan, and for a line that names nothing or what an earlier one names.
    """
    source = Path(os.path.abspath(source))
    try:
        folder = is_folder(source)
    except InputError as error:  # whose words name the source
        raise _refused("a folder or a list that can be read", error.got) from None
    scans = _in_folder(source) if folder else Scans(_in_list(source))
    if not scans.paths:
        raise _refused("at least one scan", ", ".join(scans.skipped) or "none")
    return scans


def _in_folder(folder: Path) -> Scans:
    paths: list[Path] = []
    skipped: Counter[str] = Counter()
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError:
        raise _refused("a folder that can be read", "one that may not be") from None
    for path in entries:
        if kind := _no_scan(path):
            skipped[kind] += 1
        else:
            paths.append(path)
    _refuse_twins(paths, "scan")
    return Scans(tuple(paths), tuple(map(_counted, sorted(skipped.items()))))


def _counted(kind: tuple[str, int]) -> str:
    return f"{kind[1]} {'entry' if kind[1] == 1 else 'entries'} ({kind[0]})"


def _no_scan(path: Path) -> str:
    """Why an entry of a folder is no scan of the cohort; "" for one."""
    if path.name.startswith("."):
        return "hidden"
    if path.is_dir():
        return "" if _holds_dicom(path) else "folder without DICOM"
    if not path.is_file():
        return "no file"
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return ""
    return "loose DICOM file" if _is_dicom(path) else "file of another kind"


def _holds_dicom(folder: Path) -> bool:
    looked = 0
    for above, _, names in os.walk(folder):
        for name in sorted(names):
            looked += 1
            if looked > _MOST_LOOKED_AT:
                return False
            if _is_dicom(Path(above, name)):
                return True
    return False


def _is_dicom(path: Path) -> bool:
    try:
        return is_dicom(path)
    except (InputError, OSError):  # closed, or a link that leads nowhere
        return False


def _in_list(source: Path) -> tuple[Path, ...]:
    lines = [line.strip() for line in _text(source).splitlines()]
    given = {number: source.parent / line for number, line in enumerate(lines, 1) if line}
    absent = [number for number, path in given.items() if not os.path.exists(path)]
    if absent:
        raise _refused("paths that exist", f"{_lines(absent)} that name{'s' * (len(absent) == 1)} nothing")
    paths = [Path(os.path.abspath(path)) for path in given.values()]
    _refuse_twins(paths, "line", list(given))
    return tuple(paths)


def _text(source: Path) -> str:
    expected = "a folder, or a text file with one path a line"
    try:
        size = regular_size(source)
        if size > _LARGEST_LIST:
            raise _refused(f"a list of at most {_LARGEST_LIST} bytes", f"{size} bytes")
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise _refused(expected, "something else") from None
    if "\0" in text:
        raise _refused(expected, "something else")
    return text


def _refuse_twins(paths: list[Path], word: str, numbers: list[int] | None = None) -> None:
    """Raise InputError where two entries lead to one place: the second would count twice."""
    first: dict[str, int] = {}
    for number, path in zip(numbers or range(1, len(paths) + 1), paths, strict=True):
        before = first.setdefault(os.path.realpath(path), number)
        if before != number:
            raise _refused("each scan once", f"{word} {number} that repeats {word} {before}")


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10])) + (" ..." if len(numbers) > 10 else "")
    return f"{'line' if len(numbers) == 1 else 'lines'} {shown}"


def _refused(expected: str, got: str) -> InputError:
    return InputError(
        "cohort",
        expected=expected,
        got=got,
        fix="Give --cohort a folder of NIfTI files and DICOM folders, or a list with one path a line.",
    )
