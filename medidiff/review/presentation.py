"""What a reader is shown and asked: nothing in it tells the case, the arm or the occasion."""

from __future__ import annotations

from dataclasses import dataclass

from medidiff.review.design.protocol import Protocol
from medidiff.review.design.schedule import Item

TIE, CANNOT = "tie", "cannot"
SIDES = ("A", "B")


@dataclass(frozen=True)
class Choice:
    """An answer that can be given. value: as it is stored; label: as it is shown."""

    value: str
    label: str


@dataclass(frozen=True)
class Presentation:
    """One question. number: 1 to total, for this reader. window: (level, width) in the images' units.

    reader: number of the reader it is for. minimum_display_s: how long the images must be seen before an
    answer is taken.
    """

    number: int
    total: int
    reader: int
    training: bool
    question: str
    choices: tuple[Choice, ...]
    sides: tuple[str, ...]
    window: tuple[float, float]
    minimum_display_s: float
    comments: bool


@dataclass(frozen=True)
class Washout:
    """Nothing to show yet: repeats wait until the first reading is long enough ago."""

    seconds_left: float


@dataclass(frozen=True)
class Given:
    """A reader's latest answer, which may still be corrected. row: its number in the log."""

    presentation: Presentation
    row: int
    choice: str
    comment: str


def present(protocol: Protocol, item: Item, number: int, total: int, reader: int) -> Presentation:
    """The presentation of an item."""
    return Presentation(
        number=number,
        total=total,
        reader=reader,
        training=item.training,
        question=protocol.question,
        choices=choices(protocol),
        sides=SIDES[: len(item.arms)],
        window=(protocol.window.level, protocol.window.width),
        minimum_display_s=protocol.minimum_display,
        comments=protocol.comments,
    )


def choices(protocol: Protocol) -> tuple[Choice, ...]:
    """All answers that a protocol allows, in the order in which they are shown."""
    if protocol.likert is not None and protocol.kind == "likert":
        found = [Choice(str(k), f"{k}: {text}") for k, text in enumerate(protocol.likert.anchors, 1)]
    else:
        found = [Choice("A", "A"), Choice("B", "B")]
        if protocol.ties:
            found.insert(1, Choice(TIE, "No difference"))
    return tuple([*found, Choice(CANNOT, "Cannot judge")] if protocol.cannot_judge else found)
