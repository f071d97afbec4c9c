"""The sentences of statistics.json: which formula each number came from, and what to be careful with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from medidiff.review.statistics.crossed import EXACT, FEWEST_READERS


def method_sentences(found: dict[str, Any]) -> list[str]:
    """Of what `summarise` found; only what was really used."""
    return [*_mean(found), *_strengths(found), *_agreement(found)]


def _mean(found: dict[str, Any]) -> Iterator[str]:
    what = (
        "The share of preferences (a tie counting half) was averaged over readers and cases"
        if found["kind"] == "pairs"
        else "Scores of the arms were subtracted within reader and case and averaged"
    )
    yield f"{what}; repeated answers of one reader to one case were averaged first."
    plan = found["plan"]
    level = f"Intervals are at {100 * plan['level']:g} %"
    if found["readers_fixed"]:
        yield (
            f"{level}. With fewer than five readers the readers were treated as fixed: t intervals on the "
            "variance between cases, for these readers only; the percentile bootstrap beside draws cases."
        )
    else:
        yield (
            f"{level}: t intervals with V = V_readers + V_cases - V_error, variance components by "
            "Henderson's method 1 (Biometrics 1953;9:226) and Satterthwaite's degrees of freedom (Biometrics "
            "Bulletin 1946;2:110). The percentile bootstrap beside draws readers and cases together."
        )
    if any(one["method"] == EXACT for one in found["comparisons"]):
        yield (
            "Where all answers agreed, the interval is exact (Clopper and Pearson, Biometrika 1934;26:404) "
            "with the fewer of readers and cases as trials (of fixed readers, the cases)."
        )
    if plan["margin"] is not None:
        yield (
            f"Non-inferiority was judged by the one-sided bound at alpha {plan['alpha_one_sided']:g} "
            f"against a margin of {plan['margin']:g} fixed in the protocol."
        )
    if found["answers"]["cannot_judge"]:
        yield "Answers 'cannot judge' were left out; a second analysis counts them as no difference."


def _strengths(found: dict[str, Any]) -> Iterator[str]:
    strengths = found.get("strengths")
    if strengths is None:
        return
    ties = " with Davidson's ties (J Am Stat Assoc 1970;65:317)" if strengths["nu"] else ""
    clusters = "cases" if found["readers_fixed"] else "readers and cases"
    how = (
        "the likelihood had no maximum, so that Jeffreys' prior (Firth, Biometrika 1993;80:27) and the "
        "profile of the likelihood were used, with answers taken as independent"
        if strengths["separated"]
        else f"by maximum likelihood, with a covariance clustered by {clusters} (Cameron et al., J Bus Econ "
        "Stat 2011;29:238)"
    )
    yield f"Strengths of the arms follow Bradley and Terry (Biometrika 1952;39:324){ties}; {how}."


def _agreement(found: dict[str, Any]) -> Iterator[str]:
    between = found["agreement"] or {}
    if between.get("krippendorff_alpha"):
        yield (
            "Agreement between readers: Krippendorff's alpha for ordinal data (Content Analysis, 2019) of "
            "first answers, with a bootstrap over cases and arms."
        )
    if between.get("weighted_kappa"):
        weights = between["weighted_kappa"]["weights"]
        yield (
            f"Cohen's kappa with {weights} weights (Psychol Bull 1968;70:213), averaged over all pairs of "
            "readers (Light, Psychol Bull 1971;76:365)."
        )
    if between.get("icc"):
        yield "ICC(2,1), ICC(3,1) and ICC(2,k): Shrout and Fleiss, Psychol Bull 1979;86:420."
    if found["repeatability"]:
        yield (
            "Repeatability: agreement and linearly weighted kappa of first and repeated answers."
            if found["kind"] == "pairs"
            else "Repeatability: standard deviation within reader and image, and 1.96 sqrt(2) times it "
            "(Bland and Altman, BMJ 1996;313:744)."
        )


def warning_sentences(found: dict[str, Any]) -> Iterator[str]:
    """What a reader of the result must know."""
    readers, plan = found["readers"], found["plan"]
    if found["readers_fixed"]:
        yield (
            f"{readers} reader{'s' * (readers != 1)}, fewer than {FEWEST_READERS}: readers are treated as "
            "fixed, and the result holds for these readers only"
        )
    for what in ("readers", "cases"):
        if plan[what] is not None and found[what] < plan[what]:
            yield f"{found[what]} of {plan[what]} planned {what} have answers"
    if plan["readers"] is not None and readers > plan["readers"]:
        yield f"{readers} readers have answers, more than the {plan['readers']} that were planned"
    if plan["hypothesis"] != "estimate" and not any("claims" in one for one in found["comparisons"]):
        yield (
            f"{plan['arm']} and {plan['against']}, which the plan compares, have no judged answers together: "
            f"{plan['hypothesis']} was not tested"
        )
    if not all(one["complete"] for one in found["comparisons"]):
        yield "not every reader answered every case: missing answers are taken as missing at random"
    if (unsure := found["answers"]["cannot_judge"]) > 0:
        given = found["answers"]["given"]
        yield f"{unsure} of {given} answers were 'cannot judge': left out, and tried as ties beside"
    if not all(math.isfinite(one["low"]) for one in found["comparisons"]):
        yield "an interval is missing: fewer than two cases, or no spread was seen"
    yield from _about_pairs(found)


def _about_pairs(found: dict[str, Any]) -> Iterator[str]:
    if found["kind"] != "pairs":
        return
    if found["strengths"] is None:
        yield "no strengths of arms: some were never compared, not even by way of others"
    elif found["strengths"]["separated"]:
        yield (
            "an arm always won or always lost, or all pairs were ties: strengths have no maximum of "
            "likelihood, and are given with Jeffreys' prior"
        )
    side = found["side_a"]
    if side and math.isfinite(side["low"]) and not side["low"] <= 0.5 <= side["high"]:
        share = f"{100 * side['estimate']:.0f} %"
        yield f"side A was preferred in {share} of answers, which chance does not explain"
