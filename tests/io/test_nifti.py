"""NIfTI: exact round trips, headers that lie, bombs."""

from __future__ import annotations

import errno
import gzip
import os
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medidiff.errors import InputError, OutputError
from medidiff.io import Limits, Volume, read_nifti, write_nifti
from medidiff.io.limits import MIB

from ..memory import memory_below

AFFINE = np.array([[-0.7, 0, 0, 31.5], [0, -0.9, 0, 12.25], [0, 0, 2.5, -70], [0, 0, 0, 1.0]])


def _save(path: Path, array: np.ndarray, affine: np.ndarray | None = AFFINE, **fields: Any) -> Path:
    """Written by nibabel, then header fields overwritten as they are in the file."""
    image = nib.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    raw = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(raw[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    raw[:348] = header.binaryblock
    path.write_bytes(gzip.compress(raw) if path.name.endswith(".gz") else raw)
    return path


def _refusal(path: Path, limits: Limits | None = None) -> InputError:
    """The error; it names the file and not its folder."""
    with pytest.raises(InputError) as error:
        read_nifti(path, limits=limits)
    assert path.name in error.value.what
    assert path.parent.name not in str(error.value)
    assert not error.value.argument
    assert "Limits" not in str(error.value)  # the command line has no way to raise one
    return error.value


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_whole_hu_come_back_exactly_as_int16(tmp_path: Path, name: str) -> None:
    values = np.random.default_rng(0).integers(-1024, 3071, (3, 5, 7)).astype(np.float32)
    volume = Volume(values, np.float32(AFFINE))
    volume.write(tmp_path / name)
    back = read_nifti(tmp_path / name)

    np.testing.assert_array_equal(back.array, values)
    np.testing.assert_array_equal(back.affine, volume.affine)
    assert (back.units, back.digest(), back.notes) == ("HU", volume.digest(), ())
    header = nib.load(tmp_path / name).header
    assert header.get_data_dtype() == np.int16
    assert (header["descrip"].item(), len(header.extensions)) == (b"research use only", 0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.tuples(*[st.integers(1, 6)] * 3),
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    step=st.tuples(*[st.floats(0.1, 8)] * 3),
    flip=st.sampled_from([-1, 1]),
    units=st.sampled_from(["HU", "1/mm", "a.u."]),
)
@example(size=(1, 1, 1), angles=(0.0, 0.0, 179.9375), step=(1.0, 2.0, 1.0), flip=1, units="HU")
def test_float_values_and_any_rotated_affine_round_trip(
    tmp_path: Path, size: tuple, angles: tuple, step: tuple, flip: int, units: Any
) -> None:
    """Bit for bit, because both are float32; the qform as far as its format can.

    Its quaternion stores three numbers, the fourth is sqrt(1 - b^2 - c^2 - d^2): near half a turn the
    rounding of float32 leaves an error of up to sqrt(2 * 6e-8) in it, twice that in the angle.
    """
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * (
        flip * step[0],
        *step[1:],
    )
    affine[:3, 3] = (12.5, -300.1, 41)
    values = np.random.default_rng(1).normal(size=size).astype(np.float32)
    volume = Volume(values, np.float32(affine), units)
    write_nifti(volume, tmp_path / "v.nii")
    back = read_nifti(tmp_path / "v.nii")

    np.testing.assert_array_equal(back.array, values)
    np.testing.assert_array_equal(back.affine, volume.affine)
    assert back.units == units
    np.testing.assert_allclose(
        nib.load(tmp_path / "v.nii").get_qform(), volume.affine, atol=2e-3 * max(1.0, *step)
    )


def test_simpleitk_sees_the_same_place(tmp_path: Path) -> None:
    """An independent reader: LPS = diag(-1, -1, 1) RAS."""
    import SimpleITK

    volume = Volume(np.arange(105.0).reshape(3, 5, 7), AFFINE, "a.u.")
    volume.write(tmp_path / "v.nii.gz")
    image = SimpleITK.ReadImage(str(tmp_path / "v.nii.gz"))

    np.testing.assert_allclose(
        image.TransformIndexToPhysicalPoint((6, 1, 2)),
        np.array([-1, -1, 1]) * (AFFINE @ [6, 1, 2, 1])[:3],
        atol=1e-5,
    )
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume.array)


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    volume = Volume(np.ones((2, 3, 4)), AFFINE)
    volume.write(tmp_path / "a.nii.gz")
    first = (tmp_path / "a.nii.gz").read_bytes()
    time.sleep(1.1)  # gzip keeps seconds
    volume.write(tmp_path / "b.nii.gz")

    assert (tmp_path / "b.nii.gz").read_bytes() == first


def test_a_full_disk_leaves_what_stood_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = Volume(np.ones((2, 3, 4)), AFFINE)
    volume.write(tmp_path / "v.nii.gz")
    before = (tmp_path / "v.nii.gz").read_bytes()

    def full(image: Any, stream: Any) -> None:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nib.Nifti1Image, "to_stream", full)
    with pytest.raises(OutputError):
        volume.write(tmp_path / "v.nii.gz")

    assert [file.name for file in tmp_path.iterdir()] == ["v.nii.gz"]
    assert (tmp_path / "v.nii.gz").read_bytes() == before


