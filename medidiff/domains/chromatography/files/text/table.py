"""Traces in tables: one or several blocks of numeric rows, below whatever the program wrote above them.

The first column is the time unless a header names another, or one for each signal. Its unit stands in the
header ("time_min", "Time (min)"); where it does not, a run that ends after 180 is in seconds, one that ends
sooner in minutes, with a note. Every further numeric column is a trace, but for counters and steps. A table
that our own `Chromatogram.write` made (`time_s,signal,...`) is one trace with components.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import TIME, Chromatogram
from medidiff.domains.chromatography.files.text.numbers import (
    BLANK,
    Rows,
    bad_line,
    find_delimiter,
    is_number,
    read_columns,
    split,
)
from medidiff.domains.chromatography.files.units import axis_name, label, rising, seconds_in
from medidiff.errors import InputError

LONGEST_IN_MINUTES = 180.0
"""A run without a unit that ends later than this is taken to be in seconds."""

_SHORTEST_S, _LONGEST_S = 5.0, 86400.0  # of a run: outside, its header is doubted
_SIGNAL = "signal"
_TIME_NAME = re.compile(r"time|zeit|temps|retention|^r\.?t\b|^min|^sec|^t$|^s$|^x$")
_COUNTER = re.compile(r"^(step|index|idx|point|scan|row|no\b|nr\b|#|iter|run|sample)")
_PEAK_TABLE = re.compile(r"\barea\b|^area|_area"), re.compile(r"retention|r\.?time|^rt\b")
_UNIT = re.compile(r"[(\[]([^)\]]*)[)\]]\s*$")
_SIGNAL_UNITS = frozenset({"mv", "uv", "µv", "v", "pa", "na", "mau", "au", "nc", "us", "counts", "cps"})
_DETECTOR_KEYS = ("channel", "detector", "signal", "detector name", "channel name")
_BROKEN_LINES = 3
_SHORT = 0.02  # of the longest block: shorter ones are no traces


@dataclass(frozen=True)
class _Block:
    """Data rows, the names of their columns (may be empty), and the lines above, back to the block before."""

    rows: Rows
    names: tuple[str, ...]
    above: tuple[str, ...]


@dataclass(frozen=True)
class _Table:
    """The numbers of a block, (rows, columns), and the names of their columns, "" where there are none."""

    values: NDArray[np.float64]
    names: tuple[str, ...]
    block: _Block
    origin: str
    metadata: dict[str, str]

    @property
    def times(self) -> list[int]:
        """The columns of times: by their names, else the first."""
        return [i for i, name in enumerate(self.names) if _TIME_NAME.search(name.lower())] or [0]

    def time_of(self, column: int) -> int:
        """The time of a signal: the nearest one before it, as in tables of pairs."""
        return max((at for at in self.times if at < column), default=self.times[0])

    def signals(self, counter: int | None) -> list[int]:
        """The columns of signals: all but times, counters and steps, unless nothing else is left."""
        others = [i for i in range(len(self.names)) if i != self.times[0]]
        found = [i for i in others if i not in self.times and i != counter]
        return [i for i in found if not _COUNTER.search(self.names[i].lower())] or found or others


def read_tables(lines: list[str], origin: str, *, keep_metadata: bool) -> tuple[Chromatogram, ...]:
    """Every trace in the lines of a text file.

    Raises InputError, naming the line, for a broken row, a value that is not finite, times that repeat or
    fall, and for a file without rows of at least two numbers.
    """
    delimiter = find_delimiter(lines)
    blocks = _blocks(lines, delimiter) if delimiter else []
    if not blocks:
        raise _bad("rows of a time and a signal", "none")
    least = _SHORT * max(len(block.rows.lines) for block in blocks)
    long = [block for block in blocks if len(block.rows.lines) >= least]
    traces = tuple(trace for block in long for trace in _traces(block, origin, keep_metadata))
    if short := len(blocks) - len(long):
        note = f"Passed over: {short} short table{'s' * (short > 1)} of numbers."
        return tuple(replace(trace, notes=(*trace.notes, note)) for trace in traces)
    return traces


def _blocks(lines: list[str], delimiter: str) -> list[_Block]:
    """Runs of lines that begin with a number; empty lines do not end one."""
    separator = r"\s" if delimiter == BLANK else re.escape(delimiter)
    begins = re.compile(
        rf'[^\S\t]*"?[+-]?[.,]?\d[\d.,\'’\u00a0\u202f]*(?:[eE][+-]?\d+)?"?[^\S\t]*{separator}'
    )
    blocks: list[_Block] = []
    rows: list[str] = []
    numbers: list[int] = []
    above: list[str] = []
    for number, line in enumerate(lines, 1):
        if begins.match(line):
            rows.append(line)
            numbers.append(number)
        elif line and not line.isspace():
            if rows:
                blocks.append(_block(rows, numbers, above, delimiter))
                rows, numbers, above = [], [], []
            above.append(line)
    if rows:
        blocks.append(_block(rows, numbers, above, delimiter))
    for before, after in pairwise(blocks):
        _check_break(before, after)
    return blocks


def _block(rows: list[str], numbers: list[int], above: list[str], delimiter: str) -> _Block:
    width, first = len(split(rows[-1], delimiter)), 0
    while first < len(rows) - 1 and _is_title(split(rows[first], delimiter), width):
        first += 1  # a line of titles may begin with a number, as a sample's name does
    above = above + rows[:first]
    found = Rows(rows[first:], numbers[first:], delimiter)
    names = split(above[-1], delimiter) if above else []
    if len(names) == len(found.cells(0)) and len(names) > 1 and not is_number(names[0]):
        return _Block(found, tuple(label(name) for name in names), tuple(above[:-1]))
    return _Block(found, (), tuple(above))


def _is_title(cells: list[str], width: int) -> bool:
    return len(cells) != width and not all(map(is_number, cells))


def _check_break(before: _Block, after: _Block) -> None:
    """A few odd lines between rows whose times go on are broken rows, not a new table."""
    count = len(after.above) + bool(after.names)
    if count > _BROKEN_LINES or len(before.rows.cells(0)) != len(after.rows.cells(0)):
        return
    if _loose(after.rows.cells(0)[0]) > _loose(before.rows.cells(-1)[0]):
        raise bad_line(after.rows.numbers[0] - 1, "a row of numbers", "something else between two rows")


def _loose(cell: str) -> float:
    """A number for comparison only, whatever its marks."""
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return float("nan")


def _traces(block: _Block, origin: str, keep: bool) -> list[Chromatogram]:
    own = block.names[1:2] == (_SIGNAL,) and (block.names[0] == TIME or block.names[0].startswith("x_"))
    lowered = [name.lower() for name in block.names]
    if not own and all(any(pattern.search(name) for name in lowered) for pattern in _PEAK_TABLE):
        raise _bad("rows of a time and a signal", "a table of peaks")
    columns = _numeric_columns(block)
    if len(columns) < 2:
        raise bad_line(block.rows.numbers[0], "a time and a signal", "one number")
    table = _Table(
        read_columns(block.rows, columns),
        tuple(block.names[c] if block.names else "" for c in columns),
        block,
        origin,
        _metadata(block) if keep else {},
    )
    if own:
        return [_own(table)]
    return [
        _trace(table, rows, column, suffix)
        for rows, suffix, used in _runs(table)
        for column in table.signals(used)
    ]


def _own(table: _Table) -> Chromatogram:
    """A table as `Chromatogram.write` makes it, to the bit."""
    x, signal, *others = table.values.T
    _check_times(x, table.block.rows.numbers)
    if len(set(table.names)) < len(table.names):
        raise _bad("columns of different names", "one twice")
    components = dict(zip(table.names[2:], others, strict=True))
    return Chromatogram(x, signal, axis=table.names[0], components=components, origin=table.origin)


def _numeric_columns(block: _Block) -> list[int]:
    """Columns of numbers, by three rows: a counter's first may be "n.a.", and then it is none."""
    count = len(block.rows.lines)
    looked = [block.rows.cells(row) for row in sorted({0, count // 2, count - 1})]
    columns = []
    for column in range(len(looked[-1])):
        good = sum(column < len(row) and is_number(row[column]) for row in looked)
        counter = column < len(block.names) and _COUNTER.search(block.names[column].lower())
        if good == len(looked) or (good > len(looked) / 2 and not counter):
            columns.append(column)
    return columns


def _runs(table: _Table) -> list[tuple[slice, str, int | None]]:
    """Where the time starts again: the rows of each run, what counts them, and that column.

    Several runs in one table are believed only where a column of whole numbers changes with each of them.
    """
    at, whole = table.times[0], slice(0, len(table.values))
    falls = np.flatnonzero(np.diff(table.values[:, at]) <= 0)
    if not falls.size or falls.size == len(table.values) - 1:
        return [(whole, "", None)]
    for column, values in enumerate(table.values.T):
        counts = column != at and bool((values == np.round(values)).all())
        if counts and np.array_equal(np.flatnonzero(np.diff(values)), falls):
            edges = [0, *(int(i) + 1 for i in falls), len(values)]
            name = table.names[column]
            return [(slice(a, b), f"{name} {values[a]:g}".strip(), column) for a, b in pairwise(edges)]
    return [(whole, "", None)]


def _trace(table: _Table, rows: slice, column: int, suffix: str) -> Chromatogram:
    at = table.time_of(column)
    x, signal, turned = rising(table.values[rows, at], table.values[rows, column])
    notes = list(turned)
    if not turned:
        _check_times(x, table.block.rows.numbers[rows])
    axis, seconds = _axis(table.names[at], x, notes)
    detector = _detector(table.block)
    if not detector and len(table.names) > 2:
        detector = _UNIT.sub("", table.names[column]).strip()
    stated = _stated_points(table.block)
    if stated is not None and stated != x.size:
        notes.append(f"The header states {stated} points; the table has {x.size}.")
    return Chromatogram(
        x * seconds,
        signal,
        signal_unit=_signal_unit(table.names[column]),
        detector=label(f"{detector} {suffix}"),
        axis=axis,
        metadata=table.metadata,
        origin=table.origin,
        notes=tuple(notes),
    )


def _axis(name: str, x: NDArray[np.float64], notes: list[str]) -> tuple[str, float]:
    """The axis and the factor to its unit: seconds for time."""
    unit = _UNIT.search(name)
    seconds = seconds_in(unit[1] if unit else name)
    if seconds is not None:
        lasts = (x[-1] - x[0]) * seconds
        if not _SHORTEST_S <= lasts <= _LONGEST_S:
            likely = "minutes" if lasts < _SHORTEST_S else "seconds or milliseconds"
            notes.append(f"By its header the run lasts {lasts:.3g} s: its times are more likely in {likely}.")
        return TIME, seconds
    if unit and "time" not in name.lower():
        return axis_name(unit[1]), 1.0
    minutes = x[-1] <= LONGEST_IN_MINUTES
    taken, why = ("minutes", "sooner") if minutes else ("seconds", "later")
    names = (
        f"a unit of time that is not known, {label(unit[1])}"
        if unit and label(unit[1])
        else "no unit of time"
    )
    notes.append(
        f"The file names {names}: taken as {taken}, because it ends at {x[-1]:.6g} "
        f"({why} than {LONGEST_IN_MINUTES:g})."
    )
    return TIME, 60.0 if minutes else 1.0


def _signal_unit(name: str) -> str:
    if unit := _UNIT.search(name):
        return label(unit[1])
    last = re.split(r"[_/ ]", name)[-1]
    return last if last.lower() in _SIGNAL_UNITS else ""


def _check_times(x: NDArray[np.float64], numbers: Sequence[int]) -> None:
    wrong = np.flatnonzero(np.diff(x) <= 0)
    if wrong.size:
        row = int(wrong[0]) + 1
        got = "the one before again" if x[row] == x[row - 1] else "one that falls"
        raise bad_line(numbers[row], "a time after the one before", got)


def _detector(block: _Block) -> str:
    """The channel that the lines above name: as key and value, in two rows, or as a bare title."""
    delimiter = block.rows.delimiter
    cells = [split(line, delimiter) for line in block.above]
    for key in _DETECTOR_KEYS:
        for row in cells:
            if len(row) == 2 and row[0].lower().rstrip(":") == key and row[1]:
                return label(row[1])
    if len(cells) > 1 and len(cells[-1]) == len(cells[-2]) > 1:
        titles = [title.lower() for title in cells[-2]]
        return next((label(cells[-1][titles.index(key)]) for key in _DETECTOR_KEYS if key in titles), "")
    title = block.above[-1].strip().strip('"') if block.above and not block.names else ""
    # A path holds names of samples and people: what stands before its colon and its last part are enough.
    kind, _, path = title.partition(":")
    base = re.split(r"[\\/]", path)
    return label(f"{kind} {base[-1]}") if len(base) > 1 else ""


def _stated_points(block: _Block) -> int | None:
    for line in block.above:
        found = re.match(
            r"(?:data|# of|total data|number of) points\D{1,4}(\d{1,9})\s*$", line.strip(), re.IGNORECASE
        )
        if found:
            return int(found[1])
    return None


def _metadata(block: _Block) -> dict[str, str]:
    """Keys and values above the table: two cells a line, or a line of titles above a line of values."""
    rows = [split(line, block.rows.delimiter) for line in block.above]
    found = {row[0]: row[1] for row in rows if len(row) == 2}
    for titles, values in pairwise(rows):
        if len(titles) == len(values) > 2:
            found |= dict(zip(titles, values, strict=True))
    return {
        label(key).rstrip(":"): label(value) for key, value in found.items() if label(key) and label(value)
    }


def _bad(expected: str, got: str) -> InputError:
    return InputError(
        "text file", expected=expected, got=got, fix="Export the trace as CSV with a header line."
    )
