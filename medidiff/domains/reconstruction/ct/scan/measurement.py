"""What a scanner measured: line integrals, where they lie, and how far each can be trusted.

    N ~ Poisson(I0 exp(-p)) + Normal(0, s_e^2),    y = -ln(max(N, 1/2) / I0)
    1/W = 1/N + s_e^2 / N^2 + s_model^2

W are absolute weights, inverse variances of y, so that 0.5 (A x - y)^T W (A x - y) is a log-likelihood with
unit noise. s_model is the error of the model itself: a grid of pixels cannot reproduce y even without noise.
Monochromatic: no beam hardening, no scatter. Rays with fewer than 5 counts carry no weight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam
from medidiff.errors import InputError
from medidiff.io.volume import checked_affine

STARVED_COUNTS = 5.0
MODEL_ERROR = 0.0054  # rms of A x - y for 24 views of a chest at 1.4 mm; larger pixels have more
_FEW_VIEWS = 6
_LOW_DOSE = 1e3
_STARVED_SHARE = 0.01
_LARGEST_INTEGRAL = 20.0  # exp(-20) of a million photons is none
_SMALLEST_INTEGRAL = -0.5


@dataclass(frozen=True, eq=False)
class CTMeasurement:
    """Everything that a reconstruction needs, and nothing of the truth.

    sinogram: (slices, views, detectors) float32 line integrals, dimensionless.
    grid, affine: the pixels to reconstruct, and (4, 4) voxel (x, y, z) of the reconstruction -> RAS mm.
    weights: like the sinogram, inverse variances; None where nothing is known.
    photons: per detector bin in the open beam; None without noise.
    notes: sentences for the warnings of a report. Raises InputError for parts that do not fit together.
    """

    sinogram: NDArray[np.float32]
    geometry: ParallelBeam
    grid: Grid
    affine: NDArray[np.float64]
    weights: NDArray[np.float32] | None = None
    photons: float | None = None
    origin: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "affine", checked_affine(self.affine))
        sinogram = np.ascontiguousarray(self.sinogram, dtype=np.float32)
        object.__setattr__(self, "sinogram", sinogram)
        want = (self.geometry.views, self.geometry.detectors)
        if sinogram.ndim != 3 or not len(sinogram) or sinogram.shape[1:] != want:
            raise InputError(
                "sinogram",
                expected=f"(slices, {want[0]} views, {want[1]} detectors)",
                got=str(sinogram.shape),
                fix="Give one angle a view.",
            )
        _check_integrals(sinogram)
        if self.weights is not None:
            object.__setattr__(self, "weights", _checked_weights(self.weights, sinogram.shape))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, ny, nx) of the image to reconstruct."""
        return (len(self.sinogram), *self.grid.shape)

    @property
    def slice_spacing_mm(self) -> float:
        """Distance between slice centres."""
        return float(np.linalg.norm(self.affine[:3, 2]))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """(dz, dy, dx)."""
        return self.slice_spacing_mm, self.grid.dy_mm, self.grid.dx_mm

    @property
    def photons_per_mm(self) -> float | None:
        """Photons in a millimetre of the open beam, which does not depend on the width of a bin."""
        return None if self.photons is None else self.photons / self.geometry.spacing_mm

    def slices(self, start: int, stop: int) -> CTMeasurement:
        """The measurement of slices start <= z < stop alone: a slab."""
        shift = np.eye(4)
        shift[2, 3] = start
        return CTMeasurement(
            self.sinogram[start:stop],
            self.geometry,
            self.grid,
            self.affine @ shift,
            None if self.weights is None else self.weights[start:stop],
            self.photons,
            self.origin,
            self.notes,
        )


def statistical_weights(
    sinogram: NDArray[np.float32],
    photons: float | None,
    *,
    electronic_counts: float = 0.0,
    model_error: float = MODEL_ERROR,
) -> NDArray[np.float32]:
    """W of the module's equation, like the sinogram; counts are I0 exp(-y), and `photons=None` has no noise.

    Raises InputError for a negative deviation, or for no noise and no model error at once.
    """
    if min(electronic_counts, model_error) < 0 or (photons is None and model_error == 0):
        raise InputError(
            "noise of the weights",
            expected="deviations of at least 0, and a model error above 0 where there are no photons",
            got=f"electronic_counts={electronic_counts:g}, model_error={model_error:g}",
            fix=f"{MODEL_ERROR:g} is the model error of 24 views at 1.4 mm.",
            argument=True,
        )
    if photons is None:
        return np.full(sinogram.shape, model_error**-2, np.float32)
    counts = check_photons(photons) * np.exp(-sinogram)
    seen = counts >= STARVED_COUNTS * (1 - 1e-6)  # counts come back from a logarithm
    counts = np.where(seen, counts, STARVED_COUNTS)
    weights = seen / (1 / counts + (electronic_counts / counts) ** 2 + model_error**2)
    return np.asarray(weights, np.float32)


def check_photons(photons: float) -> float:
    """The photons of a bin, if that is what they can be; else InputError."""
    if not 0 < photons < np.inf:
        raise InputError(
            "photons",
            expected="a positive number of photons per detector bin",
            got=f"{photons:g}",
            fix="1e5 is a usual dose; leave it out for no noise.",
            argument=True,
        )
    return float(photons)


def measurement_notes(measurement: CTMeasurement) -> list[str]:
    """What a reader of the image must know of its data: few views, missing arcs, low dose, starved rays."""
    notes, geometry, photons = [], measurement.geometry, measurement.photons
    if geometry.views < _FEW_VIEWS:
        notes.append(f"{geometry.views} views: the image is mostly the prior's; look at its uncertainty")
    if missing := geometry.missing_words():
        notes.append(missing)
    if photons is not None and photons < _LOW_DOSE:
        notes.append(f"{photons:g} photons per bin are few: the logarithm biases dark rays")
    if measurement.weights is not None:
        starved = float(np.mean(measurement.weights == 0))
        if starved > _STARVED_SHARE:
            notes.append(
                f"{starved:.1%} of the rays have fewer than {STARVED_COUNTS:g} counts and are not used"
            )
    return notes


def _check_integrals(sinogram: NDArray[np.float32]) -> None:
    bad = sinogram.size - int(np.count_nonzero(np.isfinite(sinogram)))
    if bad:
        raise InputError(
            "sinogram",
            expected="finite line integrals",
            got=f"{bad} NaN or infinite values of {sinogram.size}",
            fix="Give rays without a measurement weight 0 and any finite value.",
        )
    low, high = np.percentile(sinogram[:: max(1, len(sinogram) // 16)], (1, 99))
    if high > _LARGEST_INTEGRAL or low < _SMALLEST_INTEGRAL:
        raise InputError(
            "sinogram",
            expected="line integrals -ln(I/I0), from 0 to about 10",
            got=f"values from {low:.4g} to {high:.4g}",
            fix="Counts must be said to be counts, with the photons of the open beam.",
        )


def _checked_weights(weights: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = np.ascontiguousarray(weights, dtype=np.float32)
    if array.shape != shape or not np.isfinite(array).all() or array.min() < 0 or array.max() == 0:
        raise InputError(
            "weights",
            expected=f"finite values of at least 0, not all 0, of shape {shape}",
            got=f"shape {array.shape}, range {array.min():g} to {array.max():g}",
            fix="Weights are inverse variances of the line integrals.",
        )
    return array
