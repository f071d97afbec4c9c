"""A scalar volume on a grid in millimetres: what every reader makes and every writer takes.

`array[z, y, x]` float32; `affine` maps the voxel index (x, y, z), in that order, to millimetres in the
patient's right-anterior-superior frame (RAS), as NIfTI does; index 0 is the centre of the first voxel.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.errors import InputError

Units = Literal["HU", "1/mm", "a.u."]
UNITS: tuple[Units, ...] = ("HU", "1/mm", "a.u.")

_SINGULAR_MM3 = 1e-9

NOTICE = "research use only"
"""What every file says that has room for words."""


@dataclass(frozen=True, eq=False)
class Volume:
    """Values on a grid.

    array: (z, y, x), finite, kept as float32. affine: (4, 4) float64, voxel (x, y, z) -> RAS mm.
    origin: "sha256:..." of the voxels and affine that were read, "" where nothing was; never a name.
    notes: sentences on what reading found or changed, for the warnings of a report.
    Raises InputError for another shape, NaN or infinite values, zero spacing, a singular affine.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    units: Units = "HU"
    origin: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "array", _checked_array(self.array))
        object.__setattr__(self, "affine", checked_affine(self.affine))
        if self.units not in UNITS:
            raise InputError(
                "units",
                expected=" or ".join(UNITS),
                got=repr(self.units),
                fix="Convert the values first.",
                argument=True,
            )

    def __repr__(self) -> str:
        """Shape, spacing and range in one line: a notebook must not print the voxels."""
        size = " x ".join(map(str, self.shape))
        spacing = " x ".join(f"{step:.4g}" for step in self.spacing_mm)
        low, high = float(self.array.min()), float(self.array.max())
        return f"<Volume {size} (z, y, x) of {spacing} mm, {low:.4g} to {high:.4g} {self.units}>"

    @classmethod
    def from_array(
        cls, array: ArrayLike, *, spacing_mm: tuple[float, float, float], units: Units = "HU"
    ) -> Volume:
        """A volume of an array (z, y, x), or (y, x) for one slice, that lies in the canonical orientation.

        spacing_mm is (dz, dy, dx). The first voxel is put at 0 mm; x runs to the patient's left, y to
        the back, z to the head.
        """
        values = np.asarray(array)
        values = values[None] if values.ndim == 2 else values
        dz, dy, dx = _checked_spacing(spacing_mm)
        volume = cls(values, np.diag([-dx, -dy, dz, 1.0]), units)
        return replace(volume, origin=volume.digest())

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x)."""
        z, y, x = self.array.shape
        return z, y, x

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """(dz, dy, dx), the lengths of the affine's columns."""
        dx, dy, dz = (float(length) for length in np.linalg.norm(self.affine[:3, :3], axis=0))
        return dz, dy, dx

    def digest(self) -> str:
        """Identity of the content, "sha256:...": shape, affine and voxels as NIfTI keeps them, in float32."""
        state = hashlib.sha256(np.asarray(self.shape, "<i8").tobytes())
        state.update((self.affine.astype("<f4") + np.float32(0)).tobytes())  # + 0 makes -0 and 0 the same
        for plane in self.array:
            state.update((plane + np.float32(0)).astype("<f4", copy=False).tobytes())
        return f"sha256:{state.hexdigest()}"

    def write(self, path: Path) -> None:
        """Write NIfTI (`.nii` or `.nii.gz`), whole or not at all; see `medidiff.io.nifti.write_nifti`."""
        from medidiff.io.nifti import write_nifti

        write_nifti(self, path)


def block_mean(volume: Volume, factor: int = 2) -> Volume:
    """Mean of factor x factor blocks of pixels in each slice (z, y, x) -> (z, y / factor, x / factor).

    The centre of the new pixel 0 lies at the old index (factor - 1) / 2, so the affine moves by that.
    Raises InputError when a side is not a multiple of the factor.
    """
    z, y, x = volume.shape
    if factor < 1 or y % factor or x % factor:
        raise InputError(
            f"{factor} x {factor} block mean",
            expected="a positive factor that divides both sides of the slice",
            got=f"slices of {y} x {x} pixels",
            fix="Crop or pad the slices to a multiple of the factor.",
            argument=factor < 1,
        )
    blocks = volume.array.reshape(z, y // factor, factor, x // factor, factor)
    index = np.diag([factor, factor, 1.0, 1.0])
    index[:2, 3] = (factor - 1) / 2
    return replace(volume, array=blocks.mean(axis=(2, 4), dtype=np.float32), affine=volume.affine @ index)


def checked_affine(affine: ArrayLike) -> NDArray[np.float64]:
    """A float64 copy of a valid (4, 4) affine in mm; InputError for any other."""
    matrix = np.array(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or (matrix[3] != (0, 0, 0, 1)).any():
        got = f"shape {matrix.shape}" if matrix.shape != (4, 4) else "NaN, infinite or projective entries"
        raise InputError(
            "affine",
            expected="a finite 4 x 4 matrix with last row 0 0 0 1",
            got=got,
            fix="Export the volume again with its position and spacing.",
        )
    if (np.linalg.norm(matrix[:3, :3], axis=0) == 0).any():
        raise InputError(
            "affine",
            expected="a positive voxel spacing on each axis",
            got="a spacing of zero",
            fix="Export the volume again with its true spacing.",
        )
    if abs(np.linalg.det(matrix[:3, :3])) < _SINGULAR_MM3:
        raise InputError(
            "affine",
            expected="three independent axes",
            got="a singular matrix",
            fix="Export the volume again with its position and spacing.",
        )
    return matrix


def _checked_array(values: ArrayLike) -> NDArray[np.float32]:
    array = np.asarray(values)
    if array.ndim != 3 or array.size == 0 or array.dtype.kind not in "biuf":
        raise InputError(
            "volume",
            expected="a non-empty real array of three axes (z, y, x)",
            got=f"shape {array.shape} of {array.dtype}",
            fix="Give one time point and one channel.",
        )
    array = np.asarray(array, dtype=np.float32)
    bad = sum(plane.size - int(np.count_nonzero(np.isfinite(plane))) for plane in array)
    if bad:
        raise InputError(
            "volume",
            expected="finite values",
            got=f"{bad} NaN or infinite voxels of {array.size}",
            fix="Set them to air (-1024 HU) first.",
        )
    return array


def _checked_spacing(spacing_mm: tuple[float, float, float]) -> tuple[float, float, float]:
    values = tuple(float(step) for step in spacing_mm)
    if len(values) != 3 or not all(0 < step < np.inf for step in values):
        raise InputError(
            "spacing_mm",
            expected="three positive numbers (dz, dy, dx) in mm",
            got=f"{values}",
            fix="Give the distance between voxel centres on each axis.",
            argument=True,
        )
    return values[0], values[1], values[2]
