"""The grid: units, spacing, refusals, block mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.io import Volume, block_mean, read_nifti


def test_spacing_is_read_from_the_affine_in_array_order() -> None:
    volume = Volume.from_array(np.zeros((3, 5, 7)), spacing_mm=(2.5, 0.9, 0.7))

    assert volume.spacing_mm == (2.5, 0.9, 0.7)
    assert volume.shape == (3, 5, 7)
    assert volume.array.dtype == np.float32


def test_an_image_becomes_one_slice() -> None:
    assert Volume.from_array(np.zeros((5, 7)), spacing_mm=(1, 1, 1)).shape == (1, 5, 7)


@pytest.mark.parametrize(
    ("array", "got"),
    [
        (np.full((2, 2, 2), np.nan), "8 NaN or infinite voxels of 8"),
        (np.zeros((2, 2, 2, 2)), "shape (2, 2, 2, 2) of float64"),
        (np.zeros((0, 2, 2)), "shape (0, 2, 2) of float64"),
        (np.zeros((2, 2, 2), np.complex64), "shape (2, 2, 2) of complex64"),
        (np.zeros((2, 2, 2), object), "shape (2, 2, 2) of object"),
    ],
)
def test_an_array_that_is_no_volume_is_refused(array: np.ndarray, got: str) -> None:
    with pytest.raises(InputError) as error:
        Volume.from_array(array, spacing_mm=(1, 1, 1))

    assert error.value.got == got


@pytest.mark.parametrize("spacing", [(0, 1, 1), (1, -1, 1), (1, 1, np.nan), (1, 1, np.inf), (1, 1)])
def test_spacing_that_is_not_positive_is_an_argument_error(spacing: tuple[float, ...]) -> None:
    with pytest.raises(InputError) as error:
        Volume.from_array(np.zeros((2, 2, 2)), spacing_mm=spacing)  # type: ignore[arg-type]  # on purpose

    assert error.value.argument


def test_singular_and_nan_affines_are_refused() -> None:
    singular = np.diag([1.0, 1, 1, 1])
    singular[:, 1] = singular[:, 0]
    for affine, got in [
        (singular, "a singular matrix"),
        (np.diag([1.0, 0, 1, 1]), "a spacing of zero"),
        (np.diag([1.0, np.nan, 1, 1]), "NaN, infinite or projective entries"),
        (np.eye(3), "shape (3, 3)"),
    ]:
        with pytest.raises(InputError) as error:
            Volume(np.zeros((2, 2, 2), np.float32), affine)
        assert error.value.got == got


def test_digest_sees_values_and_grid_but_not_the_sign_of_zero() -> None:
    volume = Volume.from_array(np.zeros((2, 3, 4)), spacing_mm=(1, 1, 1))
    one = np.zeros((2, 3, 4))
    one[1, 2, 3] = 1

    assert Volume.from_array(-np.zeros((2, 3, 4)), spacing_mm=(1, 1, 1)).digest() == volume.digest()
    assert Volume.from_array(one, spacing_mm=(1, 1, 1)).digest() != volume.digest()
    assert Volume.from_array(np.zeros((2, 3, 4)), spacing_mm=(1, 1, 2)).digest() != volume.digest()
    assert Volume.from_array(np.zeros((3, 2, 4)), spacing_mm=(1, 1, 1)).digest() != volume.digest()
    assert volume.origin == volume.digest()


def test_block_mean_of_a_ramp_keeps_every_point_in_place() -> None:
    """A linear function of position is its own block mean, at the centre of the block: exact."""
    z, y, x = np.meshgrid(np.arange(2), np.arange(6), np.arange(4), indexing="ij")
    affine = np.array([[0.0, 2, 0, 5], [-3, 0, 0, 7], [0, 0, 4, -1], [0, 0, 0, 1]])
    ramp = Volume(8 * x + 16 * y + z, affine, "a.u.")
    mean = block_mean(ramp, 2)

    to_old = np.linalg.inv(affine) @ mean.affine
    old = to_old @ np.array([1, 2, 1, 1])  # new voxel x=1, y=2, z=1
    np.testing.assert_allclose(old[:3], [2.5, 4.5, 1], atol=1e-12)
    assert mean.array[1, 2, 1] == 8 * 2.5 + 16 * 4.5 + 1
    assert mean.spacing_mm == (4, 4, 6)


def test_block_mean_refuses_a_side_that_does_not_divide() -> None:
    with pytest.raises(InputError) as error:
        block_mean(Volume.from_array(np.zeros((1, 5, 4)), spacing_mm=(1, 1, 1)))

    assert error.value.got == "slices of 5 x 4 pixels"


def test_block_mean_of_the_native_scan_is_the_reduced_scan(ct_data: Path) -> None:
    """The data's README: the 2 x 2 mean of the native block, rounded, equals the stored reduction."""
    native = read_nifti(ct_data / "test" / "t002_s1_native512.nii.gz")
    reduced = read_nifti(ct_data / "test" / "t002_s1.nii.gz")
    mean = block_mean(native, 2)

    np.testing.assert_array_equal(np.rint(mean.array), reduced.array[30:54])
    assert mean.spacing_mm == reduced.spacing_mm


def test_a_volume_prints_as_one_line() -> None:
    volume = Volume.from_array(np.arange(24.0).reshape(2, 3, 4), spacing_mm=(2.5, 1.25, 1))

    assert repr(volume) == "<Volume 2 x 3 x 4 (z, y, x) of 2.5 x 1.25 x 1 mm, 0 to 23 HU>"
