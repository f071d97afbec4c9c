"""The simulated scan: no inverse crime, the noise's law, the reference's grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from medidiff.core.linear.solvers import cg
from medidiff.domains.reconstruction.ct.methods import defaults
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER, hu_to_water
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam
from medidiff.domains.reconstruction.ct.simulate import model_error, reduction, simulate_ct, upsample
from medidiff.errors import InputError
from medidiff.io.volume import Volume

Body = Callable[..., Volume]


def own_matrix(measurement, reference: Volume) -> np.ndarray:  # type: ignore[no-untyped-def]  # a test's shorthand
    projector = Projector(measurement.geometry, measurement.grid)
    return projector(torch.from_numpy(hu_to_water(reference.array))[None, None])[0, 0].numpy()


def test_upsampling_keeps_the_mean_of_every_block() -> None:
    image = torch.rand(2, 5, 7, generator=torch.Generator().manual_seed(0))
    fine = upsample(image)
    assert fine.shape == (2, 10, 14)
    torch.testing.assert_close(torch.nn.functional.avg_pool2d(fine, 2), image)
    assert fine.std() > 0


def test_integrals_of_a_disc_are_its_chords() -> None:
    """A uniform disc of water: 2 mu_w sqrt(r^2 - s^2) within the 1 % that its pixelled edge leaves."""
    n, radius = 128, 45.0
    place = np.arange(n) - (n - 1) / 2
    inside = place[None] ** 2 + place[:, None] ** 2 < radius**2
    volume = Volume.from_array(np.where(inside, 0.0, -1000.0)[None], spacing_mm=(1.0, 1.0, 1.0))
    measurement, _ = simulate_ct(volume, views=8)
    s = measurement.geometry.bins_mm()
    chords = 2 * MU_WATER * np.sqrt(np.maximum(radius**2 - s**2, 0))
    error = measurement.sinogram[0] - chords
    assert np.sqrt(np.mean(error**2)) < 0.01 * chords.max()
    assert abs(error.mean()) < 1e-3 * chords.max()


@pytest.mark.parametrize("matrix", [None, 24])
def test_the_measurement_is_not_the_reconstruction_s_own(body: Body, matrix: int | None) -> None:
    """Least squares of the own matrix's data is much better: were they equal, the crime was committed."""
    measurement, reference = simulate_ct(body(ny=48, nx=48), views=90, matrix=matrix)
    honest = torch.from_numpy(measurement.sinogram)
    crime = torch.from_numpy(own_matrix(measurement, reference))
    truth = torch.from_numpy(hu_to_water(reference.array))
    least_squares = [invert(measurement, y) for y in (honest, crime)]
    errors = [float((image - truth).square().mean().sqrt()) for image in least_squares]
    assert errors[1] < 0.75 * errors[0]
    assert model_error(measurement, reference) > 1e-3


def invert(measurement, y: torch.Tensor) -> torch.Tensor:  # type: ignore[no-untyped-def]  # a test's shorthand
    """Least squares by conjugate gradients."""
    projector = Projector(measurement.geometry, measurement.grid)
    return cg(projector.normal, projector.adjoint(y[None, None]), max_iterations=60)[0][0, 0]


def test_photons_have_poisson_moments(body: Body) -> None:
    """Y - y_clean has variance 1/N; 60 000 rays make the ratio good to 4 sqrt(2/60000) = 2.3 %."""
    volume = body(12)
    clean, _ = simulate_ct(volume, views=60)
    noisy, _ = simulate_ct(volume, views=60, photons=2e4, seed=3)
    counts = 2e4 * np.exp(-clean.sinogram)
    ratio = (noisy.sinogram - clean.sinogram) * np.sqrt(counts)
    assert np.mean(ratio**2) == pytest.approx(1, abs=0.03)
    assert abs(np.mean(ratio)) < 0.03


