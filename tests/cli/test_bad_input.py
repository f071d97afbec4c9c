"""Bad input through the command line: one clear line, the documented code, nothing written."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medidiff.cli.main import main

from ..dicoms import write_slice

_SIDE = 32


def _body() -> np.ndarray:
    """(x, y, z) whole HU: soft tissue in air."""
    x, y = np.mgrid[:_SIDE, :_SIDE] - _SIDE / 2
    plane = np.where(x**2 + y**2 < 100, 40, -1000)
    return np.repeat(plane[:, :, None], 3, axis=2).astype(np.float32)


def _save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    image = nibabel.Nifti1Image(array, None)  # without an affine nibabel keeps the header as it is
    image.header.set_sform(np.diag([-1.0, -1.0, 2.0, 1.0]) if affine is None else affine, code=1)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


def _with(value: float) -> np.ndarray:
    array = _body()
    array[3, 4, 1] = value
    return array


def _sheared() -> np.ndarray:
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    affine[0, 2] = 0.8
    return affine


def _dicom(path: Path, positions: tuple[float, ...], series: str = "1.2.9") -> Path:
    path.mkdir()
    plane = _body()[:, :, 0].astype("<i2")
    for number, z in enumerate(positions):
        write_slice(
            path / f"{number}.dcm",
            plane,
            SOPInstanceUID=f"1.2.3.{number}",
            SeriesInstanceUID=series,
            ImagePositionPatient=[0, 0, z],
            PixelSpacing=[1, 1],
            SliceThickness=2,
            RescaleIntercept=0,
        )
    return path


def _two_series(path: Path) -> Path:
    _dicom(path, (0, 2, 4))
    _dicom(path / "more", (0, 2, 4), "1.2.10")
    return path


def _angles(text: str) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.with_name("angles.txt").write_text(text)
        return _save(path.with_suffix(".nii"), _body())

    return write


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


# name -> what is made at a path (which it returns), the exit code, words that the line must hold.
_CASES: dict[str, tuple[Callable[[Path], Path], int, tuple[str, ...]]] = {
    "missing": (lambda p: p, 3, ("nothing under that name",)),
    "name-too-long": (lambda p: p.with_name("x" * 300), 3, ("cannot be opened",)),
    "below-a-file": (lambda p: _write(p, b"") / "scan.nii", 3, ("cannot be opened",)),
    "empty-folder": (_folder, 3, ("empty",)),
    "not-an-image": (lambda p: _write(p.with_suffix(".nii"), b"hello" * 99), 3, ("NIfTI",)),
    "empty-file": (lambda p: _write(p.with_suffix(".nii"), b""), 3, ("NIfTI",)),
    "half-a-file": (
        lambda p: _write(p.with_suffix(".nii"), _save(p.with_suffix(".nii"), _body()).read_bytes()[:5000]),
        3,
        ("bytes",),
    ),
    "damaged-gzip": (lambda p: _write(p.with_suffix(".nii.gz"), gzip.compress(b"x" * 999)[:40]), 3, ()),
    "nan": (lambda p: _save(p.with_suffix(".nii"), _with(np.nan)), 3, ("1 NaN",)),
    "infinite": (lambda p: _save(p.with_suffix(".nii"), _with(np.inf)), 3, ("infinite",)),
    "zero-spacing": (
        lambda p: _save(p.with_suffix(".nii"), _body(), np.diag([-1.0, 0, 2, 1])),
        3,
        ("spacing",),
    ),
    "sheared": (lambda p: _save(p.with_suffix(".nii"), _body(), _sheared()), 3, ("right angles",)),
    "time-series": (lambda p: _save(p.with_suffix(".nii"), np.stack([_body()] * 2, -1)), 3, ()),
    "colour": (
        lambda p: _save(p.with_suffix(".nii"), np.zeros((9, 9, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])),
        3,
        ("colour",),
    ),
    "bytes-not-hu": (
        lambda p: _save(p.with_suffix(".nii"), np.where(_body() > 0, 200, 10).astype(np.uint8)),
        3,
        ("Hounsfield",),
    ),
    "missing-slices": (lambda p: _dicom(p, (0, 2, 4, 8, 10)), 3, ("1 missing at 6",)),
    "two-series": (_two_series, 3, ("--series", "3 slices")),
    "angle-outside": (_angles("0, 60, 400"), 3, ("angles.txt", "1 outside, the first 400")),
    "angle-nan": (_angles("0, nan"), 3, ("angles.txt", "1 outside, the first nan")),
    "angles-too-many": (_angles("1 " * 4097), 3, ("angles.txt", "4097 numbers")),
    "angles-none": (_angles(""), 3, ("angles.txt", "0 numbers")),
    "angles-not-numbers": (_angles("zero"), 3, ("angles.txt",)),
    "slices-outside": (lambda p: _save(p.with_suffix(".nii"), _body()), 3, ("2:9",)),
    "matrix-that-does-not-divide": (lambda p: _save(p.with_suffix(".nii"), _body()), 3, ("matrix",)),
}

_OPTIONS = {
    **{
        f"angle{kind}": ["--angles-file", "angles.txt"]
        for kind in ("-outside", "-nan", "s-too-many", "s-none", "s-not-numbers")
    },
    "slices-outside": ["--views", "9", "--slices", "2:9"],
    "matrix-that-does-not-divide": ["--views", "9", "--matrix", "20"],
}


@pytest.mark.parametrize("name", _CASES)
def test_one_line_the_code_and_nothing_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make, code, words = _CASES[name]
    path = make(tmp_path / "scan")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    options = _OPTIONS.get(name, ["--views", "9"])
    found = main(["reconstruct", "ct", str(path), *options, "--method", "fbp", "--out", "o"])
    shown = capsys.readouterr()
    assert (found, shown.out) == (code, ""), shown.err
    assert shown.err.startswith("medidiff: error: ")
    assert shown.err.count("\n") == 1
    assert "expected" in shown.err
    assert [word for word in words if word not in shown.err] == []
    assert "CANARY" not in shown.err
    assert str(tmp_path) not in shown.err
    assert sorted(tmp_path.rglob("*")) == before


def _closed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Nobody but root may enter the folder that holds `name`, and the tests may run as root."""
    stat = os.stat

    def refuse(path: Path | str | int, *rest: object, **options: object) -> os.stat_result:
        if not isinstance(path, int) and Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *rest, **options)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(os, "stat", refuse)


