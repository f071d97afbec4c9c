"""Several databases of one study, one a workstation, joined into one.

Every source is verified first. Its rows go in their order into the new chain; readers get new numbers and
keep their order of the schedule, references to rows follow. Rows that two databases share (one is a copy of
the other, both went on) go in once. A reader belongs to one workstation: the same code in two databases is
refused, or with `separate` taken for two readers. An unblinding comes last: it closes the joined study too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from medidiff.errors import InputError
from medidiff.review.store.chain import Row
from medidiff.review.store.log import Entry, Log
from medidiff.review.store.verify import verify_rows


@dataclass
class _Joined:
    """What was taken so far. first: number of the row that the first entry will have."""

    first: int
    separate: bool
    entries: list[Entry] = field(default_factory=list)
    macs: dict[str, int] = field(default_factory=dict)  # of rows taken -> their new number
    codes: dict[str, int] = field(default_factory=dict)  # of readers -> their new number
    readers: dict[str, int] = field(default_factory=dict)  # mac of a registration -> new number
    answered: set[tuple[int, int]] = field(default_factory=set)
    unblinded: list[Entry] = field(default_factory=list)

    def add(self, row: Row, entry: Entry) -> None:
        self.macs[row.mac] = self.first + len(self.entries)
        self.entries.append(entry)


def join_logs(target: Log, sources: Sequence[Log], *, separate: bool = False) -> None:
    """Write the rows of all sources to a new log, which has only its first row.

    Raises InputError for a source that is not whole, a code in two databases, and an answer given twice;
    then the target is as it was.
    """
    with target.reading() as now:
        joined = _Joined(now.head().count + 1, separate)
    for place, source in enumerate(sources, 1):
        with source.reading() as now:
            rows = now.rows()
        verdict = verify_rows(rows, source.key, source.study)
        if not verdict.whole:
            raise _refused(place, "a whole log", verdict.sentence(), "Put back a whole copy.")
        _take(joined, place, rows)
    joined.entries += joined.unblinded[:1]
    target.extend(joined.entries)


def _take(joined: _Joined, place: int, rows: Sequence[Row]) -> None:
    numbers: dict[int, int] = {}  # of readers: here -> joined
    moved: dict[int, int] = {}  # of rows: here -> joined
    for row in rows:
        known = joined.macs.get(row.mac)
        if row.kind == "reader":
            _take_reader(joined, place, row, numbers)
        elif row.kind == "unblind":
            joined.unblinded.append(Entry(row.kind, row.data))
            continue
        elif known is None:
            _take_other(joined, place, row, rows[-1], numbers, moved)
        moved[row.number] = joined.macs[row.mac]


def _take_reader(joined: _Joined, place: int, row: Row, numbers: dict[int, int]) -> None:
    facts = row.data
    if row.mac not in joined.readers:
        code = str(facts["code"])
        if code in joined.codes and not joined.separate:
            fix = "Give --separate when they are two people; one person reads at one workstation."
            raise _refused(place, "each reader code in one database", f"{code} again", fix)
        names = (f"{code[:16]}-{k}" for k in range(2, 1000))
        if code in joined.codes:
            code = next(name for name in names if name not in joined.codes)
        number = len(joined.codes) + 1
        joined.codes[code] = joined.readers[row.mac] = number
        joined.add(row, Entry(row.kind, {**facts, "number": number, "code": code}))
    numbers[int(facts["number"])] = joined.readers[row.mac]


def _take_other(
    joined: _Joined, place: int, row: Row, last: Row, numbers: dict[int, int], moved: dict[int, int]
) -> None:
    body: dict[str, Any] = row.data
    kind = row.kind
    if kind == "study":
        kind, body = "merged", {**body, "head": [last.number, last.mac]}
    reader = numbers.get(row.reader, 0)
    if kind == "session":
        body["code"] = next(code for code, number in joined.codes.items() if number == reader)
    if kind == "answer" and body["corrects"] is None:
        answer = (reader, int(body["number"]))
        if answer in joined.answered:
            got = f"presentation {answer[1]} of one reader answered again"
            raise _refused(place, "each answer once", got, "Leave one of these databases out.")
        joined.answered.add(answer)
    if kind == "answer" and body["corrects"] is not None:
        body["corrects"] = moved[int(body["corrects"])]
    session = moved.get(row.session, 0)
    joined.add(row, Entry(kind, body, reader, session, row.seconds))


def _refused(place: int, expected: str, got: str, fix: str) -> InputError:
    return InputError(f"database {place}", expected=expected, got=got, fix=fix)
