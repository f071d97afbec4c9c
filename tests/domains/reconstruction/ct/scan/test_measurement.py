"""Weights against their equation, and what a measurement refuses."""

from __future__ import annotations

import numpy as np
import pytest

from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam
from medidiff.domains.reconstruction.ct.scan.measurement import (
    CTMeasurement,
    measurement_notes,
    statistical_weights,
)
from medidiff.errors import InputError

GRID = Grid(16, 20, 2.0, 1.0)
BEAM = ParallelBeam.sparse(6, grid=GRID)
AFFINE = np.diag([-1.0, -2.0, 2.5, 1.0])


def measurement(sinogram: np.ndarray, beam: ParallelBeam = BEAM, **parts: object) -> CTMeasurement:
    return CTMeasurement(sinogram, beam, GRID, AFFINE, **parts)  # type: ignore[arg-type]  # parts by name


def flat(value: float = 1.0, slices: int = 3, beam: ParallelBeam = BEAM) -> np.ndarray:
    return np.full((slices, beam.views, beam.detectors), value, np.float32)


def test_weights_are_inverse_variances() -> None:
    """1/W = 1/N + s_e^2/N^2 + s_model^2 with N = 1e4 / e^2."""
    counts = 1e4 * np.exp(-2)
    weights = statistical_weights(flat(2.0), 1e4, electronic_counts=30, model_error=0.01)
    assert weights.flat[0] == pytest.approx(1 / (1 / counts + 900 / counts**2 + 1e-4), rel=1e-5)
    assert statistical_weights(flat(2.0), None, model_error=0.01).flat[0] == pytest.approx(1e4)


@pytest.mark.parametrize(("counts", "used"), [(4, False), (5, True), (6, True)])
def test_starved_rays_have_no_weight(counts: int, used: bool) -> None:
    sinogram = flat(-np.log(counts / 1000))
    assert (statistical_weights(sinogram, 1000.0)[0, 0, 0] > 0) == used


def test_geometry_of_a_slab() -> None:
    """Voxel 0 of the slab lies where voxel `start` of the whole lay."""
    whole = measurement(np.cumsum(flat(0.5), axis=0), weights=flat(2.0), photons=1e5)
    slab = whole.slices(1, 3)
    assert whole.shape == (3, 16, 20)
    assert whole.spacing_mm == pytest.approx((2.5, 2.0, 1.0))
    assert slab.affine @ [0, 0, 0, 1] == pytest.approx(whole.affine @ [0, 0, 1, 1])
    np.testing.assert_array_equal(slab.sinogram, whole.sinogram[1:])
    assert slab.weights is not None
    assert whole.photons_per_mm == pytest.approx(1e5)


@pytest.mark.parametrize(
    "wrong",
    [
        flat()[:, :5],
        flat()[0],
        flat()[:0],
        np.full_like(flat(), np.nan),
        flat(1e4),
        flat(-1.0),
    ],
)
def test_what_cannot_be_line_integrals_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InputError, match="sinogram"):
        measurement(wrong)


@pytest.mark.parametrize("weights", [flat(-1.0), flat(0.0), flat(np.inf), flat()[:1]])
def test_impossible_weights_are_refused(weights: np.ndarray) -> None:
    with pytest.raises(InputError, match="weights"):
        measurement(flat(), weights=weights)


@pytest.mark.parametrize(
    "options", [{"photons": 0.0}, {"photons": -5.0}, {"photons": None, "model_error": 0.0}]
)
def test_impossible_noise_is_an_argument(options: dict[str, float | None]) -> None:
    with pytest.raises(InputError) as error:
        statistical_weights(flat(), **options)  # type: ignore[arg-type]  # a wrong one on purpose
    assert error.value.argument


def test_notes_name_what_is_thin() -> None:
    thin = ParallelBeam.sparse(5, 100, grid=GRID)
    weights = flat(1.0, beam=thin)
    weights[0, 0] = 0
    notes = " ".join(measurement_notes(measurement(flat(beam=thin), thin, weights=weights, photons=500.0)))
    assert "5 views" in notes
    assert "not measured" in notes
    assert "500 photons" in notes
    assert "6.7%" in notes
    assert measurement_notes(measurement(flat(), weights=flat(), photons=1e5)) == []
