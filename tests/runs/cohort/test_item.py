"""One item in this process: done, kept, done again, or failed without a name in the row."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from medidiff.io.nifti import read_nifti
from medidiff.runs import Result
from medidiff.runs.cohort.item import Job, Row, Work, do

MARKER = "marker"


@pytest.fixture
def job(work: Work, scans: Callable[..., list[Path]], tmp_path: Path) -> Job:
    """Item 1, which works, in a folder whose run goes on."""
    out = tmp_path / "out"
    out.mkdir()
    (out / MARKER).touch()
    return Job(1, scans("ok")[0], out, work, MARKER, quiet=False)


def _wrong(job: Job, word: str) -> Row:
    job.path.write_text(f"{word} 1")
    return do(job)


def test_an_item_is_an_ordinary_run_folder(job: Job) -> None:
    row = do(job)
    assert (row.item, row.status, row.kept, row.warnings, row.reason) == (1, "done", False, 2, "")
    found = Result.load(job.folder)
    assert found.provenance["reading"] == {"units": "hu"}
    assert (found["twice"].array == 2).all()
    assert row.input_sha256 == found.report["input"]["sha256"]
    assert row.threads == found.provenance["threads"]
    # The planted SSIM is NaN: null in the report, with a warning beside the planted one.
    assert len(found.warnings) == 2
    assert row.methods == {"twice": {"seconds": 1.0, "metrics": {"axial": {"psnr_db": 1.0, "ssim": None}}}}


def test_what_is_done_is_kept_to_the_last_byte(job: Job) -> None:
    first = do(job)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in job.folder.iterdir()}
    again = do(job)
    assert again == replace(first, kept=True)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in job.folder.iterdir()} == before


def _other_voxel(job: Job) -> Job:
    image = read_nifti(job.folder / "twice.nii.gz")
    image.array[0, 0, 0] += 1
    image.write(job.folder / "twice.nii.gz")
    return job


def _cut(job: Job) -> Job:
    path = job.folder / "twice.nii.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-20]))
    return job


def _without_provenance(job: Job) -> Job:
    (job.folder / "provenance.json").unlink()
    return job


def _other_option(job: Job) -> Job:
    return replace(job, work=replace(job.work, options={"factor": 3.0}))


def _other_reading(job: Job) -> Job:
    """Of the same voxels: what was asked is compared, not only what was read."""
    provenance = job.folder / "provenance.json"
    found = json.loads(provenance.read_text())
    found["cohort"]["asked"] = replace(job.work, reading={"units": "1/mm"}).asked()
    provenance.write_text(json.dumps(found))
    return job


@pytest.mark.parametrize("change", [_other_voxel, _cut, _without_provenance, _other_option, _other_reading])
def test_what_changed_is_done_again_and_said(job: Job, change: Callable[[Job], Job]) -> None:
    do(job)
    job = change(job)
    row = do(job)
    assert (row.status, row.kept) == ("done", False)
    assert row.notes == ("item 1: its files or the options changed, so that it was done again",)
    number = float(job.path.read_text().split()[1])
    assert (Result.load(job.folder)["twice"].array == number * job.work.options["factor"]).all()
    assert do(job).kept


def test_a_folder_of_another_scan_stays(job: Job) -> None:
    """A scan that sorts before the others would shift all numbers, and replace every item."""
    do(job)
    job.path.write_text("ok 5")
    row = do(job)
    assert row.status == "failed"
    assert "the one that item_001 was made of" in row.reason
    job.path.write_text("ok 4")
    assert (Result.load(job.folder)["twice"].array != 5 * job.work.options["factor"]).all()
    shutil.rmtree(job.folder)
    assert do(job).status == "done"


def test_a_folder_with_a_stranger_s_file_is_not_replaced(job: Job) -> None:
    do(job)
    (job.folder / "mine.txt").write_text("keep")
    _other_voxel(job)
    assert "a folder that medidiff did not write, or not alone" in do(job).reason
    assert (job.folder / "mine.txt").read_text() == "keep"


def test_a_corrupt_scan_is_a_row_without_its_name(job: Job) -> None:
    """The planted error quotes the path, the folder and the name."""
    row = _wrong(job, "corrupt")
    assert (row.status, row.reason) == (
        "failed",
        "expected a number, got (the scan) itself. Mend (the scan).",
    )
    assert row.places == ()
    assert not job.folder.exists()


def test_a_bug_is_told_by_its_places_alone(job: Job, capfd: pytest.CaptureFixture[str]) -> None:
    row = _wrong(job, "bug")
    assert row.reason == "a bug (ValueError)"
    assert row.places[0] == "builtins.ValueError"
    assert any("medidiff/runs/cohort/item.py" in place for place in row.places)
    assert "CANARY" not in str(row)
    assert "CANARY" in capfd.readouterr().err  # this job is not quiet: --debug shows all


def test_an_item_stops_when_its_run_is_over(job: Job) -> None:
    """Before it begins, and at the next step of what it is doing."""
    job.path.write_text("wait 1")
    job.path.with_suffix(".go").touch()
    (job.out / MARKER).unlink()
    assert do(job) == Row(1)
    (job.out / MARKER).touch()
    job.path.with_suffix(".go").unlink()
    work = job.work

    def once(path: Path, *, units: str) -> object:
        (job.out / MARKER).unlink()
        return work.read(path, units=units)

    assert do(replace(job, work=replace(work, read=once))) == Row(1)
    assert not job.folder.exists()


def test_a_worker_that_cannot_see_the_folder_says_so(job: Job) -> None:
    row = do(replace(job, out=job.out / "elsewhere"))
    assert (row.status, "the same file system" in row.reason) == ("failed", True)


def test_what_is_asked_decides_the_digest(work: Work) -> None:
    others = [
        replace(work, options={"factor": 2.5}),
        replace(work, reading={"units": "1/mm"}),
        replace(work, verb="another"),
        replace(work, read=work.function),
    ]
    assert len({work.asked(), *(other.asked() for other in others)}) == 5
    assert replace(work, options=dict(work.options)).asked() == work.asked()
