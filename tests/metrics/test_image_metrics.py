"""PSNR and SSIM against closed forms and scikit-image."""

import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.metrics import SSIM_GAUSSIAN, psnr_by_plane, psnr_pooled, score_volume, ssim_by_plane
from medidiff.metrics import image as module

SHAPE = (25, 41, 53)
SPACING = (3.0, 1.25, 1.25)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A smooth random reference in HU and a noisy copy of it."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(0)
    reference = gaussian_filter(rng.normal(0, 3000, SHAPE), 2).astype(np.float32)
    return (reference + rng.normal(0, 60, SHAPE)).astype(np.float32), reference


def test_psnr_of_a_constant_error() -> None:
    """An error of 20 HU everywhere is 20 log10(2000 / 20) = 40 dB in every plane, exactly."""
    reference = np.zeros(SHAPE, np.float32)
    mask = np.ones(SHAPE, bool)
    found = psnr_by_plane(reference + 20, reference, mask)
    assert found == pytest.approx({"axial": 40.0, "coronal": 40.0, "sagittal": 40.0}, abs=1e-12)
    assert psnr_pooled(reference + 20, reference, mask) == pytest.approx(40.0, abs=1e-12)


def test_psnr_is_the_mean_over_slices_and_pooled_is_not() -> None:
    """Errors of 2 and 200 HU in alternate axial slices: (60 + 20) / 2 dB, pooled by the mean square."""
    reference = np.zeros((24, 30, 30))
    image = np.where(np.arange(24)[:, None, None] % 2, 2.0, 200.0) + reference
    mask = np.ones(reference.shape, bool)
    assert psnr_by_plane(image, reference, mask)["axial"] == pytest.approx(40.0)
    pooled = 10 * np.log10(2000**2 / ((2**2 + 200**2) / 2))
    assert psnr_pooled(image, reference, mask) == pytest.approx(pooled)


def test_only_the_mask_counts() -> None:
    reference = np.zeros((3, 40, 40))
    mask = np.zeros(reference.shape, bool)
    mask[:, 5:35, 5:35] = True
    image = np.where(mask, 20.0, 500.0)
    assert psnr_by_plane(image, reference, mask)["axial"] == pytest.approx(40.0)


def test_slices_below_500_voxels_are_skipped_and_their_plane_is_absent() -> None:
    """Slice 0 holds 499 mask voxels and a huge error, slice 1 holds 500: only slice 1 counts."""
    reference = np.zeros((2, 30, 30))
    image = np.stack([np.full((30, 30), 900.0), np.full((30, 30), 20.0)])
    mask = np.zeros(reference.shape, bool)
    mask.reshape(2, -1)[0, :499] = True
    mask.reshape(2, -1)[1, :500] = True
    found = psnr_by_plane(image, reference, mask)
    assert found == pytest.approx({"axial": 40.0})
    assert set(ssim_by_plane(image, reference, mask, spacing_mm=(1, 1, 1))) == {"axial"}
    assert psnr_by_plane(image, reference, np.zeros_like(mask)) == {}
    assert psnr_pooled(image, reference, np.zeros_like(mask)) is None


def test_both_images_are_clipped_to_the_window() -> None:
    """3071 against 1500 HU and -1024 against -1000 HU are no error in [-1000, 1000] HU."""
    reference = np.full((1, 40, 40), 1500.0)
    reference[:, :20] = -1000.0
    image = np.full((1, 40, 40), 3071.0)
    image[:, :20] = -1024.0
    mask = np.ones(reference.shape, bool)
    ceiling = 20 * np.log10(2.0**24)
    assert psnr_by_plane(image, reference, mask)["axial"] == pytest.approx(ceiling)
    half_500_of_3000 = 10 * np.log10(2 * 6.0**2)
    assert psnr_by_plane(image, reference, mask, window=(-1000, 2000))["axial"] == pytest.approx(
        half_500_of_3000
    )


