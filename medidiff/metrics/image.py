"""PSNR and SSIM of a volume, plane by plane, inside a mask.

    PSNR = 10 log10(range^2 / MSE),    MSE over the mask voxels of one slice, then the mean over slices
    SSIM = (2 m_a m_b + C1)(2 c_ab + C2) / ((m_a^2 + m_b^2 + C1)(v_a + v_b + C2))
           C1 = (0.01 range)^2, C2 = (0.03 range)^2                    (Wang 2004, IEEE TIP 13:600, eq. 13)

Both images are clipped to the window first and range is the window's width. Local moments of SSIM are
Gaussian (sigma 1.5 pixels, 11 x 11 taps, mirrored at the border), covariances the population's; its map
is averaged over the mask. A plane whose pixel is not square is interpolated linearly to the smaller of its
two spacings first, so that the window is round in millimetres. Slices with fewer than 500 mask
voxels are skipped; a plane in which every slice is skipped is absent from the answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medidiff.metrics.pairs import check_pair

Plane = Literal["axial", "coronal", "sagittal"]
Window = tuple[float, float]
Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]

PLANES: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Each plane and the axis of (z, y, x) that its slices are stacked along."""

CT_WINDOW: Window = (-1000.0, 1000.0)
LEAST_VOXELS = 500
K1, K2 = 0.01, 0.03
SMALLEST_RELATIVE_ERROR = 2.0**-24
"""Float32's rounding: an error below this share of the range counts as it, so PSNR ends at 144.5 dB."""


def _gaussian(sigma: float, radius: int) -> NDArray[np.float32]:
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


SSIM_GAUSSIAN = _gaussian(1.5, 5)
"""The 11 taps of SSIM's window along one axis; they sum to one."""

_BLOCK = 4_000_000
"""Pixels filtered at a time, so that memory does not grow with the volume."""


def psnr_by_plane(
    image: Floats, reference: Floats, mask: Mask, *, window: Window = CT_WINDOW
) -> dict[Plane, float]:
    """Mean PSNR in dB over the slices of each plane; volumes (z, y, x), a plane without a valid slice absent.

    Raises InputError when the three do not share a shape or hold NaN.
    """
    check_pair(image, reference, mask)
    error = _squared_error(image, reference, mask, window)
    found: dict[Plane, float] = {}
    for plane, axis in PLANES.items():
        across = tuple(other for other in range(3) if other != axis)
        count = mask.sum(across)
        valid = count >= LEAST_VOXELS
        if valid.any():
            found[plane] = float(_decibel(error.sum(across)[valid] / count[valid], window).mean())
    return found


def psnr_pooled(image: Floats, reference: Floats, mask: Mask, *, window: Window = CT_WINDOW) -> float | None:
    """PSNR in dB of one MSE over all mask voxels of the volume; None when the mask is empty."""
    check_pair(image, reference, mask)
    count = np.count_nonzero(mask)
    if not count:
        return None
    mse = _squared_error(image, reference, mask, window).sum() / count
    return float(_decibel(np.asarray(mse), window))


def ssim_by_plane(
    image: Floats,
    reference: Floats,
    mask: Mask,
    *,
    spacing_mm: tuple[float, float, float],
    window: Window = CT_WINDOW,
) -> dict[Plane, float]:
    """Mean SSIM over the slices of each plane; volumes (z, y, x), spacing (dz, dy, dx).

    A plane without a valid slice is absent. Raises InputError as `psnr_by_plane` does.
    """
    check_pair(image, reference, mask)
    found: dict[Plane, float] = {}
    for plane, axis in PLANES.items():
        spacing = tuple(size for other, size in enumerate(spacing_mm) if other != axis)
        blocks = _valid_slices(image, reference, mask, axis)
        values = [_slice_means(*block, (spacing[0], spacing[1]), window) for block in blocks]
        if values:
            found[plane] = float(np.concatenate(values).mean())
    return found


