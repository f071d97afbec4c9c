"""What every metric asks of its arguments: finite volumes (z, y, x) of one shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError


def check_volume(volume: NDArray[np.generic], what: str) -> None:
    """Raise InputError when `volume` is not a finite array (z, y, x) with at least one voxel."""
    if volume.ndim != 3 or volume.size == 0:
        raise InputError(
            what,
            expected="an array (z, y, x) with at least one voxel",
            got=f"shape {volume.shape}",
            fix="Give a single slice as (1, y, x).",
        )
    if not np.isfinite(volume).all():
        bad = volume.size - int(np.count_nonzero(np.isfinite(volume)))
        raise InputError(
            what,
            expected="finite values",
            got=f"{bad} NaN or infinite voxels of {volume.size}",
            fix="Fill padding with air before scoring.",
        )


def check_pair(
    image: NDArray[np.generic], reference: NDArray[np.generic], mask: NDArray[np.bool_] | None = None
) -> None:
    """Raise InputError when the image, its reference and the mask are not finite volumes of one shape.

    The mask must be boolean: numbers would weigh voxels, or index them.
    """
    check_volume(image, "image")
    check_volume(reference, "reference")
    shapes = {"image": image.shape, "reference": reference.shape}
    if mask is not None:
        if mask.dtype != np.bool_:
            raise InputError(
                "mask", expected="an array of bool", got=str(mask.dtype), fix="Give mask > 0.", argument=True
            )
        shapes["mask"] = mask.shape
    if len(set(shapes.values())) > 1:
        raise InputError(
            "score",
            expected="image, reference and mask on one grid",
            got=", ".join(f"{name} {shape}" for name, shape in shapes.items()),
            fix="Resample the image to the reference's grid first.",
        )
