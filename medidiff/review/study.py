"""A reader study: freeze it, open it, sign in, read, answer, resume, unblind.

    study = open_study("study")
    reader = study.sign_in("R01", "4711", new=True)
    while isinstance(shown := study.next(reader), Presentation):
        left, right = study.images(shown)
        study.answer(reader, shown, "A", seconds=12.5)

Every call leaves the study whole: an answer is on the disk when `answer` returns, and whoever opens the
study next goes on from there. Results stay hidden until `unblind`, which closes the study.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medidiff.errors import InputError
from medidiff.io.volume import Volume
from medidiff.review.design.cases import (
    Manifest,
    open_image,
)
from medidiff.review.design.protocol import Protocol
from medidiff.review.design.schedule import Item, schedule
from medidiff.review.presentation import Given, Presentation, Washout, choices, present
from medidiff.review.store import Head, Log, Reader, Reading, Row
from medidiff.review.store.readers import refuse_unblinded, register, sign_in
from medidiff.runs.plain import to_plain

MOST_SECONDS = 24 * 3600.0
_MOST_COMMENT, _MOST_EVENT_BYTES = 2000, 64 << 10
_ORDERS_A_STATION = 1000


@dataclass(frozen=True, eq=False)
class Study:
    """An open study. digest: SHA-256 (hex) of the frozen protocol. notices: what its operator should know."""

    folder: Path
    protocol: Protocol
    digest: str
    manifest: Manifest
    log: Log
    notices: tuple[str, ...] = ()
    clock: Callable[[], float] = field(default=time.time, repr=False)

    def sign_in(self, code: str, pin: str, *, new: bool) -> Reader:
        """Begin a session; `new` registers the code with that PIN.

        Raises InputError for an odd code, a wrong pair, a code that is taken, too many attempts, and when
        the study was unblinded.
        """
        if not new:
            return sign_in(self.log, code, pin, now=self.clock())
        with self.log.reading() as now:
            first = int(now.rows("study")[0].data["station"]) * _ORDERS_A_STATION + 1
        return register(self.log, code, pin, first_order=first, now=self.clock())

    def next(self, reader: Reader) -> Presentation | Washout | None:
        """What this reader sees now; `Washout` while only repeats that must wait are left; None: all done."""
        with self.log.reading() as now:
            return self._next(now, reader)

    def done(self, reader: Reader) -> tuple[int, int]:
        """Presentations answered, and all of them, training and repeats included."""
        with self.log.reading() as now:
            return len(_answered(now, reader.number)), len(self.items(reader.order))

    def latest(self, reader: Reader) -> Given | None:
        """The presentation that this reader answered last, with the newest answer to it; None before any."""
        with self.log.reading() as now:
            rows = now.rows("answer", reader=reader.number)
        if not rows:
            return None
        number = max(int(row.data["number"]) for row in rows)  # they are answered in order
        newest = next(row for row in reversed(rows) if row.data["number"] == number)
        items, facts = self.items(reader.order), newest.data
        shown = present(self.protocol, items[number - 1], number, len(items), reader.number)
        return Given(shown, newest.number, facts["choice"], facts["comment"])

    @property
    def head(self) -> Head:
        """The last row of the log, as a reader may write it down."""
        with self.log.reading() as now:
            return now.head()

    def images(self, presentation: Presentation) -> tuple[Volume, ...]:
        """The images in the order of the sides, each checked against its frozen digest.

        They have one grid, one unit and no origin: only the voxels differ.
        """
        with self.log.reading() as now:
            order = _order(now, presentation.reader)
        items = self.items(order)
        if not 1 <= presentation.number <= len(items):
            raise _not_this_one(f"presentation {presentation.number} of {len(items)}")
        item = items[presentation.number - 1]
        return tuple(open_image(self.folder, self.manifest, item.case, arm) for arm in item.arms)

    def answer(
        self,
        reader: Reader,
        presentation: Presentation,
        choice: str,
        *,
        comment: str = "",
        seconds: float,
        corrects: int | None = None,
    ) -> int:
        """Store an answer and return its row number.

        choice: a value of `presentation.choices`. seconds: that the images were shown. corrects: the row
        number of the answer that this one replaces; the earlier row stays. Raises InputError for a choice
        that is not offered, a presentation that is not this reader's next one, an answer that was given
        already, and a study that was unblinded; OutputError when it could not be stored.
        """
        allowed = [option.value for option in choices(self.protocol)]
        if choice not in allowed:
            raise InputError(
                "answer", expected=" or ".join(allowed), got="another", fix="Choose one.", argument=True
            )
        seconds = _checked_seconds(seconds, self.protocol.minimum_display)
        body = {"choice": choice, "shown_s": seconds, "comment": self._comment(comment)}

        def checked(now: Reading) -> Mapping[str, Any]:
            refuse_unblinded(now)
            if presentation.reader != reader.number:
                raise _not_this_one("one of another reader")
            number = presentation.number
            if corrects is None:
                expected = self._next(now, reader)
                if not isinstance(expected, Presentation) or expected.number != number:
                    given = number in _answered(now, reader.number)
                    raise _not_this_one("one that was answered" if given else f"presentation {number}")
            else:
                _check_correction(now, reader, number, corrects)
            item = self.items(reader.order)[number - 1]
            return {
                **body,
                "number": number,
                "case": item.case,
                "arms": list(item.arms),
                "training": item.training,
                "occasion": item.occasion,
                "corrects": corrects,
            }

        return self._append("answer", checked, reader).number

    def record(
        self,
        reader: Reader,
        kind: str,
        data: Mapping[str, Any],
        presentation: Presentation | None = None,
    ) -> None:
        """Log something that happened: a display check, a change of the view. `data` is plain JSON."""
        if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", kind) is None:
            raise InputError(
                "event", expected="a kind in small letters", got="another", fix="Rename it.", argument=True
            )
        number = presentation.number if presentation is not None else None
        body = {"event": kind, "data": to_plain(data), "number": number}
        if len(str(body)) > _MOST_EVENT_BYTES:
            raise InputError(
                f"event {kind}",
                expected=f"at most {_MOST_EVENT_BYTES} bytes",
                got="more",
                fix="Record less at once.",
                argument=True,
            )
        self._append("event", body, reader)

    def unblind(self, reason: str) -> Head:
        """Open the results and close the study for good; the act and its reason become a row of the log.

        Raises InputError without a reason, and when it was unblinded before.
        """
        text = " ".join(reason.split())
        if not 3 <= len(text) <= 500 or not text.isprintable():
            raise InputError(
                "reason", expected="3 to 500 characters", got="another", fix="Say why, now.", argument=True
            )

        def body(now: Reading) -> Mapping[str, Any]:
            if now.rows("unblind"):
                raise InputError(
                    "study", expected="a blinded one", got="one that was unblinded", fix="Go on with 'stats'."
                )
            return {"reason": text, "utc": self.clock(), "answers": len(now.rows("answer"))}

        row = self.log.append("unblind", body)
        return Head(row.number, row.mac)

    @property
    def unblinded(self) -> bool:
        """Whether results may be shown, and no answer is taken any more."""
        with self.log.reading() as now:
            return bool(now.rows("unblind"))

    def items(self, order: int) -> tuple[Item, ...]:
        """The schedule of an order. It names arms: for the operator's side only."""
        return schedule(self.protocol, order)

    def progress_of(self, now: Reading, number: int, order: int) -> tuple[int, int, float]:
        """Answered, total, and seconds until the next repeat may be shown (0 when something else can be)."""
        shown = self._next(now, Reader(number, "", order, 0, 0.0))
        wait = shown.seconds_left if isinstance(shown, Washout) else 0.0
        return len(_answered(now, number)), len(self.items(order)), wait

    def _next(self, now: Reading, reader: Reader) -> Presentation | Washout | None:
        items, answered = self.items(reader.order), _answered(now, reader.number)
        waits = []
        for number, item in enumerate(items, 1):
            if number in answered:
                continue
            wait = 0.0 if item.first is None else self._wait(answered, item.first)
            if wait <= 0:
                return present(self.protocol, item, number, len(items), reader.number)
            waits.append(wait)
        return Washout(min(waits)) if waits else None

    def _wait(self, answered: Mapping[int, float], first: int) -> float:
        """Seconds until the repeat of presentation `first` may be shown."""
        return answered[first] + self.protocol.washout - self.clock()

    def _append(
        self, kind: str, body: Mapping[str, Any] | Callable[[Reading], Mapping[str, Any]], reader: Reader
    ) -> Row:
        seconds = max(0.0, self.clock() - reader.started)
        return self.log.append(
            kind, body, reader=reader.number, session=reader.session, seconds=round(seconds, 3)
        )

    def _comment(self, comment: str) -> str:
        text = "".join(c if c.isprintable() else " " for c in comment).strip()
        if len(text) > _MOST_COMMENT or (text and not self.protocol.comments):
            raise InputError(
                "comment",
                expected=f"at most {_MOST_COMMENT if self.protocol.comments else 0} characters",
                got=f"{len(text)}",
                fix="Shorten it.",
                argument=True,
            )
        return text


