"""Two workstations with copies of one frozen study, joined: every answer once, chains checked."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from medidiff.errors import InputError
from medidiff.review import Presentation, Study, merge_studies, open_study, state_of, verify_study
from medidiff.review.opening import DATABASE
from medidiff.review.report import write_statistics


def read_some(study: Study, code: str, count: int, *, new: bool = True) -> None:
    reader = study.sign_in(code, "4711", new=new)
    for _ in range(count):
        shown = study.next(reader)
        assert isinstance(shown, Presentation)
        study.answer(reader, shown, "A", seconds=1.0, comment=f"{code} {shown.number}")


def copy_of(study: Study, folder: Path, *, database: bool) -> Study:
    """A copy as a coordinator makes it, with or without the database."""
    study.log.close()
    ignored = () if database else (f"{DATABASE}*",)
    shutil.copytree(study.folder, folder, ignore=shutil.ignore_patterns(*ignored))
    return open_study(folder, clock=study.clock)


def comments(study: Study) -> list[str]:
    with study.log.reading() as now:
        return [row.data["comment"] for row in now.rows("answer")]


def test_answers_of_two_workstations_are_joined(study: Study, tmp_path: Path) -> None:
    other = copy_of(study, tmp_path / "b", database=False)
    assert other.notices == ("a new database was made: this copy of the study has no answers yet",)
    read_some(study, "R01", 10)
    read_some(other, "R02", 4)
    joined = merge_studies(tmp_path / "joined", [study.folder, other.folder])
    assert comments(joined) == comments(study) + comments(other)
    state = state_of(joined)
    assert [(one.number, one.code, one.answered) for one in state.readers] == [(1, "R01", 10), (2, "R02", 4)]
    assert verify_study(joined.folder).whole
    read_some(joined, "R02", 6, new=False)  # reading goes on in the joined study, in the reader's own order
    reader = joined.sign_in("R02", "4711", new=False)
    assert joined.next(reader) is None


def test_readers_of_two_workstations_have_their_own_orders(study: Study, tmp_path: Path) -> None:
    other = copy_of(study, tmp_path / "b", database=False)
    one, two = study.sign_in("R01", "4711", new=True), other.sign_in("R02", "4711", new=True)
    assert (one.number, two.number) == (1, 1)
    assert one.order == 1
    assert two.order > 1000
    assert two.order % 2 == 1  # readers come in twos at each workstation


def test_copies_with_their_beginning_in_common_hold_it_once(study: Study, tmp_path: Path) -> None:
    read_some(study, "R01", 3)
    other = copy_of(study, tmp_path / "b", database=True)
    read_some(study, "R02", 2)
    read_some(other, "R01", 2, new=False)
    joined = merge_studies(tmp_path / "joined", [study.folder, other.folder])
    assert sorted(comments(joined)) == [*(f"R01 {k}" for k in range(1, 6)), "R02 1", "R02 2"]


def test_corrections_follow_their_answers(study: Study, tmp_path: Path) -> None:
    other = copy_of(study, tmp_path / "b", database=False)
    read_some(study, "R01", 2)
    reader = other.sign_in("R02", "4711", new=True)
    shown = other.next(reader)
    assert isinstance(shown, Presentation)
    first = other.answer(reader, shown, "A", seconds=1.0, comment="first")
    other.answer(reader, shown, "B", seconds=1.0, comment="second", corrects=first)
    joined = merge_studies(tmp_path / "joined", [study.folder, other.folder])
    with joined.log.reading() as now:
        rows = {row.data["comment"]: row for row in now.rows("answer")}
    assert rows["second"].data["corrects"] == rows["first"].number


def test_an_answer_given_twice_is_refused(study: Study, tmp_path: Path) -> None:
    study.sign_in("R01", "4711", new=True)
    other = copy_of(study, tmp_path / "b", database=True)
    read_some(study, "R01", 1, new=False)
    study.clock.now += 60  # type: ignore[attr-defined]  # the fixture's clock; the other has it too
    read_some(other, "R01", 1, new=False)
    with pytest.raises(InputError) as error:
        merge_studies(tmp_path / "joined", [study.folder, other.folder])
    assert error.value.got == "presentation 1 of one reader answered again"
    assert not (tmp_path / "joined").exists()


def test_one_code_at_two_workstations_is_asked_about(study: Study, tmp_path: Path) -> None:
    other = copy_of(study, tmp_path / "b", database=False)
    read_some(study, "R01", 1)
    read_some(other, "R01", 1)
    with pytest.raises(InputError) as error:
        merge_studies(tmp_path / "joined", [study.folder, other.folder])
    assert error.value.expected == "each reader code in one database"
    joined = merge_studies(tmp_path / "joined", [study.folder, other.folder], separate=True)
    assert [one.code for one in state_of(joined).readers] == ["R01", "R01-2"]
    assert joined.done(joined.sign_in("R01-2", "4711", new=False)) == (1, 10)


def test_a_tampered_source_is_refused_with_its_place(study: Study, tmp_path: Path) -> None:
    other = copy_of(study, tmp_path / "b", database=False)
    read_some(other, "R02", 2)
    other.log.close()
    with sqlite3.connect(other.folder / DATABASE) as connection:
        connection.execute("DROP TRIGGER log_keeps_content")
        connection.execute("UPDATE log SET seconds = 99 WHERE number = 4")
    connection.close()
    with pytest.raises(InputError) as error:
        merge_studies(tmp_path / "joined", [study.folder, other.folder])
    assert (error.value.what, "row 4" in error.value.got) == ("database 2", True)


@pytest.mark.parametrize("part", ["protocol.yaml", "images", "image"])
def test_a_first_copy_that_is_not_whole_leaves_nothing_behind(
    study: Study, tmp_path: Path, part: str
) -> None:
    other = copy_of(study, tmp_path / "b", database=False)
    if part == "images":
        shutil.rmtree(study.folder / part)
    else:
        place = study.folder / part if part != "image" else next((study.folder / "images").iterdir())
        place.write_bytes(place.read_bytes() + b"\n")
    with pytest.raises(InputError):
        merge_studies(tmp_path / "joined", [study.folder, other.folder])
    assert not (tmp_path / "joined").exists()


def test_an_unblinded_source_closes_the_joined_study(study: Study, tmp_path: Path) -> None:
    other = copy_of(study, tmp_path / "b", database=False)
    read_some(study, "R01", 1)
    read_some(other, "R02", 1)
    study.unblind("too early")
    joined = merge_studies(tmp_path / "joined", [study.folder, other.folder])
    assert joined.unblinded
    assert len(comments(joined)) == 2
    with pytest.raises(InputError):
        joined.sign_in("R02", "4711", new=False)


def test_answers_given_after_another_copy_was_unblinded_are_told(
    study: Study, tmp_path: Path, clock: Any
) -> None:
    """Who opens the results at one workstation may tell the readers of the other."""
    other = copy_of(study, tmp_path / "b", database=False)
    read_some(study, "R01", 10)
    read_some(other, "R02", 3)
    clock.now += 60
    study.unblind("to see how it goes")
    clock.now += 60
    read_some(other, "R02", 4, new=False)
    joined = merge_studies(tmp_path / "joined", [study.folder, other.folder])
    warnings = write_statistics(joined)["warnings"]
    assert any(text.startswith("4 answers were given after the results were opened") for text in warnings)
    assert not any("were opened" in text for text in write_statistics(study)["warnings"])


def test_another_study_is_refused(study: Study, tmp_path: Path, run: Path) -> None:
    from medidiff.review import freeze_study, new_study

    new_study(tmp_path / "c", [run], ["tv", "diffusion"])
    freeze_study(tmp_path / "c")
    with pytest.raises(InputError) as error:
        merge_studies(tmp_path / "joined", [study.folder, tmp_path / "c"])
    assert error.value.got == "different ones"
