"""A file or folder appears whole under its name, or what stood there before stays."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from medidiff.atomic import refuse_occupied, writable, writing_file, writing_folder
from medidiff.errors import OutputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old").write_text("old")
    with writing_folder(tmp_path / "run", overwrite=True) as temporary:
        (temporary / "new").write_text("new")

    assert names(tmp_path / "run") == ["new"]
    assert names(tmp_path) == ["run"]


def test_an_interrupt_between_the_two_renames_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "old").write_text("old")
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        if self.name.endswith("-old") or target.name.endswith("-old"):
            return rename(self, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), writing_folder(out, overwrite=True) as temporary:
        (temporary / "new").write_text("new")

    assert names(out) == ["old"]
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
