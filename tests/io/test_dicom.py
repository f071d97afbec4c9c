"""DICOM folders as they are: several series, gaps, tilt, padding, duplicates, links, damage."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from medidiff.errors import InputError
from medidiff.io import Limits, list_series, to_canonical
from medidiff.io.dicom import read_dicom
from medidiff.io.dicom.headers import read_images
from medidiff.io.dicom.pixels import read_values
from medidiff.io.limits import MIB

from ..memory import memory_below

WriteSeries = Callable[..., Path]
WriteSlice = Callable[..., Path]


def _refusal(path: Path, **options: Any) -> InputError:
    """The error; it shows neither the patient nor a path."""
    with pytest.raises(InputError) as error:
        read_dicom(path, **options)
    assert "CANARY" not in str(error.value)
    assert str(path.parent) not in str(error.value)
    assert "Limits" not in str(error.value)  # the command line has no way to raise one
    return error.value


def test_slices_are_ordered_by_position_and_spaced_in_mm(
    tmp_path: Path, write_series: WriteSeries, body_hu: np.ndarray
) -> None:
    """File names and instance numbers run otherwise; the thickness of 5 mm is not the spacing of 2.5.

    PixelSpacing is (between rows, between columns) = (0.9, 0.7), so x steps by 0.7; LPS -> RAS flips x, y.
    """
    volume = read_dicom(write_series(tmp_path / "s"))

    np.testing.assert_array_equal(volume.array, body_hu)
    expected = [[-0.7, 0, 0, 10], [0, -0.9, 0, 20], [0, 0, 2.5, -5], [0, 0, 0, 1]]
    np.testing.assert_array_equal(volume.affine, np.float32(expected))
    assert volume.spacing_mm == pytest.approx((2.5, 0.9, 0.7), rel=1e-7)
    assert (volume.units, volume.notes) == ("HU", ())


def test_simpleitk_agrees_on_place_and_value(tmp_path: Path, write_series: WriteSeries) -> None:
    """An independent reader, on oblique slices."""
    import SimpleITK

    c, s = np.cos(0.3), np.sin(0.3)
    row, column = [1, 0, 0], [0, c, s]
    normal = np.array([0, -s, c])
    folder = write_series(
        tmp_path / "s",
        ImageOrientationPatient=[*row, *column],
        ImagePositionPatient=lambda k: list(np.array([-10, -20, 30]) + 2.5 * k * normal),
    )
    volume = read_dicom(folder)
    files = sorted(folder.iterdir(), key=lambda f: pydicom.dcmread(f).ImagePositionPatient[2])
    image = SimpleITK.ReadImage([str(f) for f in files])

    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(image), volume.array)
    np.testing.assert_allclose(
        image.TransformIndexToPhysicalPoint((6, 1, 5)),
        np.array([-1, -1, 1]) * (volume.affine @ [6, 1, 5, 1])[:3],
        atol=1e-4,
    )


def test_sagittal_slices_become_axial_for_the_work(tmp_path: Path, write_series: WriteSeries) -> None:
    folder = write_series(
        tmp_path / "s",
        ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        ImagePositionPatient=lambda k: [2.5 * k, 0, 0],
    )
    source = read_dicom(folder)
    canonical, back = to_canonical(source)

    assert canonical.spacing_mm == pytest.approx((0.9, 0.7, 2.5), rel=1e-6)
    np.testing.assert_array_equal(back.restore(canonical).array, source.array)


def test_several_series_are_listed_without_a_name_and_one_is_picked(
    tmp_path: Path, write_series: WriteSeries, write_slice: WriteSlice, body_hu: np.ndarray
) -> None:
    folder = tmp_path / "s"
    write_series(folder)
    write_series(
        folder, SeriesInstanceUID="1.2.10", SeriesNumber=2, keep=lambda k: k < 3, RescaleIntercept=-1000
    )
    write_slice(
        folder / "scout",
        np.zeros((4, 5), np.int16),
        SeriesNumber=1,
        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
    )
    write_slice(folder / "pet", np.zeros((4, 5), np.int16), SeriesNumber=7, Modality="PT")
    (folder / "notes.txt").write_text("x")

    error = _refusal(folder)
    assert error.got == (
        "4: 1) CT localizer, 1 slice of 4 x 5, 5 x 0.9 x 0.7 mm; "
        "2) CT, 3 slices of 9 x 7, 2.5 x 0.9 x 0.7 mm; "
        "3) CT, 6 slices of 9 x 7, 2.5 x 0.9 x 0.7 mm; 4) PT, 1 slice of 4 x 5, 5 x 0.9 x 0.7 mm"
    )
    assert [series.slices for series in list_series(folder)] == [1, 3, 6, 1]
    np.testing.assert_array_equal(read_dicom(folder, series=2).array, body_hu[:3] + 24)
    volume = read_dicom(folder, series=3)
    np.testing.assert_array_equal(volume.array, body_hu)
    assert volume.notes == ("passed over: 1 file (not DICOM)",)
    for wrong, argument in [(0, True), (5, False)]:
        assert _refusal(folder, series=wrong).argument == argument
    for other in (1, 4):
        assert _refusal(folder, series=other).expected == "a CT series in HU"


def test_a_block_of_slices_is_half_open(
    tmp_path: Path, write_series: WriteSeries, body_hu: np.ndarray
) -> None:
    folder = write_series(tmp_path / "s")
    volume = read_dicom(folder, slices=(2, 5))

    np.testing.assert_array_equal(volume.array, body_hu[2:5])
    assert volume.affine[2, 3] == 0.0  # the third slice, at -5 + 2 * 2.5 mm
    for wrong, argument in [((2, 2), True), ((-1, 3), True), ((3, 7), False)]:
        assert _refusal(folder, slices=wrong).argument == argument


def test_missing_slices_are_named_in_mm_and_a_block_beside_them_is_read(
    tmp_path: Path, write_series: WriteSeries, body_hu: np.ndarray
) -> None:
    folder = write_series(tmp_path / "s", keep=lambda k: k not in (2, 3))
    folder = write_series(folder, keep=lambda k: k > 5)
    error = _refusal(write_series(tmp_path / "t", keep=lambda k: k != 2))

    assert error.got == "1 missing at 0 mm along the slice axis"
    assert error.expected == "a slice every 2.5 mm"
    assert _refusal(folder).got == "2 missing at 0, 2.5 mm along the slice axis"
    np.testing.assert_array_equal(read_dicom(folder, slices=(0, 2)).array, body_hu[:2])


def test_uneven_steps_are_refused(tmp_path: Path, write_series: WriteSeries) -> None:
    folder = write_series(tmp_path / "s", ImagePositionPatient=lambda k: [0, 0, 2.5 * k + (k == 3)])

    assert _refusal(folder).got == "steps from 1.5 to 3.5 mm"


def test_gantry_tilt_is_refused_with_its_angle(tmp_path: Path, write_series: WriteSeries) -> None:
    folder = write_series(tmp_path / "s", ImagePositionPatient=lambda k: [0, 0.5 * k, 2.5 * k])

    assert _refusal(folder).got == f"a gantry tilt of {np.degrees(np.arctan2(0.5, 2.5)):.3g} degrees"


def test_slope_and_intercept_are_taken_from_each_slice(
    tmp_path: Path, write_series: WriteSeries, body_hu: np.ndarray
) -> None:
    folder = write_series(
        tmp_path / "s", RescaleSlope=lambda k: 1 + 0.5 * k, RescaleIntercept=lambda k: -1024 - 10 * k
    )
    k = np.arange(6)[:, None, None]

    np.testing.assert_array_equal(
        read_dicom(folder).array, (body_hu + 1024.0) * (1 + 0.5 * k) - 1024 - 10 * k
    )


@pytest.mark.parametrize("signed", [True, False])
def test_declared_padding_is_stored_values_and_becomes_air(
    tmp_path: Path, write_slice: WriteSlice, signed: bool
) -> None:
    """63536 declared as US is -2000 where pixels are signed; -2000 + intercept is -3024 HU."""
    stored = np.full((4, 5), 1064, np.int16)
    stored[0, :3] = -2000
    if not signed:
        stored = stored.view(np.uint16)
    path = write_slice(tmp_path / "p", stored, PixelPaddingValue=63536 - (0 if not signed else 65536))
    volume = read_dicom(path)

    assert volume.array[0].tolist() == [[-1024] * 3 + [40] * 2] + [[40] * 5] * 3
    assert "3 voxels of padding" in volume.notes[0]


def test_padding_between_two_limits_and_padding_among_tissue(tmp_path: Path, write_slice: WriteSlice) -> None:
    stored = np.array([[0, 3, 7, 1064, 1064]], np.int16)
    ranged = read_dicom(
        write_slice(
            tmp_path / "r", stored, PixelPaddingValue=0, PixelPaddingRangeLimit=5, RescaleIntercept=-1000
        )
    )
    tissue = read_dicom(write_slice(tmp_path / "t", stored, PixelPaddingValue=1064))

    assert ranged.array[0, 0].tolist() == [-1024, -1024, -993, 64, 64]
    assert tissue.array[0, 0].tolist() == [-1024, -1021, -1017, 40, 40]
    assert "among tissue" in tissue.notes[0]


def test_bits_above_the_stored_ones_are_not_values(tmp_path: Path, write_slice: WriteSlice) -> None:
    """12 of 16 bits with an overlay bit above; signed values keep their sign."""
    unsigned = np.array([[100, 4095, 0]], np.uint16) | np.uint16(0x8000)
    signed = (np.array([[-100, 2047, -2048]], np.int16) & np.int16(0x0FFF)) | np.int16(0x4000)
    options = {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": 0}

    assert read_values_of(write_slice(tmp_path / "u", unsigned, **options)) == [100, 4095, 0]
    assert read_values_of(write_slice(tmp_path / "s", signed, **options)) == [-100, 2047, -2048]


def read_values_of(path: Path) -> list[float]:
    """Values before any rule about HU."""
    images = read_images(path, Limits(), time.monotonic() + 60)
    return read_values(images, Limits())[0].ravel().tolist()  # type: ignore[no-any-return]  # pydicom has no types


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_every_uncompressed_syntax_gives_the_same(
    tmp_path: Path, write_slice: WriteSlice, syntax: str
) -> None:
    stored = np.arange(20, dtype=np.int16).reshape(4, 5) + 1000
    data = stored.byteswap() if syntax == ExplicitVRBigEndian else stored
    plain = read_dicom(write_slice(tmp_path / "a", stored))
    other = read_dicom(write_slice(tmp_path / "b", data, syntax=syntax))

    np.testing.assert_array_equal(other.array, plain.array)
    np.testing.assert_array_equal(other.affine, plain.affine)


def test_slices_that_came_twice(tmp_path: Path, write_series: WriteSeries, body_hu: np.ndarray) -> None:
    folder = write_series(tmp_path / "s")
    write_series(folder, SeriesInstanceUID="1.2.9", keep=lambda k: k == 4)
    volume = read_dicom(folder)

    np.testing.assert_array_equal(volume.array, body_hu)
    assert volume.notes == ("1 slices that came twice were dropped",)
    write_series(folder, SeriesInstanceUID="1.2.9", keep=lambda k: k == 4, RescaleIntercept=-1000)
    assert _refusal(folder).got == "two different slices at one position"


def test_two_acquisitions_of_one_series_are_two_stacks(
    tmp_path: Path, write_series: WriteSeries, body_hu: np.ndarray
) -> None:
    folder = write_series(tmp_path / "s", AcquisitionNumber=1)
    other = write_series(tmp_path / "o", AcquisitionNumber=2, RescaleIntercept=-1000)
    for file in other.iterdir():
        file.rename(folder / f"again-{file.name}")

    assert [series.slices for series in list_series(folder)] == [6, 6]
    np.testing.assert_array_equal(read_dicom(folder, series=2).array, body_hu + 24)


def test_what_holds_no_slice_is_refused_by_kind(tmp_path: Path, write_slice: WriteSlice) -> None:
    (tmp_path / "empty").mkdir()
    odd = tmp_path / "odd"
    odd.mkdir()
    (odd / "a.txt").write_text("x" * 500)
    write_slice(odd / "sr", np.zeros((2, 2), np.int16), Modality="SR")
    write_slice(odd / "secondary", np.zeros((2, 2), np.int16), ImagePositionPatient=None)
    write_slice(odd / "colour", np.zeros((2, 6), np.int16), SamplesPerPixel=3)

    assert _refusal(tmp_path / "empty").got == "an empty folder"
    assert _refusal(odd).got == (
        "1 file (in colour or floating point), 1 file (not DICOM), "
        "1 file (not an image), 1 file (without a position)"
    )
    assert _refusal(tmp_path / "absent").got == "nothing under that name"


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ({"PixelSpacing": [0, 1]}, "0 x 1 mm"),
        ({"PixelSpacing": [1, -1]}, "1 x -1 mm"),
        ({"ImageOrientationPatient": [1, 0, 0, 0.5, 1, 0]}, "right angles"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "right angles"),
        ({"ImagePositionPatient": [0, 0]}, "a damaged header"),
        ({"RescaleSlope": 0}, "a rescale slope of zero or NaN"),
        ({"BitsAllocated": 12}, "16 of 12 bits"),
        ({"RescaleType": "MGML"}, "values in MGML"),
        ({"Rows": 400}, "fewer pixels than its header says"),
        ({"Rows": 65535, "Columns": 65535}, "a header that asks for 4294836225"),
        ({"Rows": 20000, "Columns": 20000}, "fewer pixels than its header says"),
        ({"Rows": 0}, "0 x 5 pixels"),
    ],
)
def test_headers_that_cannot_be_used(
    tmp_path: Path, write_slice: WriteSlice, tags: dict[str, Any], word: str
) -> None:
    assert word in _refusal(write_slice(tmp_path / "x", np.zeros((4, 5), np.int16), **tags)).got


def test_a_damaged_slice_is_not_passed_over(tmp_path: Path, write_series: WriteSeries) -> None:
    """A slice lost in silence at the end of a stack would shorten it without a gap."""
    folder = write_series(tmp_path / "s")
    victim = sorted(folder.iterdir())[0]
    data = victim.read_bytes()
    victim.write_bytes(data[:-40])
    assert _refusal(folder).got == "fewer pixels than its header says"
    for length in (600, 300):
        victim.write_bytes(data[:length])
        assert "intact" in _refusal(folder).expected


def test_links_out_of_the_folder_are_not_followed(
    tmp_path: Path, write_series: WriteSeries, body_hu: np.ndarray
) -> None:
    folder = write_series(tmp_path / "s", keep=lambda k: k < 5)
    outside = write_series(tmp_path / "outside", keep=lambda k: k == 5)
    (folder / "link").symlink_to(next(outside.iterdir()))
    (folder / "sub").symlink_to(outside, target_is_directory=True)
    os.mkfifo(folder / "pipe")
    volume = read_dicom(folder)

    np.testing.assert_array_equal(volume.array, body_hu[:5])
    assert volume.notes == ("passed over: 1 file (a link out of the folder)",)


def test_links_that_lead_nowhere_are_passed_over_and_counted(
    tmp_path: Path, write_series: WriteSeries
) -> None:
    folder = write_series(tmp_path / "s")
    (folder / "loop").symlink_to("loop")
    (folder / "gone").symlink_to("nothing")
    (folder / "again").symlink_to(sorted(folder.iterdir())[0].name)

    assert read_dicom(folder).notes[0] == "passed over: 2 files (a link that leads nowhere)"


@pytest.mark.parametrize(
    ("tags", "got"),
    [
        (
            {"Modality": "CANARY^ZX81"},
            "1) unknown, 1 slice of 4 x 5, 5 x 0.9 x 0.7 mm, values in unknown units",
        ),
        ({"Modality": "CT\\CANARY"}, "1) unknown, "),
        ({"RescaleType": "CANARY ZX81"}, "values in another unit"),
    ],
)
def test_words_of_a_header_are_printed_only_when_the_standard_knows_them(
    tmp_path: Path, write_slice: WriteSlice, tags: dict[str, Any], got: str
) -> None:
    """A name may stand in any field; `_refusal` looks for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what is written here on purpose
        path = write_slice(tmp_path / "x", np.zeros((4, 5), np.int16), **({"RescaleType": None} | tags))
    assert got in _refusal(path).got


