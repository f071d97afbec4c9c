"""What the answers of a study mean, once it was unblinded: `statistics.json`, its picture, its words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medidiff.atomic import writing_file
from medidiff.errors import InputError
from medidiff.review.design.protocol import Protocol
from medidiff.review.export import answer_rows, prepare_folder
from medidiff.review.presentation import CANNOT, TIE
from medidiff.review.statistics import AnswerTable, Plan, study_figure, summarise
from medidiff.review.statistics.summary import SCHEMA
from medidiff.review.store import Reading
from medidiff.review.study import Study
from medidiff.runs.figures import png_bytes
from medidiff.runs.plain import write_json

STATISTICS, FIGURE = "statistics.json", "figure.png"


def answer_table(study: Study) -> AnswerTable:
    """The answers that count, as arrays: no training, and of corrected answers the last.

    Raises InputError while the study is blinded.
    """
    with study.log.reading() as now:
        if not now.rows("unblind"):
            raise InputError(
                "statistics",
                expected="a study that was unblinded",
                got="a blinded one",
                fix="When all answers are in: medidiff review unblind DIR --reason TEXT",
            )
        rows = [r for r in answer_rows(study.protocol, now) if not (r["training"] or r["superseded"])]
        readers = tuple(f"reader {row.data['number']}" for row in now.rows("reader"))
    arms = tuple(arm.name for arm in study.protocol.arms)
    cases = tuple(case.id for case in study.protocol.scored_cases)
    pairs = study.protocol.kind == "pairs"
    shown = [sorted(arms.index(row[s]) for s in ("side_a", "side_b") if row[s] is not None) for row in rows]
    values = [
        _outcome(row, arms[both[0]]) if pairs else _score(row) for row, both in zip(rows, shown, strict=True)
    ]
    return AnswerTable(
        kind="pairs" if pairs else "scale",
        arms=arms,
        readers=readers,
        cases=cases,
        reader=np.array([row["reader"] - 1 for row in rows], np.int64),
        case=np.array([cases.index(row["case"]) for row in rows], np.int64),
        first=np.array([both[0] for both in shown], np.int64),
        second=np.array([both[1] if pairs else -1 for both in shown], np.int64),
        value=np.array(values, np.float64),
        repeat=np.array([row["occasion"] - 1 for row in rows], np.int64),
        side_a=np.array([arms.index(row["side_a"]) if pairs else -1 for row in rows], np.int64),
        seconds=np.array([row["shown_s"] for row in rows], np.float64),
    )


def plan_of(protocol: Protocol) -> Plan:
    """What the protocol fixed, as the statistics take it."""
    arms = [arm.name for arm in protocol.arms]
    scale = (1.0, float(len(protocol.likert.anchors))) if protocol.likert is not None else None
    return Plan(
        hypothesis=protocol.hypothesis.kind,
        test=arms.index(protocol.hypothesis.better),
        reference=arms.index(protocol.hypothesis.than),
        margin=protocol.hypothesis.margin,
        alpha=protocol.alpha,
        scale=scale if protocol.kind == "likert" else None,
        planned_readers=protocol.readers,
        planned_cases=len(protocol.scored_cases),
        remarks=_remarks(protocol),
    )


def _remarks(protocol: Protocol) -> tuple[str, ...]:
    runs = [case.run for case in protocol.scored_cases if case.run is not None]
    if len(set(runs)) == len(runs):
        return ()
    return ("several cases are blocks of one scan, so not independent: intervals come out too narrow",)


def _late_answers(now: Reading) -> tuple[str, ...]:
    """A workstation may have read on while another one's copy was unblinded; merging brings both together."""
    opened = float(now.rows("unblind")[0].data["utc"])
    begun = {row.number: float(row.data["utc"]) for row in now.rows("session")}
    late = sum(begun.get(row.session, 0.0) + row.seconds > opened for row in now.rows("answer"))
    if not late:
        return ()
    return (f"{late} answers were given after the results were opened at another workstation",)


def write_statistics(study: Study, folder: Path | None = None) -> dict[str, Any]:
    """Write `statistics.json` and its picture into `folder` (default: the study's); the same numbers back.

    Earlier statistics are replaced; raises OutputError for other files of these names, and for a folder that
    cannot be written; InputError while the study is blinded, and where no answer can be used.
    """
    table, folder = answer_table(study), folder or study.folder
    with study.log.reading() as now:
        head, late = now.head(), _late_answers(now)
    plan = plan_of(study.protocol)
    facts = {"title": study.protocol.title, "protocol_sha256": study.digest, "head": str(head)}
    found = {**summarise(table, replace(plan, remarks=(*plan.remarks, *late))), "study": facts}
    picture = png_bytes(study_figure(found))
    prepare_folder(folder, (STATISTICS, FIGURE), SCHEMA)
    write_json(folder / STATISTICS, found)
    with writing_file(folder / FIGURE) as temporary:
        temporary.write_bytes(picture)
    return found


def statistics_text(found: dict[str, Any]) -> list[str]:
    """The report for a person: each comparison with its interval, what was claimed, warnings, methods."""
    lines = [
        f"{found['study']['title']}: {found['answers']['judged']} judged answers, "
        f"{_counted(found['readers'], 'reader')}, {_counted(found['cases'], 'case')} ({found['notice']})"
    ]
    for one in found["comparisons"]:
        lines.append(f"{one['arm']} against {one['against']}: {one['endpoint']}")
        lines.append(f"  {_interval(one)} ({100 * one['level']:g} % interval, {one['method']})")
        drawn = "cases" if found["readers_fixed"] else "readers and cases"
        lines.append(f"  {_interval({**one, **one['bootstrap']})} (bootstrap of {drawn} beside it)")
        lines += [f"  {_claim(claim)}" for claim in one.get("claims", ())]
    lines += [f"note: {text}" for text in found["warnings"]]
    return [*lines, "", "Methods: " + " ".join(found["methods"]), f"head {found['study']['head']}"]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _outcome(row: dict[str, Any], first: str) -> float:
    if row["choice"] == CANNOT:
        return float("nan")
    return 0.5 if row["choice"] == TIE else float(row["preferred"] == first)


def _score(row: dict[str, Any]) -> float:
    return float("nan") if row["score"] is None else float(row["score"])


def _interval(one: dict[str, Any]) -> str:
    if one["low"] is None or one["high"] is None:
        return f"{one['estimate']:.3f}, no interval"
    return f"{one['estimate']:.3f} ({one['low']:.3f} to {one['high']:.3f})"


def _claim(claim: dict[str, Any]) -> str:
    shown = "shown" if claim["shown"] else "not shown"
    bound = "no bound" if claim["bound"] is None else f"bound {claim['bound']:.3f}"
    limit, alpha = f"{claim['limit']:.3f}", f"{claim['alpha']:g}"
    return f"{claim['kind']}: {shown} ({bound} against {limit}, one-sided alpha {alpha})"
