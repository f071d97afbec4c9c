"""The folder of a cohort: one run at a time, of one kind, and nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from medidiff.errors import InputError, OutputError
from medidiff.runs.cohort.folder import check_folder, check_same_cohort, occupied

ASKED = {"verb": "planted", "reading": {"units": "hu"}, "options": {"factor": 2.0}}


def _cohort(out: Path, count: int = 3) -> Path:
    out.mkdir()
    (out / "cohort.json").write_text(json.dumps({"schema": "medidiff.cohort/1", "count": count, **ASKED}))
    return out


def _new(out: Path) -> Path:
    return out


def _empty(out: Path) -> Path:
    out.mkdir()
    return out


def _strange(out: Path) -> Path:
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    return out


@pytest.mark.parametrize(
    ("make", "resume", "got"),
    [
        (_new, False, None),
        (_new, True, None),
        (_empty, False, None),
        (_empty, True, None),
        (_cohort, True, None),
        (_cohort, False, "a folder that is not empty"),
        (_strange, False, "a folder that is not empty"),
        (_strange, True, "a folder of something else"),
    ],
)
def test_which_folders_a_cohort_takes(
    make: Callable[[Path], Path], resume: bool, got: str | None, tmp_path: Path
) -> None:
    out = make(tmp_path / "out")
    before = sorted(tmp_path.rglob("*"))
    if got is None:
        check_folder(out, resume=resume)
    else:
        with pytest.raises(OutputError) as error:
            check_folder(out, resume=resume)
        assert error.value.got == got
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("asked", "count", "got"),
    [
        (ASKED, 3, None),
        (ASKED, 4, None),
        (ASKED, 2, "2"),
        ({**ASKED, "options": {"factor": 3.0}}, 3, "other values of factor"),
        ({**ASKED, "reading": {"units": "hu", "series": 2}}, 3, "other values of series"),
        ({**ASKED, "verb": "other"}, 3, "other values of verb"),
    ],
)
def test_only_the_same_cohort_goes_on(
    asked: dict[str, object], count: int, got: str | None, tmp_path: Path
) -> None:
    """One wrong option must not replace every item; more scans at the end are welcome."""
    out = _cohort(tmp_path / "out")
    if got is None:
        check_same_cohort(out, asked, count)
    else:
        with pytest.raises(InputError) as error:
            check_same_cohort(out, asked, count)
        assert error.value.got == got


def test_one_run_at_a_time(tmp_path: Path) -> None:
    out = _cohort(tmp_path / "out")
    with occupied(out) as marker:
        assert marker.exists()
        with pytest.raises(OutputError) as error, occupied(out):
            pass
        assert error.value.got == "one where a cohort is at work"
        with pytest.raises(OutputError):
            check_folder(out, resume=True)
        assert marker.exists()
    check_folder(out, resume=True)
    assert [path.name for path in out.iterdir()] == ["cohort.json"]


def test_what_a_killed_run_left_is_swept_up_and_nothing_else(tmp_path: Path) -> None:
    out = _cohort(tmp_path / "out")
    (out / ".medidiff-run-0123").touch()  # its lock went with its process
    for name in (f".medidiff-{'0f' * 16}", f".medidiff-{'0f' * 16}-old", "item_001", ".mine"):
        (out / name).mkdir()
        (out / name / "half").touch()
    with occupied(out):
        assert sorted(p.name for p in out.iterdir() if not p.name.startswith(".medidiff-run-")) == [
            ".mine",
            "cohort.json",
            "item_001",
        ]
    assert sorted(path.name for path in out.iterdir()) == [".mine", "cohort.json", "item_001"]


def test_a_folder_that_stayed_empty_goes_with_those_above_it(tmp_path: Path) -> None:
    with occupied(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []
