"""The answers of a reader study as arrays, and what its protocol says about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

FIRST, TIE, SECOND = 1.0, 0.5, 0.0
"""Outcomes of a pair: the first arm preferred, neither, the second arm preferred."""


@dataclass(frozen=True)
class AnswerTable:
    """The answers that count: no training case, and of a corrected answer only the last row.

    reader, case: (n,), places in `readers` and `cases`. value: (n,), for pairs 1, 0.5 or 0 as above, for a
    scale the score; NaN: the reader could not judge. first, second: (n,), places in `arms`, in the protocol's
    order whichever stood left; of a scale `second` is -1. repeat: (n,), 0 when the reader saw the pair or
    image for the first time, then 1, 2, ... side_a: (n,), the arm that was shown as A; -1 where there was one
    image. seconds: (n,), from image to answer; NaN where unknown. Raises InputError for arrays that differ
    in length or point outside.
    """

    kind: Literal["pairs", "scale"]
    arms: tuple[str, ...]
    readers: tuple[str, ...]
    cases: tuple[str, ...]
    reader: Whole
    case: Whole
    first: Whole
    second: Whole
    value: Floats
    repeat: Whole
    side_a: Whole
    seconds: Floats

    def __post_init__(self) -> None:
        n = len(self.reader)
        lengths = {
            name: len(getattr(self, name))
            for name in ("case", "first", "second", "value", "repeat", "side_a", "seconds")
        }
        wrong = [f"{name} {length}" for name, length in lengths.items() if length != n]
        if wrong:
            raise _table(f"arrays of {n} answers", ", ".join(wrong))
        for name, names in (("reader", self.readers), ("case", self.cases), ("first", self.arms)):
            places = getattr(self, name)
            if n and not (places.min() >= 0 and places.max() < len(names)):
                raise _table(f"{name} from 0 to {len(names) - 1}", f"{places.min()} to {places.max()}")
        if self.kind == "pairs":
            _check_pairs(self)

    @property
    def judged(self) -> NDArray[np.bool_]:
        """(n,): whether the reader could judge."""
        return np.isfinite(self.value)

    @property
    def unit(self) -> Whole:
        """(n,): what was looked at: the same number for the same case and arms."""
        arms = len(self.arms) + 1
        return (self.case * arms + self.first) * arms + self.second + 1

    def where(self, kept: NDArray[np.bool_]) -> AnswerTable:
        """The answers where `kept`, (n,), is true; readers, cases and arms keep their places."""
        columns = ("reader", "case", "first", "second", "value", "repeat", "side_a", "seconds")
        chosen = {name: getattr(self, name)[kept] for name in columns}
        return AnswerTable(self.kind, self.arms, self.readers, self.cases, **chosen)


@dataclass(frozen=True)
class Plan:
    """What the protocol fixed before the first answer.

    test and reference are places in the arms. margin: how much worse the test arm may be, as a share of
    preferences (0.1: at least 40 % prefer it or half of that by ties) or in points of the scale; None where
    no hypothesis was written down. alpha is one-sided. scale: the lowest and highest
    point; more is better. remarks: what else a reader of the result must know.
    """

    hypothesis: Literal["estimate", "non-inferiority", "superiority"] = "estimate"
    test: int = 1
    reference: int = 0
    margin: float | None = None
    alpha: float = 0.025
    level: float = 0.95
    scale: tuple[float, float] | None = None
    planned_readers: int | None = None
    planned_cases: int | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (0 < self.alpha < 0.5 and 0 < self.level < 1):
            raise _plan("alpha between 0 and 0.5, level between 0 and 1", f"{self.alpha}, {self.level}")
        if self.margin is not None and not self.margin > 0:
            raise _plan("a margin above 0", f"{self.margin}")
        if self.hypothesis == "non-inferiority" and self.margin is None:
            raise _plan("a margin for non-inferiority", "none")
        if self.test == self.reference:
            raise _plan("two different arms to compare", f"arm {self.test} twice")


def _check_pairs(table: AnswerTable) -> None:
    if not len(table.second):
        return
    inside = (table.second >= 0) & (table.second < len(table.arms)) & (table.second != table.first)
    if not inside.all():
        raise _table("two different arms in each pair", "a pair with one arm, or an arm that is not listed")
    values = table.value[table.judged]
    if not np.isin(values, (FIRST, TIE, SECOND)).all():
        raise _table("outcomes 1, 0.5 or 0", f"{np.setdiff1d(values, (FIRST, TIE, SECOND))[:3].tolist()}")


def _table(expected: str, got: str) -> InputError:
    return InputError("table of answers", expected=expected, got=got, fix="Export the study again.")


def _plan(expected: str, got: str) -> InputError:
    return InputError(
        "plan of the study", expected=expected, got=got, fix="Mend the protocol.", argument=True
    )