def _squared_error(image: Floats, reference: Floats, mask: Mask, window: Window) -> NDArray[np.float64]:
    difference = np.clip(image, *window).astype(np.float64) - np.clip(reference, *window)
    return np.where(mask, difference**2, 0.0)


def _decibel(mse: NDArray[np.float64], window: Window) -> NDArray[np.float64]:
    relative = np.maximum(mse / (window[1] - window[0]) ** 2, SMALLEST_RELATIVE_ERROR**2)
    return np.asarray(-10 * np.log10(relative))


def _valid_slices(
    image: Floats, reference: Floats, mask: Mask, axis: int
) -> Iterator[tuple[Floats, Floats, Mask]]:
    """Blocks (slices, rows, columns) of the slices across `axis` that hold enough of the mask."""
    images, references = np.moveaxis(image, axis, 0), np.moveaxis(reference, axis, 0)
    masks = np.moveaxis(mask, axis, 0)
    valid = np.flatnonzero(masks.sum((1, 2)) >= LEAST_VOXELS)
    step = max(1, _BLOCK // math.prod(masks.shape[1:]))
    for first in range(0, len(valid), step):
        chosen = valid[first : first + step]
        yield images[chosen], references[chosen], masks[chosen]


def _slice_means(
    image: Floats, reference: Floats, mask: Mask, spacing: tuple[float, float], window: Window
) -> NDArray[np.float64]:
    """SSIM of each slice of a block: its map on square pixels, averaged over the mask."""
    a, b = (_square_pixels(np.clip(v, *window).astype(np.float32), spacing) for v in (image, reference))
    region = _square_pixels(mask.astype(np.float32), spacing) >= 0.5
    total = np.where(region, _ssim_map(a, b, window[1] - window[0]), 0.0).sum((1, 2), dtype=np.float64)
    return np.asarray(total / region.sum((1, 2)))


def _square_pixels(block: NDArray[np.float32], spacing: tuple[float, float]) -> NDArray[np.float32]:
    """Linear interpolation of (slices, rows, columns) to the smaller of the two spacings.

    The last sample lies on the last voxel, so that no voxel of a mask is left out.
    """
    for axis, size in enumerate(spacing, start=1):
        step, last = min(spacing) / size, block.shape[axis] - 1
        if step < 1 - 1e-6:
            count = math.ceil(last / step - 1e-6) + 1
            block = _interpolate(block, np.minimum(np.arange(count) * step, last), axis)
    return block


def _interpolate(block: NDArray[np.float32], at: NDArray[np.float64], axis: int) -> NDArray[np.float32]:
    last = block.shape[axis] - 1
    low = np.minimum(np.floor(at).astype(int), last)
    weight = np.expand_dims((at - low).astype(np.float32), tuple(range(1, block.ndim - axis)))
    below, above = (np.take(block, index, axis) for index in (low, np.minimum(low + 1, last)))
    return np.asarray(below + weight * (above - below), np.float32)


def _ssim_map(a: NDArray[np.float32], b: NDArray[np.float32], span: float) -> NDArray[np.float32]:
    """SSIM at every pixel of a block of slices, in units of the range (so that float32 suffices)."""
    a, b = a / np.float32(span), b / np.float32(span)
    mean_a, mean_b = _blur(a), _blur(b)
    variances = _blur(a * a + b * b) - (mean_a * mean_a + mean_b * mean_b)
    covariance = _blur(a * b) - mean_a * mean_b
    c1, c2 = np.float32(K1**2), np.float32(K2**2)
    luminance = (2 * mean_a * mean_b + c1) / (mean_a * mean_a + mean_b * mean_b + c1)
    return np.asarray(luminance * (2 * covariance + c2) / (variances + c2), np.float32)


def _blur(block: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy import ndimage

    for axis in (1, 2):
        block = ndimage.correlate1d(block, SSIM_GAUSSIAN, axis=axis, mode="reflect")
    return block
