"""How far a study is, at any time: nothing here tells what was answered."""

from __future__ import annotations

from dataclasses import dataclass

from medidiff.review.store import Head
from medidiff.review.study import Study
from medidiff.runs.report import NOTICE


@dataclass(frozen=True)
class ReaderState:
    """How far one reader is; waits_s: until repeats may go on, 0 when nothing waits. For the coordinator."""

    number: int
    code: str
    answered: int
    total: int
    waits_s: float


@dataclass(frozen=True)
class State:
    """How far a study is. Nothing in it tells what was answered."""

    title: str
    unblinded: bool
    readers: tuple[ReaderState, ...]
    planned_readers: int
    cases: int
    answers: int
    head: Head

    def lines(self) -> list[str]:
        """For a person."""
        state = "unblinded and closed" if self.unblinded else "blinded"
        lines = [
            f"{self.title} ({state}; {NOTICE})",
            f"{self.cases} cases, {len(self.readers)} of {self.planned_readers} planned readers, "
            f"{self.answers} answers",
        ]
        for one in self.readers:
            waits = f"   repeats wait {one.waits_s / 3600:.1f} h" if one.waits_s else ""
            lines.append(f"  reader {one.number:<4}{one.code:<22}{one.answered:>5} of {one.total}{waits}")
        return [*lines, f"head {self.head}"]


def state_of(study: Study) -> State:
    """How far each reader is."""
    with study.log.reading() as now:
        found = []
        for row in now.rows("reader"):
            facts = row.data
            answered, total, waits = study.progress_of(now, int(facts["number"]), int(facts["order"]))
            found.append(ReaderState(int(facts["number"]), str(facts["code"]), answered, total, waits))
        return State(
            study.protocol.title,
            bool(now.rows("unblind")),
            tuple(found),
            study.protocol.readers,
            len(study.protocol.scored_cases),
            len(now.rows("answer")),
            now.head(),
        )
