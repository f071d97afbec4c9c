"""The classical images of a measurement, in water units: FBP, SIRT, CGLS and total variation.

Each is a result of its own, and a start for the next: FBP for total variation, total variation for diffusion.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from medidiff.domains.reconstruction.ct.methods.fbp import Window, fbp
from medidiff.domains.reconstruction.ct.methods.iterative import (
    CGLS_ITERATIONS,
    SIRT_ITERATIONS,
    Iterated,
    cgls,
    sirt,
)
from medidiff.domains.reconstruction.ct.methods.tv import TOLERANCE, TVResult, relative_weights, tv
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement, truncated_rows
from medidiff.progress import Report, silent

MANY_VIEWS = 60  # above it the plain ramp blurs less than Hann helps


def fbp_image(measurement: CTMeasurement, window: Window | None = None) -> Tensor:
    """Filtered back-projection (z, y, x), floored at air; Hann up to `MANY_VIEWS`, else the ramp.

    Rays without weight are first filled in from their neighbours on the detector, and rows that end inside
    the body are continued to 0.
    """
    geometry, grid = measurement.geometry, measurement.grid
    chosen = window or ("hann" if geometry.views <= MANY_VIEWS else "ramp")
    rows = truncated_rows(measurement)
    truncated = torch.from_numpy(rows) if rows.any() else None
    return fbp(_filled(measurement), geometry, grid, window=chosen, truncated=truncated).clamp_min_(0)


def sirt_image(
    measurement: CTMeasurement, iterations: int = SIRT_ITERATIONS, progress: Report = silent
) -> Iterated:
    """SIRT from air; see `sirt`."""
    return sirt(
        _sinogram(measurement),
        Projector(measurement.geometry, measurement.grid),
        weights=_weights(measurement),
        iterations=iterations,
        progress=progress,
    )


def cgls_image(
    measurement: CTMeasurement, iterations: int = CGLS_ITERATIONS, progress: Report = silent
) -> Iterated:
    """CGLS from air, stopped at the noise where the photons are known; see `cgls`."""
    return cgls(
        _sinogram(measurement),
        Projector(measurement.geometry, measurement.grid),
        weights=_weights(measurement),
        noise_known=measurement.photons is not None,
        iterations=iterations,
        progress=progress,
    )


def tv_image(
    measurement: CTMeasurement,
    weight: float,
    *,
    iterations: int = 1000,
    tolerance: float = TOLERANCE,
    weighted: bool = True,
    start: Tensor | TVResult | None = None,
    progress: Report = silent,
) -> TVResult:
    """3D total variation of that weight (mm), from FBP unless `start` is given; see `tv`.

    `weighted` uses the measurement's weights where they differ between rays.
    """
    use = weighted and _differ(measurement)
    return tv(
        _sinogram(measurement),
        Projector(measurement.geometry, measurement.grid),
        lam=weight,
        spacing_mm=measurement.spacing_mm,
        weights=torch.from_numpy(measurement.weights) if use else None,
        start=fbp_image(measurement) if start is None else start,
        iterations=iterations,
        tolerance=tolerance,
        progress=progress,
    )


def mean_weight(measurement: CTMeasurement) -> float:
    """What the data term of `tv_image` is divided by: the mean weight of rays through the body, 1 if none.

    A part of a measurement is solved alike when the weight of its total variation is multiplied by the
    mean of the whole over its own.
    """
    if measurement.weights is None or not measurement.weights.any():
        return 1.0
    if not _differ(measurement):
        return float(measurement.weights.flat[0])
    weights = torch.from_numpy(measurement.weights)
    return float(
        weights.sum(dtype=torch.float64)
        / relative_weights(weights, _sinogram(measurement)).sum(dtype=torch.float64)
    )


def _differ(measurement: CTMeasurement) -> bool:
    """Whether the weights matter: some rays count more than others, or none counts."""
    weights = measurement.weights
    return weights is not None and bool(weights.min() < weights.max() or weights.max() == 0)


def _filled(measurement: CTMeasurement) -> Tensor:
    """The sinogram, rays without weight on the line between the nearest that count in their view.

    A view of which no ray counts becomes 0, so that it adds nothing.
    """
    if measurement.weights is None or measurement.weights.all():
        return _sinogram(measurement)
    filled, bins = measurement.sinogram.copy(), np.arange(measurement.geometry.detectors)
    counts = measurement.weights > 0
    for place in np.argwhere(~counts.all(axis=-1)):
        row, seen = filled[tuple(place)], counts[tuple(place)]
        row[~seen] = np.interp(bins[~seen], bins[seen], row[seen]) if seen.any() else 0
    return torch.from_numpy(filled)


def _weights(measurement: CTMeasurement) -> Tensor | None:
    return None if measurement.weights is None else torch.from_numpy(measurement.weights)


def _sinogram(measurement: CTMeasurement) -> Tensor:
    return torch.from_numpy(measurement.sinogram)
