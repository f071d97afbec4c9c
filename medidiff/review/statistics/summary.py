"""Everything that the answers of a study say, as plain numbers: the content of statistics.json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError
from medidiff.review.statistics.agreement.readers import agreement, repeatability
from medidiff.review.statistics.bootstrap import bootstrap_two_way
from medidiff.review.statistics.claims import (
    Claim,
    non_inferiority,
    preference,
    score_differences,
    superiority,
)
from medidiff.review.statistics.crossed import (
    FEWEST_READERS,
    CrossedMean,
    Floats,
    cells_of,
    crossed_mean,
)
from medidiff.review.statistics.davidson import bradley_terry
from medidiff.review.statistics.table import FIRST, SECOND, TIE, AnswerTable, Plan
from medidiff.review.statistics.wording import method_sentences, warning_sentences
from medidiff.runs.plain import to_plain
from medidiff.runs.report import NOTICE

SCHEMA = "medidiff.review.statistics/1"
_CLOSED = "Nothing can be said: see the export for what was answered. A closed study takes no more."


def summarise(table: AnswerTable, plan: Plan) -> dict[str, Any]:
    """The statistics of a study, ready for JSON; a number that is not known is None.

    `comparisons` holds the test arm against the reference first, then every other pair of arms. Raises
    InputError where no answer can be used.
    """
    judged = table.where(table.judged)
    if not len(judged.value):
        raise InputError(
            "answers",
            expected="at least one that was judged",
            got=f"{len(table.value)} answers, none of them judged",
            fix=_CLOSED,
        )
    compared = _pairs_of_arms(judged, plan)
    if not compared:
        raise InputError(
            "answers",
            expected="a reader who judged a case in two arms",
            got="none",
            fix=_CLOSED,
        )
    comparisons = [_comparison(table, plan, test, reference) for test, reference in compared]
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "notice": NOTICE,
        "kind": table.kind,
        "arms": table.arms,
        "readers": len(np.unique(judged.reader)),
        "cases": len(np.unique(judged.case)),
        "answers": _counts(table),
        "readers_fixed": len(np.unique(judged.reader)) < FEWEST_READERS,
        "plan": _plan(plan, table.arms),
        "comparisons": comparisons,
    }
    if table.kind == "pairs":
        found["strengths"] = _strengths(judged, plan)
        found["side_a"] = _side(judged, plan)
    else:
        found["scores"] = {arm: _score(judged, plan, k) for k, arm in enumerate(table.arms)}
    found["agreement"] = agreement(judged, level=plan.level)
    found["repeatability"] = repeatability(judged, level=plan.level)
    found["seconds"] = _seconds(table)
    found["warnings"] = [*plan.remarks, *warning_sentences(found)]
    found["methods"] = method_sentences(found)
    return dict(to_plain(found))


def _pairs_of_arms(judged: AnswerTable, plan: Plan) -> list[tuple[int, int]]:
    """(test, reference) of the plan, then every other pair that has answers."""
    count = len(judged.arms)
    others = [(j, i) for i in range(count) for j in range(i + 1, count)]
    planned = (plan.test, plan.reference)
    every = [planned, *(pair for pair in others if set(pair) != set(planned))]
    return [pair for pair in every if _has(judged, *pair)]


def _has(table: AnswerTable, test: int, reference: int) -> bool:
    if table.kind == "pairs":
        return bool(_between(table, test, reference).any())
    cells = [
        set(zip(of.reader, of.case, strict=True)) for of in map(table.where, _of_arms(table, test, reference))
    ]
    return bool(cells[0] & cells[1])


def _of_arms(table: AnswerTable, *arms: int) -> list[NDArray[np.bool_]]:
    return [table.first == arm for arm in arms]


def _between(table: AnswerTable, one: int, other: int) -> NDArray[np.bool_]:
    """(n,): the answers that compare these two arms."""
    one_way = (table.first == one) & (table.second == other)
    found: NDArray[np.bool_] = one_way | ((table.first == other) & (table.second == one))
    return found


def _comparison(table: AnswerTable, plan: Plan, test: int, reference: int) -> dict[str, Any]:
    """How the test arm did against the reference."""
    pairs = table.kind == "pairs"
    reader, case, value = _gains(table, test, reference)
    mean = _mean(table, plan, reader, case, value)
    cells = cells_of(reader, case, value)
    low, high = bootstrap_two_way(cells, level=plan.level, readers=not mean.readers_fixed)
    unsure = _gains(table, test, reference, unsure_as_ties=True)
    found = {
        "arm": table.arms[test],
        "against": table.arms[reference],
        "endpoint": "share of preferences, a tie counting half" if pairs else "mean difference of scores",
        **plain_mean(mean),
        # Where every draw is the same, nothing was estimated.
        "bootstrap": {"low": low, "high": high} if high > low else {"low": None, "high": None},
        "cannot_judge_as_no_difference": plain_bounds(_mean(table, plan, *unsure)),
        "by_reader": {
            table.readers[k]: plain_bounds(
                _mean(table, plan, *(x[reader == k] for x in (reader, case, value)))
            )
            for k in np.unique(reader)
        },
        "by_case": _by_case(table, test, reference, case, value),
    }
    if (test, reference) == (plan.test, plan.reference):
        found["claims"] = [_plain_claim(claim) for claim in _claims(mean, plan, null=0.5 if pairs else 0.0)]
    return found


def _gains(
    table: AnswerTable, test: int, reference: int, *, unsure_as_ties: bool = False
) -> tuple[NDArray[np.generic], NDArray[np.generic], Floats]:
    """Reader, case and gain of the test arm: 1, 0.5 or 0 of pairs, the difference of scores of a scale."""
    judged = table.where(table.judged)
    if table.kind == "pairs":
        of = (table if unsure_as_ties else judged).where(
            _between(table if unsure_as_ties else judged, test, reference)
        )
        value = np.where(np.isfinite(of.value), of.value, TIE)
        return of.reader, of.case, np.where(of.first == test, value, 1 - value)
    arms = {"test": test, "reference": reference}
    reader, case, gain = score_differences(judged.reader, judged.case, judged.first, judged.value, **arms)
    if not unsure_as_ties:
        return reader, case, gain
    zero = np.zeros(len(table.value))
    every_reader, every_case, no_gain = score_differences(table.reader, table.case, table.first, zero, **arms)
    known = set(zip(reader.tolist(), case.tolist(), strict=True))
    cells = zip(every_reader.tolist(), every_case.tolist(), strict=True)
    new = np.array([cell not in known for cell in cells])
    return np.r_[reader, every_reader[new]], np.r_[case, every_case[new]], np.r_[gain, no_gain[new]]


def _mean(
    table: AnswerTable, plan: Plan, reader: NDArray[np.generic], case: NDArray[np.generic], value: Floats
) -> CrossedMean:
    if table.kind == "pairs":
        return preference(reader, case, value, level=plan.level)
    return crossed_mean(reader, case, value, level=plan.level)


def _claims(mean: CrossedMean, plan: Plan, *, null: float) -> Iterator[Claim]:
    """Non-inferiority where there is a margin, and superiority; the planned one is named in the plan."""
    if plan.margin is not None:
        yield non_inferiority(mean, margin=plan.margin, alpha=plan.alpha, null=null)
    yield superiority(mean, alpha=plan.alpha, null=null)


def _by_case(
    table: AnswerTable, test: int, reference: int, case: NDArray[np.generic], value: Floats
) -> dict[str, Any]:
    """Of pairs, how many answers went which way; of a scale, the mean difference."""
    found: dict[str, Any] = {}
    for k in np.unique(case):
        of = value[case == k]
        if table.kind == "scale":
            found[table.cases[k]] = {"difference": float(of.mean()), "readers": len(of)}
            continue
        unsure = ~table.judged & _between(table, test, reference) & (table.case == k)
        found[table.cases[k]] = {
            "for": int((of == FIRST).sum()),
            "ties": int((of == TIE).sum()),
            "against": int((of == SECOND).sum()),
            "cannot_judge": int(unsure.sum()),
        }
    return found


def _strengths(judged: AnswerTable, plan: Plan) -> dict[str, Any] | None:
    """Davidson's model of all pairs; None where arms were never compared."""
    try:
        found = bradley_terry(
            judged.first,
            judged.second,
            judged.value,
            arms=len(judged.arms),
            reader=judged.reader,
            case=judged.case,
            level=plan.level,
        )
    except InputError:
        return None
    arms = judged.arms
    return {
        "log_strengths": dict(zip(arms, found.log_strengths.tolist(), strict=True)),
        "nu": found.nu,
        "separated": found.separated,
        "method": found.method,
        "differences": [
            {"arm": arms[d.second], "against": arms[d.first], "estimate": -d.estimate}
            | {"low": -d.high, "high": -d.low, "preferred": found.preferred(d.second, d.first)}
            for d in found.differences
        ],
    }


