"""How good an image is: PSNR, SSIM, HU bias and z roughness inside the body, each with its protocol.

numpy, scipy.ndimage and nothing else; all volumes are (z, y, x). `score_volume` gives them all at once.
"""

from medidiff.metrics.body import body_mask
from medidiff.metrics.image import (
    PLANES,
    SSIM_GAUSSIAN,
    Plane,
    psnr_by_plane,
    psnr_pooled,
    ssim_by_plane,
)
from medidiff.metrics.roughness import z_roughness
from medidiff.metrics.score import PROTOCOL, Score, score_volume
from medidiff.metrics.tissue import TISSUES_HU, hu_bias

__all__ = [
    "PLANES",
    "PROTOCOL",
    "SSIM_GAUSSIAN",
    "TISSUES_HU",
    "Plane",
    "Score",
    "body_mask",
    "hu_bias",
    "psnr_by_plane",
    "psnr_pooled",
    "score_volume",
    "ssim_by_plane",
    "z_roughness",
]
