"""What the browser is given: values, places and nothing that tells arms apart. No browser needed."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app needs pip install 'medidiff[apps]'")

import viewer
from viewer.content import page_data
from viewer.packing import (
    Scale,
    block_labels,
    block_means,
    checked_labels,
    common_scale,
    grid_of,
    on_one_grid,
    pack,
    stored,
)

from medidiff.errors import InputError
from medidiff.io.orientation import to_canonical
from medidiff.io.volume import Volume

SPACING = (3.0, 1.5, 0.75)


def a_volume(shape: tuple[int, int, int] = (5, 7, 9), units: str = "HU") -> Volume:
    values = np.random.default_rng(0).uniform(-1000, 2000, shape).round()
    return Volume.from_array(values, spacing_mm=SPACING, units=units)


def stored_as(volume: Volume, axes: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same patient in another file orientation: voxel axes permuted and reversed."""
    array, affine = volume.array.transpose(2, 1, 0), volume.affine
    for axis, flip in enumerate(flips):
        if flip:
            turn = np.eye(4)
            turn[axis, axis], turn[axis, 3] = -1, array.shape[axis] - 1
            array, affine = np.flip(array, axis), affine @ turn
    return Volume(array.transpose(axes).transpose(2, 1, 0), affine[:, [*axes, 3]], volume.units)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product((False, True), repeat=3)))
def test_all_48_orientations_give_the_browser_one_volume(
    axes: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    volume = a_volume()
    turned = stored_as(volume, axes, flips)
    first, second = on_one_grid([("A", volume), ("B", turned)], images=2)
    assert pack(stored(first.array, Scale()), Scale()) == pack(stored(second.array, Scale()), Scale())
    np.testing.assert_allclose(grid_of(second).affine, volume.affine, atol=1e-9)


@pytest.mark.parametrize(("side", "factor"), [(256, 1), (257, 2), (512, 2), (513, 3)])
def test_the_display_grid_is_at_most_256_wide(side: int, factor: int) -> None:
    grid = grid_of(Volume.from_array(np.zeros((2, 31, side)), spacing_mm=SPACING))
    assert grid.factor == factor
    assert max(grid.display_shape[1:]) <= 256
    means = block_means(np.zeros(grid.shape, np.float32), factor)
    assert means.shape == grid.display_shape


@pytest.mark.parametrize("shape", [(2, 6, 8), (2, 7, 5)])
def test_a_block_mean_averages_the_pixels_that_exist(shape: tuple[int, int, int]) -> None:
    """On a ramp the mean of a block is the value at its centre, cut blocks at the borders included."""
    z, y, x = np.indices(shape, dtype=np.float32)
    means = block_means(100 * z + 10 * y + x, 2)
    centre = [[(i + min(i + 1, side - 1)) / 2 for i in range(0, side, 2)] for side in shape[1:]]
    expected = [[[100 * k + 10 * q + p for p in centre[1]] for q in centre[0]] for k in range(shape[0])]
    np.testing.assert_allclose(means, expected, rtol=1e-6)


def test_a_label_of_one_voxel_stays_and_none_is_invented() -> None:
    labels = np.zeros((1, 5, 5), np.float32)
    labels[0, 0, 1], labels[0, 4, 4] = 3, 7
    small = block_labels(labels, 2)
    assert small[0, 0, 0] == 3
    assert small[0, 2, 2] == 7
    assert set(np.unique(small)) == {0, 3, 7}


@pytest.mark.parametrize("value", [-1, 0.5, 40000])
def test_what_is_no_label_is_refused(value: float) -> None:
    with pytest.raises(InputError) as error:
        checked_labels("mask", np.array([[[0, value]]], np.float32))
    assert error.value.what == "mask"


def test_whole_hu_arrive_exactly() -> None:
    volume = a_volume()
    scale = common_scale([volume])
    assert scale == Scale(1.0, 0.0)
    np.testing.assert_array_equal(stored(volume.array, scale), volume.array)


@pytest.mark.parametrize(
    ("low", "high", "units"), [(0, 0.02, "1/mm"), (-3, 5e4, "a.u."), (-1024, 60000, "HU")]
)
def test_other_ranges_keep_half_a_step_of_a_power_of_two(low: float, high: float, units: str) -> None:
    values = np.linspace(low, high, 9 * 7 * 5).reshape(5, 7, 9)
    volume = Volume.from_array(values, spacing_mm=SPACING, units=units)
    scale = common_scale([volume])
    back = scale.zero + scale.step * stored(volume.array, scale).astype(float)
    assert np.abs(back - volume.array).max() <= 0.5 * scale.step * (1 + 1e-3)
    assert np.log2(scale.step) % 1 == 0
    assert (high - low) / scale.step > 32_000  # no coarser than 16 bits ask for
    assert scale.step >= 1 or units != "HU"


def test_a_constant_volume_can_be_packed() -> None:
    volume = Volume.from_array(np.full((2, 3, 4), 0.25), spacing_mm=SPACING, units="a.u.")
    scale = common_scale([volume])
    assert scale.zero + scale.step * float(stored(volume.array, scale)[0, 0, 0]) == pytest.approx(
        0.25, abs=0.5
    )


def test_the_packed_form_is_header_and_little_endian_voxels() -> None:
    voxels = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    packed = pack(voxels, Scale(0.5, 10.0))
    length = int.from_bytes(packed[:4], "little")
    assert length % 4 == 0
    assert json.loads(packed[4 : 4 + length]) == {"shape": [2, 3, 4], "step": 0.5, "zero": 10.0}
    np.testing.assert_array_equal(np.frombuffer(packed[4 + length :], "<i2").reshape(2, 3, 4), voxels)


def moved(volume: Volume, mm: float) -> Volume:
    affine = volume.affine.copy()
    affine[0, 3] += mm
    return replace(volume, affine=affine)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (a_volume((5, 7, 8)), ("grid", "5 x 7 x 8")),
        (Volume.from_array(a_volume().array, spacing_mm=(3.0, 1.5, 0.8)), ("spacing", "3 x 1.5 x 0.8 mm")),
        (moved(a_volume(), 1.0), ("position", "1.00 mm away")),
        (a_volume(units="a.u."), ("units", "a.u.")),
    ],
)
def test_what_differs_is_named(other: Volume, words: tuple[str, str]) -> None:
    with pytest.raises(InputError) as error:
        on_one_grid([("tv", a_volume()), ("fbp", other)], images=2)
    assert error.value.what == "fbp"
    assert words[0] in error.value.expected
    assert words[1] in error.value.got


