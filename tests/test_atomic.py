"""A file or folder appears whole under its name, or what stood there before stays."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from medidiff.atomic import (
    refuse_occupied,
    rehearse_files,
    rehearse_folder,
    writable,
    writing_file,
    writing_folder,
)
from medidiff.errors import OutputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run_folder(path: Path, **more: str) -> Path:
    """A folder that a run has left, and files of somebody else beside it."""
    (path / "sample_000").mkdir(parents=True)
    outputs = ["old.nii.gz", "sample_000/field.nii.gz"]
    report = json.dumps({"schema": "medidiff.report/1", "outputs": outputs})
    for name in (*outputs, "provenance.json", "figure.png"):
        (path / name).write_text("old")
    for name, text in {"report.json": report, **more}.items():
        (path / name).write_text(text)
    return path


def test_a_file_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with writing_file(path) as temporary:
        temporary.write_text("new")

        assert path.read_text() == "old"

    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with writing_file(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()

    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_parent_that_is_a_file_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(OutputError) as caught, writing_file(tmp_path / "file" / "a.txt") as temporary:
        temporary.write_text("x")

    assert caught.value.got == "not a directory"


def test_a_parent_that_is_absent_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError), writing_file(tmp_path / "nowhere" / "a.txt") as temporary:
        temporary.write_text("x")


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "run"
    with writing_folder(out) as temporary:
        (temporary / "sub").mkdir()
        (temporary / "sub" / "a").write_text("1")

        assert not out.exists()

    assert (out / "sub" / "a").read_text() == "1"
    assert names(out.parent) == ["run"]


def test_a_full_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "a").write_text("mine")

    with pytest.raises(OutputError) as caught, writing_folder(tmp_path / "run"):
        pytest.fail("the body must not run")

    assert caught.value.got == "a folder that is not empty"
    assert names(tmp_path) == ["run"]


def test_overwriting_replaces_all_of_the_old_folder(tmp_path: Path) -> None:
    run_folder(tmp_path / "run")
    with writing_folder(tmp_path / "run", overwrite=True) as temporary:
        (temporary / "new").write_text("new")

    assert names(tmp_path / "run") == ["new"]
    assert names(tmp_path) == ["run"]


def test_an_interrupt_between_the_two_renames_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = run_folder(tmp_path / "run")
    before = names(out)
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.name.endswith("-old") or target.name.endswith("-old"):
            return rename(self, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), writing_folder(out, overwrite=True) as temporary:
        (temporary / "new").write_text("new")

    assert names(out) == before
    assert names(tmp_path) == ["run"]


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")

    with pytest.raises(OutputError) as caught:
        refuse_occupied(tmp_path / "run", overwrite=True)

    assert caught.value.got == "a file"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS])
def test_the_system_s_refusal_becomes_advice(tmp_path: Path, number: int) -> None:
    with pytest.raises(OutputError) as caught, writable(tmp_path / "a"):
        raise OSError(number, "refused")

    assert caught.value.fix


def test_other_errors_of_the_system_pass_through(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="strange") as caught, writable(tmp_path / "a"):
        raise OSError(errno.EIO, "strange")

    assert not isinstance(caught.value, OutputError)


FOREIGN = {
    "one file": lambda path: path.mkdir() or (path / "scan.nii.gz").write_text("mine"),
    "a run and a scan": lambda path: run_folder(path, **{"scan.nii.gz": "mine"}),
    "a run and a hidden file": lambda path: run_folder(path, **{".notes": "mine"}),
    "a deeper file": lambda path: (run_folder(path) / "sample_000" / "scan.nii.gz").write_text("mine"),
    "a link": lambda path: (run_folder(path) / "link").symlink_to(path.parent),
    "a report of another program": lambda path: run_folder(path, **{"report.json": '{"schema": "x"}'}),
    "a damaged report": lambda path: run_folder(path, **{"report.json": "{"}),
    "a checkpoint under another name": lambda path: path.mkdir() or (path / "state.json").write_text("{}"),
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_overwriting_never_takes_what_medidiff_did_not_write(make: object, tmp_path: Path) -> None:
    make(tmp_path / "out")  # type: ignore[operator]  # a lambda of the table above
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(OutputError) as caught, writing_folder(tmp_path / "out", overwrite=True):
        pytest.fail("the body must not run")

    assert "medidiff did not write" in caught.value.got
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["bench.json", "state.json"])
def test_a_bench_and_a_damaged_checkpoint_are_replaced(name: str, tmp_path: Path) -> None:
    """The trainer writes over a checkpoint that it passed over, whatever is left of it."""
    out = tmp_path / ("run" if name == "bench.json" else "checkpoint-00000012")
    out.mkdir()
    (out / name).write_text('{"schema": "medidiff.bench/1"}' if name == "bench.json" else "{half")
    with writing_folder(out, overwrite=True) as temporary:
        (temporary / "new").write_text("new")

    assert names(out) == ["new"]


@pytest.mark.parametrize("place", [".", "..", "/", "~", "link-to-here"])
def test_the_folder_one_is_in_is_never_replaced(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even of a run, and even an empty one: the shell would be left in a folder that is gone."""
    here = tmp_path / "study" / "here"
    here.mkdir(parents=True)
    (here / "link-to-here").symlink_to(here)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()

    with pytest.raises(OutputError) as caught:
        refuse_occupied(Path(os.path.expanduser(place)), overwrite=True)

    assert "the folder you are in" in caught.value.got
    assert str(tmp_path) not in str(caught.value)


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    target = run_folder(tmp_path / "far" / "run")
    (tmp_path / "link").symlink_to(target)
    with writing_folder(tmp_path / "link", overwrite=True) as temporary:
        (temporary / "new").write_text("new")

    assert (tmp_path / "link").readlink() == target
    assert names(target) == ["new"]
    assert names(tmp_path) == ["far", "link"]
    assert names(tmp_path / "far") == ["run"]


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    with pytest.raises(OutputError) as caught:
        refuse_occupied(tmp_path / "loop", overwrite=True)

    assert caught.value.got == "a link that leads nowhere"


