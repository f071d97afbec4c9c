"""Agreement between and within the readers of a study, from its table of answers."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from medidiff.errors import InputError
from medidiff.review.statistics.agreement.coefficients import Floats, icc, krippendorff_alpha, weighted_kappa
from medidiff.review.statistics.agreement.repeats import repeat_agreement, repeated, within_reader
from medidiff.review.statistics.table import AnswerTable

_PAIR_SCALE = np.array([0.0, 0.5, 1.0])


def agreement(judged: AnswerTable, *, level: float) -> dict[str, Any] | None:
    """Krippendorff's alpha, mean weighted kappa of every two readers, ICC of scores; None for one reader.

    Of each reader's first answers. Kappa's weights are linear for pairs, quadratic for scores.
    """
    ratings = first_ratings(judged)
    if len(ratings) < 2:
        return None
    pairs = judged.kind == "pairs"
    found: dict[str, Any] = {"units": ratings.shape[1], "weighted_kappa": _kappas(ratings, pairs=pairs)}
    try:
        alpha = krippendorff_alpha(ratings, metric="ordinal", level=level)
    except InputError:  # no pair or image was seen by two readers
        found["krippendorff_alpha"] = None
    else:
        found["krippendorff_alpha"] = {
            "value": alpha.value,
            "low": alpha.low,
            "high": alpha.high,
            "metric": alpha.metric,
            "units": alpha.units,
        }
    if not pairs:
        found["icc"] = _icc(ratings, level)
    return found


def first_ratings(judged: AnswerTable) -> Floats:
    """(readers, units): each reader's first answer to each case and arm or pair, NaN where there is none."""
    _, i = np.unique(judged.reader, return_inverse=True)
    _, j = np.unique(judged.unit, return_inverse=True)
    ratings = np.full((int(i.max()) + 1, int(j.max()) + 1), np.nan)
    for k in np.argsort(judged.repeat, kind="stable")[::-1]:
        ratings[i[k], j[k]] = judged.value[k]
    return ratings


def _kappas(ratings: Floats, *, pairs: bool) -> dict[str, Any] | None:
    """Mean, least and most of all pairs of readers (Light 1971, Psychol Bull 76:365).

    same_answer: their mean share of equal answers, which kappa hides where nearly all answers are alike.
    """
    scale = _PAIR_SCALE if pairs else np.unique(ratings[np.isfinite(ratings)])
    shared = [(a, b) for a, b in combinations(ratings, 2) if np.isfinite(a * b).any()]
    found = [
        weighted_kappa(a, b, weights="linear" if pairs else "quadratic", categories=scale) for a, b in shared
    ]
    known = [kappa for kappa in found if np.isfinite(kappa)]
    if not known:
        return None
    same = [float((a == b)[np.isfinite(a * b)].mean()) for a, b in shared]
    return {
        "mean": float(np.mean(known)),
        "least": min(known),
        "most": max(known),
        "same_answer": float(np.mean(same)),
        "pairs_of_readers": len(known),
        "weights": "linear" if pairs else "quadratic",
    }


def _icc(ratings: Floats, level: float) -> dict[str, Any] | None:
    try:
        found = icc(ratings, level=level)
    except InputError:  # fewer than two images that all readers scored
        return None
    return {
        "single": found.single,
        "low": found.low,
        "high": found.high,
        "consistency": found.consistency,
        "mean_of_all": found.mean_of_all,
        "units": found.units,
    }


def repeatability(judged: AnswerTable, *, level: float) -> dict[str, Any] | None:
    """Whether readers answer alike again, together and one by one; None where nothing came twice."""
    if judged.kind == "scale":
        within = within_reader(judged, level=level)
        if within.df < 1:
            return None
        return {
            "cells": within.cells,
            "within_reader_sd": within.sd,
            "low": within.low,
            "high": within.high,
            "repeatability_coefficient": within.coefficient,
        }
    before, after, reader = repeated(judged)
    if not len(before):
        return None
    every = repeat_agreement(before, after)
    by_reader = {}
    for k in np.unique(reader):
        one = repeat_agreement(before[reader == k], after[reader == k])
        by_reader[judged.readers[k]] = {"count": one.count, "agreement": one.agreement, "kappa": one.kappa}
    return {
        "count": every.count,
        "agreement": every.agreement,
        "kappa": every.kappa,
        "weights": "linear",
        "by_reader": by_reader,
    }
