"""HU bias by class, z roughness, and the score that joins all."""

import json

import numpy as np
import pytest

from medidiff.metrics import PROTOCOL, TISSUES_HU, hu_bias, score_volume, z_roughness


@pytest.mark.parametrize(
    ("hu", "tissue"),
    [
        (-901, "air"),
        (-900, "lung"),
        (-501, "lung"),
        (-500, None),
        (-151, None),
        (-150, "fat"),
        (-30, "soft"),
        (149, "soft"),
        (150, None),
        (200, None),
        (201, "bone"),
        (3071, "bone"),
    ],
)
def test_borders_of_the_classes(hu: float, tissue: str | None) -> None:
    reference = np.full((1, 3, 3), float(hu))
    found = hu_bias(reference + 7, reference, np.ones((1, 3, 3), bool))
    assert found == ({} if tissue is None else {tissue: pytest.approx(7.0)})


def test_bias_of_each_class_is_its_own_and_signed() -> None:
    """Classes come from the reference: an image that is soft tissue everywhere still has five biases."""
    values = {"air": -950.0, "lung": -700.0, "fat": -100.0, "soft": 50.0, "bone": 1500.0}
    assert set(values) == set(TISSUES_HU)
    reference = np.repeat(np.array(list(values.values())), 12).reshape(5, 3, 4)
    found = hu_bias(np.full((5, 3, 4), 40.0), reference, np.ones((5, 3, 4), bool))
    assert found == {name: pytest.approx(40.0 - hu) for name, hu in values.items()}


def test_bias_outside_the_mask_is_not_counted() -> None:
    reference, mask = np.zeros((1, 4, 4)), np.zeros((1, 4, 4), bool)
    mask[0, 0] = True
    image = np.where(mask, 3.0, 99.0)
    assert hu_bias(image, reference, mask) == {"soft": 3.0}


def test_roughness_of_scaled_steps() -> None:
    """Steps of 15 HU against 10 HU are 1.5, whatever the mask's size or the volume's offset."""
    reference = np.broadcast_to(10.0 * np.arange(7)[:, None, None], (7, 5, 3))
    image = 100 + 1.5 * reference
    mask = np.random.default_rng(0).random(reference.shape) < 0.9
    assert z_roughness(image, reference, mask) == pytest.approx(1.5)


def test_roughness_needs_both_voxels_in_the_mask() -> None:
    """The jumps of 1000 HU lie between a voxel inside and one outside, at both ends: they do not count."""
    reference = np.array([0.0, 10.0, 20.0, 30.0])[:, None, None]
    image = np.array([-1000.0, 10.0, 20.0, 1030.0])[:, None, None]
    mask = np.array([False, True, True, False])[:, None, None]
    assert z_roughness(image, reference, mask) == pytest.approx(1.0)


def test_roughness_that_does_not_exist_is_none() -> None:
    one = np.ones((1, 3, 3))
    assert z_roughness(one, one, one.astype(bool)) is None
    flat = np.ones((4, 3, 3))
    assert z_roughness(flat, flat, flat.astype(bool)) is None


def test_score_has_the_report_s_shape_and_no_nan() -> None:
    """A single slice: coronal and sagittal planes are {}, and the JSON is strict."""
    reference = np.full((1, 50, 60), -1000.0)
    reference[:, 8:42, 9:51] = 40.0
    score = score_volume(reference + 20, reference, (2.5, 1.4, 1.4))
    assert score["axial"]["psnr_db"] == pytest.approx(40.0)
    assert 0 < score["axial"]["ssim"] <= 1
    assert score["coronal"] == {}
    assert score["sagittal"] == {}
    assert score["hu_bias"] == {"soft": pytest.approx(20.0)}
    assert "z_roughness" not in score
    json.dumps([score, PROTOCOL], allow_nan=False)


def test_score_of_an_empty_body_is_empty() -> None:
    air = np.full((3, 20, 20), -1000.0)
    assert score_volume(air, air, (1, 1, 1)) == {
        "axial": {},
        "coronal": {},
        "sagittal": {},
        "pooled": {},
        "hu_bias": {},
    }
