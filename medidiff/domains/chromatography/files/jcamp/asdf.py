"""ASDF, the packed ordinates of JCAMP-DX (McDonald and Wilks 1988, Appl Spectrosc 42:151, section 5).

A line is an abscissa and then ordinates, each in one of these forms, mixed at will:

    AFFN   +1.5 -2 3e+4    plain numbers between blanks or commas
    PAC    +1-2+3          a sign ends the number before it
    SQZ    A..I a..i @     the first digit with its sign: A23 is 123, a23 is -123, @ is 0
    DIF    J..R j..r %     the same, for the difference to the ordinate before
    DUP    S..Z s          how often the value (or difference) before stands in all: S 1, T 2, ... s 9

Where a line ends in a difference, the first ordinate of the next line repeats the last one (the Y-check):
it is compared and dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError

# Possessive (++, *+): a long line of digits is read once, not once a digit.
_PLAIN = re.compile(r"[+-]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?\d++)?+")
_NUMBER = re.compile(r"[+-]?+(?:\d++\.?+\d*+|\.\d++)")
_TOKEN = re.compile(
    r"[\s,;]*(?:(?P<packed>[@A-Ia-i%J-RSj-rT-Zs])(?P<digits>\d*+\.?+\d*+)"
    r"|(?P<number>[+-]?+(?:\d++\.?+\d*+|\.\d++))|(?P<missing>\?))"
)
_LEADING = {
    "@": "0",
    "%": "0",
    **{chr(ord("A") + i): f"{i + 1}" for i in range(9)},
    **{chr(ord("a") + i): f"-{i + 1}" for i in range(9)},
    **{chr(ord("J") + i): f"{i + 1}" for i in range(9)},
    **{chr(ord("j") + i): f"-{i + 1}" for i in range(9)},
    **{chr(ord("S") + i): f"{i + 1}" for i in range(8)},
    "s": "9",
}
_DIFFERENCES, _REPEATS = frozenset("%JKLMNOPQRjklmnopqr"), frozenset("STUVWXYZs")

Line = tuple[int, str]
"""The number of a line in the file, and its text."""


def decode_ordinates(lines: Iterable[Line], most: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ordinates (n,) before YFACTOR; abscissae of the lines and the index each belongs to, (lines, 2).

    most: more ordinates than that are refused before they are unpacked. Raises InputError, naming the line,
    for what is no ASDF, a missing value ("?") or a Y-check that fails.
    """
    decoder = _Decoder(most)
    for number, line in lines:
        decoder.take(number, line)
    return np.array(decoder.values, np.float64), np.array(decoder.places, np.float64).reshape(-1, 2)


class _Decoder:
    def __init__(self, most: int) -> None:
        self.values: list[float] = []
        self.places: list[tuple[float, float]] = []
        self.most = most
        self.step: float | None = None  # the last difference; None where the last ordinate was absolute

    def take(self, number: int, line: str) -> None:
        """Decode one line."""
        words = re.split(r"[\s,;]+", line.strip())
        ordinates: list[tuple[str | None, str]]
        if len(words) > 1 and all(_PLAIN.fullmatch(word) for word in words):
            x, ordinates = words[0], [(None, word) for word in words[1:]]
        else:
            x, ordinates = self._packed(number, line)
        check = self.step is not None
        self.places.append((float(x), len(self.values) - check))
        for form, digits in ordinates:
            self._append(number, form, digits, check=check)
            check = False

    def _packed(self, number: int, line: str) -> tuple[str, list[tuple[str | None, str]]]:
        line = line.strip()
        first = _NUMBER.match(line)
        if first is None:
            raise _bad(number, "an abscissa at the start", "none")
        found: list[tuple[str | None, str]] = []
        at = first.end()
        while at < len(line):
            token = _TOKEN.match(line, at)
            if token is None:
                if not line[at:].strip(" \t,;"):
                    break  # what is left separates nothing
                raise _bad(number, "ordinates in ASDF", f"something else at column {at + 1}")
            if token["missing"]:
                raise _bad(number, "an ordinate", "a missing one (?)")
            packed = token["packed"]
            found.append((packed, _LEADING[packed] + token["digits"] if packed else token["number"]))
            at = token.end()
        return first[0], found

    def _append(self, number: int, form: str | None, digits: str, *, check: bool) -> None:
        value = float(digits)
        if (form in _REPEATS or form in _DIFFERENCES) and (check or not self.values):
            raise _bad(number, "an ordinate first", "a difference or a count")
        if form in _REPEATS:
            self._repeat(number, value)
        elif form in _DIFFERENCES:
            self.step = value
            self._push(number, self.values[-1] + value)
        elif check:
            self.step = None
            if value != self.values[-1]:
                raise _bad(number, f"the ordinate {self.values[-1]:g} again (Y-check)", f"{value:g}")
        else:
            self.step = None
            self._push(number, value)

    def _repeat(self, number: int, count: float) -> None:
        if not count >= 1 or count % 1:
            raise _bad(number, "how often a value stands", "no whole number")
        if count - 1 > self.most - len(self.values):
            raise _bad(number, f"at most {self.most} ordinates (NPOINTS)", "more")
        for _ in range(int(count) - 1):
            self.values.append(self.values[-1] + (self.step or 0.0))

    def _push(self, number: int, value: float) -> None:
        if len(self.values) >= self.most:
            raise _bad(number, f"at most {self.most} ordinates (NPOINTS)", "more")
        self.values.append(value)


def _bad(number: int, expected: str, got: str) -> InputError:
    return InputError(f"line {number}", expected=expected, got=got, fix="Export or copy the file again.")
