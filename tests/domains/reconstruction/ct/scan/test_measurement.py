"""Weights against their equation, and what a measurement refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Grid, ParallelBeam
from medidiff.domains.reconstruction.ct.scan.measurement import (
    CTMeasurement,
    line_integrals,
    measurement_notes,
    statistical_weights,
    truncated_share,
)
from medidiff.errors import InputError

GRID = Grid(16, 20, 2.0, 1.0)
BEAM = ParallelBeam.sparse(6, grid=GRID)
AFFINE = np.diag([-1.0, -2.0, 2.5, 1.0])


def measurement(sinogram: np.ndarray, beam: ParallelBeam | FanBeam = BEAM, **parts: object) -> CTMeasurement:
    return CTMeasurement(sinogram, beam, GRID, AFFINE, **parts)  # type: ignore[arg-type]  # parts by name


def flat(value: float = 1.0, slices: int = 3, beam: ParallelBeam = BEAM) -> np.ndarray:
    return np.full((slices, beam.views, beam.detectors), value, np.float32)


def body(beam: ParallelBeam | FanBeam = BEAM) -> np.ndarray:
    """Rows that begin and end in air."""
    sinogram = np.ones((3, beam.views, beam.detectors), np.float32)
    sinogram[..., :5] = sinogram[..., -5:] = 0
    return sinogram


def test_weights_are_inverse_variances() -> None:
    """1/W = 1/N + s_e^2/N^2 + s_model^2 with N = 1e4 / e^2."""
    counts = 1e4 * np.exp(-2)
    weights = statistical_weights(flat(2.0), 1e4, electronic_counts=30, model_error=0.01)
    assert weights.flat[0] == pytest.approx(1 / (1 / counts + 900 / counts**2 + 1e-4), rel=1e-5)
    assert statistical_weights(flat(2.0), None, model_error=0.01).flat[0] == pytest.approx(1e4)


@pytest.mark.parametrize(("counts", "used"), [(4, False), (5, True), (6, True)])
def test_starved_rays_have_no_weight(counts: int, used: bool) -> None:
    sinogram = flat(-np.log(counts / 1000))
    assert (statistical_weights(sinogram, 1000.0, model_error=0.01)[0, 0, 0] > 0) == used


def test_geometry_of_a_slab() -> None:
    """Voxel 0 of the slab lies where voxel `start` of the whole lay."""
    whole = measurement(np.cumsum(flat(0.5), axis=0), weights=flat(2.0), photons=1e5)
    slab = whole.slices(1, 3)
    assert whole.shape == (3, 16, 20)
    assert whole.spacing_mm == pytest.approx((2.5, 2.0, 1.0))
    assert slab.affine @ [0, 0, 0, 1] == pytest.approx(whole.affine @ [0, 0, 1, 1])
    np.testing.assert_array_equal(slab.sinogram, whole.sinogram[1:])
    np.testing.assert_array_equal(slab.weights, whole.weights[1:])
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


def test_rays_without_weight_may_hold_any_finite_value() -> None:
    """A twentieth of the bins dead, far above every line integral: the percentiles are of the others."""
    sinogram, weights = flat(), flat()
    sinogram[:, :, ::20], weights[:, :, ::20] = 1000, 0
    assert measurement(sinogram, weights=weights).sinogram.max() == 1000
    with pytest.raises(InputError) as error:
        measurement(sinogram)
    assert "1000" in error.value.got
    dead = flat()
    dead[1], weights[1] = -50, 0
    assert measurement(dead, weights=weights).sinogram.min() == -50
    weights = flat(slices=40)
    weights[np.arange(40) != 1] = 0  # of many slices every second one is looked at
    assert measurement(flat(slices=40), weights=weights).shape[0] == 40


def test_a_slab_in_which_no_ray_counts_is_a_slab() -> None:
    weights = flat()
    weights[:2] = 0
    slab = measurement(flat(), weights=weights).slices(0, 2)
    assert slab.shape == (2, 16, 20)
    assert slab.weights is not None
    assert not slab.weights.any()


def test_the_noise_of_few_photons_is_not_blamed_on_the_sinogram() -> None:
    """At 10 photons a ray of air may count 30: -ln 3. Without photons such a value is no line integral."""
    sinogram = flat(-np.log(3))
    measurement(sinogram, photons=10.0)
    with pytest.raises(InputError, match="sinogram"):
        measurement(sinogram, photons=1e4)


@pytest.mark.parametrize("weights", [flat(-1.0), flat(0.0), flat(np.inf), flat()[:1]])
def test_impossible_weights_are_refused(weights: np.ndarray) -> None:
    with pytest.raises(InputError, match="weights"):
        measurement(flat(), weights=weights)


@pytest.mark.parametrize(
    "options",
    [{"photons": p} for p in (0.0, -5.0, 1.0, 1e20, np.nan, np.inf)]
    + [{"photons": None, "model_error": 0.0}],
)
def test_impossible_noise_is_an_argument(options: dict[str, float | None]) -> None:
    with pytest.raises(InputError) as error:
        statistical_weights(flat(), **{"model_error": 0.01, **options})  # type: ignore[arg-type]  # a wrong one on purpose
    assert error.value.argument


def test_notes_name_what_is_thin() -> None:
    thin = ParallelBeam.sparse(5, 100, grid=GRID)
    weights = flat(1.0, beam=thin)
    weights[0, 0] = 0
    notes = " ".join(measurement_notes(measurement(flat(beam=thin), thin, weights=weights, photons=500.0)))
    assert "5 views: the image is mostly what the method assumes" in notes
    assert "not measured" in notes
    assert "500 photons" in notes
    assert "6.7%" in notes
    assert measurement_notes(measurement(body(), weights=flat(), photons=1e5)) == []


@pytest.mark.parametrize(
    ("views", "repeats"), [(24, "12 of 24 views repeat a direction"), (25, None), (2, "1 of 2")]
)
def test_views_that_repeat_a_direction_are_said(views: int, repeats: str | None) -> None:
    beam = ParallelBeam.sparse(views, 360, grid=GRID)
    notes = measurement_notes(measurement(body(beam), beam))
    assert any(note.startswith(repeats) for note in notes) if repeats else notes == []


def test_unused_rays_are_blamed_on_photons_only_where_there_are_any() -> None:
    weights = flat()
    weights[0] = 0
    (note,) = measurement_notes(measurement(body(), weights=weights))
    assert note == "33.3% of the rays have no weight and are not used"


def test_rows_that_end_inside_the_body_are_said_with_what_that_does() -> None:
    cut = body()
    cut[:, :2, -4:] = 0.5
    assert truncated_share(measurement(cut)) == pytest.approx(2 / 6)
    (note,) = measurement_notes(measurement(cut))
    assert "33% of the rows end inside the body" in note
    assert "HU are biased" in note
    cut[:, :2, -4:] = 0.09  # less than half a centimetre of water, or noise
    assert measurement_notes(measurement(cut)) == []
    cut[:, :2, -4:] = 0.14
    assert measurement_notes(measurement(cut, photons=1000.0)) == []


def test_a_turn_short_of_the_fan_angle_names_what_is_missing() -> None:
    """180 and twice asin(16 / 595) are 183.082 degrees for a field of 32 mm."""
    fan = FanBeam.sparse(60, 170)
    notes = measurement_notes(measurement(body(fan), fan))
    assert any("13.1 short of 180 and the fan angle" in n and "turn 183.1 degrees" in n for n in notes)
    for arc in (184, 230, 360):
        fan = FanBeam.sparse(60, arc)
        assert measurement_notes(measurement(body(fan), fan)) == []


def test_a_source_inside_the_image_is_refused() -> None:
    fan = FanBeam((0.0, 90.0), 64, 0.1, source_to_isocentre_mm=18.0, source_to_detector_mm=40.0)
    with pytest.raises(InputError) as error:
        measurement(body(fan), fan)
    assert error.value.what == "source"
    assert error.value.expected.startswith("more than 18.87 mm")


def test_counts_become_line_integrals() -> None:
    """-ln(N / I0), and no count is half a one."""
    y = line_integrals(np.array([[[1e4, 1e4 / np.e, 0.0]]]), 1e4)
    assert y == pytest.approx(np.array([[[0, 1, np.log(2e4)]]]))


@pytest.mark.parametrize(
    ("counts", "got"),
    [(np.zeros(4), "from 0 to 0"), (np.full(4, -900.0), "-900"), (np.full(4, np.nan), "nan")],
)
def test_counts_that_cannot_be_are_refused(counts: np.ndarray, got: str) -> None:
    with pytest.raises(InputError) as error:
        line_integrals(counts, 1e4)
    assert got in error.value.got


def test_line_integrals_given_as_counts_and_the_reverse_are_refused() -> None:
    with pytest.raises(InputError, match="say so"):
        line_integrals(np.linspace(0, 6, 50), 1e5)
    with pytest.raises(InputError, match="Counts must be said to be counts"):
        measurement(flat(3e4))


def test_a_length_unit_is_known_or_not() -> None:
    with pytest.raises(InputError, match="unknown"):
        measurement(body(), length_unit="cm")


def test_the_digest_tells_measurements_apart() -> None:
    one = measurement(body())
    others = [
        measurement(body() + np.float32(1e-3)),
        measurement(body(), photons=1e5),
        measurement(body(), length_unit="unknown"),
        measurement(body(), replace(BEAM, offset_mm=0.5)),
    ]
    assert measurement(body()).digest() == one.digest()
    assert len({m.digest() for m in (one, *others)}) == 5


def narrow(detectors: int = 13, offset_mm: float = 0.3) -> CTMeasurement:
    """Bins of 1 mm on pixels of 4 mm."""
    rng = np.random.default_rng(3)
    sinogram = rng.uniform(0, 2, (2, 3, detectors)).astype(np.float32)
    weights = rng.uniform(1, 9, sinogram.shape).astype(np.float32)
    weights[0, 0, 4:8] = 0
    beam = ParallelBeam((0.0, 60.0, 120.0), detectors, 1.0, offset_mm)
    return CTMeasurement(
        sinogram, beam, Grid(16, 16, 4.0, 4.0), np.diag([4.0, 4, 1, 1]), weights, photons=1e4
    )


def test_an_affine_of_other_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="pixels of 4 x 4 mm"):
        replace(narrow(), affine=np.eye(4))


def test_joined_bins_are_as_wide_as_a_pixel_and_weigh_as_much() -> None:
    """The mean by weights of four bins where they were, 0 where none counts; the rest is one more bin."""
    m = narrow()
    wide = m.joined()
    assert (wide.geometry.detectors, wide.geometry.spacing_mm, wide.photons) == (4, 4.0, 4e4)
    centres = m.geometry.bins_mm()
    assert wide.geometry.bins_mm()[:3] == pytest.approx([centres[4 * k : 4 * k + 4].mean() for k in range(3)])
    assert m.weights is not None
    assert wide.weights is not None
    assert wide.weights.sum() == pytest.approx(m.weights.sum(), rel=1e-6)
    expected = np.average(m.sinogram[1, 2, 8:12], weights=m.weights[1, 2, 8:12])
    assert wide.sinogram[1, 2, 2] == pytest.approx(expected, rel=1e-6)
    assert wide.sinogram[1, 2, 3] == m.sinogram[1, 2, 12]
    assert (wide.sinogram[0, 0, 1], wide.weights[0, 0, 1]) == (0, 0)


def test_bins_as_wide_as_a_pixel_stay() -> None:
    m = narrow()
    same = replace(m, grid=Grid(16, 16, 1.4, 1.4), affine=np.diag([1.4, 1.4, 1, 1]))
    assert same.joined() is same
    unknown = replace(m, weights=None).joined()
    assert unknown.weights is None
    assert unknown.sinogram[0, 0, 0] == pytest.approx(m.sinogram[0, 0, :4].mean(), rel=1e-6)
