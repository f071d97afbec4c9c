"""DICOM folders: list the series they hold, read one."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from pathlib import Path

from medidiff.errors import InputError
from medidiff.io.dicom.headers import Ignored, Image, damaged, read_images
from medidiff.io.dicom.pixels import read_values, same_pixels
from medidiff.io.dicom.series import Series, SeveralSeriesError, drop_duplicates, group_series, stack_affine
from medidiff.io.hounsfield import fill_padding
from medidiff.io.limits import Limits
from medidiff.io.opening import is_folder, unreadable
from medidiff.io.volume import Volume

__all__ = ["Series", "SeveralSeriesError", "list_series", "read_dicom"]

_LISTED = 40
_HU = ("", "HU", "US", "HU_MOD")  # rescale types of a CT; US is "unspecified"


def list_series(path: Path | str, *, limits: Limits | None = None) -> list[Series]:
    """The series of a DICOM folder (or file), numbered from 1; headers only.

    Raises InputError when it is absent, holds no slice, or passes `limits`.
    """
    return _scan(Path(os.path.abspath(path)), limits or Limits())[0]


def read_dicom(
    path: Path,
    *,
    series: int | None = None,
    slices: tuple[int, int] | None = None,
    limits: Limits | None = None,
) -> Volume:
    """A CT series of a DICOM folder (or file) in HU, on its own grid, slices in order of position.

    series: its number in `list_series`, needed when there are several. slices: a block (a, b) of
    them, a <= k < b. Padding becomes -1024 HU. Raises InputError for whatever is not a straight, even,
    complete stack of CT slices.
    """
    limits, path = limits or Limits(), Path(os.path.abspath(path))
    found, ignored = _scan(path, limits)
    chosen = _choose(found, series, path.name)
    images, dropped = drop_duplicates(list(chosen.images), same_pixels, path.name)
    if slices is not None:
        images = images[check_block(slices, len(images), path.name)]
    affine = stack_affine(images, path.name)
    limits.check_voxels(path.name, len(images) * chosen.rows * chosen.columns)
    array, padded, notes = read_values(images, limits)
    padded += fill_padding(array)
    return Volume(array, affine, "HU", notes=(*_notes(ignored, dropped, padded, images), *notes))


def check_block(slices: tuple[int, int], count: int, name: str) -> slice:
    """The block a <= k < b of `count` slices; InputError when it is empty or reaches outside."""
    start, stop = slices
    if not 0 <= start < stop or stop > count:
        raise InputError(
            f"{name}, slices {start}:{stop}",
            expected=f"A:B with 0 <= A < B <= {count}",
            got=f"{start}:{stop}",
            fix="Slices count from 0, and B itself is left out.",
            argument=not 0 <= start < stop,
        )
    return slice(start, stop)


def _scan(path: Path, limits: Limits) -> tuple[list[Series], Counter[str]]:
    deadline = time.monotonic() + limits.seconds
    images: list[Image] = []
    ignored: Counter[str] = Counter()
    for file in _files(path, limits, ignored):
        try:
            images += read_images(file, limits, deadline)
        except Ignored as reason:
            ignored[str(reason)] += 1
    if not images:
        got = ", ".join(_passed_over(ignored)) or "an empty folder"
        raise InputError(
            path.name,
            expected="DICOM slices with a position and a pixel spacing",
            got=got,
            fix="Give the folder that holds the slices of the scan, or a NIfTI file.",
        )
    for image in images:
        _check_geometry(image)
    return group_series(images), ignored


def _files(path: Path, limits: Limits, ignored: Counter[str]) -> list[Path]:
    """Regular files under a folder in a fixed order; links that lead out of it are not followed."""
    if not is_folder(path):
        return [path]
    root = Path(os.path.realpath(path))
    files: list[Path] = []
    for folder, _, names in os.walk(root, onerror=_refuse_folder):
        for file in (Path(folder, name) for name in names):
            kind = _kind(file, root)
            if kind == "file":
                files.append(file)
            elif kind:
                ignored[kind] += 1
            if len(files) > limits.files:
                raise InputError(
                    path.name,
                    expected=f"at most {limits.files} files",
                    got="more",
                    fix="Give the folder of one scan.",
                )
    return sorted(files)


def _kind(file: Path, root: Path) -> str:
    """Either "file", or why a link is passed over, or "" for a pipe or a device, which is never a slice."""
    try:
        if os.path.islink(file) and not Path(os.path.realpath(file)).is_relative_to(root):
            return "a link out of the folder"
        return "file" if stat.S_ISREG(os.stat(file).st_mode) else ""
    except PermissionError:  # it may be a slice of the stack
        raise unreadable(file.name, "a file that may not be read") from None
    except OSError:
        return "a link that leads nowhere"


def _refuse_folder(error: OSError) -> None:
    """A folder that cannot be listed may hold slices of the stack."""
    raise unreadable(Path(error.filename).name, "a folder that may not be read") from None


def _check_geometry(image: Image) -> None:
    """Spacing and directions that a grid can be made of, before any arithmetic with them."""
    if min(image.spacing) <= 0 or image.rows < 1 or image.columns < 1:
        raise InputError(
            image.path.name,
            expected="a positive pixel spacing and size",
            got=f"{image.spacing[0]:g} x {image.spacing[1]:g} mm, {image.rows} x {image.columns} pixels",
            fix="Export it again with its true spacing.",
        )
    row, column = image.row_direction, image.column_direction
    lengths = [sum(a * a for a in direction) for direction in (row, column)]
    dot = sum(a * b for a, b in zip(row, column, strict=True))
    if max(abs(length - 1) for length in lengths) > 0.01 or abs(dot) > 0.01:
        raise damaged(image.path.name, "directions of rows and columns that are not at right angles")


def _choose(found: list[Series], number: int | None, name: str) -> Series:
    listing = "; ".join(str(series) for series in found[:_LISTED])
    listing += f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    if number is None and len(found) > 1:
        raise SeveralSeriesError(
            name,
            expected="one series",
            got=f"{len(found)}: {listing}",
            fix="Pick one with --series N.",
            series=tuple(str(series) for series in found),
        )
    if number is not None and not 1 <= number <= len(found):
        raise InputError(
            name,
            expected=f"a series from 1 to {len(found)}",
            got=str(number),
            fix=f"The folder holds: {listing}.",
            argument=number < 1,
        )
    chosen = found[(number or 1) - 1]
    unit = chosen.images[0].pixels.rescale_type
    if chosen.modality != "CT" or chosen.localizer or unit not in _HU:
        raise InputError(
            name,
            expected="a CT series in HU",
            got=f"{chosen}, values in {unit or 'unknown units'}",
            fix="Choose the CT slices themselves.",
        )
    return chosen


def _passed_over(ignored: Counter[str]) -> list[str]:
    return [f"{count} file{'s' * (count > 1)} ({kind})" for kind, count in sorted(ignored.items())]


def _notes(ignored: Counter[str], dropped: int, padded: int, images: list[Image]) -> list[str]:
    notes = [f"passed over: {kind}" for kind in _passed_over(ignored)]
    if dropped:
        notes.append(f"{dropped} slices that came twice were dropped")
    if padded:
        notes.append(padding_note(padded))
    if len(images) == 1 and images[0].thickness is None:
        notes.append("one slice without a thickness: 1 mm was assumed")
    return notes


def padding_note(count: int) -> str:
    """The sentence on padding that was set to air."""
    return f"{count} voxels of padding outside the field of view were set to -1024 HU"