def test_another_suffix_is_an_argument_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        Volume(np.ones((2, 3, 4)), AFFINE).write(tmp_path / "v.mha")

    assert error.value.argument
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_slope_and_intercept_are_applied(tmp_path: Path, dtype: type) -> None:
    stored = np.arange(60).reshape(3, 4, 5).astype(dtype)
    path = _save(tmp_path / "v.nii.gz", stored, scl_slope=0.5, scl_inter=-1000)

    np.testing.assert_array_equal(read_nifti(path).array, stored.transpose(2, 1, 0) * 0.5 - 1000)


def test_big_endian_and_nifti2_are_read(tmp_path: Path) -> None:
    stored = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    big = nib.Nifti1Image(stored, AFFINE, nib.Nifti1Header(endianness=">"))
    nib.save(big, tmp_path / "big.nii")
    nib.save(nib.Nifti2Image(stored, AFFINE), tmp_path / "two.nii")

    for name in ("big.nii", "two.nii"):
        back = read_nifti(tmp_path / name)
        np.testing.assert_array_equal(back.array, stored.transpose(2, 1, 0))
        np.testing.assert_allclose(back.affine, AFFINE, atol=1e-5)


@pytest.mark.parametrize(("unit", "factor"), [(1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0)])
def test_lengths_are_converted_to_millimetres(tmp_path: Path, unit: int, factor: float) -> None:
    volume = read_nifti(_save(tmp_path / "v.nii", np.ones((3, 4, 5), np.int16), xyzt_units=unit))

    assert volume.spacing_mm == pytest.approx(tuple(factor * step for step in (2.5, 0.9, 0.7)), rel=1e-6)
    assert bool(volume.notes) == (unit == 0)


def test_qform_serves_where_there_is_no_sform_and_a_conflict_is_noted(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.ones((3, 4, 5), np.int16), None)
    image.set_qform(AFFINE, 1)
    image.set_sform(AFFINE, 0)
    image.header.set_xyzt_units("mm")
    nib.save(image, tmp_path / "q.nii")
    moved = AFFINE.copy()
    moved[2, 3] += 0.5
    image.set_sform(moved, 1)
    nib.save(image, tmp_path / "both.nii")

    np.testing.assert_allclose(read_nifti(tmp_path / "q.nii").affine, AFFINE, atol=1e-5)
    both = read_nifti(tmp_path / "both.nii")
    np.testing.assert_allclose(both.affine, moved, atol=1e-5)
    assert "sform and qform" in both.notes[0]


def test_trailing_axes_of_size_one_are_dropped(tmp_path: Path) -> None:
    stored = np.arange(60, dtype=np.int16).reshape(3, 4, 5)

    assert read_nifti(_save(tmp_path / "a.nii", stored[..., None, None])).shape == (5, 4, 3)
    assert read_nifti(_save(tmp_path / "b.nii", stored[..., 0])).shape == (1, 4, 3)