def test_a_grid_in_float32_is_the_same_grid() -> None:
    assert on_one_grid([("a", a_volume()), ("b", moved(a_volume(), 1e-3))], images=2)


def test_a_sheared_grid_is_refused() -> None:
    affine = a_volume().affine.copy()
    affine[0, 2] = 0.5
    with pytest.raises(InputError, match="sheared"):
        on_one_grid([("a", replace(a_volume(), affine=affine))], images=1)


def mount_data(arms: list[viewer.Arm], **options: object) -> dict[str, object]:
    settings = {"layout": "arms", "window": (40, 400), "blinded": False, "presentation": None, "height": 640}
    return page_data(arms, [], "some key", **{**settings, **options})


def test_blinded_data_tell_nothing_about_an_arm() -> None:
    """Swapping the arms changes the tokens and nothing else; names, digests and ranges are nowhere."""
    one, two = a_volume(), replace(a_volume(), array=a_volume().array * 0.5)
    arms = [
        viewer.Arm("fbp of arm", one, "case 12", "1.2.840"),
        viewer.Arm("total variation", two, "case 12", "1.2.840"),
    ]
    first = mount_data(arms, blinded=True, presentation=4)
    second = mount_data(arms[::-1], blinded=True, presentation=4)
    text = json.dumps(first)
    for secret in (
        "fbp of arm",
        "total variation",
        "case 12",
        "1.2.840",
        one.digest(),
        one.digest()[7:15],
        "some key",
    ):
        assert secret not in text
    tokens = [arm.pop("token") for data in (first, second) for arm in data["arms"]]
    assert first == second
    assert len(set(tokens)) == 4


def test_one_image_on_both_sides_has_two_tokens_when_blinded() -> None:
    volume = a_volume()
    arms = [viewer.Arm("a", volume), viewer.Arm("b", volume)]
    first, second = mount_data(arms, blinded=True)["arms"]
    assert first["token"] != second["token"]


def test_blinded_positions_start_from_the_centre() -> None:
    volume = moved(a_volume(), 321.0)
    data = mount_data([viewer.Arm("a", volume)], blinded=True)
    centre = np.array(data["grid"]["affine"]) @ [*((side - 1) / 2 for side in volume.shape[::-1]), 1]
    np.testing.assert_allclose(centre[:3], 0, atol=1e-9)


def test_data_are_the_same_bytes_again() -> None:
    arms = [viewer.Arm("a", a_volume()), viewer.Arm("b", a_volume())]
    assert json.dumps(mount_data(arms)) == json.dumps(mount_data(arms))


@pytest.mark.parametrize(
    "call",
    [
        lambda arm: viewer.show([], key="k"),
        lambda arm: viewer.show([arm], key="k", window=(40, 0)),
        lambda arm: viewer.show([arm], key="k", presentation=2),
        lambda arm: viewer.show([arm], key="k", overlays=[viewer.Overlay("e", arm.volume, "heat", 1)]),
        lambda arm: viewer.show(
            [arm], key="k", blinded=True, overlays=[viewer.Overlay("e", arm.volume, "heat")]
        ),
        lambda arm: viewer.show([replace(arm, volume=a_volume(units="a.u."))], key="k", blinded=True),
    ],
)
def test_what_cannot_be_shown_is_refused(call) -> None:
    with pytest.raises(InputError) as error:
        call(viewer.Arm("a", a_volume()))
    assert error.value.argument


def test_two_volumes_that_differ_in_one_voxel_never_share_a_token() -> None:
    """A sampled hash would miss it: the digest is of every voxel."""
    one = a_volume((3, 500, 400))
    array = one.array.copy()
    array[1, 321, 123] += 1
    tokens = {
        mount_data([viewer.Arm("a", volume)])["arms"][0]["token"]
        for volume in (one, replace(one, array=array))
    }
    assert len(tokens) == 2


def test_the_canonical_grid_is_the_one_that_is_shown() -> None:
    volume = a_volume()
    assert mount_data([viewer.Arm("a", volume)])["grid"]["affine"] == to_canonical(volume)[0].affine.tolist()
