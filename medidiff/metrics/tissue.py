"""Mean HU error by tissue class: what PSNR hides, because PSNR rewards smoothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medidiff.metrics.pairs import check_pair

TISSUES_HU: dict[str, tuple[float, float]] = {
    "air": (-np.inf, -900.0),
    "lung": (-900.0, -500.0),
    "fat": (-150.0, -30.0),
    "soft": (-30.0, 150.0),
    "bone": (200.0, np.inf),
}
"""Each class: low <= reference HU < high (air is below -900 and bone above 200, both strictly)."""


def hu_bias(
    image: NDArray[np.floating], reference: NDArray[np.floating], mask: NDArray[np.bool_]
) -> dict[str, float]:
    """Mean of image - reference in HU over the mask voxels of each class; a class without voxels is absent.

    Volumes (z, y, x). Classes are those of the reference, so noise in the image moves no voxel from one
    class to another. Nothing is clipped: dense bone counts with its whole error. Raises InputError when
    the three do not share a shape or hold NaN.
    """
    check_pair(image, reference, mask)
    found: dict[str, float] = {}
    for tissue, (low, high) in TISSUES_HU.items():
        above = reference > low if tissue == "bone" else reference >= low
        region = above & (reference < high) & mask
        if region.any():
            found[tissue] = float(np.subtract(image[region], reference[region], dtype=np.float64).mean())
    return found
