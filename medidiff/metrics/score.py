"""All numbers of one image against its reference, in the shape that `report.json` wants."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.metrics.body import body_mask
from medidiff.metrics.image import CT_WINDOW, PLANES, psnr_by_plane, psnr_pooled, ssim_by_plane
from medidiff.metrics.roughness import z_roughness
from medidiff.metrics.tissue import hu_bias

Score = dict[str, Any]
"""{"axial": {"psnr_db", "ssim"}, "coronal": .., "sagittal": .., "pooled": {"psnr_db"},
"hu_bias": {tissue: HU}, "z_roughness"}; a plane without a valid slice is {}, and a roughness that does not
exist is absent."""

PROTOCOL: dict[str, Any] = {
    "region": "body",
    "window": list(CT_WINDOW),
    "data_range": CT_WINDOW[1] - CT_WINDOW[0],
    "psnr": "mean over slices with at least 500 mask voxels",
    "ssim": "Gaussian 1.5 px, 11 x 11, population covariance, square pixels, mean over the mask",
}
"""How `score_volume` measures, for the report's `protocol`."""


def score_volume(
    image: NDArray[np.floating],
    reference: NDArray[np.floating],
    spacing_mm: tuple[float, float, float],
    *,
    mask: NDArray[np.bool_] | None = None,
) -> Score:
    """Score an image (z, y, x) in HU against its reference, spacing (dz, dy, dx).

    The region is the reference's body unless a `mask` is given (compute it once for many methods). All
    numbers are finite. Raises InputError when the arrays do not share a shape or hold NaN.
    """
    mask = body_mask(reference) if mask is None else mask
    psnr = psnr_by_plane(image, reference, mask)
    ssim = ssim_by_plane(image, reference, mask, spacing_mm=spacing_mm)
    score: Score = {
        plane: {"psnr_db": psnr[plane], "ssim": ssim[plane]} if plane in psnr else {} for plane in PLANES
    }
    pooled = psnr_pooled(image, reference, mask)
    score["pooled"] = {} if pooled is None else {"psnr_db": pooled}
    score["hu_bias"] = hu_bias(image, reference, mask)
    roughness = z_roughness(image, reference, mask)
    return score if roughness is None else {**score, "z_roughness": roughness}
