"""Volumes as the browser takes them: one orientation, int16 voxels, and a grid that fits its memory.

    value = zero + step * stored

All arms of a view share `zero` and `step`, so that equal values are equal numbers in every pane and a
packed arm tells nothing about itself. HU are stored as they are (step 1, zero 0, rounded to whole HU)
where int16 holds them; else the step is the smallest power of two with which it does.

A slice wider than 256 pixels is shown from its block means (factor f, each slice alone) until its own
pixels arrive. Block j averages the pixels f j to f j + f - 1 that exist, so its centre lies at the index
f j + (f - 1) / 2 and no millimetre moves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError
from medidiff.io.orientation import to_canonical
from medidiff.io.volume import Volume

DISPLAY_SIDE = 256  # pixels in-plane that the browser holds of every slice
SAME_GRID_MM = 0.01  # how far two grids may lie apart at any corner: NIfTI keeps its affine in float32
_LARGEST = 32767


@dataclass(frozen=True)
class Scale:
    """value = zero + step * stored."""

    step: float = 1.0
    zero: float = 0.0


@dataclass(frozen=True)
class Grid:
    """The canonical grid of all arms: shape (z, y, x), spacing (dz, dy, dx), affine (x, y, z) -> RAS mm.

    `factor` is the side of a block of the display grid in pixels.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    affine: NDArray[np.float64]
    factor: int

    @property
    def display_shape(self) -> tuple[int, int, int]:
        """(z, y, x) of the block means."""
        z, y, x = self.shape
        return z, math.ceil(y / self.factor), math.ceil(x / self.factor)


def grid_of(volume: Volume) -> Grid:
    """The grid of a canonical volume."""
    factor = math.ceil(max(volume.shape[1:]) / DISPLAY_SIDE)
    return Grid(volume.shape, volume.spacing_mm, volume.affine, factor)


def on_one_grid(volumes: Sequence[tuple[str, Volume]], *, images: int) -> tuple[Volume, ...]:
    """The named volumes in the canonical orientation, all on the grid of the first.

    The first `images` have its units too; the rest are overlays with units of their own. Raises
    InputError that names the first difference, and for a sheared grid.
    """
    with ThreadPoolExecutor(2) as threads:
        canonical = tuple(threads.map(lambda named: to_canonical(named[1])[0], volumes))
    for i, ((name, _), volume) in enumerate(zip(volumes, canonical, strict=True)):
        _check_same_grid(volumes[0][0], canonical[0], name, volume)
        if i < images and volume.units != canonical[0].units:
            _refuse(name, f"the units of {volumes[0][0]} ({canonical[0].units})", volume.units)
    return canonical


def common_scale(volumes: Sequence[Volume]) -> Scale:
    """The scale with which int16 holds the values of all volumes."""
    low = min(float(volume.array.min()) for volume in volumes)
    high = max(float(volume.array.max()) for volume in volumes)
    whole = volumes[0].units == "HU"
    if whole and low >= -_LARGEST and high <= _LARGEST:
        return Scale()
    step = _power_of_two((high - low) / (2 * _LARGEST - 2))
    return Scale(max(step, 1.0) if whole else step, step * round((high + low) / 2 / step))


def stored(array: NDArray[np.float32], scale: Scale) -> NDArray[np.int16]:
    """Values (z, y, x) in little-endian int16, rounded to the nearest step."""
    out = np.empty(array.shape, "<i2")
    for k, plane in enumerate(array):
        values = plane if scale == Scale() else (plane - np.float32(scale.zero)) / np.float32(scale.step)
        out[k] = np.rint(values)
    return out


def block_means(array: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Means of factor x factor pixels of each slice; blocks at the far borders average what they have."""
    if factor == 1:
        return array
    z, y, x = array.shape
    rows, columns = math.ceil(y / factor), math.ceil(x / factor)
    count = np.outer(_counts(y, factor), _counts(x, factor)).astype(np.float32)
    out = np.zeros((z, rows, columns), np.float32)
    for plane, total in zip(array, out, strict=True):
        for row, column in product(range(factor), repeat=2):
            part = plane[row::factor, column::factor]
            total[: part.shape[0], : part.shape[1]] += part
        total /= count
    return out


def checked_labels(name: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
    """The array, of whole numbers from 0 to 32767; InputError for others."""
    if array.min() < 0 or array.max() > _LARGEST or (array != np.rint(array)).any():
        raise InputError(
            name,
            expected=f"labels: whole numbers from 0 to {_LARGEST}",
            got=f"values from {float(array.min()):g} to {float(array.max()):g}",
            fix="Show it as a heat map.",
        )
    return array


def block_labels(array: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """The largest label of each block, so that a small one does not vanish and no new one appears."""
    if factor == 1:
        return array
    rows, columns = np.arange(0, array.shape[1], factor), np.arange(0, array.shape[2], factor)
    return np.maximum.reduceat(np.maximum.reduceat(array, rows, axis=1), columns, axis=2)


def pack(voxels: NDArray[np.int16], scale: Scale) -> bytes:
    """Header length (4 bytes, little-endian), JSON header padded to 4 bytes, voxels (z, y, x) in int16.

    Header and length depend on the shape and the scale alone.
    """
    header: dict[str, Any] = {"shape": voxels.shape, "step": scale.step, "zero": scale.zero}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    return b"".join([len(text).to_bytes(4, "little"), text, np.ascontiguousarray(voxels, "<i2").data])


def _counts(side: int, factor: int) -> list[int]:
    """Pixels of each block along a side."""
    return [min(factor, side - start) for start in range(0, side, factor)]


def _power_of_two(value: float) -> float:
    """The smallest power of two that is not below a value; 1 for 0 (a volume of one value)."""
    return 2.0 ** math.ceil(math.log2(value)) if value > 0 else 1.0


def _check_same_grid(first: str, a: Volume, name: str, b: Volume) -> None:
    if a.shape != b.shape:
        _refuse(name, f"the grid of {first}, {_size(a)} voxels (z, y, x)", _size(b))
    if not np.allclose(a.spacing_mm, b.spacing_mm, rtol=0, atol=SAME_GRID_MM / max(a.shape)):
        _refuse(name, f"the spacing of {first}, {_spacing(a)} mm (z, y, x)", f"{_spacing(b)} mm")
    apart = float(np.linalg.norm((a.affine - b.affine) @ _corners(a.shape), axis=0).max())
    if apart > SAME_GRID_MM:
        _refuse(name, f"the position of {first} in the patient", f"a grid that lies {apart:.2f} mm away")


def _refuse(name: str, expected: str, got: str) -> None:
    raise InputError(
        name,
        expected=expected,
        got=got,
        fix="Compare images of one grid: resample one onto the other first.",
    )


def _corners(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Homogeneous voxel indices (4, 8) of the corners."""
    z, y, x = (side - 1 for side in shape)
    return np.array([(i, j, k, 1) for i in (0, x) for j in (0, y) for k in (0, z)], float).T


def _size(volume: Volume) -> str:
    return " x ".join(map(str, volume.shape))


def _spacing(volume: Volume) -> str:
    return " x ".join(f"{step:.4g}" for step in volume.spacing_mm)