def test_folders_made_on_the_way_go_again_after_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    def interrupted() -> None:
        with writing_folder(tmp_path / "a" / "b" / "c" / "run") as temporary:
            (temporary / "half").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert sorted(tmp_path.rglob("*")) == [tmp_path / "a"]


@pytest.mark.parametrize("length", [240, 255])
def test_the_longest_names_that_the_system_allows_can_be_written(length: int, tmp_path: Path) -> None:
    name = "x" * length
    rehearse_folder(tmp_path / name)
    with writing_folder(tmp_path / name) as temporary, writing_file(temporary / name) as file:
        file.write_text("x")

    assert names(tmp_path / name) == [name]


@pytest.mark.parametrize("rehearse", [rehearse_folder, rehearse_files])
def test_a_rehearsal_changes_nothing_and_finds_a_name_that_is_too_long(
    rehearse: object, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("empty", "new", "deep/new"):
        rehearse(tmp_path / place)  # type: ignore[operator]  # one of the two functions

    with pytest.raises(OutputError) as caught:
        rehearse(tmp_path / ("x" * 300))  # type: ignore[operator]  # one of the two functions
    assert caught.value.got == "file name too long"
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "empty"]


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV])
def test_a_mount_point_is_found_before_the_work(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system refuses to rename it, and only that; what stands there stays."""
    out = run_folder(tmp_path / "mounted")
    before = sorted(tmp_path.rglob("*"))

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(number, "x")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError) as caught:
        rehearse_folder(out, overwrite=True)

    assert "inside it" in caught.value.fix
    assert sorted(tmp_path.rglob("*")) == before


def test_a_rehearsal_puts_an_old_run_back(tmp_path: Path) -> None:
    out = run_folder(tmp_path / "run")
    before = {path: path.stat().st_ino for path in tmp_path.rglob("*")}
    rehearse_folder(out, overwrite=True)

    assert {path: path.stat().st_ino for path in tmp_path.rglob("*")} == before
