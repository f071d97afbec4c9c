"""What a scanner measured: line integrals, where they lie, and how far each can be trusted.

    N ~ Poisson(I0 exp(-p)) + Normal(0, s_e^2),    y = -ln(max(N, 1/2) / I0)
    1/W = 1/N + s_e^2 / N^2 + s_model^2

W are absolute weights, inverse variances of y, so that 0.5 (A x - y)^T W (A x - y) is a log-likelihood with
unit noise. s_model is the error of the model itself: a grid of pixels cannot reproduce y even without noise.
`methods.defaults.model_error` has it by the size of a pixel.
Monochromatic: no beam hardening, no scatter. Rays with fewer than 5 counts carry no weight.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import astuple, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Geometry, Grid, check_source
from medidiff.errors import InputError
from medidiff.io.volume import checked_affine

LengthUnit = Literal["mm", "unknown"]
STARVED_COUNTS = 5.0
FEWEST_PHOTONS, MOST_PHOTONS = 10.0, 1e15  # fewer leave no logarithm, more no Poisson numbers
_FEW_VIEWS = 6
_LOW_DOSE = 1e3
_STARVED_SHARE = 0.01
_LARGEST_INTEGRAL = 20.0  # exp(-20) of a million photons is none
_SMALLEST_INTEGRAL = -0.5
_DEVIATIONS = 3.0  # by which the noise of few photons passes that bound
_FEWEST_SHARE = 0.01  # of the open beam that some ray at least has
_END_BINS = 4
_TRUNCATED = 0.1  # line integral at the end of a row: half a centimetre of water
_TRUNCATED_SHARE = 0.01
_SAME_SIZE = 1e-3  # of a pixel, in the affine and the grid


@dataclass(frozen=True, eq=False)
class CTMeasurement:
    """Everything that a reconstruction needs, and nothing of the truth.

    sinogram: (slices, views, detectors) float32 line integrals, dimensionless.
    grid, affine: the pixels to reconstruct, and (4, 4) voxel (x, y, z) of the reconstruction -> RAS mm.
    weights: like the sinogram, inverse variances; None where nothing is known.
    photons: per detector bin in the open beam; None without noise.
    length_unit: "mm"; or "unknown", when the lengths of geometry and grid are in a unit that nobody knows:
    then images are attenuation per that unit, there are no HU and no prior accepts them.
    notes: sentences for the warnings of a report. Raises InputError for parts that do not fit together.
    """

    sinogram: NDArray[np.float32]
    geometry: Geometry
    grid: Grid
    affine: NDArray[np.float64]
    weights: NDArray[np.float32] | None = None
    photons: float | None = None
    origin: str = ""
    notes: tuple[str, ...] = ()
    length_unit: LengthUnit = "mm"

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
        check_source(self.geometry, self.grid)
        _check_pixels(self.affine, self.grid)
        if self.length_unit not in get_args(LengthUnit):
            raise InputError(
                "length unit",
                expected=" or ".join(get_args(LengthUnit)),
                got=repr(self.length_unit)[:40],
                fix="Give millimetres, or say that it is unknown.",
            )
        if self.photons is not None:
            check_photons(self.photons)
        if self.weights is not None:
            object.__setattr__(self, "weights", _checked_weights(self.weights, sinogram.shape))
        _check_integrals(sinogram, self.weights, self.photons)

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
        """Photons in a millimetre of the open beam at the isocentre, whatever the width of a bin."""
        return None if self.photons is None else self.photons / self.geometry.isocentre_spacing_mm

    def digest(self) -> str:
        """Identity of what was measured, "sha256:...": geometry, grid, noise and line integrals."""
        facts = [self.geometry.to_plain(), astuple(self.grid), self.photons, self.length_unit]
        state = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for array, kind in ((self.affine, "<f4"), (self.sinogram, "<f4"), (self.weights, "<f4")):
            if array is not None:
                state.update((array + np.float32(0)).astype(kind).tobytes())
        return f"sha256:{state.hexdigest()}"

    def slices(self, start: int, stop: int) -> CTMeasurement:
        """The measurement of slices start <= z < stop alone: a slab."""
        shift = np.eye(4)
        shift[2, 3] = start
        parts = {"sinogram": self.sinogram[start:stop], "affine": self.affine @ shift}
        if self.weights is not None:
            parts["weights"] = self.weights[start:stop]
        slab = copy.copy(self)  # not checked again: in a slab of a good measurement no ray may count
        for name, part in parts.items():
            object.__setattr__(slab, name, part)
        return slab

    def joined(self) -> CTMeasurement:
        """The measurement in bins about as wide as a pixel: narrower ones averaged by their weights.

        Iterative methods see pixels. A ray much narrower than one is told apart by the image's staircase
        alone: many such rays, each consistent with its own edges, are fitted by noise.
        """
        each = bins_a_pixel(self.geometry, self.grid)
        if each == 1:
            return self
        more = -self.geometry.detectors % each

        def grouped(values: NDArray[np.float32]) -> NDArray[np.float32]:
            padded = np.pad(values, ((0, 0), (0, 0), (0, more)))
            return padded.reshape(*values.shape[:2], -1, each)

        shares = grouped(np.ones_like(self.sinogram) if self.weights is None else self.weights)
        total = shares.sum(-1)
        sums = (shares * grouped(self.sinogram)).sum(-1)
        wide = copy.copy(self)  # not checked again, as in `slices`
        parts = {
            "sinogram": np.divide(sums, total, out=np.zeros_like(sums), where=total > 0),
            "geometry": self.geometry.wider_bins(each),
            "weights": None if self.weights is None else total,
            "photons": None if self.photons is None else self.photons * each,
        }
        for name, part in parts.items():
            object.__setattr__(wide, name, part)
        return wide


def bins_a_pixel(geometry: Geometry, grid: Grid) -> int:
    """How many bins are as wide as a pixel, at the isocentre; at least 1."""
    return max(round(min(grid.dx_mm, grid.dy_mm) / geometry.isocentre_spacing_mm), 1)


def statistical_weights(
    sinogram: NDArray[np.float32],
    photons: float | None,
    *,
    electronic_counts: float = 0.0,
    model_error: float,
) -> NDArray[np.float32]:
    """W of the module's equation, like the sinogram; counts are I0 exp(-y), and `photons=None` has no noise.

    Raises InputError for a negative deviation, or for no noise and no model error at once.
    """
    if min(electronic_counts, model_error) < 0 or (photons is None and model_error == 0):
        raise InputError(
            "noise of the weights",
            expected="deviations of at least 0, and a model error above 0 where there are no photons",
            got=f"electronic_counts={electronic_counts:g}, model_error={model_error:g}",
            fix="0.005 is usual for pixels of 1.4 mm.",
            argument=True,
        )
    if photons is None:
        return np.full(sinogram.shape, model_error**-2, np.float32)
    counts = check_photons(photons) * np.exp(-sinogram)
    seen = counts >= STARVED_COUNTS * (1 - 1e-6)  # counts come back from a logarithm
    counts = np.where(seen, counts, STARVED_COUNTS)
    weights = seen / (1 / counts + (electronic_counts / counts) ** 2 + model_error**2)
    return np.asarray(weights, np.float32)


def line_integrals(counts: NDArray[np.floating], photons: float) -> NDArray[np.float32]:
    """Y of the module's equation, (slices, views, detectors), from counts and the photons of the open beam.

    Raises InputError for counts that cannot be: negative or not finite, none at all, or so few that they are
    line integrals.
    """
    check_photons(photons)
    low, high = float(np.min(counts)), float(np.max(counts))
    noise = _DEVIATIONS * np.sqrt(photons)  # electronic noise can make a dark ray negative
    if not np.isfinite((low, high)).all() or low < -noise or high <= 0:
        raise InputError(
            "counts",
            expected="finite counts of at least 0, some above",
            got=f"values from {low:.4g} to {high:.4g}",
            fix="Line integrals -ln(I/I0) must be said to be line integrals.",
        )
    if high < _LARGEST_INTEGRAL < _FEWEST_SHARE * photons:
        raise InputError(
            "counts",
            expected=f"counts of an open beam of {photons:g} photons",
            got=f"at most {high:.4g}",
            fix="If these are line integrals -ln(I/I0), say so; else mend the number of photons.",
        )
    return np.asarray(-np.log(np.maximum(counts, 0.5) / photons), np.float32)


def truncated_rows(measurement: CTMeasurement) -> NDArray[np.bool_]:
    """Which rows (a view of a slice) begin or end inside the body, (slices, views, 2).

    The short end of a displaced detector does not count where a full turn sees the rest from the other side.
    """
    ends = min(_END_BINS, measurement.geometry.detectors)
    noise = _DEVIATIONS / np.sqrt(ends * measurement.photons) if measurement.photons else 0.0
    sides = (measurement.sinogram[..., :ends], measurement.sinogram[..., -ends:])
    rows = np.stack([side.mean(-1) > _TRUNCATED + noise for side in sides], -1)
    if isinstance(measurement.geometry, FanBeam) and (short := measurement.geometry.short_end()) is not None:
        rows[..., short] = False
    return rows


def truncated_share(measurement: CTMeasurement) -> float:
    """The share of rows that end inside the body, on either side of the detector."""
    return float(np.mean(truncated_rows(measurement).any(-1)))


def check_photons(photons: float) -> float:
    """The photons of a bin, if that is what they can be; else InputError."""
    if not FEWEST_PHOTONS <= photons <= MOST_PHOTONS:
        raise InputError(
            "photons",
            expected=f"{FEWEST_PHOTONS:g} to {MOST_PHOTONS:g} photons per detector bin",
            got=f"{photons:g}",
            fix="1e5 is a usual dose; leave it out for no noise.",
            argument=True,
        )
    return float(photons)


def measurement_notes(measurement: CTMeasurement) -> list[str]:
    """What a reader of the image must know of its data: few views, missing arcs, low dose, starved rays."""
    notes, geometry, photons = [], measurement.geometry, measurement.photons
    views, directions = geometry.views, geometry.directions()
    if repeated := geometry.repeated_views():
        notes.append(f"{repeated} of {views} views repeat a direction")
    if directions < _FEW_VIEWS:
        few = f"{directions} view{'s' * (directions > 1)}"
        notes.append(f"{few}: the image is mostly what the method assumes")
    if missing := geometry.missing_words():
        notes.append(missing)
    notes += _unseen(measurement)
    if photons is not None and photons < _LOW_DOSE:
        notes.append(f"{photons:g} photons per bin are few: the logarithm biases dark rays")
    if measurement.weights is not None:
        starved = float(np.mean(measurement.weights == 0))
        if starved > _STARVED_SHARE:
            notes.append(f"{starved:.1%} of the rays have {_why_unused(photons)} and are not used")
    return notes


def _unseen(measurement: CTMeasurement) -> list[str]:
    """What the detector or the turn of a fan did not see of the body."""
    notes, geometry, grid = [], measurement.geometry, measurement.grid
    truncated = truncated_share(measurement)
    if truncated > _TRUNCATED_SHARE:
        values = "HU" if measurement.length_unit == "mm" else "values"
        sides = truncated_rows(measurement).any((0, 1))
        edge, beyond = "too high towards the edge of the field", "by hundreds beyond what all views see"
        where = edge if sides.all() else beyond
        notes.append(
            f"{truncated:.0%} of the rows end inside the body, which the detector sees only part of: "
            f"{values} are biased, {where}, most of all by fbp"
        )
    if isinstance(geometry, FanBeam):
        radius = min(geometry.field_radius_mm(), max(grid.ny * grid.dy_mm, grid.nx * grid.dx_mm) / 2)
        if short := geometry.short_of_deg(radius):
            turn = geometry.scanned_deg()
            notes.append(
                f"the source turned {turn:.4g} degrees, {short:.3g} short of 180 and the fan angle: some "
                f"lines were not measured, which shades the image; turn {turn + short:.4g} degrees for all"
            )
    return notes


def _why_unused(photons: float | None) -> str:
    return "no weight" if photons is None else f"fewer than {STARVED_COUNTS:g} counts or no weight"


def _check_pixels(affine: NDArray[np.float64], grid: Grid) -> None:
    """Raise InputError unless the affine's pixels are as large as the grid's."""
    placed = np.linalg.norm(affine[:3, :2], axis=0)
    if not np.allclose(placed, (grid.dx_mm, grid.dy_mm), rtol=_SAME_SIZE, atol=0):
        raise InputError(
            "affine",
            expected=f"pixels of {grid.dx_mm:.4g} x {grid.dy_mm:.4g} mm, as the grid has them",
            got=f"{placed[0]:.4g} x {placed[1]:.4g} mm",
            fix="Mend the affine or the grid: one of them is of another image.",
        )


def _check_integrals(
    sinogram: NDArray[np.float32], weights: NDArray[np.float32] | None, photons: float | None
) -> None:
    bad = sinogram.size - int(np.count_nonzero(np.isfinite(sinogram)))
    if bad:
        raise InputError(
            "sinogram",
            expected="finite line integrals",
            got=f"{bad} NaN or infinite values of {sinogram.size}",
            fix="Give rays without a measurement weight 0 and any finite value.",
        )
    seen = np.arange(len(sinogram)) if weights is None else np.flatnonzero(weights.any(axis=(1, 2)))
    some = seen[:: max(1, len(seen) // 16)]
    values = sinogram[some] if weights is None else sinogram[some][weights[some] > 0]
    low, high = np.percentile(values, (1, 99))
    smallest = _SMALLEST_INTEGRAL - (_DEVIATIONS / np.sqrt(photons) if photons else 0)
    if high > _LARGEST_INTEGRAL or low < smallest:
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
