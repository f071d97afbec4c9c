"""Sinograms in HDF5: what a scanner measured, in and out.

    datasets    sinogram     (slices, views, detectors) float32
                angles_deg   (views,)
                grid         (ny, nx, dy_mm, dx_mm)     of the image; optional
                affine       (16,)                      of the image; optional, with grid
                weights      like sinogram              where they do not follow from the photons; optional
    attributes  kind         line_integrals, or counts (then photons too)
                geometry     parallel, fan-flat, fan-curved
                length_unit  mm, or unknown
                photons      of the open beam in a bin, where they are known
                weights      own, where they are stored
                detector_spacing_mm, detector_offset_mm, slice_spacing_mm,
                source_to_isocentre_mm, source_to_detector_mm (of a fan)

Attributes stand on the file; those of the dataset `sinogram` are read too, and the file's win.

Without a grid the image covers the circle that every view sees. Where the length unit is unknown, all lengths
are in a unit that nobody knows, images are attenuation per that unit, and there are no HU.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.atomic import writing_file
from medidiff.domains.reconstruction.ct.methods.defaults import model_error
from medidiff.domains.reconstruction.ct.scan.geometry import SMALLEST_SIDE, Geometry, Grid, from_plain
from medidiff.domains.reconstruction.ct.scan.measurement import (
    CTMeasurement,
    LengthUnit,
    line_integrals,
    statistical_weights,
)
from medidiff.errors import InputError
from medidiff.io.dicom import check_block
from medidiff.io.hdf5 import Hdf5, read_hdf5
from medidiff.io.limits import Limits
from medidiff.io.opening import naming

_GEOMETRY = (
    "geometry",
    "detector_spacing_mm",
    "detector_offset_mm",
    "source_to_isocentre_mm",
    "source_to_detector_mm",
)
_ATTRIBUTES = (*_GEOMETRY, "kind", "photons", "slice_spacing_mm", "length_unit", "weights")
_OWN = "own"
_VECTORS = ("angles_deg", "grid", "affine")
_UNKNOWN_DOSE = "the file does not say how many photons there were: all rays weigh alike"
_MOST_PIXELS = 1 << 14  # a side
_LARGEST_DEFAULT, _SMALLEST_DEFAULT = 256, 192  # pixels a side, as `simulate_ct` chooses them


def read_sinogram(
    path: Path | str,
    *,
    matrix: int | None = None,
    slices: tuple[int, int] | None = None,
    limits: Limits | None = None,
) -> CTMeasurement:
    """A measurement from a file in the layout of the module.

    `matrix`: pixels a side over the circle that every view sees; by default the file's own grid, else pixels
    as wide as a bin at the isocentre, twice as wide while there would be more than 256 and at least 192 would
    be left. `slices`: a block (a, b), a <= k < b. `origin` is the digest of what is returned. Raises
    InputError for whatever does not fit together, counts that are none, and line integrals given as counts or
    the reverse.
    """
    path = Path(path)
    found = read_hdf5(path, "sinogram", vectors=_VECTORS, attributes=_ATTRIBUTES, limits=limits)
    with naming(path.name):
        measurement = _measurement(found, matrix)
        if found.attributes.get("weights") == _OWN:
            measurement = replace(measurement, weights=read_hdf5(path, "weights", limits=limits).values)
        if slices is not None:
            block = check_block(slices, len(measurement.sinogram), path.name)
            measurement = replace(measurement.slices(block.start, block.stop))  # checked as a whole again
        notes = () if measurement.photons else (_UNKNOWN_DOSE,)
        return replace(measurement, origin=measurement.digest(), notes=notes)


def write_sinogram(measurement: CTMeasurement, path: Path | str) -> Path:
    """Write a measurement as line integrals, with its grid and affine; whole or not at all.

    Weights are written where the photons would not give them back: rays without weight, electronic noise.
    Raises OutputError when it cannot be written.
    """
    import h5py

    path = Path(path)
    plain = measurement.geometry.to_plain()
    grid, photons = measurement.grid, measurement.photons
    with writing_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("sinogram", data=measurement.sinogram, compression="gzip", shuffle=True)
        file["angles_deg"] = np.asarray(plain["angles_deg"], np.float64)
        file["grid"] = np.array([grid.ny, grid.nx, grid.dy_mm, grid.dx_mm])
        file["affine"] = measurement.affine.ravel()
        for name in _GEOMETRY:
            if name in plain:
                file.attrs[name] = plain[name]
        file.attrs["kind"] = "line_integrals"
        file.attrs["slice_spacing_mm"] = measurement.slice_spacing_mm
        file.attrs["length_unit"] = measurement.length_unit
        if photons is not None:
            file.attrs["photons"] = photons
        if (weights := _own_weights(measurement)) is not None:
            file.create_dataset("weights", data=weights, compression="gzip", shuffle=True)
            file.attrs["weights"] = _OWN
    return path


def _own_weights(measurement: CTMeasurement) -> NDArray[np.float32] | None:
    """The weights, unless they are what a reader makes of the photons, or alike without any."""
    weights, photons = measurement.weights, measurement.photons
    if weights is None or (photons is None and np.ptp(weights) == 0):
        return None
    if photons is None:
        return weights
    error = model_error(measurement.grid, measurement.geometry)
    same = statistical_weights(measurement.sinogram, photons, model_error=error)
    return None if np.allclose(weights, same, rtol=1e-4) else weights


def _measurement(found: Hdf5, matrix: int | None) -> CTMeasurement:
    attributes, photons = found.attributes, _photons(found.attributes)
    geometry = _geometry(found)
    unit = attributes.get("length_unit", "none")
    if unit not in ("mm", "unknown"):
        raise _wrong("length_unit", "mm or unknown", repr(unit), "Say mm, or that nobody knows.")
    length_unit: LengthUnit = "mm" if unit == "mm" else "unknown"
    kind = attributes.get("kind", "none")
    if kind not in ("line_integrals", "counts"):
        raise _wrong("kind", "line_integrals or counts", repr(kind), "Say what the values are.")
    sinogram: NDArray[Any] = found.values
    if kind == "counts":
        if photons is None:
            raise _wrong("photons", "the photons of the open beam", "none", "Counts need them.")
        sinogram = line_integrals(sinogram, photons)
    own = found.vectors.get("grid") if matrix is None else None
    grid = _grid_of(own) if own is not None else _default_grid(geometry, matrix)
    affine = _affine(found, grid, own is not None)
    measurement = CTMeasurement(sinogram, geometry, grid, affine, photons=photons, length_unit=length_unit)
    if photons is None:
        return measurement
    weights = statistical_weights(sinogram, photons, model_error=model_error(grid, geometry))
    if not weights.any():
        raise _wrong("counts", "rays with 5 counts or more", "none", "Mend the counts or the photons.")
    return replace(measurement, weights=weights)


def _geometry(found: Hdf5) -> Geometry:
    views, detectors = found.values.shape[1:]
    angles = found.vectors.get("angles_deg", ())
    if len(angles) != views:
        raise _wrong("angles_deg", f"{views} angles, one a view", f"{len(angles)}", "Give one angle a view.")
    entries = {name: found.attributes[name] for name in _GEOMETRY if name in found.attributes}
    return from_plain({**entries, "angles_deg": angles, "detectors": detectors})


def _photons(attributes: Any) -> float | None:
    photons = attributes.get("photons")
    if photons is not None and not isinstance(photons, (int, float)):
        raise _wrong("photons", "a number", "a text", "Give the photons of the open beam.")
    return None if photons is None else float(photons)


def _default_grid(geometry: Geometry, matrix: int | None) -> Grid:
    """Square pixels over the circle that every view sees."""
    field = 2 * geometry.field_radius_mm()
    if field < SMALLEST_SIDE * geometry.isocentre_spacing_mm:
        raise _wrong(
            "detector",
            "a detector that sees the rotation axis",
            f"a field of {max(field, 0):.4g} mm",
            "Mend detector_offset_mm: it is where the middle of the detector lies.",
        )
    if matrix is None:
        pixels = field / geometry.isocentre_spacing_mm
        while pixels > _LARGEST_DEFAULT and pixels / 2 >= _SMALLEST_DEFAULT:
            pixels /= 2
        matrix = round(pixels)
    return Grid(matrix, matrix, field / matrix, field / matrix)


def _grid_of(entries: tuple[float, ...]) -> Grid:
    whole = len(entries) == 4 and all(np.isfinite(entries)) and all(n == round(n) for n in entries[:2])
    if not whole or max(entries[:2]) > _MOST_PIXELS:
        got = ", ".join(f"{value:g}" for value in entries[:5])
        raise _wrong("grid", "(ny, nx, dy_mm, dx_mm), whole numbers of pixels", got, "Leave it out.")
    return Grid(round(entries[0]), round(entries[1]), entries[2], entries[3])


def _affine(found: Hdf5, grid: Grid, own: bool) -> NDArray[np.float64]:
    """The file's own, of its own grid; else x to the left, y to the back, z to the head from 0 mm."""
    spacing = found.attributes.get("slice_spacing_mm")
    if not isinstance(spacing, (int, float)) or not 0 < spacing < np.inf:
        raise _wrong("slice_spacing_mm", "a positive number", repr(spacing), "Give the distance of slices.")
    affine = found.vectors.get("affine", ())
    if own and len(affine) == 16:
        placed = np.array(affine).reshape(4, 4)
        distance = float(np.linalg.norm(placed[:3, 2]))
        if not math.isclose(distance, spacing, rel_tol=1e-3):
            got = f"slices {distance:.4g} mm apart"
            raise _wrong("affine", f"slice_spacing_mm, {spacing:.4g} mm", got, "Mend one of the two.")
        return placed
    return np.diag([-grid.dx_mm, -grid.dy_mm, float(spacing), 1.0])


def _wrong(name: str, expected: str, got: str, fix: str) -> InputError:
    return InputError(name, expected=expected, got=got[:60], fix=fix)
