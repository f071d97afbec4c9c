"""Whether a log is whole, and where it is not: `medidiff review verify DIR --expect HEAD`.

What is found and what cannot be is said in `chain.py`. A place is a row's number; a fault that touches
several rows (a removed one whose followers were renumbered) is told once, by its first place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from medidiff.errors import InputError
from medidiff.review.store.chain import Head, Row, row_mac, start_mac
from medidiff.review.store.log import Log

_MOST_FAULTS = 20


@dataclass(frozen=True)
class Fault:
    """place: "row 12", or the name of a file or case. text: what happened there."""

    place: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """head: of what is there. faults: in order; none when the log is whole (and fits the expected head)."""

    head: Head
    faults: tuple[Fault, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def sentence(self) -> str:
        """One line for a person."""
        if self.whole:
            return f"{self.head.count} rows, whole; head {self.head}"
        places = "; ".join(f"{fault.place} {fault.text}" for fault in self.faults)
        return f"not whole: {places}"


def file_faults(log: Log) -> list[Fault]:
    """What is wrong with the database itself, whatever its rows say."""
    with log.reading() as now:
        own, undamaged = now.made_as_here(), now.undamaged()
    faults = [] if own else [Fault(log.path.name, "has other tables or triggers than it was made with")]
    return faults if undamaged else [*faults, Fault(log.path.name, "has damaged pages or indexes")]


def verify_log(log: Log, expect: Head | None = None) -> Verdict:
    """Check every row of a log, and that the row of an earlier head is still there with its mac."""
    with log.reading() as now:
        rows = now.rows()
    return verify_rows(rows, log.key, log.study, expect)


def verify_rows(rows: Sequence[Row], key: bytes, study: str, expect: Head | None = None) -> Verdict:
    """The same for rows in order of their numbers."""
    head = Head(rows[-1].number, rows[-1].mac) if rows else Head(0, "")
    faults = _chain_faults(rows, key, study)
    if expect is not None:
        faults += _missing_tail(rows, expect)
    return Verdict(head, tuple(faults[:_MOST_FAULTS]))


def _chain_faults(rows: Sequence[Row], key: bytes, study: str) -> list[Fault]:
    if not rows:
        return [Fault("row 1", "was removed, and all after it")]
    faults: list[Fault] = []
    before, expected = _start(rows[0], key, study), 1
    if not _any_follows(rows, key, before):
        return [Fault("row 1", "and all after it do not fit the key: another key, or another history")]
    for index, row in enumerate(rows):
        if row.number > expected:
            faults.append(_gap(expected, row.number))
            # Its predecessor is gone, so that only its followers can be checked.
        elif not _follows(key, before, row):
            text, ends = _diagnosis(rows, index, key, before)
            faults.append(Fault(f"row {row.number}", text))
            if ends:
                break
        before, expected = row.mac, row.number + 1
    return faults


def _follows(key: bytes, before: str, row: Row) -> bool:
    try:
        return row_mac(key, before, row) == row.mac
    except TypeError:  # a cell of a kind that only another program can have put there
        return False


def _any_follows(rows: Sequence[Row], key: bytes, start: str) -> bool:
    """Whether the first row, or any other after the one that stands before it, has its mac."""
    return _follows(key, start, rows[0]) or any(_follows(key, a.mac, b) for a, b in pairwise(rows))


def _start(first: Row, key: bytes, study: str) -> str:
    try:
        return start_mac(key, study, str(first.data["database"]))
    except (InputError, KeyError):
        return ""


def _gap(first: int, after: int) -> Fault:
    last = after - 1
    return Fault(f"row {first}", "was removed" if first == last else f"up to row {last} were removed")


def _diagnosis(rows: Sequence[Row], index: int, key: bytes, before: str) -> tuple[str, bool]:
    """What happened to a row that does not follow, and whether all rows after it are touched too."""
    row = rows[index]
    if index + 1 == len(rows):
        return "was changed, or added by another program", False
    after = rows[index + 1]
    if _follows(key, row.mac, after):
        return "was changed", False
    if _follows(key, before, replace(after, number=row.number)):
        if _follows(key, after.mac, replace(row, number=after.number)):
            return f"and row {after.number} were swapped", True
        return "was inserted, and the rows after it were renumbered", True
    if any(_follows(key, row.mac, replace(after, number=after.number + k)) for k in range(1, len(rows))):
        return "does not follow: what stood before it was removed, and the rest renumbered", True
    return "does not follow the row before it, nor do the rows after it", True


def _missing_tail(rows: Sequence[Row], expect: Head) -> list[Fault]:
    last = rows[-1].number if rows else 0
    if last < expect.count:
        gone = "was cut off" if last + 1 == expect.count else f"up to row {expect.count} were cut off"
        return [Fault(f"row {last + 1}", f"{gone} (the expected head has {expect.count} rows)")]
    found = next((row for row in rows if row.number == expect.count), None)
    if found is not None and found.mac != expect.mac:
        return [Fault(f"row {expect.count}", "is not the one of the expected head")]
    return []
