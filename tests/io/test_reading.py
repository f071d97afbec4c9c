"""The one door: everything a path can hold, read or refused in one clear sentence."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.io import Volume, read_volume

AFFINE = np.diag([-0.7, -0.9, 2.5, 1.0])


def _refusal(path: Path | str, **options: object) -> InputError:
    with pytest.raises(InputError) as error:
        read_volume(path, **options)  # type: ignore[arg-type]  # wrong on purpose
    assert "CANARY" not in str(error.value)
    assert str(Path(path).absolute().parent) not in str(error.value)
    assert all((error.value.expected, error.value.got, error.value.fix))
    return error.value


@pytest.fixture
def nifti(tmp_path: Path, body_hu: np.ndarray) -> Path:
    Volume(body_hu, np.float32(AFFINE)).write(tmp_path / "ct.nii.gz")
    return tmp_path / "ct.nii.gz"


def test_nifti_and_dicom_of_one_scan_are_the_same_volume(
    nifti: Path, tmp_path: Path, write_series: Callable[..., Path], body_hu: np.ndarray
) -> None:
    folder = write_series(tmp_path / "s", ImagePositionPatient=lambda k: [0, 0, 2.5 * k])
    one, other = read_volume(nifti), read_volume(str(folder))

    assert one.units == other.units == "HU"
    np.testing.assert_array_equal(one.array, body_hu)
    assert one.origin == other.origin == one.digest()
    other.write(tmp_path / "again.nii")
    assert read_volume(tmp_path / "again.nii").origin == one.origin


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_block_of_axial_slices_is_cut_whatever_the_axis(
    tmp_path: Path, body_hu: np.ndarray, axis: int
) -> None:
    """The head-foot axis is voxel axis `axis`; the block keeps its place."""
    order = [0, 1]
    order.insert(axis, 2)  # voxel axis i runs along patient axis order[i]
    array = body_hu.transpose(2, 1, 0).transpose(order).transpose(2, 1, 0)
    affine = np.eye(4)
    affine[:3, :3] = np.diag([-0.7, -0.9, 2.5])[:, order]
    Volume(array, affine).write(tmp_path / "v.nii")
    block = read_volume(tmp_path / "v.nii", slices=(2, 4))

    index: list[slice] = [slice(None)] * 3
    index[2 - axis] = slice(2, 4)
    np.testing.assert_array_equal(block.array, array[tuple(index)])
    np.testing.assert_allclose(block.affine[:3, 3], [0, 0, 5.0], atol=1e-6)


def test_blocks_outside_the_scan(nifti: Path) -> None:
    assert _refusal(nifti, slices=(4, 9)).expected == "A:B with 0 <= A < B <= 6"
    assert not _refusal(nifti, slices=(4, 9)).argument
    for wrong in ((3, 3), (5, 2), (-2, 3)):
        assert _refusal(nifti, slices=wrong).argument


def test_padding_is_set_to_air_and_noted(tmp_path: Path, body_hu: np.ndarray) -> None:
    hu = body_hu.astype(np.float32)
    hu[:, 0, 0] = -2048
    hu[0, 0, 1] = -3024
    Volume(hu, AFFINE).write(tmp_path / "v.nii")
    volume = read_volume(tmp_path / "v.nii")

    assert volume.array.min() == -1024
    assert volume.notes == ("7 voxels of padding outside the field of view were set to -1024 HU",)


def test_attenuation_is_read_when_it_is_said_to_be(tmp_path: Path, body_hu: np.ndarray) -> None:
    per_mm = (0.0192 * (1 + body_hu / 1000)).astype(np.float32)
    Volume(per_mm, AFFINE, "1/mm").write(tmp_path / "v.nii")
    volume = read_volume(tmp_path / "v.nii", units="1/mm")

    assert volume.units == "1/mm"
    np.testing.assert_array_equal(volume.array, per_mm)
    assert "'1/mm'" in _refusal(tmp_path / "v.nii").fix
    assert _refusal(tmp_path / "v.nii", units="1/cm").argument


def test_bad_input(
    tmp_path: Path,
    nifti: Path,
    body_hu: np.ndarray,
    write_series: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The issue's list, as a person meets it: what was wrong is in the sentence."""
    home = tmp_path / "CANARY^ZX81"
    home.mkdir()
    (home / "empty").mkdir()
    (home / "text.nii.gz").write_text("hello")
    (home / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(300))
    (home / "zip.gz").write_bytes(gzip.compress(b"x" * 999))
    (home / "nothing").write_bytes(b"")
    sheared = AFFINE.copy()
    sheared[0, 2] = 0.4
    nib.save(nib.Nifti1Image(body_hu.T, sheared), home / "sheared.nii")
    for name, factor in [("unit", 1 / 3000), ("byte", 255 / 3000)]:
        nib.save(nib.Nifti1Image((body_hu.T + 1024) * factor, AFFINE), home / f"{name}.nii")
    gap = write_series(home / "gap", keep=lambda k: k != 2)

    for path, word in [
        (home / "absent.nii.gz", "nothing under that name"),
        (home / "empty", "an empty folder"),
        (home / "text.nii.gz", "another kind of file"),
        (home / "photo.png", "another kind of file"),
        (home / "zip.gz", "another kind of file"),
        (home / "nothing", "another kind of file"),
        (home / "sheared.nii", "a sheared or tilted grid (9.09 degrees off)"),
        (home / "unit.nii", "values in [0.00"),
        (home / "byte.nii", "values in ["),
        (gap, "1 missing at 0 mm"),
    ]:
        error = _refusal(path)
        assert word in error.got, path
        assert path.name in error.what
        assert not error.argument
    assert _refusal(nifti, series=2).got == "2"
    assert _refusal(gap, units="1/mm").got == "'1/mm'"
    monkeypatch.chdir(home / "empty")
    assert "empty:" in str(_refusal("."))
