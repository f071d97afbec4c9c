"""What a cohort's folder or list holds: numbered in a fixed order, refused in words without names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medidiff.errors import InputError
from medidiff.io.listing import list_scans

DICOM = b"\0" * 128 + b"DICM"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two NIfTI files (of any content: reading is later) and a DICOM folder, among other things."""
    found = tmp_path / "CANARY"
    for name in ("b-series/deep", "empty", "notes"):
        (found / name).mkdir(parents=True)
    (found / "c.nii").touch()
    (found / "a.NII.GZ").touch()
    (found / "b-series" / "deep" / "CANARY-0001").write_bytes(DICOM)
    (found / "notes" / "x.txt").touch()
    (found / "readme.txt").touch()
    (found / "loose.dcm").write_bytes(DICOM)
    (found / ".hidden.nii").touch()
    return found


def test_a_folder_in_the_order_of_names_and_what_is_skipped(folder: Path) -> None:
    scans = list_scans(folder)
    assert [path.name for path in scans.paths] == ["a.NII.GZ", "b-series", "c.nii"]
    assert all(path.is_absolute() for path in scans.paths)
    assert scans.skipped == (
        "1 entry (file of another kind)",
        "2 entries (folder without DICOM)",
        "1 entry (hidden)",
        "1 entry (loose DICOM file)",
    )


def test_a_list_in_the_order_of_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to the list, wherever one stands; absolute ones too; empty lines do not count."""
    source = folder / "list.txt"
    source.write_text(f"c.nii\n\n  a.NII.GZ \r\n{folder}/b-series\n", encoding="utf-8")
    monkeypatch.chdir(folder / "empty")
    scans = list_scans(Path("..") / "list.txt")
    assert [path.name for path in scans.paths] == ["c.nii", "a.NII.GZ", "b-series"]
    assert scans.skipped == ()


def _absent(folder: Path) -> Path:
    return folder / "nothing"


def _empty(folder: Path) -> Path:
    return folder / "empty"


def _series(folder: Path) -> Path:
    return folder / "b-series" / "deep"


def _image(folder: Path) -> Path:
    (folder / "image.nii").write_bytes(b"\x1f\x8b\0\xff")
    return folder / "image.nii"


def _list(*lines: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "list.txt").write_text("\n".join(lines))
        return folder / "list.txt"

    return make


def _linked(folder: Path) -> Path:
    (folder / "z.nii").symlink_to(folder / "c.nii")
    return folder


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (_absent, "nothing under that name"),
        (_empty, "none"),
        (_series, "1 entry (loose DICOM file)"),
        (_image, "something else"),
        (_list("", " "), "none"),
        (_list("c.nii", "CANARY-x.nii", "CANARY-y.nii"), "lines 2, 3 that name nothing"),
        (_list("c.nii", "CANARY-x.nii"), "line 2 that names nothing"),
        (_list("c.nii", "", "a.NII.GZ", "./c.nii"), "line 4 that repeats line 1"),
        (_linked, "scan 4 that repeats scan 3"),
    ],
)
def test_a_cohort_that_is_none(folder: Path, make: Callable[[Path], Path], got: str) -> None:
    source = make(folder)
    with pytest.raises(InputError) as error:
        list_scans(source)
    assert (error.value.what, error.value.got, error.value.argument) == ("cohort", got, False)
    assert "CANARY" not in str(error.value)