def _side(judged: AnswerTable, plan: Plan) -> dict[str, Any] | None:
    """The share that prefers whatever stands on side A; without a bias about a half."""
    known = judged.where((judged.side_a == judged.first) | (judged.side_a == judged.second))
    if not len(known.value):
        return None
    value = np.where(known.side_a == known.first, known.value, 1 - known.value)
    return plain_bounds(preference(known.reader, known.case, value, level=plan.level))


def _score(judged: AnswerTable, plan: Plan, arm: int) -> dict[str, Any] | None:
    of = judged.where(judged.first == arm)
    if not len(of.value):
        return None
    points, count = np.unique(of.value, return_counts=True)
    mean = crossed_mean(of.reader, of.case, of.value, level=plan.level)
    shares = {f"{point:g}": int(n) for point, n in zip(points, count, strict=True)}
    return {**plain_bounds(mean), "given": shares}


def plain_mean(mean: CrossedMean) -> dict[str, Any]:
    """All of an estimate."""
    return {
        **plain_bounds(mean),
        "level": mean.level,
        "standard_error": mean.standard_error,
        "satterthwaite_df": mean.df,
        "v_readers": mean.v_readers,
        "v_cases": mean.v_cases,
        "v_error": mean.v_error,
        "readers": mean.readers,
        "cases": mean.cases,
        "readers_fixed": mean.readers_fixed,
        "complete": mean.complete,
    }


