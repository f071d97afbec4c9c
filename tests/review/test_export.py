"""What leaves a study: blinded before, complete after; every column explained; numbers that are known."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.review import Presentation, Study, export_study, freeze_study, new_study, open_study, state_of
from medidiff.review.report import answer_table, plan_of, statistics_text, write_statistics


def read_with_preference(study: Study, code: str, arm: str, *, cannot: str = "") -> None:
    """Answer everything: the side where `arm` stands; "cannot judge" for one case."""
    reader = study.sign_in(code, "4711", new=True)
    items = study.items(reader.order)
    while isinstance(shown := study.next(reader), Presentation):
        item = items[shown.number - 1]
        side = "AB"[item.arms.index(arm)]
        choice = "cannot" if item.case == cannot else side
        study.answer(
            reader, shown, choice, seconds=2.0 + shown.number, comment="=1+1" if shown.number == 2 else ""
        )


def table_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "answers.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_before_unblinding_nothing_names_an_arm(study: Study, tmp_path: Path) -> None:
    read_with_preference(study, "R01", "diffusion")
    found = export_study(study, tmp_path / "out")
    rows = table_of(tmp_path / "out")
    assert (found.blinded, found.answers, len(rows)) == (True, 10, 10)
    assert {row["side_a"] + row["side_b"] + row["preferred"] for row in rows} == {""}
    for name in ("answers.csv", "answers.json", "dictionary.json"):
        text = (tmp_path / "out" / name).read_text()
        assert "diffusion" not in text
        assert '"tv"' not in text
        assert "R01" not in text
    facts = json.loads((tmp_path / "out" / "answers.json").read_text())
    assert facts["head"] == str(found.head)
    assert facts["rows"] == found.head.count
    assert facts["notice"] == "research use only"


def test_after_unblinding_each_answer_names_its_arms(study: Study, tmp_path: Path) -> None:
    read_with_preference(study, "R01", "diffusion", cannot="case03")
    study.unblind("all done")
    export_study(study, tmp_path)
    for row in table_of(tmp_path):
        assert {row["side_a"], row["side_b"]} == {"tv", "diffusion"}
        assert row["preferred"] == ("" if row["case"] == "case03" else "diffusion")
        assert row["choice"] == ("cannot" if row["case"] == "case03" else "AB"[row["side_b"] == "diffusion"])
        assert row["comment"] == ("'=1+1" if row["number"] == "2" else "")
        assert float(row["shown_s"]) == 2.0 + int(row["number"])


def test_every_column_is_explained(study: Study, tmp_path: Path) -> None:
    read_with_preference(study, "R01", "tv")
    study.unblind("all done")
    export_study(study, tmp_path)
    rows = table_of(tmp_path)
    dictionary = json.loads((tmp_path / "dictionary.json").read_text())
    columns = {column["name"]: column for column in dictionary["columns"]}
    assert list(columns) == list(rows[0])
    kinds: dict[str, Callable[[str], Any]] = {
        "whole number": int,
        "number": float,
        "text": str,
        "boolean": {"true": True, "false": False}.__getitem__,
    }
    for row in rows:
        for name, text in row.items():
            assert columns[name]["meaning"]
            if text:
                kinds[columns[name]["type"]](text)
                assert not columns[name]["allowed"] or text in columns[name]["allowed"]


def test_corrections_are_marked_and_only_the_last_counts(study: Study, tmp_path: Path) -> None:
    reader = study.sign_in("R01", "4711", new=True)
    rows = []
    for _ in range(2):  # the training case, then a case
        shown = study.next(reader)
        assert isinstance(shown, Presentation)
        rows.append(study.answer(reader, shown, "A", seconds=2.0))
    rows.append(study.answer(reader, shown, "tie", seconds=9.0, corrects=rows[-1]))
    study.unblind("enough")
    export_study(study, tmp_path)
    table = {int(row["row"]): row for row in table_of(tmp_path)}
    assert [table[row]["superseded"] for row in rows] == ["false", "true", "false"]
    assert table[rows[2]]["corrects"] == str(rows[1])
    arrays = answer_table(study)
    assert arrays.value.tolist() == [0.5]
    assert arrays.seconds.tolist() == [9.0]


def test_arrays_hold_what_readers_preferred(study: Study) -> None:
    """Whatever stood left, 1 is the protocol's first arm (tv) and 0 its second."""
    read_with_preference(study, "R01", "diffusion", cannot="case03")
    read_with_preference(study, "R02", "tv")
    study.unblind("all done")
    table = answer_table(study)
    assert (table.arms, len(table.cases), table.readers) == (("tv", "diffusion"), 6, ("reader 1", "reader 2"))
    assert len(table.value) == 2 * 9
    unsure = (table.reader == 0) & (table.case == 2)
    assert np.isnan(table.value[unsure]).all()
    assert (table.value[(table.reader == 0) & ~unsure] == 0).all()
    assert (table.value[table.reader == 1] == 1).all()
    assert np.bincount(table.repeat).tolist() == [12, 6]
    assert set(table.first) == {0}
    assert set(table.second) == {1}
    assert sorted(set(table.side_a)) == [0, 1]


def test_a_scale_gives_scores_by_arm(tmp_path: Path, run: Path, edited: Callable[..., Path]) -> None:
    edited(
        new_study(tmp_path / "s", [run], ["tv", "diffusion"], kind="likert", seed=3),
        "minimum_display: 2 s",
        "minimum_display: 0 s",
    )
    freeze_study(tmp_path / "s")
    study = open_study(tmp_path / "s")
    reader = study.sign_in("R01", "4711", new=True)
    items = study.items(reader.order)
    while isinstance(shown := study.next(reader), Presentation):
        assert shown.sides == ("A",)
        assert len(study.images(shown)) == 1
        score = {"tv": "2", "diffusion": "4"}[items[shown.number - 1].arms[0]]
        study.answer(reader, shown, score, seconds=1.0)
    study.unblind("all done")
    table = answer_table(study)
    assert table.kind == "scale"
    assert (table.value == np.where(table.first == 1, 4, 2)).all()
    assert plan_of(study.protocol).scale == (1.0, 5.0)
    found = write_statistics(study)
    assert found["comparisons"][0]["estimate"] == 2.0


def test_statistics_wait_for_the_unblinding(study: Study) -> None:
    read_with_preference(study, "R01", "diffusion")
    with pytest.raises(InputError) as error:
        write_statistics(study)
    assert error.value.got == "a blinded one"
    assert not (study.folder / "statistics.json").exists()


def test_statistics_and_their_words_say_what_was_answered(study: Study) -> None:
    for k in range(5):
        read_with_preference(study, f"R{k}", "tv" if k == 0 else "diffusion")
    study.unblind("all done")
    found = write_statistics(study)
    assert json.loads((study.folder / "statistics.json").read_text()) == found
    assert (study.folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    one = found["comparisons"][0]
    assert (one["arm"], one["against"]) == ("diffusion", "tv")
    assert one["estimate"] == pytest.approx(0.8)
    text = "\n".join(statistics_text(found))
    assert "diffusion against tv" in text
    assert "0.800" in text
    assert "research use only" in text


def test_status_tells_progress_and_no_result(study: Study) -> None:
    read_with_preference(study, "R01", "diffusion")
    study.sign_in("R02", "4711", new=True)
    state = state_of(study)
    assert [(one.code, one.answered, one.total) for one in state.readers] == [("R01", 10, 10), ("R02", 0, 10)]
    text = "\n".join(state.lines())
    assert "diffusion" not in text
    assert str(state.head) in text
    assert not state.unblinded
