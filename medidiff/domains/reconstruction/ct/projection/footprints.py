"""What a pixel casts on the detector: a trapezoid, cut into bins.

The entry of ray (view, bin j) and pixel p is the mean over the bin of the line integral through p:

    A'[(view, j), p] = mu_w (1 / du) * integral over bin j of chord_p(v) dv

Parallel rays, exact: a pixel of dx by dy seen at theta casts a trapezoid of area dx dy; with
w1 = |cos theta| dx, w2 = |sin theta| dy its half base is (w1+w2)/2, its half plateau |w1-w2|/2, about
t_p = x cos(theta) + y sin(theta) (Lo 1988, IEEE Trans Med Imaging 7:355).

Fan: the four corners are projected through the source and sorted; they are the feet and shoulders of the
trapezoid, and its height is the chord through the pixel's centre, dx dy / max(w1, w2) at theta = beta - gamma
(the separable footprint of Long, Fessler & Balter 2010, IEEE Trans Med Imaging 29:1839, in the plane).

mu_w makes entries dimensionless: images are in water units.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Geometry, Grid, ParallelBeam

Footprints = tuple[NDArray[np.int32], NDArray[Any], NDArray[np.bool_]]
_STEEP = 1e-6  # a flank of no length adds nothing


def footprints(
    geometry: Geometry,
    grid: Grid,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    kind: type[np.floating],
) -> Footprints:
    """Ray numbers, entries and which of them count, each (pixels, views, bins), of pixel centres in mm."""
    cast = _parallel if isinstance(geometry, ParallelBeam) else _fan
    first, share, scale = cast(geometry, grid, x, y, kind)  # type: ignore[arg-type]  # chosen by the line above
    bins = np.arange(share.shape[-1], dtype=np.int32)
    index = np.add(first.astype(np.int32)[..., None], bins, dtype=np.int32)
    keep = (share > 4 * np.finfo(kind).eps) & (index >= 0) & (index < geometry.detectors)
    share *= scale
    index += (np.arange(geometry.views, dtype=np.int32) * geometry.detectors)[:, None]
    return index, share, keep


def bins_per_view(geometry: Geometry, grid: Grid) -> NDArray[Any]:
    """About how many entries a pixel has in each view, (views,), a little more than the mean."""
    angle = geometry.angles_rad()
    base = np.abs(np.cos(angle)) * grid.dx_mm + np.abs(np.sin(angle)) * grid.dy_mm
    bins: NDArray[Any] = base / geometry.isocentre_spacing_mm
    if isinstance(geometry, FanBeam):
        # Nearer to the source a pixel is larger; the mean of R / L over a disc of radius r is below this.
        bins = bins / math.sqrt(1 - min(grid.diagonal_mm / 2 / geometry.source_to_isocentre_mm, 0.99) ** 2)
    return bins + 1


def _parallel(
    geometry: ParallelBeam,
    grid: Grid,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    kind: type[np.floating],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The first bin (pixels, views), shares from there on (.., bins), and what a share is worth."""
    du, theta = geometry.spacing_mm, geometry.angles_rad()
    w1, w2 = np.abs(np.cos(theta)) * grid.dx_mm, np.abs(np.sin(theta)) * grid.dy_mm
    b, a = (w1 + w2) / (2 * du), np.abs(w1 - w2) / (2 * du)  # in bins
    t = (x[:, None] * np.cos(theta) + y[:, None] * np.sin(theta) - geometry.offset_mm) / du
    left = t - b + geometry.detectors / 2
    first = np.floor(left)
    bins = math.floor(2 * float(b.max())) + 2
    edges = (first - left).astype(kind)[..., None] + np.arange(1, bins + 1, dtype=kind)
    cumulative = _symmetric(edges, b.astype(kind)[:, None], a.astype(kind)[:, None])
    share = np.diff(cumulative, axis=-1, prepend=kind(0))
    return first, share, np.asarray(MU_WATER * grid.dx_mm * grid.dy_mm / du, kind)


def _symmetric(r: NDArray[Any], b: NDArray[Any], a: NDArray[Any]) -> NDArray[Any]:
    """The integral up to a distance r from the left foot: flank b - a, plateau 2a, flank b - a, unit area."""
    flank, height = b - a, 1 / (a + b)
    curve = height / (2 * np.maximum(flank, _STEEP))
    rise = np.minimum(r, flank)
    fall = np.clip(r - (a + b), 0, flank)
    out: NDArray[Any] = curve * (rise * rise - fall * fall)
    out += height * (np.clip(r - flank, 0, 2 * a) + fall)
    return out


def _fan(
    geometry: FanBeam,
    grid: Grid,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    kind: type[np.floating],
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """As `_parallel`."""
    beta = geometry.angles_rad()
    cos, sin = np.cos(beta), np.sin(beta)
    across = x[:, None] * cos + y[:, None] * sin
    along = geometry.source_to_isocentre_mm - x[:, None] * sin + y[:, None] * cos
    scale = geometry.source_to_detector_mm / geometry.spacing_mm
    shift = geometry.detectors / 2 - geometry.offset_mm / geometry.spacing_mm
    corners = []
    for sx, sy in ((-0.5, -0.5), (-0.5, 0.5), (0.5, -0.5), (0.5, 0.5)):
        dx, dy = sx * grid.dx_mm, sy * grid.dy_mm
        tangent = (across + (dx * cos + dy * sin)) / (along + (dy * cos - dx * sin))
        corners.append((np.arctan(tangent) if geometry.curved else tangent) * scale + shift)
    feet = _sorted_four(*corners)
    first = np.floor(feet[0])
    p0, p1, p2, p3 = (foot - first for foot in feet)
    bins = math.floor(float(p3.max())) + 1
    theta = beta - np.arctan2(across, along)
    height = (
        grid.dx_mm
        * grid.dy_mm
        / np.maximum(np.abs(np.cos(theta)) * grid.dx_mm, np.abs(np.sin(theta)) * grid.dy_mm)
    )
    edges = np.arange(1, bins + 1, dtype=kind)
    parts = [part.astype(kind)[..., None] for part in (p0, p1, p2, p3)]
    share = np.diff(_trapezoid(edges, *parts), axis=-1, prepend=kind(0))
    return first, share, (MU_WATER * height).astype(kind)[..., None]


def _trapezoid(
    v: NDArray[Any], p0: NDArray[Any], p1: NDArray[Any], p2: NDArray[Any], p3: NDArray[Any]
) -> NDArray[Any]:
    """The integral up to v of a trapezoid of unit height with feet p0, p3 and shoulders p1, p2."""
    rise, fall = p1 - p0, p3 - p2
    r, c = np.clip(v - p0, 0, rise), np.clip(v - p2, 0, fall)
    out: NDArray[Any] = r * r / (2 * np.maximum(rise, _STEEP))
    out += np.clip(v - p1, 0, p2 - p1)
    out += c - c * c / (2 * np.maximum(fall, _STEEP))
    return out


def _sorted_four(
    a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], d: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Four arrays, sorted elementwise by a network of five comparisons."""
    a, b = np.minimum(a, b), np.maximum(a, b)
    c, d = np.minimum(c, d), np.maximum(c, d)
    a, c = np.minimum(a, c), np.maximum(a, c)
    b, d = np.minimum(b, d), np.maximum(b, d)
    b, c = np.minimum(b, c), np.maximum(b, c)
    return a, b, c, d
