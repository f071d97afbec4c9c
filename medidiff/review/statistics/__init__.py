"""Statistics of reader studies, on numpy and scipy alone: plain arrays in, frozen dataclasses out."""

from medidiff.review.statistics.agreement.coefficients import (
    fleiss_kappa,
    icc,
    krippendorff_alpha,
    weighted_kappa,
)
from medidiff.review.statistics.agreement.repeats import repeat_agreement, repeated, within_reader
from medidiff.review.statistics.bootstrap import bootstrap_two_way
from medidiff.review.statistics.claims import (
    Claim,
    non_inferiority,
    preference,
    score_difference,
    superiority,
)
from medidiff.review.statistics.crossed import CrossedMean, components, crossed_mean
from medidiff.review.statistics.davidson import Strengths, bradley_terry
from medidiff.review.statistics.figure import study_figure
from medidiff.review.statistics.summary import summarise
from medidiff.review.statistics.table import AnswerTable, Plan

__all__ = [
    "AnswerTable",
    "Claim",
    "CrossedMean",
    "Plan",
    "Strengths",
    "bootstrap_two_way",
    "bradley_terry",
    "components",
    "crossed_mean",
    "fleiss_kappa",
    "icc",
    "krippendorff_alpha",
    "non_inferiority",
    "preference",
    "repeat_agreement",
    "repeated",
    "score_difference",
    "study_figure",
    "summarise",
    "superiority",
    "weighted_kappa",
    "within_reader",
]
