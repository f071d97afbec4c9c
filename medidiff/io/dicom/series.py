"""Which slices belong together, in which order, and on which grid.

Order and spacing come from the positions alone (n . ImagePositionPatient): instance numbers, slice
locations, file names and the nominal thickness are not reliable.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError
from medidiff.io.dicom.headers import Image

_SAME_MM = 1e-3
_TILT_MM = 0.01  # sideways from one slice to the next
_UNEVEN_MM, _UNEVEN_SHARE = 0.01, 0.01
_ORIENTATION, _SPACING = 1e-3, 1e-4
_ORIENTATIONS = 32
_SHOWN = 8


@dataclass(frozen=True)
class Series:
    """A stack that could be read; `number` is what `read_volume(series=)` takes, from 1.

    spacing_mm: (dz, dy, dx), dz the median distance of neighbours (of one slice: its nominal one).
    """

    number: int
    modality: str
    localizer: bool
    slices: int
    rows: int
    columns: int
    spacing_mm: tuple[float, float, float]
    images: tuple[Image, ...] = field(repr=False)

    def __str__(self) -> str:
        kind = f"{self.modality} localizer" if self.localizer else self.modality
        count = "1 slice" if self.slices == 1 else f"{self.slices} slices"
        spacing = " x ".join(f"{step:.4g}" for step in self.spacing_mm)
        return f"{self.number}) {kind}, {count} of {self.rows} x {self.columns}, {spacing} mm"


class SeveralSeriesError(InputError):
    """More than one series where one is read; `series` says what each is, in the order of their numbers."""

    def __init__(self, what: str, *, expected: str, got: str, fix: str, series: tuple[str, ...] = ()) -> None:
        super().__init__(what, expected=expected, got=got, fix=fix)
        self.series = series


def group_series(images: list[Image]) -> list[Series]:
    """Stacks of parallel slices of one series and one moment, sorted from the first position to the last."""
    stacks = [part for group in _groups(images) for part in _split_repeats(_along_normal(group))]
    stacks.sort(key=lambda stack: (stack[0].series, stack[0].splits, -len(stack), distances(stack)[0]))
    return [_series(number, stack) for number, stack in enumerate(stacks, 1)]


def distances(images: list[Image]) -> NDArray[np.float64]:
    """Position of each slice along the normal of the first, in mm."""
    return np.array([image.position for image in images]) @ _normal(images[0])


def stack_affine(images: list[Image], name: str) -> NDArray[np.float64]:
    """Voxel (x, y, z) -> RAS mm of a stack in order.

    Rounded to float32, as NIfTI keeps it, so that a result lies on exactly the grid that was read.
    Raises InputError for missing slices (it names where), uneven steps and gantry tilt.
    """
    first = images[0]
    row, column = np.array(first.row_direction), np.array(first.column_direction)
    positions = np.array([image.position for image in images])
    step = _nominal_step(first) * _normal(first)
    if len(images) > 1:
        _check_steps(distances(images), name)
        _check_tilt(positions, _normal(first), name)
        step = (positions[-1] - positions[0]) / (len(images) - 1)
    lps = np.eye(4)
    lps[:3, 0] = row / np.linalg.norm(row) * first.spacing[1]
    lps[:3, 1] = column / np.linalg.norm(column) * first.spacing[0]
    lps[:3, 2], lps[:3, 3] = step, positions[0]
    return (np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps).astype(np.float32).astype(np.float64)


def drop_duplicates(
    images: list[Image], same: Callable[[Image, Image], bool], name: str
) -> tuple[list[Image], int]:
    """The stack with one slice at each position, and how many were dropped.

    Raises InputError when two slices at one position differ.
    """
    kept, dropped = [images[0]], 0
    for image, step in zip(images[1:], np.diff(distances(images)), strict=True):
        if step > _SAME_MM:
            kept.append(image)
        elif same(kept[-1], image):
            dropped += 1
        else:
            raise InputError(
                name,
                expected="one slice at each position",
                got="two different slices at one position",
                fix="Separate the acquisitions into folders of their own.",
            )
    return kept, dropped


def _normal(image: Image) -> NDArray[np.float64]:
    normal = np.cross(image.row_direction, image.column_direction)
    return np.asarray(normal / max(float(np.linalg.norm(normal)), 1e-12))


def _groups(images: list[Image]) -> list[list[Image]]:
    """By series, size and kind; then by orientation and spacing within a tolerance (rounding has edges)."""
    by_key: dict[Hashable, list[list[Image]]] = defaultdict(list)
    for image in images:
        clusters = by_key[image.series, image.modality, image.rows, image.columns, image.localizer]
        for cluster in clusters[-_ORIENTATIONS:]:  # a hostile folder could have one for each file
            if _parallel(cluster[0], image):
                cluster.append(image)
                break
        else:
            clusters.append([image])
    return [cluster for clusters in by_key.values() for cluster in clusters]


def _parallel(one: Image, other: Image) -> bool:
    turned = np.subtract(
        one.row_direction + one.column_direction, other.row_direction + other.column_direction
    )
    return bool(np.abs(turned).max() < _ORIENTATION and np.allclose(one.spacing, other.spacing, rtol=1e-4))


def _along_normal(images: list[Image]) -> list[Image]:
    return [images[i] for i in np.argsort(distances(images), kind="stable")]


def _split_repeats(images: list[Image]) -> list[list[Image]]:
    """Split a stack whose positions repeat by acquisition, time, echo and b-value, if that resolves it."""
    repeats = _repeats(images)
    if repeats == 1:
        return [images]
    parts: dict[tuple[str, ...], list[Image]] = defaultdict(list)
    for image in images:
        parts[image.splits].append(image)
    stacks = list(parts.values())
    resolved = all(_repeats(stack) == 1 for stack in stacks)
    # One number a slice is not an acquisition: such parts would be single slices.
    whole = len(stacks) <= repeats or min(map(len, stacks)) > 1
    return stacks if resolved and whole else [images]


def _repeats(images: list[Image]) -> int:
    """The most slices at one position."""
    steps = np.diff(distances(images)) > _SAME_MM
    return max(Counter(np.concatenate([[0], np.cumsum(steps)]).tolist()).values())


def _series(number: int, images: list[Image]) -> Series:
    first = images[0]
    steps = np.diff(distances(images))
    steps = steps[steps > _SAME_MM]
    dz = float(np.median(steps)) if len(steps) else _nominal_step(first)
    return Series(
        number=number,
        modality=first.modality,
        localizer=first.localizer,
        slices=len(images),
        rows=first.rows,
        columns=first.columns,
        spacing_mm=(dz, *first.spacing),
        images=tuple(images),
    )


def _nominal_step(image: Image) -> float:
    return image.thickness or 1.0


def _check_steps(positions: NDArray[np.float64], name: str) -> None:
    steps = np.diff(positions)
    step = float(np.median(steps))
    uneven = np.abs(steps - step) > max(_UNEVEN_MM, _UNEVEN_SHARE * step)
    if not uneven.any():
        return
    counts = steps[uneven] / step
    if (np.abs(counts - np.rint(counts)) < 0.05).all() and (counts > 1.5).all():
        missing = [
            float(start + step * k)
            for start, gap in zip(positions[:-1][uneven], np.rint(counts), strict=True)
            for k in range(1, int(min(gap, 10_000)))
        ]
        shown = ", ".join(f"{place:.4g}" for place in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise InputError(
            name,
            expected=f"a slice every {step:.4g} mm",
            got=f"{len(missing)} missing at {shown}{more} mm along the slice axis",
            fix="Copy the missing files, or take a block without a gap with --slices A:B.",
        )
    raise InputError(
        name,
        expected="equal distances between slices",
        got=f"steps from {steps.min():.4g} to {steps.max():.4g} mm",
        fix="Take an even block with --slices A:B, or resample the series first.",
    )


def _check_tilt(positions: NDArray[np.float64], normal: NDArray[np.float64], name: str) -> None:
    steps = np.diff(positions, axis=0)
    along = steps @ normal
    sideways = np.linalg.norm(steps - along[:, None] * normal, axis=1)
    if sideways.max() > _TILT_MM:
        angle = np.degrees(np.arctan2(np.median(sideways), np.median(along)))
        raise InputError(
            name,
            expected="slices stacked straight",
            got=f"a gantry tilt of {angle:.3g} degrees",
            fix="Resample it to a straight grid first, for example with dcm2niix or Slicer.",
        )
