"""A simulated scan of a known volume, without the inverse crime.

1. The truth lies on a grid at least twice finer in-plane than the reconstruction's: the native one where the
   reconstruction is its block mean, else a cubic interpolation whose 2 x 2 mean is the input exactly.
2. Exact strip integrals p on that grid, with detector bins of half the width.
3. Intensities exp(-p), averaged over each bin; photons are drawn from these; then the logarithm.
4. The reference is the block mean of the attenuation.

So the reconstruction's own matrix never reproduces y, even without noise; `model_error` says by how much.
This is the only module of the domain that sees the truth.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from medidiff.domains.reconstruction.ct.methods import defaults
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.projection.system_matrix import build_matrix, forecast_bytes
from medidiff.domains.reconstruction.ct.projection.tiles import WIDEST, Tiles
from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER, hu_to_water, water_to_hu
from medidiff.domains.reconstruction.ct.scan.geometry import (
    SMALLEST_SIDE,
    Geometry,
    Grid,
    check_source,
    default_geometry,
)
from medidiff.domains.reconstruction.ct.scan.measurement import (
    CTMeasurement,
    check_photons,
    measurement_notes,
    statistical_weights,
)
from medidiff.errors import InputError
from medidiff.io.orientation import to_canonical
from medidiff.io.volume import Volume, block_mean
from medidiff.progress import Progress, Report, silent

_LARGEST_DEFAULT = 256  # pixels a side of the reconstruction when none is asked for
_SMALLEST_DEFAULT = 192  # but no block mean that leaves fewer than this
_BINS = 2  # parts into which a detector bin is cut
_MATRIX_BYTES = 256 << 20  # views are simulated in groups whose matrix is no larger
_BODY_HU = -500.0
_OUTSIDE_SHARE = 1e-3
_PHOTONS = zlib.crc32(b"ct.photons")


def simulate_ct(
    volume: Volume,
    *,
    views: int = 24,
    arc_deg: float | None = None,
    angles_deg: Sequence[float] | None = None,
    geometry: str | Geometry = "parallel",
    photons: float | None = None,
    electronic_counts: float = 0.0,
    model_error: float | None = None,
    matrix: int | None = None,
    seed: int = 0,
    progress: Report = silent,
) -> tuple[CTMeasurement, Volume]:
    """Measurement of a volume in HU or 1/mm, and the reference (HU) on the grid to reconstruct.

    `geometry` is "parallel", "fan-flat" or "fan-curved" on the default scanner (`default_geometry`), where
    `arc_deg` is by default a full scan, 180 or 360 degrees, and `angles_deg` replaces `views` and `arc_deg`;
    or a geometry with its own angles, which replaces all three. `photons` per detector bin (None: no noise)
    and `electronic_counts` (rms) make the noise, one stream a slice from (seed, purpose, slice).
    `model_error` is s_model of the weights, by default what pixels of this size have. `matrix` is the longer
    side of the reconstruction: by default the input's, halved while it is above 256 pixels and both sides are
    even, but never below 192 (300 stays 300, 1024 becomes 256). Both results are in the canonical orientation
    (`to_canonical`), whatever the volume's. Raises InputError for arguments and volumes that cannot be used,
    MissingError for want of memory.
    """
    check_noise(photons, electronic_counts, seed)
    check_matrix(matrix)
    canonical, _ = to_canonical(volume)
    factor = reduction(canonical.shape[1:], matrix)
    reference = _reference(canonical, factor)
    _, dy, dx = reference.spacing_mm
    grid = Grid(*reference.shape[1:], dy, dx)
    beam = (
        default_geometry(geometry, grid, views=views, arc_deg=arc_deg, angles_deg=angles_deg)
        if isinstance(geometry, str)
        else geometry
    )
    check_source(beam, grid)
    intensity = _intensities(canonical, factor, beam, grid, progress)
    if photons is not None:
        _draw_photons(intensity, photons, electronic_counts, seed)
    sinogram = -np.log(intensity, out=intensity)
    measurement = CTMeasurement(
        sinogram,
        beam,
        grid,
        reference.affine,
        statistical_weights(
            sinogram,
            photons,
            electronic_counts=electronic_counts,
            model_error=defaults.model_error(grid, beam) if model_error is None else model_error,
        ),
        photons,
        volume.origin,
    )
    notes = (*volume.notes, *_outside(reference, grid, beam), *measurement_notes(measurement))
    return replace(measurement, notes=notes), reference


def _outside(reference: Volume, grid: Grid, geometry: Geometry) -> list[str]:
    """A sentence on the share of the body beyond the circle that every view sees."""
    radius = geometry.field_radius_mm()
    beyond = np.hypot(grid.x_mm()[None], grid.y_mm()[:, None]) > radius
    body = reference.array > _BODY_HU
    share = int(np.count_nonzero(body & beyond)) / max(int(np.count_nonzero(body)), 1)
    if share < _OUTSIDE_SHARE:
        return []
    return [f"{share:.1%} of the body lies outside of the field of view, a circle of {2 * radius:.4g} mm"]


def model_error(measurement: CTMeasurement, reference: Volume) -> float:
    """s_model: rms of A x - y over all rays, x the reference and y measured without noise."""
    projector = Projector(measurement.geometry, measurement.grid)
    square = 0.0
    for z, water in _blocks_of_water(reference):
        image = torch.from_numpy(water)[None, None]
        error = projector(image)[0, 0].numpy() - measurement.sinogram[z]
        square += float(np.sum(error.astype(np.float64) ** 2))
    return float(np.sqrt(square / measurement.sinogram.size))


def check_noise(photons: float | None, electronic_counts: float, seed: int) -> None:
    """Raise InputError for a dose or a seed that cannot be."""
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(
            "seed", expected="a whole number of at least 0", got=repr(seed), fix="0 is usual.", argument=True
        )
    if photons is not None:
        check_photons(photons)
    if not 0 <= electronic_counts < np.inf or (photons is None and electronic_counts):
        raise InputError(
            "electronic noise",
            expected="counts rms of at least 0, with photons",
            got=f"{electronic_counts:g}",
            fix="Give photons too.",
            argument=True,
        )


def check_matrix(matrix: int | None) -> None:
    """Raise InputError for a number of pixels a side that no image can have."""
    if matrix is not None and (not isinstance(matrix, int | np.integer) or matrix < SMALLEST_SIDE):
        raise InputError(
            "matrix",
            expected=f"a whole number of at least {SMALLEST_SIDE}",
            got=repr(matrix),
            fix="256 is usual.",
            argument=True,
        )


def reduction(shape: tuple[int, int], matrix: int | None = None) -> int:
    """How many native pixels make one of the reconstruction, a side."""
    longer = max(shape)
    if matrix is None:
        factor = 1
        while longer // factor > _LARGEST_DEFAULT and longer // (2 * factor) >= _SMALLEST_DEFAULT:
            if any(side % (2 * factor) for side in shape):
                break
            factor *= 2
        return factor
    if longer % matrix or any(side % (longer // matrix) for side in shape):
        possible = [
            longer // f
            for f in range(1, max(min(shape) // SMALLEST_SIDE, 1) + 1)
            if not any(s % f for s in shape)
        ]
        raise InputError(
            "matrix",
            expected=f"a whole fraction of the slices' {shape[0]} x {shape[1]} pixels",
            got=str(matrix),
            fix=f"Take one of {', '.join(map(str, possible))}.",
        )
    return longer // matrix


def _water(array: NDArray[np.float32], units: str) -> NDArray[np.float32]:
    if units == "HU":
        return hu_to_water(array)
    return np.asarray(np.maximum(array, 0) / np.float32(MU_WATER), np.float32)


def _blocks_of_water(volume: Volume) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    for start in range(0, len(volume.array), WIDEST):
        z = slice(start, start + WIDEST)
        yield z, _water(volume.array[z], volume.units)


def _reference(volume: Volume, factor: int) -> Volume:
    if volume.units == "a.u.":
        raise InputError(
            "volume",
            expected="HU or attenuation in 1/mm",
            got="arbitrary units",
            fix="Give a CT volume.",
        )
    water = replace(volume, array=_water(volume.array, volume.units))
    mean = block_mean(water, factor) if factor > 1 else water
    return replace(mean, array=water_to_hu(mean.array), units="HU", notes=())


def upsample(image: torch.Tensor, factor: int = 2) -> torch.Tensor:
    """Cubic interpolation, (n, y, x) to (n, factor y, factor x), whose block mean is `image` exactly."""
    fine = torch.nn.functional.interpolate(
        image[:, None], scale_factor=factor, mode="bicubic", align_corners=False
    )
    residual = image[:, None] - torch.nn.functional.avg_pool2d(fine, factor)
    fine += torch.nn.functional.interpolate(residual, scale_factor=factor, mode="nearest")
    return fine[:, 0]


def _intensities(
    volume: Volume, factor: int, geometry: Geometry, grid: Grid, progress: Report
) -> NDArray[np.float32]:
    """exp(-p) averaged over each bin: (slices, views, detectors), from the fine grid."""
    fine_grid = grid.finer(factor if factor > 1 else 2)
    fine_beam = geometry.finer_bins(_BINS)
    out = np.empty((len(volume.array), geometry.views, geometry.detectors), np.float32)
    each = max(1, _MATRIX_BYTES // forecast_bytes(fine_beam.some_views(0, 1), fine_grid))
    for start in range(0, geometry.views, each):
        beam = fine_beam.some_views(start, min(start + each, geometry.views))
        matrix = build_matrix(beam, fine_grid)
        for z, water in _blocks_of_water(volume):
            fine = torch.from_numpy(water) if factor > 1 else upsample(torch.from_numpy(water))
            tiles = Tiles(fine_grid, (beam.views, beam.detectors), len(fine))
            p = tiles.unpack_rays(matrix.forward(tiles.pack(fine)))
            out[z, start : start + each] = torch.exp(-p).reshape(*p.shape[:2], -1, _BINS).mean(-1).numpy()
        progress(Progress("simulate", start + beam.views, geometry.views))
    return np.maximum(out, np.finfo(np.float32).tiny, out=out)


def _draw_photons(
    intensity: NDArray[np.float32], photons: float, electronic_counts: float, seed: int
) -> None:
    """Replace intensities by N / I0, N at least half a photon, in place."""
    for index, one in enumerate(intensity):
        random = np.random.default_rng(np.random.SeedSequence((seed, _PHOTONS, index)))
        counts = random.poisson(photons * one.astype(np.float64)).astype(np.float64)
        if electronic_counts:
            counts += random.normal(0, electronic_counts, counts.shape)
        one[...] = np.maximum(counts, 0.5) / photons