def test_a_transfer_syntax_that_is_no_identifier_is_not_printed(
    tmp_path: Path, write_slice: WriteSlice
) -> None:
    path = write_slice(tmp_path / "x", np.zeros((4, 5), np.int16))
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.CANARY^ZX81.2.1\0"))
    assert _refusal(path).got == "no transfer syntax"


def test_a_folder_that_cannot_be_listed_is_not_passed_over(
    tmp_path: Path, write_series: WriteSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_series(tmp_path / "s")
    (folder / "closed").mkdir()
    scandir = os.scandir

    def closed(path: str) -> Any:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    error = _refusal(folder)
    assert (error.what, error.got) == ("closed", "a folder that may not be read")


def test_a_slice_that_may_not_be_looked_at_is_not_passed_over(
    tmp_path: Path, write_series: WriteSeries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder that may be listed but not entered."""
    folder = write_series(tmp_path / "s")
    victim, stat = sorted(folder.iterdir())[0], os.stat

    def closed(path: Any, *rest: Any, **options: Any) -> os.stat_result:
        if str(path) == str(victim):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *rest, **options)

    monkeypatch.setattr(os, "stat", closed)
    error = _refusal(folder)
    assert (error.what, error.got) == (victim.name, "a file that may not be read")


def test_a_series_in_many_directions_is_as_many_stacks(tmp_path: Path, write_series: WriteSeries) -> None:
    """Turned by a degree a slice; a pixel spacing that differs by 1e-3 is another grid as well."""
    angle = np.radians(np.arange(6))
    turned = write_series(
        tmp_path / "s", ImageOrientationPatient=lambda k: [1, 0, 0, 0, np.cos(angle[k]), np.sin(angle[k])]
    )
    scaled = write_series(tmp_path / "t", PixelSpacing=lambda k: [0.9, 0.7 * (1 + 1e-3 * (k % 2))])
    rounded = write_series(tmp_path / "r", ImageOrientationPatient=lambda k: [1, 5e-5 * (k % 2), 0, 0, 1, 0])

    assert [len(list_series(folder)) for folder in (turned, scaled, rounded)] == [6, 2, 1]


def test_a_folder_of_too_many_files_is_refused(tmp_path: Path, write_series: WriteSeries) -> None:
    assert _refusal(write_series(tmp_path / "s"), limits=Limits(files=5)).expected == "at most 5 files"


def test_a_deflated_bomb_is_inflated_no_further_than_allowed(tmp_path: Path, write_slice: WriteSlice) -> None:
    """40 MB of zeros in a private element before the pixels: refused after the 16 MB of the default."""
    path = tmp_path / "bomb"
    write_slice(
        path,
        np.zeros((4, 5), np.int16),
        syntax=DeflatedExplicitVRLittleEndian,
        EncapsulatedDocument=bytes(40 << 20),
    )

    with memory_below(36 * MIB):
        assert "after inflating" in _refusal(path).expected


def test_a_header_of_endless_elements_stops_at_its_limits(tmp_path: Path, write_slice: WriteSlice) -> None:
    path = write_slice(tmp_path / "x", np.zeros((4, 5), np.int16))
    assert "a header of at most 300 bytes" in _refusal(path, limits=Limits(header_bytes=300)).expected
    assert "read in 0 s" in _refusal(path, limits=Limits(seconds=0)).expected


def test_random_damage_never_escapes_as_another_error(tmp_path: Path, write_slice: WriteSlice) -> None:
    """2 x 150 files with bytes overwritten in the header: read, or refused by our own error."""
    rng = np.random.default_rng(0)
    for syntax in (None, ImplicitVRLittleEndian):
        options = {"syntax": syntax} if syntax else {}
        intact = write_slice(tmp_path / "x", np.zeros((4, 5), np.int16), **options).read_bytes()
        for _ in range(150):
            data = bytearray(intact)
            for place in rng.integers(132, len(data), 4):
                data[place] = rng.integers(256)
            (tmp_path / "y").write_bytes(data)
            with contextlib.suppress(InputError):
                read_dicom(tmp_path / "y")


def _frame(position: float, intercept: float) -> Dataset:
    frame, place, rescale = Dataset(), Dataset(), Dataset()
    place.ImagePositionPatient = [-10, -20, position]
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, intercept, "HU"
    frame.PlanePositionSequence = [place]
    frame.PixelValueTransformationSequence = [rescale]
    return frame


def test_enhanced_multi_frame_ct_is_read_frame_by_frame(
    tmp_path: Path, write_slice: WriteSlice, body_hu: np.ndarray
) -> None:
    """Positions and intercepts of each frame, directions and spacing shared; frames out of order."""
    shared, directions, measures = Dataset(), Dataset(), Dataset()
    directions.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [0.9, 0.7], 5
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [directions], [measures]
    order = [3, 0, 5, 1, 4, 2]
    stored = body_hu[order] + np.int16(1024)
    path = write_slice(
        tmp_path / "enhanced",
        stored[0],
        NumberOfFrames=6,
        PixelData=stored.tobytes(),
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=[_frame(2.5 * k, -1024 - k) for k in order],
        **dict.fromkeys(
            (
                "PixelSpacing",
                "SliceThickness",
                "ImagePositionPatient",
                "ImageOrientationPatient",
                "RescaleSlope",
                "RescaleIntercept",
            )
        ),
    )
    volume = read_dicom(path)

    np.testing.assert_array_equal(volume.array, body_hu - np.arange(6)[:, None, None])
    assert volume.spacing_mm == pytest.approx((2.5, 0.9, 0.7), rel=1e-7)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("CT_small.dcm", "CT_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
    ],
)
def test_values_are_those_of_pydicom(name: str, reference: str) -> None:
    """Pydicom reads the uncompressed reference; the others hold the same image, all without loss."""
    path = Path(str(get_testdata_file(name)))
    header = pydicom.dcmread(str(get_testdata_file(reference)))
    values, _, _ = read_values(read_images(path, Limits(), time.monotonic() + 60), Limits())

    stored = header.pixel_array.astype(float)
    expected = stored * float(header.get("RescaleSlope", 1)) + float(header.get("RescaleIntercept", 0))
    np.testing.assert_array_equal(values[0], expected)


def test_a_syntax_that_nothing_here_decodes_is_named(tmp_path: Path, write_slice: WriteSlice) -> None:
    from pydicom.encaps import encapsulate

    path = write_slice(
        tmp_path / "x",
        np.zeros((4, 5), np.int16),
        syntax="1.2.840.10008.1.2.4.201",
        PixelData=encapsulate([b"\0" * 20]),
    )

    assert _refusal(path).got == "transfer syntax 1.2.840.10008.1.2.4.201"
