"""One door for files: whatever a path holds, a checked `Volume` or one clear refusal."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from medidiff.errors import InputError
from medidiff.io.dicom import check_block, list_series, padding_note, read_dicom
from medidiff.io.dicom.headers import is_dicom
from medidiff.io.hounsfield import check_attenuation, check_hu, fill_padding
from medidiff.io.limits import Limits
from medidiff.io.nifti import is_nifti, read_nifti
from medidiff.io.opening import is_folder, naming, not_an_image
from medidiff.io.orientation import check_right_angles, nearest_axes
from medidiff.io.volume import Volume

__all__ = ["list_series", "read_volume"]


def read_volume(
    path: Path | str,
    *,
    series: int | None = None,
    slices: tuple[int, int] | None = None,
    units: Literal["hu", "1/mm"] = "hu",
    limits: Limits | None = None,
) -> Volume:
    """A CT volume of a NIfTI file, a DICOM folder or a DICOM file, on the grid of the file.

    series: which of several, by its number in `list_series`. slices: a block (a, b) of axial slices,
    a <= k < b, counted as they lie in the file (DICOM: by position). units: what the values are.
    Padding at and below -2000 HU becomes -1024. `origin` is the digest of what is returned, `notes` say
    what was changed or is unusual. Raises InputError for everything that could be misread: no image,
    several series, missing slices, tilt or shear, time series, colour, NaN, values that are not `units`.
    """
    path, limits = Path(os.path.abspath(path)), limits or Limits()  # so that '.' has a base name
    if units not in ("hu", "1/mm"):
        raise InputError(
            "units", expected="hu or 1/mm", got=repr(units), fix="Say what the values are.", argument=True
        )
    if slices is not None and not 0 <= slices[0] < slices[1]:
        check_block(slices, slices[1], path.name)
    volume = _open(path, series, slices, units, limits)
    with naming(path.name):
        check_right_angles("grid", volume.affine)
        unusual = check_hu(volume) if units == "hu" else check_attenuation(volume)
    return replace(volume, origin=volume.digest(), notes=(*volume.notes, *unusual))


def _open(
    path: Path, series: int | None, slices: tuple[int, int] | None, units: str, limits: Limits
) -> Volume:
    if is_folder(path) or is_dicom(path):
        if units != "hu":
            raise _refused(path, "units hu for DICOM", repr(units), "DICOM CT is in HU: leave --units out.")
        return read_dicom(path, series=series, slices=slices, limits=limits)
    if not is_nifti(path):
        raise not_an_image(path.name, "another kind of file")
    if series not in (None, 1):
        raise _refused(path, "series 1, the only one of a NIfTI file", str(series), "Leave --series out.")
    return _nifti(path, slices, units, limits)


def _refused(path: Path, expected: str, got: str, fix: str) -> InputError:
    return InputError(path.name, expected=expected, got=got, fix=fix)


def _nifti(path: Path, slices: tuple[int, int] | None, units: str, limits: Limits) -> Volume:
    volume = read_nifti(path, units="HU" if units == "hu" else "1/mm", limits=limits)
    if slices is not None:
        volume = _axial_block(volume, slices, path.name)
    padded = fill_padding(volume.array) if units == "hu" else 0
    return replace(volume, notes=(*volume.notes, padding_note(padded))) if padded else volume


def _axial_block(volume: Volume, slices: tuple[int, int], name: str) -> Volume:
    """The block along the array axis that runs feet to head, in the order of the file."""
    axis = 2 - nearest_axes(volume.affine)[2]  # of the array (z, y, x); the affine counts x, y, z
    block = check_block(slices, volume.shape[axis], name)
    index: list[slice] = [slice(None)] * 3
    index[axis] = block
    shift = np.eye(4)
    shift[2 - axis, 3] = block.start
    return replace(volume, array=volume.array[tuple(index)].copy(), affine=volume.affine @ shift)