def _answered(now: Reading, reader: int) -> dict[int, float]:
    """Presentation number -> when it was first answered, in seconds since 1970 UTC."""
    begun = {row.number: float(row.data["utc"]) for row in now.rows("session", reader=reader)}
    found: dict[int, float] = {}
    for row in now.rows("answer", reader=reader):
        found.setdefault(int(row.data["number"]), begun.get(row.session, 0.0) + row.seconds)
    return found


def _order(now: Reading, reader: int) -> int:
    for row in now.rows("reader"):
        if row.data["number"] == reader:
            return int(row.data["order"])
    raise _not_this_one("one of an unknown reader")


def _check_correction(now: Reading, reader: Reader, number: int, corrects: int) -> None:
    earlier = [row for row in now.rows("answer", reader=reader.number) if row.data["number"] == number]
    if not earlier or earlier[-1].number != corrects:
        raise InputError(
            "correction",
            expected="the row number of this reader's latest answer to the same presentation",
            got=f"{corrects}",
            fix="Correct the latest answer.",
        )


def _checked_seconds(seconds: float, minimum: float) -> float:
    if not 0 <= seconds <= MOST_SECONDS:
        raise InputError(
            "seconds", expected="0 to a day", got=f"{seconds:g}", fix="Measure it again.", argument=True
        )
    if seconds < minimum:
        raise InputError(
            "answer",
            expected=f"images seen for {minimum:g} s or more",
            got=f"{seconds:.1f} s",
            fix="Look a little longer.",
        )
    return round(float(seconds), 3)


def _not_this_one(got: str) -> InputError:
    return InputError(
        "answer", expected="the reader's next presentation", got=got, fix="Ask for the next one."
    )
