"""What leaves a run with a person: the zip, and the numbering of sources."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from medidiff.errors import InputError
from medidiff.runs.demo import demo_run_folder
from medidiff.runs.sharing import MethodsText, Sources, zipped


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_run_folder("ct"), tmp_path / "run"))


def test_a_zip_holds_the_run_and_what_was_written_about_it(run: Path) -> None:
    (run / "notes-of-a-person.txt").write_text("not of the run")
    with zipfile.ZipFile(io.BytesIO(zipped(run, {"methods.txt": "said"}))) as archive:
        names = set(archive.namelist())
        assert names == {
            *("fbp.nii.gz", "tv.nii.gz", "diffusion.nii.gz", "reference.nii.gz"),
            *("figure.png", "report.json", "provenance.json", "methods.txt"),
        }
        assert archive.read("tv.nii.gz") == (run / "tv.nii.gz").read_bytes()
        assert archive.read("methods.txt") == b"said"
        assert archive.comment == b"research use only"
        assert json.loads(archive.read("report.json"))["notice"] == "research use only"


def test_a_zip_tells_no_date_and_is_the_same_twice(run: Path) -> None:
    first = zipped(run)
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    (run / "report.json").touch()
    assert zipped(run) == first


def test_a_link_in_a_run_is_not_followed(run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (run / "figure.png").unlink()
    (run / "figure.png").symlink_to(secret)
    with pytest.raises(InputError):
        zipped(run)


def test_sources_are_numbered_as_they_come() -> None:
    cite = Sources({"a": "A", "b": "B", "c": "C"})
    assert cite("b") == "[1]"
    assert cite("c", "b") == "[2, 1]"
    assert cite.listed() == ("B", "C")
    text = str(MethodsText("Done.", cite.listed()))
    assert text.splitlines() == ["Done.", "", "[1] B", "[2] C", "", "research use only"]


def test_warnings_stand_as_clauses_whatever_they_end_in() -> None:
    from medidiff.runs.sharing.methods import limits_sentence

    said = limits_sentence({"warnings": ["Two peaks overlap.", "one is cut"]}, "one patient")
    assert said.startswith("Limits: one patient; two peaks overlap; one is cut; ")
    assert ".;" not in said