@pytest.mark.parametrize(
    "words",
    [
        ["reconstruct", "ct", "closed.nii", "--views", "9", "--method", "fbp", "--out", "o"],
        ["train", "tiny.yaml", "--data", "closed.nii", "--out", "o"],
        ["models", "pack", "closed.nii", "--data", "d", "--out", "o"],
    ],
)
def test_what_may_not_be_read_is_bad_input_and_not_a_bad_output(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _closed(monkeypatch, "closed.nii")
    assert main(words) == 3
    shown = capsys.readouterr().err
    assert "closed.nii: expected a file that can be read, got a file that may not be read" in shown
    assert shown.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("out", "before"), [(".", "scan.nii"), ("v2", "v2/scan.nii"), ("link", "v2/scan.nii"), ("empty", "empty")]
)
def test_overwrite_never_takes_the_input(
    out: str,
    before: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Beside notes of the user; the last row is a folder that is its own input."""
    monkeypatch.chdir(tmp_path)
    for folder in ("v2", "empty"):
        (tmp_path / folder).mkdir()
    (tmp_path / "link").symlink_to("v2")
    for name in ("scan.nii", "v2/scan.nii"):
        _save(tmp_path / name, _body())
        (tmp_path / name).with_name("notes.txt").write_text("mine")
    tree = sorted(tmp_path.rglob("*"))
    words = ["reconstruct", "ct", before, "--views", "9", "--method", "fbp", "--out", out, "--overwrite"]
    assert main(words) == 5
    assert capsys.readouterr().err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == tree


def test_an_image_of_a_run_is_not_overwritten_while_it_is_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is medidiff's own, and may be overwritten by a run on another input."""
    monkeypatch.chdir(tmp_path)
    _save(tmp_path / "scan.nii", _body())
    words = ["--views", "9", "--method", "fbp", "--out", "o", "--overwrite", "--quiet"]
    assert main(["reconstruct", "ct", "scan.nii", *words]) == 0
    assert main(["reconstruct", "ct", "scan.nii", *words]) == 0
    assert main(["reconstruct", "ct", "o/reference.nii.gz", *words]) == 5
    assert "the folder that holds it" in capsys.readouterr().err
    assert (tmp_path / "o" / "reference.nii.gz").exists()


def test_unequal_pixels_are_reconstructed_on_their_own_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pixels of 1 x 1.5 mm are handled, not misread: what comes back has the input's affine."""
    monkeypatch.chdir(tmp_path)
    affine = np.diag([-1.0, -1.5, 2.0, 1.0])
    _save(tmp_path / "scan.nii", _body(), affine)
    words = ["reconstruct", "ct", "scan.nii", "--views", "24", "--method", "fbp", "--out", "o", "--quiet"]
    assert main(words) == 0
    assert np.allclose(nibabel.load(tmp_path / "o" / "fbp.nii.gz").affine, affine)
    assert "fbp" in capsys.readouterr().out


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real thing in small: no file may grow past 4 kB, as on a disk that fills while writing."""
    import resource

    monkeypatch.chdir(tmp_path)
    _save(tmp_path / "scan.nii", _body())
    words = ["reconstruct", "ct", "scan.nii", "--views", "24", "--method", "fbp", "--out", "o", "--quiet"]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        code = main(words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 5
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["scan.nii"]
