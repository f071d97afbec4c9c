"""Nothing that names a person leaves the input of a run that succeeds: every byte that comes out is read."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from medidiff.cli.main import main

from ..dicoms import BIRTH, CANARY, NUMBER, write_patient

STUDY = "20240229"
"""Dates and a number that nothing else in a run folder holds."""

_SIDE = 32
_NAMED = (
    *("PatientName", "PatientID", "OtherPatientIDs", "PatientComments", "AccessionNumber"),
    *("StudyID", "StudyDescription", "SeriesDescription", "ProtocolName", "ImageComments"),
    *("InstitutionName", "ReferringPhysicianName", "OperatorsName", "StationName"),
)

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")  # a name where a code belongs


def _series(folder: Path) -> Path:
    """Three slices of a disc of water whose every describing field names the patient."""
    folder.mkdir()
    named = dict.fromkeys(_NAMED, CANARY) | dict.fromkeys(("StudyDate", "SeriesDate"), STUDY)
    for k in range(3):
        target = folder / f"{CANARY}-{k}.dcm"
        write_patient(target, k, side=_SIDE, ImageType=["ORIGINAL", "PRIMARY", CANARY], **named)
    (folder / "notes.txt").write_text(CANARY)  # passed over, and said so without its name
    return folder


def _unpacked(data: bytes) -> bytes:
    """The bytes, with what gzip or a PNG's chunks hold packed beside them."""
    if data[:2] == b"\x1f\x8b":
        return data + gzip.decompress(data)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        # A compressed text chunk: keyword, two zeros, a zlib stream.
        parts = (part.partition(b"\0\0")[2] for part in data.split(b"zTXt")[1:])
        return data + b"".join(zlib.decompressobj().decompress(part) for part in parts)
    return data


def _found(data: bytes) -> list[str]:
    """Which of the names are in it, in either case, in 8 or 16 bits a character."""
    text = _unpacked(data).lower()
    words = ("canary", "zx81", BIRTH, STUDY, NUMBER)
    return [w for w in words if w.encode() in text or w.encode("utf-16-le") in text]


def _written(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        yield name, _found(name.encode()) + _found(path.read_bytes() if path.is_file() else b"")


def test_a_run_that_succeeds_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The folder of the input bears the patient's name too; temporary files are made where they are seen."""
    source = _series(tmp_path / CANARY)
    here = tmp_path / "work"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(tempfile, "tempdir", str(here))
    for path, words in ((source, ["--json"]), (Path("..") / CANARY, ["--seed", "1"])):
        out = f"out{len(words)}"
        scan = ["reconstruct", "ct", str(path), "--views", "9", "--photons", "1e5", "--method", "fbp"]
        assert main([*scan, "--out", out, *words]) == 0
    shown = capfd.readouterr()
    found = dict(_written(here))
    assert {"out1/fbp.nii.gz", "out1/report.json", "out1/provenance.json", "out1/figure.png"} <= set(found)
    assert {name: words for name, words in found.items() if words} == {}
    assert _found(shown.out.encode() + shown.err.encode()) == []
    assert "passed over: 1 file (not DICOM)" in shown.err


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.nii.gz", gzip.compress(b"x" * 999 + CANARY.encode())),
        ("a.json", f'{{"date": "{STUDY}"}}'.encode()),
        ("a.bin", "Canary".encode("utf-16-le")),
        (
            "a.png",
            b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0zTXtTitle\0\0" + zlib.compress(CANARY.encode()) + b"crc",
        ),
        (f"{CANARY}.txt", b""),
    ],
)
def test_the_search_finds_what_is_planted(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert any(words for _, words in _written(tmp_path))


def test_the_search_finds_the_patient_in_the_input(tmp_path: Path) -> None:
    _series(tmp_path / "s")
    words = {word for _, found in _written(tmp_path / "s") for word in found}
    assert words == {"canary", "zx81", BIRTH, STUDY, NUMBER}
