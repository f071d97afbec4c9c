"""Filtered back-projection of parallel rays.

    f(x, y) = sum_k w_k q(theta_k, x cos(theta_k) + y sin(theta_k)),    q = p * h du

w_k is the arc that view k stands for (pi/V for V equal steps over 180 degrees). The ramp h is sampled in
space, which keeps the mean that a sampled |f| loses (Kak & Slaney 1988, eq. 3.61):

    h[0] = 1/(4 du^2),   h[n odd] = -1/(pi n du)^2,   h[n even] = 0
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from medidiff.domains.reconstruction.ct.projection.projector import Tiles
from medidiff.domains.reconstruction.ct.projection.system_matrix import Rows, pixel_centres
from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam

Window = Literal["ramp", "shepp-logan", "cosine", "hann"]
_INDEX_BYTES = 128 << 20  # views are back-projected in groups whose tables are no larger


def fbp(sinogram: Tensor, geometry: ParallelBeam, grid: Grid, *, window: Window = "hann") -> Tensor:
    """The image in water units (slices, ny, nx) of line integrals (slices, views, detectors), not clipped.

    Hann suits up to about 60 views, the plain ramp many. An arc that was not measured is left out, not made
    up for. Where the detector does not reach, a view adds nothing.
    """
    weights = torch.from_numpy(geometry.view_weights_rad() / MU_WATER)
    filtered = _filtered(sinogram, geometry.spacing_mm, window)
    filtered *= weights.to(filtered).reshape(-1, 1)
    tiles = Tiles(grid, (geometry.views, geometry.detectors), len(sinogram))
    image = torch.zeros(tiles.blocks, tiles.pixels, tiles.width, dtype=filtered.dtype, device=filtered.device)
    packed = tiles.pack_rays(filtered)
    each = max(1, _INDEX_BYTES // (16 * tiles.pixels))
    for start in range(0, geometry.views, each):
        lines = _lines(geometry, grid, start, min(start + each, geometry.views))
        for block, rays in zip(image, packed, strict=True):
            block += lines.to(rays.device) @ rays
    return tiles.unpack(image)


def _filtered(sinogram: Tensor, du: float, window: Window) -> Tensor:
    bins = sinogram.shape[-1]
    size = 1 << (2 * bins - 1).bit_length()
    n = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64).round()
    h = torch.where(n % 2 == 0, 0.0, -1 / (math.pi * n * du) ** 2)
    h[0] = 1 / (4 * du**2)
    response = torch.fft.rfft(h).real * du
    f = torch.linspace(0, 1, len(response), dtype=torch.float64)  # of the Nyquist frequency
    response *= {
        "ramp": torch.ones_like(f),
        "shepp-logan": torch.sinc(f / 2),
        "cosine": torch.cos(math.pi / 2 * f),
        "hann": (1 + torch.cos(math.pi * f)) / 2,
    }[window]
    spectrum = torch.fft.rfft(sinogram, size) * response.to(sinogram)
    filtered: Tensor = torch.fft.irfft(spectrum, size)
    return filtered[..., :bins]


def _lines(geometry: ParallelBeam, grid: Grid, start: int, stop: int) -> Rows:
    """Linear interpolation at every pixel of views start <= k < stop, as rows of two entries a view."""
    x, y = (torch.from_numpy(centre).nan_to_num() for centre in pixel_centres(grid))
    theta = torch.from_numpy(geometry.angles_rad()[start:stop])
    t = x[:, None] * torch.cos(theta) + y[:, None] * torch.sin(theta)
    place = (t - geometry.offset_mm) / geometry.spacing_mm + (geometry.detectors - 1) / 2
    left = place.floor()
    part = (place - left).float()
    index = torch.stack([left, left + 1], -1).int()
    weight = torch.stack([1 - part, part], -1)
    weight *= (index >= 0) & (index < geometry.detectors)
    index = index.clamp_(0, geometry.detectors - 1)
    index += (torch.arange(start, stop, dtype=torch.int32) * geometry.detectors)[:, None]
    starts = torch.arange(len(x) + 1, dtype=torch.int32) * (2 * (stop - start))
    return Rows(starts, index.flatten(), weight.flatten(), geometry.rays)
