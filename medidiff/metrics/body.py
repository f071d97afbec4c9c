"""The region that every headline number is measured in: the body, without table and surrounding air.

Air is easy to reconstruct, so a number over the whole image flatters every method (0.5 to 1.5 dB).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medidiff.metrics.pairs import check_volume

SKIN_HU = -500.0
"""Half-way between air and soft tissue: where a blurred body surface lies."""

OPENING_PIXELS = 2
"""Radius of the opening (a diamond, the discrete disc of radius 2): cuts the table off the back."""


def body_mask(reference_hu: NDArray[np.floating]) -> NDArray[np.bool_]:
    """The body of a reference (z, y, x) in HU, slice by slice; a slice without a body is all False.

    Each axial slice: above -500 HU, opened by 2 pixels, largest component (4-connected), holes filled,
    so that lungs and airways inside the body belong to it. Raises InputError for what is not a finite
    volume.
    """
    check_volume(reference_hu, "reference")
    return np.stack([_body_slice(plane) for plane in reference_hu > SKIN_HU])


def _body_slice(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    opened = ndimage.binary_opening(tissue, iterations=OPENING_PIXELS)
    labels, count = ndimage.label(opened)
    if count == 0:
        return np.zeros_like(tissue)
    sizes = np.bincount(labels.ravel())[1:]
    return np.asarray(ndimage.binary_fill_holes(labels == 1 + sizes.argmax()), bool)