def test_axial_ssim_is_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Same definition, float32 against float64: 1e-5 is a hundred times the rounding seen."""
    from skimage.metrics import structural_similarity

    image, reference = pair
    mask = np.random.default_rng(1).random(SHAPE) < 0.7
    expected = []
    for a, b, region in zip(image, reference, mask, strict=True):
        _, ssim = structural_similarity(
            np.clip(a, -1000, 1000).astype(float),
            np.clip(b, -1000, 1000).astype(float),
            data_range=2000,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        expected.append(ssim[region].mean())
    found = ssim_by_plane(image, reference, mask, spacing_mm=SPACING)
    assert 0.3 < found["axial"] < 0.97
    assert found["axial"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_window_has_11_taps_and_sum_one() -> None:
    assert SSIM_GAUSSIAN.shape == (11,)
    assert SSIM_GAUSSIAN.sum() == pytest.approx(1.0, abs=1e-6)
    assert SSIM_GAUSSIAN[5] / SSIM_GAUSSIAN[2] == pytest.approx(np.exp(0.5 * (3 / 1.5) ** 2), rel=1e-5)


def test_planes_follow_their_axes(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Turning the volume turns the planes: its coronal plane is the axial one of its transpose."""
    image, reference = pair
    mask = np.ones(SHAPE, bool)
    turned = [np.transpose(v, (1, 0, 2)) for v in (image, reference, mask)]
    straight = ssim_by_plane(image, reference, mask, spacing_mm=(3.0, 1.0, 1.25))
    swapped = ssim_by_plane(*turned, spacing_mm=(1.0, 3.0, 1.25))
    assert straight["coronal"] == pytest.approx(swapped["axial"], abs=1e-7)
    assert psnr_by_plane(image, reference, mask)["coronal"] == pytest.approx(
        psnr_by_plane(*turned)["axial"], abs=1e-12
    )


def test_slices_of_3_mm_are_brought_to_square_pixels() -> None:
    """Linear interpolation keeps a ramp: slices 3 mm apart score as the 1 mm slices they were taken from.

    The coarse grid holds every third slice of the fine one and both end on the same slice, so only
    float32 rounding separates the two; without resampling the answer differs by more than 0.01.
    """
    z, y, x = np.meshgrid(np.arange(31.0), np.arange(80.0), np.arange(9.0), indexing="ij")
    reference, image = 20 * z + 5 * y - 3 * x, 26 * z - 4 * y - 3 * x + 20
    mask = np.ones(z.shape, bool)
    fine = ssim_by_plane(image, reference, mask, spacing_mm=(1, 1, 1))["sagittal"]
    thick = [v[::3] for v in (image, reference, mask)]
    assert ssim_by_plane(*thick, spacing_mm=(3, 1, 1))["sagittal"] == pytest.approx(fine, abs=1e-5)
    assert abs(ssim_by_plane(*thick, spacing_mm=(1, 1, 1))["sagittal"] - fine) > 0.01


def test_blocks_do_not_change_the_answer(
    pair: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, reference = pair
    mask = np.ones(SHAPE, bool)
    whole = ssim_by_plane(image, reference, mask, spacing_mm=SPACING)
    monkeypatch.setattr(module, "_BLOCK", 3 * SHAPE[1] * SHAPE[2])
    assert ssim_by_plane(image, reference, mask, spacing_mm=SPACING) == pytest.approx(whole, abs=1e-7)


def test_arguments_stay_as_they_were(pair: tuple[np.ndarray, np.ndarray]) -> None:
    image, reference = pair
    before = image.copy(), reference.copy()
    ssim_by_plane(image, reference, np.ones(SHAPE, bool), spacing_mm=SPACING)
    psnr_by_plane(image, reference, np.ones(SHAPE, bool))
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(reference, before[1])


def test_different_grids_are_refused_with_both_shapes() -> None:
    with pytest.raises(InputError) as error:
        psnr_by_plane(np.zeros((2, 8, 8)), np.zeros((2, 8, 9)), np.ones((2, 8, 8), bool))
    assert "(2, 8, 8)" in error.value.got
    assert "(2, 8, 9)" in error.value.got


def test_a_mask_of_numbers_is_refused() -> None:
    """255 would weigh a voxel 255 times."""
    image = np.zeros((1, 16, 16), np.float32)
    with pytest.raises(InputError):
        score_volume(image, image, (1.0, 1.0, 1.0), mask=np.full(image.shape, 255, np.uint8))
