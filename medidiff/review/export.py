"""What comes out of a study: `answers.csv`, `answers.json` and the data dictionary beside them.

Before unblinding the arms are left out: an answer says "A" and nothing says what A was. Training answers and
answers that were corrected later are in it, marked; reader codes are not, only numbers.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from medidiff.atomic import writable, writing_file
from medidiff.errors import InputError, OutputError
from medidiff.review.design.protocol import Protocol
from medidiff.review.presentation import CANNOT, TIE, choices
from medidiff.review.store import Head, Reading, Row
from medidiff.review.study import Study
from medidiff.runs.plain import read_json, to_plain, write_json
from medidiff.runs.report import NOTICE

ANSWERS_CSV, ANSWERS_JSON, DICTIONARY = "answers.csv", "answers.json", "dictionary.json"
SCHEMA = "medidiff.review.answers/1"
_HIDDEN = ("side_a", "side_b", "preferred")
_FORMULA = ("=", "+", "-", "@", "\t")


@dataclass(frozen=True)
class Column:
    """One column of answers.csv. allowed: the values that may stand there, where they can be listed."""

    name: str
    meaning: str
    type: str
    unit: str = ""
    allowed: tuple[str, ...] = ()


def columns(protocol: Protocol) -> tuple[Column, ...]:
    """The columns, in order. Empty cells mean: does not apply, or hidden until the study is unblinded."""
    arms = tuple(arm.name for arm in protocol.arms)
    given = tuple(choice.value for choice in choices(protocol))
    yes_no = ("true", "false")
    return (
        Column("row", "number of the answer's row in the log", "whole number"),
        Column("reader", "number of the reader in this database", "whole number"),
        Column("session", "row number of the sign-in that the answer belongs to", "whole number"),
        Column("day", "whole days from the study's first sign-in to this one", "whole number", "day"),
        Column("number", "place of the presentation in the reader's order, from 1", "whole number"),
        Column("training", "whether the case was for training and does not count", "boolean", "", yes_no),
        Column("case", "id of the case in the protocol", "text", "", tuple(c.id for c in protocol.cases)),
        Column("occasion", "1 for the first reading, 2 for the repeat", "whole number", "", ("1", "2")),
        Column("side_a", "arm that was shown as A (or alone); hidden until unblinded", "text", "", arms),
        Column("side_b", "arm that was shown as B; hidden until unblinded", "text", "", arms),
        Column("choice", "what the reader answered", "text", "", given),
        Column("preferred", "arm that the answer prefers; hidden until unblinded", "text", "", (*arms, TIE)),
        Column("score", "point of the scale, for a Likert study", "whole number", "point"),
        Column("shown_s", "time that the images were shown before the answer", "number", "s"),
        Column("at_s", "time from the start of the session to the answer", "number", "s"),
        Column("comment", "what the reader wrote; one that begins as a formula has ' before it", "text"),
        Column("corrects", "row number of the earlier answer that this one replaces", "whole number"),
        Column("superseded", "whether a later answer replaces this one", "boolean", "", yes_no),
    )


@dataclass(frozen=True)
class Export:
    """What was written. blinded: whether arms were left out. head: of the log at that moment."""

    files: tuple[Path, ...]
    answers: int
    blinded: bool
    head: Head


def export_study(study: Study, folder: Path | None = None) -> Export:
    """Write the three files into `folder` (default: the study's), each whole or not at all.

    An earlier export is replaced; raises OutputError for other files of these names, and for a folder that
    cannot be written.
    """
    folder = folder or study.folder
    prepare_folder(folder, (ANSWERS_JSON, ANSWERS_CSV, DICTIONARY), SCHEMA)
    with study.log.reading() as now:
        blinded, head = not now.rows("unblind"), now.head()
        answers = answer_rows(study.protocol, now)
        events = [_event(row) for row in now.rows("event")]
    names = [column.name for column in columns(study.protocol)]
    facts = {
        "title": study.protocol.title,
        "protocol_sha256": study.digest,
        "kind": study.protocol.kind,
        "blinded": blinded,
        "head": str(head),
        "rows": head.count,
    }
    head_lines = {"schema": SCHEMA, "notice": NOTICE, **facts}
    write_json(folder / ANSWERS_JSON, {**head_lines, "answers": answers, "events": events})
    _write_csv(folder / ANSWERS_CSV, names, answers)
    write_json(folder / DICTIONARY, to_plain(_dictionary(study.protocol, blinded=blinded)))
    files = tuple(folder / name for name in (ANSWERS_CSV, ANSWERS_JSON, DICTIONARY))
    return Export(files, len(answers), blinded, head)


def prepare_folder(folder: Path, names: Sequence[str], schema: str) -> None:
    """Make the folder for these files, where the first, JSON of that schema, tells whose the others are.

    OutputError where one is there that was not written with it.
    """
    there = [name for name in names if (folder / name).exists()]
    if there and not _has_schema(folder / names[0], schema):
        raise OutputError(
            f"output {there[0]}",
            expected="no file of that name, or that of an earlier export",
            got="another one",
            fix="Choose another --out.",
        )
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)


def _has_schema(path: Path, schema: str) -> bool:
    try:
        return read_json(path).get("schema") == schema
    except InputError:
        return False


def answer_rows(protocol: Protocol, now: Reading) -> list[dict[str, Any]]:
    """Every answer as a row of the table: names of `columns` -> plain values, None where empty."""
    blinded = not now.rows("unblind")
    begun = {row.number: float(row.data["utc"]) for row in now.rows("session")}
    start = min(begun.values(), default=0.0)
    rows = now.rows("answer")
    replaced = {row.data["corrects"] for row in rows}
    found = []
    for row in rows:
        facts = row.data
        sides = [*facts["arms"], None]
        a, b = (None, None) if blinded else sides[:2]
        choice = str(facts["choice"])
        likert = protocol.kind == "likert"
        preferred = {"A": a, "B": b, TIE: TIE}.get(choice) if not (blinded or likert) else None
        found.append(
            {
                "row": row.number,
                "reader": row.reader,
                "session": row.session,
                "day": int((begun.get(row.session, start) - start) // 86400),
                "number": facts["number"],
                "training": facts["training"],
                "case": facts["case"],
                "occasion": facts["occasion"],
                "side_a": a,
                "side_b": b,
                "choice": choice,
                "preferred": preferred,
                "score": int(choice) if likert and choice != CANNOT else None,
                "shown_s": facts["shown_s"],
                "at_s": row.seconds,
                "comment": facts["comment"],
                "corrects": facts["corrects"],
                "superseded": row.number in replaced,
            }
        )
    return found


def _event(row: Row) -> dict[str, Any]:
    facts = row.data
    return {
        "row": row.number,
        "reader": row.reader,
        "session": row.session,
        "number": facts.get("number"),
        "at_s": row.seconds,
        "event": facts["event"],
        "data": facts.get("data"),
    }


def _write_csv(path: Path, names: Sequence[str], answers: Sequence[dict[str, Any]]) -> None:
    with writing_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for answer in answers:
            writer.writerow([_cell(answer[name]) for name in names])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    # A spreadsheet would run a comment that begins as a formula.
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text


def _dictionary(protocol: Protocol, *, blinded: bool) -> dict[str, Any]:
    told = columns(protocol)
    if blinded:  # not even the arms' names
        told = tuple(replace(one, allowed=()) if one.name in _HIDDEN else one for one in told)
    return {
        "schema": "medidiff.review.dictionary/1",
        "notice": NOTICE,
        "title": protocol.title,
        "question": protocol.question,
        "file": ANSWERS_CSV,
        "empty": "does not apply, or hidden until the study is unblinded",
        "columns": [asdict(column) for column in told],
        "choices": {choice.value: choice.label for choice in choices(protocol)},
    }
