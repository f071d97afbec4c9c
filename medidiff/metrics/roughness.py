"""Whether neighbouring slices hang together: the mean step from slice to slice, against the reference's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medidiff.metrics.pairs import check_pair


def z_roughness(
    image: NDArray[np.floating], reference: NDArray[np.floating], mask: NDArray[np.bool_]
) -> float | None:
    """Mean |x[z + 1] - x[z]| of the image over that of the reference, where both voxels lie in the mask.

    1 is the reference's own roughness; below it slices are smeared together, above it they jump. None
    for a single slice, for a mask without neighbours in z and for a reference that is constant in z.
    """
    check_pair(image, reference, mask)
    both = mask[1:] & mask[:-1]
    if not both.any():
        return None
    of_image, of_reference = (
        float(np.abs(np.diff(volume.astype(np.float64), axis=0))[both].mean())
        for volume in (image, reference)
    )
    return of_image / of_reference if of_reference > 0 else None
