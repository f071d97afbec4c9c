"""Filtered back-projection: each view is weighted, filtered along the detector, and smeared back.

    parallel     f = sum_k d_k q_k(s),                     q = p * h_u du
    fan, flat    f = sum_k d_k (R/L)^2 q_k(u),             q = (p w cos gamma) * h_u du
    fan, curved  f = sum_k d_k q_k(gamma) / (L^2 + E^2),   q = (p w R cos gamma) * h_g (gamma/sin gamma)^2 dg

d_k is the arc that view k stands for (pi/V for V equal steps over 180 degrees), w how a line that was
measured twice is shared (`FanBeam.redundancy`), u = R tan(gamma) the flat detector at the axis, L and E the
pixel along and across the central ray. The ramp h is sampled in space, which keeps the mean that a sampled
|f| loses (Kak & Slaney 1988, eq. 3.61; the fans are their section 3.4):

    h[0] = 1/(4 du^2),   h[n odd] = -1/(pi n du)^2,   h[n even] = 0
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from medidiff.domains.reconstruction.ct.projection.system_matrix import Rows
from medidiff.domains.reconstruction.ct.projection.tiles import Tiles, pixel_centres
from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Geometry, Grid, ParallelBeam

Window = Literal["ramp", "shepp-logan", "cosine", "hann"]
_INDEX_BYTES = 128 << 20  # views are back-projected in groups whose tables are no larger


def fbp(
    sinogram: Tensor,
    geometry: Geometry,
    grid: Grid,
    *,
    window: Window = "hann",
    truncated: Tensor | None = None,
) -> Tensor:
    """The image in water units (slices, ny, nx) of line integrals (slices, views, detectors), not clipped.

    Hann suits up to about 60 views, the plain ramp many. An arc that was not measured is left out, not made
    up for. Where the detector does not reach, a view adds nothing. Rows that are `truncated`, (slices, views,
    2) for their beginning and end, are continued smoothly to 0 before they are filtered, against the bright
    rim that the cut would cast.
    """
    sinogram, geometry = _centred(_weighted(sinogram, geometry), geometry)
    filtered = _filtered(sinogram, geometry, window, truncated)
    weights = torch.from_numpy(geometry.view_weights_rad() / MU_WATER)
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


def _weighted(sinogram: Tensor, geometry: Geometry) -> Tensor:
    """The sinogram with what a fan needs before its filter: redundancy and the obliquity of its rays.

    The R of the curved detector is left to `_filtered`.
    """
    if isinstance(geometry, ParallelBeam):
        return sinogram
    weights = torch.from_numpy(geometry.redundancy()) * torch.from_numpy(geometry.fan_angles_rad()).cos()
    return sinogram * weights.to(sinogram)


def _centred(weighted: Tensor, geometry: Geometry) -> tuple[Tensor, Geometry]:
    """A displaced detector of a full turn with zeros at its short end, which makes both reach equally far.

    Weighted rows fall to 0 there; filtered ones do not, and pixels beyond need what they hold.
    """
    short = geometry.short_end() if isinstance(geometry, FanBeam) else None
    if short is None:
        return weighted, geometry
    more = round(2 * abs(geometry.offset_mm) / geometry.spacing_mm)
    shift = more * geometry.spacing_mm / 2 * (-1 if short == 0 else 1)
    wide = replace(geometry, detectors=geometry.detectors + more, offset_mm=geometry.offset_mm + shift)
    return torch.nn.functional.pad(weighted, (more, 0) if short == 0 else (0, more)), wide


def _filtered(sinogram: Tensor, geometry: Geometry, window: Window, truncated: Tensor | None) -> Tensor:
    bins = sinogram.shape[-1]
    more = 0 if truncated is None else bins // 2
    if truncated is not None:
        sinogram = _extended(sinogram, truncated, more)
    long = sinogram.shape[-1]
    size = 1 << (2 * long - 1).bit_length()
    n = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64).round()
    du = geometry.isocentre_spacing_mm
    h = torch.where(n % 2 == 0, 0.0, -1 / (math.pi * n * du) ** 2)
    h[0] = 1 / (4 * du**2)
    if isinstance(geometry, FanBeam) and geometry.curved:
        # R h_gamma dgamma is h_u du at the axis, times 1/R, which goes with the R of its weight.
        angle = n * geometry.spacing_mm / geometry.source_to_detector_mm
        h /= torch.where(angle.abs() < math.pi / 2, torch.sinc(angle / math.pi), 1.0) ** 2
        h *= geometry.source_to_isocentre_mm**2
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
    return filtered[..., more : more + bins]


def _extended(sinogram: Tensor, truncated: Tensor, more: int) -> Tensor:
    """Rows longer by `more` bins at each end: a squared cosine from a truncated end to 0, else 0."""
    fall = torch.cos(torch.linspace(0, math.pi / 2, more + 2, dtype=sinogram.dtype)[1:-1]).square()
    ends = torch.stack([sinogram[..., 0], sinogram[..., -1]], -1) * truncated
    return torch.cat([ends[..., :1] * fall.flip(0), sinogram, ends[..., 1:] * fall], -1)


def _lines(geometry: Geometry, grid: Grid, start: int, stop: int) -> Rows:
    """Linear interpolation at every pixel of views start <= k < stop, as rows of two entries a view."""
    x, y = (torch.from_numpy(centre).nan_to_num()[:, None] for centre in pixel_centres(grid))
    angle = torch.from_numpy(geometry.angles_rad()[start:stop])
    cos, sin = torch.cos(angle), torch.sin(angle)
    across = x * cos + y * sin
    if isinstance(geometry, ParallelBeam):
        along_detector, near = across, torch.ones(())
    else:
        radius = geometry.source_to_isocentre_mm
        along = radius - x * sin + y * cos
        tangent = across / along
        along_detector = geometry.source_to_detector_mm * (
            torch.atan(tangent) if geometry.curved else tangent
        )
        near = 1 / (along**2 + across**2) if geometry.curved else (radius / along) ** 2
    place = (along_detector - geometry.offset_mm) / geometry.spacing_mm + (geometry.detectors - 1) / 2
    left = place.floor()
    part = (place - left).float()
    index = torch.stack([left, left + 1], -1).int()
    weight = torch.stack([1 - part, part], -1)
    weight *= near.float()[..., None]
    weight *= (index >= 0) & (index < geometry.detectors)
    index = index.clamp_(0, geometry.detectors - 1)
    index += (torch.arange(start, stop, dtype=torch.int32) * geometry.detectors)[:, None]
    starts = torch.arange(len(x) + 1, dtype=torch.int32) * (2 * (stop - start))
    return Rows(starts, index.flatten(), weight.flatten(), geometry.rays)