def test_seeds_and_slices_have_their_own_noise(body: Body) -> None:
    volume = body(2)
    same = replace(volume, array=np.stack([volume.array[0]] * 2))
    first, again, other = (simulate_ct(same, photons=1e4, seed=s)[0].sinogram for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_electronic_noise_widens_dark_rays(body: Body) -> None:
    quiet, _ = simulate_ct(body(), photons=1e4, seed=1)
    loud, _ = simulate_ct(body(), photons=1e4, electronic_counts=50, seed=1)
    dark = quiet.sinogram > 2
    assert loud.sinogram[dark].std() > quiet.sinogram[dark].std()
    assert loud.weights is not None
    assert quiet.weights is not None
    assert (loud.weights < quiet.weights).all()


def test_the_reference_is_the_block_mean_of_attenuation(body: Body) -> None:
    """Half a pixel of the fine grid moves the affine; -1024 counts as air."""
    volume = body()
    _, reference = simulate_ct(volume, matrix=32)
    expected = hu_to_water(volume.array).reshape(2, 32, 2, 32, 2).mean((2, 4))
    np.testing.assert_allclose(hu_to_water(reference.array), expected, atol=1e-6)
    centre = volume.affine @ [0.5, 0.5, 0, 1]
    np.testing.assert_allclose(reference.affine @ [0, 0, 0, 1], centre)


@pytest.mark.parametrize(
    ("side", "matrix", "expected"),
    [
        (256, None, 256),
        (300, None, 300),
        (511, None, 511),
        (512, None, 256),
        (768, None, 192),
        (512, 512, 512),
    ],
)
def test_default_matrix(side: int, matrix: int | None, expected: int) -> None:
    array = np.full((1, side, side), -1000, np.float32)
    array[0, side // 4 : side // 2] = 0
    volume = Volume.from_array(array, spacing_mm=(1.0, 1.0, 1.0))
    measurement, reference = simulate_ct(volume, views=1, matrix=matrix)
    assert reference.shape[1:] == (expected, expected)
    assert measurement.shape == reference.shape


def test_odd_oblong_anisotropic_and_flipped_volumes(body: Body) -> None:
    """The flip is undone by the canonical orientation, so the sinogram is the same."""
    volume = body(3, 37, 50, 3.0, 2.2)
    flipped = replace(
        volume,
        array=volume.array[:, ::-1],
        affine=volume.affine @ np.array([[1, 0, 0, 0], [0, -1, 0, 36], [0, 0, 1, 0], [0, 0, 0, 1]]),
    )
    one, reference = simulate_ct(volume, angles_deg=(3.0, 50.0, 111.0))
    other, _ = simulate_ct(flipped, angles_deg=(3.0, 50.0, 111.0))
    np.testing.assert_array_equal(one.sinogram, other.sinogram)
    assert one.geometry.angles_deg == (3.0, 50.0, 111.0)
    assert one.spacing_mm == pytest.approx((2.5, 3.0, 2.2))
    assert model_error(one, reference) < 0.02 * one.sinogram.max()


def test_attenuation_gives_the_same_as_hu(body: Body) -> None:
    volume = body()
    mu = replace(volume, array=hu_to_water(volume.array) * np.float32(MU_WATER), units="1/mm")
    one, _ = simulate_ct(volume)
    other, reference = simulate_ct(mu)
    np.testing.assert_allclose(one.sinogram, other.sinogram, atol=1e-5)
    assert reference.units == "HU"


def test_groups_of_views_change_nothing(body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    from medidiff.domains.reconstruction.ct import simulate as module

    whole, _ = simulate_ct(body(), views=7)
    monkeypatch.setattr(module, "_MATRIX_BYTES", 1)
    steps = []
    parts, _ = simulate_ct(body(), views=7, progress=steps.append)
    np.testing.assert_array_equal(whole.sinogram, parts.sinogram)
    assert [step.done for step in steps] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "options",
    [
        {"views": 0},
        {"arc_deg": -5.0},
        {"arc_deg": 400.0},
        {"photons": 0.0},
        {"photons": 1.0},
        {"photons": 1e20},
        {"photons": 1e4, "electronic_counts": -1.0},
        {"electronic_counts": 3.0},
        {"angles_deg": ()},
        {"angles_deg": (0.0, 1000.0)},
        {"matrix": 4},
        {"model_error": -1.0},
    ],
)
def test_wrong_arguments_say_so(body: Body, options: dict[str, object]) -> None:
    with pytest.raises(InputError) as error:
        simulate_ct(body(1, 16, 16), **options)  # type: ignore[arg-type]  # wrong on purpose
    assert error.value.argument


def test_a_matrix_that_does_not_fit_the_file_is_bad_input(body: Body) -> None:
    with pytest.raises(InputError) as error:
        simulate_ct(body(), matrix=48)
    assert not error.value.argument
    assert error.value.fix == "Take one of 64, 32, 16."
    with pytest.raises(InputError, match="arbitrary"):
        simulate_ct(replace(body(), units="a.u."))


@pytest.mark.parametrize(
    ("shape", "matrix", "possible"),
    [((511, 511), 256, "511, 73"), ((64, 96), 40, "96, 48, 24"), ((17, 23), 16, "23")],
)
def test_every_matrix_that_is_advised_is_taken(shape: tuple[int, int], matrix: int, possible: str) -> None:
    with pytest.raises(InputError) as error:
        reduction(shape, matrix)
    assert error.value.fix == f"Take one of {possible}."
    for side in map(int, possible.split(", ")):
        factor = reduction(shape, side)
        assert min(shape) // factor >= 16


def test_weights_do_not_depend_on_which_side_of_a_pixel_is_longer(body: Body) -> None:
    """Noise-free weights are the model error alone, of the longer side, here and transposed."""
    volume = body(1, 24, 40, 6.0, 3.0)
    turned = Volume.from_array(volume.array.swapaxes(1, 2), spacing_mm=(2.5, 3.0, 6.0))
    one, other = (simulate_ct(v, views=4)[0].weights for v in (volume, turned))
    grid = Grid(24, 40, 6.0, 3.0)
    beam = ParallelBeam.sparse(4, grid=grid)
    assert one is not None
    assert other is not None
    assert one.flat[0] == other.flat[0] == np.float32(defaults.model_error(grid, beam) ** -2)


@pytest.mark.parametrize("photons", [10.0, 1e15])
def test_the_fewest_and_the_most_photons_can_be_measured(photons: float, body: Body) -> None:
    assert np.isfinite(simulate_ct(body(1), views=4, photons=photons)[0].sinogram).all()
