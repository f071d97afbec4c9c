"""One working orientation for every volume, and the way back to its own grid.

Canonical: array[z, y, x] with x to the patient's left, y to the back and z to the head, so that
array[k] drawn with the first row on top is the usual axial picture. Only axes are permuted and
flipped; no value is interpolated. A rotated (oblique) grid keeps its rotation and takes the nearest
of the 48 orientations; a sheared grid has no right angles to keep and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError
from medidiff.io.volume import Volume

SHEAR_COSINE = 1e-3  # between two axes: 1 mm of drift over 1 m, which is 0.06 degrees
_WORLD = np.array([-1.0, -1.0, 1.0])  # signs of RAS along which canonical x, y, z run


@dataclass(frozen=True, eq=False)
class Permutation:
    """How a grid was brought to the canonical orientation.

    Canonical voxel axis i (x, y, z) is the source's axis `axes[i]`, reversed where `flips[i]`.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    source: NDArray[np.float64]
    canonical: NDArray[np.float64]

    def restore(self, volume: Volume) -> Volume:
        """The volume, in the canonical orientation, with the axes of the source again.

        On the canonical grid itself the source's affine comes back exactly; a grid that was cropped or
        averaged since gets its own.
        """
        back = _inverse(self.axes)
        flips = (self.flips[back[0]], self.flips[back[1]], self.flips[back[2]])
        affine = self.source
        if not np.array_equal(volume.affine, self.canonical):
            affine = volume.affine @ _index_matrix(back, self.flips, volume.shape[::-1])
        return replace(volume, array=_rearrange(volume.array, back, flips), affine=affine)


def to_canonical(volume: Volume) -> tuple[Volume, Permutation]:
    """The volume with axes permuted and flipped to the canonical orientation, and the way back.

    Raises InputError when the grid is sheared.
    """
    how = permutation(volume.affine, volume.shape)
    return replace(volume, array=_rearrange(volume.array, how.axes, how.flips), affine=how.canonical), how


def permutation(affine: NDArray[np.float64], shape: tuple[int, int, int]) -> Permutation:
    """How a grid of that shape (z, y, x) is brought to the canonical orientation; InputError when sheared."""
    check_right_angles("volume", affine)
    axes = nearest_axes(affine)
    columns = affine[:3, axes]
    reverse = columns[[0, 1, 2], [0, 1, 2]] * _WORLD < 0
    flips = (bool(reverse[0]), bool(reverse[1]), bool(reverse[2]))
    # The index matrix takes flips by the axis of the grid it leads to: here the source's.
    by_source = tuple(flips[i] for i in _inverse(axes))
    return Permutation(axes, flips, affine, affine @ _index_matrix(axes, by_source, shape[::-1]))


def nearest_axes(affine: NDArray[np.float64]) -> tuple[int, int, int]:
    """For each patient axis (left-right, front-back, feet-head) the voxel axis closest to it."""
    cosines = np.abs(affine[:3, :3]) / np.linalg.norm(affine[:3, :3], axis=0)
    a, b, c = max(
        permutations(range(3)), key=lambda axes: sum(cosines[i, axis] for i, axis in enumerate(axes))
    )
    return a, b, c


def check_right_angles(name: str, affine: NDArray[np.float64]) -> None:
    """Raise InputError when two voxel axes are not at right angles (gantry tilt, shear)."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosine = max(abs(float(directions[:, i] @ directions[:, j])) for i, j in combinations(range(3), 2))
    if cosine > SHEAR_COSINE:
        raise InputError(
            name,
            expected="voxel axes at right angles",
            got=f"a sheared or tilted grid ({np.degrees(np.arcsin(min(cosine, 1.0))):.2f} degrees off)",
            fix="Resample it to a straight grid first, for example with Slicer's 'Resample Scalar Volume'.",
        )


def _inverse(axes: tuple[int, int, int]) -> tuple[int, int, int]:
    return axes.index(0), axes.index(1), axes.index(2)


def _rearrange(
    array: NDArray[np.float32], axes: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> NDArray[np.float32]:
    """Permute and flip an array (z, y, x) whose axes are numbered as the voxel index (x, y, z) is."""
    by_x = array.transpose(2, 1, 0).transpose(axes)
    by_x = by_x[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    return np.ascontiguousarray(by_x.transpose(2, 1, 0))


def _index_matrix(
    axes: tuple[int, ...], flips: tuple[bool, ...], sizes: tuple[int, ...]
) -> NDArray[np.float64]:
    """Voxel index of the new grid -> voxel index of the old one; `flips` and `sizes` by the old axes.

    New axis i is the old axis axes[i].
    """
    matrix = np.zeros((4, 4))
    matrix[3, 3] = 1
    for new, old in enumerate(axes):
        matrix[old, new] = -1 if flips[old] else 1
        matrix[old, 3] = sizes[old] - 1 if flips[old] else 0
    return matrix
