"""What can be HU, and what only looks like it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.io import Volume, check_attenuation, check_hu, read_nifti
from medidiff.io.hounsfield import fill_padding


def _volume(values: np.ndarray, units: str = "HU") -> Volume:
    return Volume.from_array(values.reshape(2, 50, 50), spacing_mm=(1, 1, 1), units=units)  # type: ignore[arg-type]  # a short form of many calls


@pytest.fixture
def chest() -> np.ndarray:
    rng = np.random.default_rng(0)
    parts = [(-1000, 20, 2000), (-800, 60, 1000), (-100, 15, 700), (50, 20, 1200), (600, 200, 100)]
    return np.concatenate([rng.normal(mean, spread, count) for mean, spread, count in parts])


def test_a_chest_passes_without_a_note(chest: np.ndarray) -> None:
    assert check_hu(_volume(chest)) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda hu: (hu + 1024).clip(0),  # the offset forgotten
        lambda hu: (hu - hu.min()) / np.ptp(hu),  # 0..1
        lambda hu: 2 * (hu - hu.min()) / np.ptp(hu) - 1,  # -1..1
        lambda hu: 255 * (hu - hu.min()) / np.ptp(hu),  # 0..255
        lambda hu: (hu - hu.mean()) / hu.std(),  # standardised
        lambda hu: 0.0192 * (1 + hu / 1000),  # 1/mm
        lambda hu: 10 * hu,  # a scale of ten
        lambda hu: np.full_like(hu, -1000),
    ],
)
def test_values_that_are_not_hu_are_refused_with_their_range(wrong, chest: np.ndarray) -> None:  # type: ignore[no-untyped-def]  # a short form of many calls
    values = wrong(chest)
    with pytest.raises(InputError) as error:
        check_hu(_volume(values))

    assert error.value.got == f"values in [{np.float32(values.min()):g}, {np.float32(values.max()):g}]"


def test_forgotten_offset_and_attenuation_get_their_own_advice(chest: np.ndarray) -> None:
    for values, word in [((chest + 1024).clip(0), "subtract 1024"), (0.0192 * (1 + chest / 1000), "'1/mm'")]:
        with pytest.raises(InputError) as error:
            check_hu(_volume(values))
        assert word in error.value.fix


def test_metal_and_a_window_are_noted_and_kept(chest: np.ndarray) -> None:
    metal = chest.copy()
    metal[:3] = 9000

    assert "3 voxels above 4000 HU" in check_hu(_volume(metal))[0]
    assert "clipped" in check_hu(_volume(chest.clip(-160, 240)))[0]


def test_attenuation_is_told_from_hu_and_from_per_centimetre(chest: np.ndarray) -> None:
    per_mm = 0.0192 * (1 + chest / 1000)
    check_attenuation(_volume(per_mm, "1/mm"))
    for wrong in (chest, 10 * per_mm, 0.01 * per_mm):
        with pytest.raises(InputError):
            check_attenuation(_volume(wrong, "1/mm"))


def test_padding_becomes_air_and_is_counted() -> None:
    values = np.array([[[-3024, -2048, -2000, -1999, -1024, 40]]], np.float32)

    assert fill_padding(values) == 3
    assert values.ravel().tolist() == [-1024, -1024, -1024, -1999, -1024, 40]


def test_every_real_volume_passes(ct_data: Path) -> None:
    files = sorted((ct_data / "val").glob("*.nii.gz"))
    for file in files:
        check_hu(read_nifti(file, units="HU"))
    assert len(files) == 15
