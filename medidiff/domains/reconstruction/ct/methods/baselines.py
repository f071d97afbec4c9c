"""The classical images of a measurement, in water units: filtered back-projection and total variation.

Each is a result of its own, and a start for the next: FBP for total variation, total variation for diffusion.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medidiff.domains.reconstruction.ct.methods.fbp import Window, fbp
from medidiff.domains.reconstruction.ct.methods.tv import TOLERANCE, TVResult, relative_weights, tv
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
from medidiff.progress import Report, silent

MANY_VIEWS = 60  # above it the plain ramp blurs less than Hann helps


def fbp_image(measurement: CTMeasurement, window: Window | None = None) -> Tensor:
    """Filtered back-projection (z, y, x), floored at air; Hann up to `MANY_VIEWS`, else the ramp."""
    chosen = window or ("hann" if measurement.geometry.views <= MANY_VIEWS else "ramp")
    image = fbp(_sinogram(measurement), measurement.geometry, measurement.grid, window=chosen)
    return image.clamp_min_(0)


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
    """What the data term of `tv_image` is divided by: the mean weight of rays through the body, 1 if unused.

    A part of a measurement is solved alike when the weight of its total variation is multiplied by the
    mean of the whole over its own.
    """
    if not _differ(measurement):
        return 1.0
    weights = torch.from_numpy(measurement.weights)
    return float(
        weights.sum(dtype=torch.float64)
        / relative_weights(weights, _sinogram(measurement)).sum(dtype=torch.float64)
    )


def _differ(measurement: CTMeasurement) -> bool:
    """Whether some rays count more than others: by noise, or because some were not measured."""
    weights = measurement.weights
    return weights is not None and bool(weights.min() < weights.max())


def _sinogram(measurement: CTMeasurement) -> Tensor:
    return torch.from_numpy(measurement.sinogram)
