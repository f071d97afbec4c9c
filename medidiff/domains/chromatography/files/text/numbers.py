"""Rows of numbers in text: which delimiter, which decimal mark, and where a row is broken.

Every error names the line of the file. A comma is the decimal mark where it cannot separate thousands
("0,5"), a mark of thousands where each stands before three digits and points stand elsewhere; where both
could be meant, the file is refused.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError

_SAMPLE, _MOST = 200, 0.5
_LONGEST_QUOTED = 100_000  # Python's csv gives up above
_NUMERIC_LINE = re.compile(r"[\s\d.,;+\-eE\"'’\u00a0\u202f]+")
_DIGIT = re.compile(r"\d")
_CELL = r"[+-]?+[\d.]++(?:,\d++)?+(?:[eE][+-]?\d++)?+"  # possessive: a long line is read once
_BLANK_ROW = re.compile(rf"\s*+{_CELL}(?:\s++{_CELL})++\s*+")
_NUMBER = re.compile(r"[+-]?(?:\d[\d.,'’\u00a0\u202f]*|[.,]\d+)(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?")
_POINT_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+")
_GROUPING = str.maketrans("", "", "'’\u00a0\u202f")
BLANK = " "
"""The delimiter where any run of blanks separates."""


@dataclass(frozen=True)
class Rows:
    """Consecutive data lines of a file, already split alike: cells between `delimiter`, numbered by line."""

    lines: Sequence[str]
    numbers: Sequence[int]
    delimiter: str

    def cells(self, row: int) -> list[str]:
        """The cells of one row, without blanks and quotes around."""
        return split(self.lines[row], self.delimiter)


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line, without blanks and quotes around."""
    if delimiter == BLANK:
        cells = line.split()
    elif '"' in line and len(line) < _LONGEST_QUOTED:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    else:
        cells = line.split(delimiter)
    return [cell.strip().strip('"') for cell in cells]


def is_number(cell: str) -> bool:
    """Whether a cell looks like a number in any of the notations."""
    return _NUMBER.fullmatch(cell) is not None


def find_delimiter(lines: Sequence[str]) -> str | None:
    """What separates the cells of the last numeric lines; None where nothing does."""
    sample: list[str] = []
    for line in reversed(lines):
        if _DIGIT.search(line) and _NUMERIC_LINE.fullmatch(line):
            sample.append(line.strip())
            if len(sample) == _SAMPLE:
                break
    for delimiter in "\t;":
        if sample and sum(delimiter in line for line in sample) > _MOST * len(sample):
            return delimiter
    if sample and sum(bool(_BLANK_ROW.fullmatch(line)) for line in sample) > _MOST * len(sample):
        return BLANK
    if sample and sum("," in line for line in sample) > _MOST * len(sample):
        return ","
    return None


def read_columns(rows: Rows, columns: Sequence[int]) -> NDArray[np.float64]:
    """Some columns, (rows, columns); InputError naming the line for what is no number or not finite."""
    lines, delimiter = list(rows.lines), rows.delimiter
    joined = "\n".join(lines)
    if '"' in joined:
        lines = ["\t".join(split(line, delimiter)) for line in lines]
        delimiter, joined = "\t", "\n".join(lines)
    _check_widths(lines, delimiter, rows.numbers)
    if delimiter != ",":
        mark = _decimal_mark(joined, lines, delimiter, columns)
        if mark == ",":
            joined = joined.replace(".", "").replace(",", ".")
        elif "," in joined:
            joined = joined.replace(",", "")
        lines = joined.translate(_GROUPING).split("\n")
    try:
        table = np.loadtxt(
            lines,
            np.float64,
            comments=None,
            delimiter=None if delimiter == BLANK else delimiter,
            usecols=list(columns),
            ndmin=2,
        )
    except ValueError:
        raise _broken(lines, delimiter, columns, rows.numbers) from None
    if not np.isfinite(table).all():
        row = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise bad_line(rows.numbers[row], "finite numbers", "one that is not")
    return table


def bad_line(number: int, expected: str, got: str) -> InputError:
    """The error for a line of the file."""
    fix = "Mend or cut that line, or export the file again."
    return InputError(f"line {number}", expected=expected, got=got, fix=fix)


def _check_widths(lines: Sequence[str], delimiter: str, numbers: Sequence[int]) -> None:
    """Each row must have as many cells as the first."""
    counts = [len(line.split()) - 1 if delimiter == BLANK else line.count(delimiter) for line in lines]
    if len(set(counts)) > 1:
        usual = Counter(counts).most_common(1)[0][0]
        row = next(i for i, count in enumerate(counts) if count != usual)
        raise bad_line(numbers[row], f"{usual + 1} cells as in the other rows", f"{counts[row] + 1}")


def _decimal_mark(joined: str, lines: Sequence[str], delimiter: str, columns: Sequence[int]) -> str:
    """A point or a comma; InputError where commas could be either."""
    if "," not in joined:
        return "."
    cells = [split(line, delimiter) for line in lines]
    with_comma = [row[c] for row in cells for c in columns if "," in row[c]]
    if not with_comma:
        return "."
    if all(_THOUSANDS.fullmatch(cell) for cell in with_comma):
        if any("." in row[c] for row in cells for c in columns):
            return "."
        raise InputError(
            "table",
            expected="a decimal mark that can be told from a mark of thousands",
            got="commas before three digits in every number that has one",
            fix="Export it with decimal points and without marks of thousands.",
        )
    mixed = [cell for cell in with_comma if "." in cell]
    with_points = [row[c] for row in cells for c in columns if "." in row[c] and "," not in row[c]]
    grouped = bool(mixed) and all(_POINT_THOUSANDS.fullmatch(cell) for cell in with_points)
    if any(cell.rindex(".") > cell.rindex(",") for cell in mixed) or (with_points and not grouped):
        raise InputError(
            "table",
            expected="one decimal mark",
            got="points and commas mixed",
            fix="Export it again with decimal points.",
        )
    return ","


def _broken(
    lines: Sequence[str], delimiter: str, columns: Sequence[int], numbers: Sequence[int]
) -> InputError:
    """The error that names the first row in which a cell is no number."""
    for row, line in enumerate(lines):
        cells = line.split() if delimiter == BLANK else line.split(delimiter)
        try:
            _ = [float(cells[c]) for c in columns]
        except (ValueError, IndexError):
            return bad_line(numbers[row], "numbers", "a cell that is none")
    return bad_line(numbers[0], "numbers", "cells that are none")