def plain_bounds(mean: CrossedMean) -> dict[str, Any]:
    """An estimate with its interval alone."""
    return {
        "estimate": mean.estimate,
        "low": mean.low,
        "high": mean.high,
        "answers": mean.answers,
        "method": mean.method,
    }


def _plain_claim(claim: Claim) -> dict[str, Any]:
    return {
        "kind": claim.kind,
        "shown": claim.shown,
        "bound": claim.bound,
        "limit": claim.limit,
        "alpha": claim.alpha,
        "p": claim.p,
    }


def _plan(plan: Plan, arms: tuple[str, ...]) -> dict[str, Any]:
    return {
        "hypothesis": plan.hypothesis,
        "arm": arms[plan.test],
        "against": arms[plan.reference],
        "margin": plan.margin,
        "alpha_one_sided": plan.alpha,
        "level": plan.level,
        "readers": plan.planned_readers,
        "cases": plan.planned_cases,
    }


def _counts(table: AnswerTable) -> dict[str, Any]:
    def of(part: AnswerTable) -> dict[str, int]:
        return {
            "given": len(part.value),
            "judged": int(part.judged.sum()),
            "cannot_judge": int((~part.judged).sum()),
            "repeats": int((part.repeat > 0).sum()),
        } | ({"ties": int((part.value == TIE).sum())} if part.kind == "pairs" else {})

    busy = np.unique(table.reader)
    by_reader = {table.readers[k]: of(table.where(table.reader == k)) for k in busy}
    return {**of(table), "by_reader": by_reader}


def _seconds(table: AnswerTable) -> dict[str, Any] | None:
    """From image to answer: median of all and of each reader."""
    timed = table.where(np.isfinite(table.seconds))
    if not len(timed.value):
        return None
    by_reader = {
        timed.readers[k]: float(np.median(timed.seconds[timed.reader == k])) for k in np.unique(timed.reader)
    }
    return {"median": float(np.median(timed.seconds)), "by_reader": by_reader}