_SMALL = np.ones((3, 4, 5), np.int16)


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (lambda p: _save(p, np.ones((3, 4, 5, 2), np.int16)), "4 axes (3 x 4 x 5 x 2)"),
        (lambda p: _save(p, np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])), "RGB colour"),
        (lambda p: _save(p, np.ones((3, 4, 5), np.complex64)), "complex"),
        (lambda p: _save(p, np.full((3, 4, 5), np.nan, np.float32)), "60 NaN or infinite voxels of 60"),
        (lambda p: _save(p, np.full((3, 4, 5), 1e300)), "60 NaN or infinite voxels of 60"),
        (lambda p: _save(p, _SMALL, pixdim=[1, 0, 1, 1, 1, 1, 1, 1]), "0, 1, 1 mm"),
        (lambda p: _save(p, _SMALL, pixdim=[1, 1, 1, -2, 1, 1, 1, 1]), "1, 1, -2 mm"),
        (lambda p: _save(p, _SMALL, pixdim=[1, 1, np.nan, 1, 1, 1, 1, 1]), "1, nan, 1 mm"),
        (lambda p: _save(p, _SMALL, srow_x=[0, 0, 0, 0]), "a spacing of zero"),
        (lambda p: _save(p, _SMALL, srow_z=[-1.4, 0, 1e-12, 0], srow_x=[-0.7, 0, 0, 0]), "a singular matrix"),
        (lambda p: _save(p, _SMALL, srow_y=[np.nan, 0, 0, 0]), "NaN, infinite or projective entries"),
        (lambda p: _save(p, _SMALL, sform_code=0, qform_code=0), "neither"),
        (lambda p: _save(p, _SMALL, dim=[3, 3, 0, 5, 1, 1, 1, 1]), "sizes [3, 0, 5]"),
        (lambda p: _save(p, _SMALL, dim=[9, 3, 4, 5, 1, 1, 1, 1]), "sizes []"),
        (lambda p: _save(p, _SMALL, vox_offset=1e30), "an offset of 1e+30"),
        (lambda p: _save(p, _SMALL, vox_offset=0), "an offset of 0"),
        (lambda p: _save(p, _SMALL, scl_slope=2, scl_inter=np.inf), "2, inf"),
        (lambda p: _save(p, _SMALL, magic=b"ni1"), "an Analyze file, or the header of a .hdr/.img pair"),
    ],
)
def test_headers_that_cannot_be_used(tmp_path: Path, make: Callable[[Path], Path], got: str) -> None:
    assert _refusal(make(tmp_path / "v.nii.gz")).got == got


def test_files_that_are_not_there_or_not_images(tmp_path: Path) -> None:
    (tmp_path / "text.nii").write_text("not an image at all")
    (tmp_path / "empty.nii.gz").write_bytes(b"")
    (tmp_path / "folder.nii").mkdir()
    whole = _save(
        tmp_path / "whole.nii.gz", np.random.default_rng(0).integers(0, 999, (9, 9, 9)).astype(np.int16)
    )
    (tmp_path / "cut.nii.gz").write_bytes(whole.read_bytes()[:-200])
    (tmp_path / "tar.nii.gz").write_bytes(gzip.compress(b"x" * 2000))

    for name, got in [
        ("absent.nii", "nothing under that name"),
        ("text.nii", "another kind of file"),
        ("tar.nii.gz", "another kind of file"),
        ("empty.nii.gz", "one that ends early or is damaged"),
        ("cut.nii.gz", "one that ends early or is damaged"),
        ("folder.nii", "a folder or a device"),
    ]:
        assert _refusal(tmp_path / name).got == got


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    """Opening a FIFO for reading would wait for ever."""
    os.mkfifo(tmp_path / "p.nii")

    assert stat.S_ISFIFO((tmp_path / "p.nii").stat().st_mode)
    assert _refusal(tmp_path / "p.nii").got == "a folder or a device"


def test_a_header_that_asks_for_terabytes_is_refused_at_once(tmp_path: Path) -> None:
    dim = [3, 30000, 30000, 30000, 1, 1, 1, 1]
    for name in ("v.nii", "v.nii.gz"):
        start = time.monotonic()
        with memory_below(100 * MIB):
            assert "27000000000000" in _refusal(_save(tmp_path / name, _SMALL, dim=dim)).got
            huge = Limits(voxels=1 << 60)
            assert "a file of" in _refusal(_save(tmp_path / name, _SMALL, dim=dim), huge).got
        assert time.monotonic() - start < 2


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header(tmp_path: Path) -> None:
    """300 MB of zeros behind a header of 60 voxels is read as 60 voxels; an honest 300 MB is refused."""
    small, bomb = tmp_path / "small.nii.gz", tmp_path / "bomb.nii.gz"
    header = bytearray(nib.Nifti1Image(_SMALL, AFFINE).to_bytes())
    tail = gzip.compress(bytes(1 << 20), compresslevel=1) * 300  # members follow each other
    small.write_bytes(gzip.compress(header) + tail)
    struct.pack_into("<8h", header, 40, 3, 600, 500, 500, 1, 1, 1, 1)
    bomb.write_bytes(gzip.compress(header) + tail)

    with memory_below(100 * MIB):
        assert read_nifti(small).shape == (5, 4, 3)
        assert "times" in _refusal(bomb).got


def test_limits_of_bytes_and_voxels_are_kept(tmp_path: Path) -> None:
    path = _save(tmp_path / "v.nii", _SMALL)

    assert _refusal(path, Limits(voxels=59)).got == "a header that asks for 60"
    assert _refusal(path, Limits(file_bytes=100)).got == f"{path.stat().st_size} bytes"
