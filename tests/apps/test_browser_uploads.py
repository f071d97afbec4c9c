"""What a person may bring, in a real browser: each file is an image, or one line, and the server lives."""

from __future__ import annotations

import gzip
import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app needs pip install 'medidiff[apps]'")

import medidiff
from medidiff.io.volume import Volume

from ..dicoms import write_slice
from .conftest import PATIENT_MS, zipped

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

NAME = "CANARY^NAME"


@pytest.fixture(scope="module")
def url(app_server) -> str:
    return str(app_server().url)


def nifti(volume: Volume, folder: Path) -> bytes:
    volume.write(folder / "v.nii.gz")
    return (folder / "v.nii.gz").read_bytes()


def dicom(slices: range, series: int) -> dict[str, bytes]:
    """Slices of the shipped CT at half size, by name of file, with a patient's name in names and headers."""
    demo = medidiff.demo_volume("ct")
    files = {}
    for k in slices:
        buffer = io.BytesIO()
        write_slice(
            buffer,
            demo.array[k, ::2, ::2].astype(np.int16),
            PatientName=NAME,
            PatientID=NAME,
            SeriesDescription=None,
            SOPInstanceUID=f"1.2.3.{series}.{k + 1}",
            SeriesInstanceUID=f"1.2.3.{series}",
            SeriesNumber=series,
            InstanceNumber=k + 1,
            ImagePositionPatient=[0, 0, 2.5 * k],
            PixelSpacing=[1.4, 1.4],
            SliceThickness=2.5,
            RescaleIntercept=0,
        )
        files[f"{NAME}/{series}/{k}.dcm"] = buffer.getvalue()
    return files


def header_of(*shape: int) -> bytes:
    """The header of a NIfTI of that shape, float32."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape(shape)
    header.set_sform(np.eye(4), code=1)
    buffer = io.BytesIO()
    header["vox_offset"], header["magic"] = 352, b"n+1"
    header.write_to(buffer)
    return buffer.getvalue() + bytes(4)


def cube(side: int) -> Volume:
    values = np.random.default_rng(side).integers(-900, 900, (4, side, side)).astype(np.float32)
    return Volume.from_array(values, spacing_mm=(3.0, 2.0, 2.0))


def own_scan(page: Page, url: str) -> Locator:
    """The Reconstruct page, asking for a file."""
    page.goto(url)
    page.get_by_role("radio", name="My file").click(timeout=PATIENT_MS)
    chosen = page.get_by_test_id("stFileUploader").locator("input[type=file]")
    chosen.wait_for(state="attached", timeout=PATIENT_MS)
    return chosen


def give(place: Locator, name: str, content: bytes) -> None:
    """Choose a file, and again where it does not appear.

    Streamlit drops its answer to "where may I upload?" when a run of the page begins within the milliseconds
    that the answer waits; no person is that fast after another file, a test is.
    """
    from playwright.sync_api import TimeoutError as TooLate

    chip = place.locator("xpath=ancestor::*[@data-testid='stFileUploader']").get_by_test_id("stFileChip")
    for _ in range(6):
        place.set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": content})
        with suppress(TooLate):
            chip.wait_for(timeout=20_000)
            return
    pytest.fail("a file was chosen six times and never appeared")


def the_line(page: Page) -> str:
    """The one message on the page."""
    alert = page.get_by_test_id("stAlertContentError")
    alert.first.wait_for(timeout=PATIENT_MS)
    assert alert.count() == 1
    sign, *lines = filter(None, alert.inner_text().split("\n"))
    assert (sign, len(lines)) == ("error", 1)
    assert NAME not in lines[0]
    return lines[0]


def test_a_nifti_is_shown(page: Page, url: str, tmp_path: Path) -> None:
    give(own_scan(page, url), f"{NAME}.nii.gz", nifti(cube(32), tmp_path))
    page.get_by_text("Axial 3 / 4").first.wait_for(timeout=PATIENT_MS)


def test_a_zip_of_a_dicom_folder_is_shown_and_of_several_series_one_is_chosen(page: Page, url: str) -> None:
    place = own_scan(page, url)
    give(place, f"{NAME}.zip", zipped({**dicom(range(4, 10), 1), **dicom(range(4, 9), 2)}))
    series = page.get_by_role("combobox", name="Series")
    series.wait_for(timeout=PATIENT_MS)
    assert series.input_value() == "", "none is taken by itself"
    series.click()
    options = page.get_by_role("option")
    assert [text.split(",")[1].split()[0] for text in options.all_inner_texts()] == ["6", "5"]
    assert page.locator(".viewer").count() == 0
    options.nth(1).click()
    page.get_by_text("Axial 3 / 5").first.wait_for(timeout=PATIENT_MS)
    assert NAME not in page.get_by_test_id("stMain").locator(".viewer").inner_text()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.nii.gz", b"not an image at all", "NIfTI"),
        ("a.zip", b"PK\x03\x04 nor this", "zip"),
        ("a.nii.gz", gzip.compress(header_of(512, 512, 300) + bytes(300 << 20)), "unpack"),
        ("a.nii", header_of(5000, 5000, 1000), "voxels"),
        ("a.zip", zipped({"a": bytes(300 << 20)}), "unpacks to more than allowed"),
    ],
    ids=["text", "broken zip", "gzip bomb", "header of 100 GB", "zip bomb"],
)
def test_what_cannot_be_used_is_one_line_and_the_next_file_is_read(
    page: Page, url: str, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    place = own_scan(page, url)
    give(place, NAME + name, content)
    line = the_line(page)
    assert "expected" in line
    page.get_by_test_id("stFileUploader").get_by_role("button", name="Remove").first.click()
    page.get_by_test_id("stAlertContentError").wait_for(state="detached", timeout=PATIENT_MS)
    give(place, "b.nii.gz", nifti(cube(32), tmp_path))
    page.get_by_text("Axial 3 / 4").first.wait_for(timeout=PATIENT_MS)
    assert told in line


def test_two_grids_in_compare_are_one_line(page: Page, url: str, tmp_path: Path) -> None:
    page.goto(url)
    page.get_by_role("link", name="Compare").click(timeout=PATIENT_MS)
    page.get_by_role("radio", name="My volumes").click(timeout=PATIENT_MS)
    places = page.get_by_test_id("stFileUploader").locator("input[type=file]")
    places.nth(1).wait_for(state="attached", timeout=PATIENT_MS)
    give(places.nth(0), f"{NAME}.nii.gz", nifti(cube(24), tmp_path))
    give(places.nth(1), f"{NAME}.nii.gz", nifti(cube(32), tmp_path))
    assert "expected the grid of Volume 1, 4 x 24 x 24 voxels (z, y, x), got 4 x 32 x 32" in the_line(page)
    page.get_by_test_id("stFileUploader").nth(1).get_by_role("button", name="Remove").first.click()
    page.get_by_text("Give two volumes").wait_for(timeout=PATIENT_MS)
    give(places.nth(1), f"{NAME}.nii.gz", nifti(cube(24), tmp_path))
    page.locator(".viewer[data-loaded]").wait_for(timeout=PATIENT_MS)
    assert page.locator(".viewer .pane").count() == 2
