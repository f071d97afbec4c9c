"""statistics.json: all numbers of a small study by hand, what it warns of, and its picture."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.review.statistics import AnswerTable, Plan, preference, study_figure, summarise
from medidiff.runs.figures import png_bytes

NAN = np.nan
ARMS = ("fbp", "tv")


def pairs(values: np.ndarray, arms: tuple[str, ...] = ARMS, **columns: np.ndarray) -> AnswerTable:
    """values: (readers, cases), 1 where the first arm is preferred."""
    readers, cases = values.shape
    n = values.size
    reader, case = np.indices(values.shape).reshape(2, n)
    whole = np.zeros(n, int)
    fields: dict[str, Any] = {
        "reader": reader,
        "case": case,
        "first": whole,
        "second": whole + 1,
        "value": values.ravel().astype(float),
        "repeat": whole,
        "side_a": (reader + case) % 2,
        "seconds": np.full(n, 10.0),
        **columns,
    }
    names = tuple(f"R{k}" for k in range(readers)), tuple(f"c{k}" for k in range(cases))
    return AnswerTable("pairs", arms, *names, **fields)


def scale(values: np.ndarray) -> AnswerTable:
    """values: (readers, cases, arms)."""
    n = values.size
    reader, case, arm = np.indices(values.shape).reshape(3, n)
    whole = np.zeros(n, int)
    names = tuple(f"R{k}" for k in range(values.shape[0])), tuple(f"c{k}" for k in range(values.shape[1]))
    score = values.ravel().astype(float)
    return AnswerTable(
        "scale", ARMS, *names, reader, case, arm, whole - 1, score, whole, whole - 1, np.full(n, NAN)
    )


@pytest.fixture
def votes() -> np.ndarray:
    return np.array(np.random.default_rng(0).choice([0, 0, 0, 0.5, 1], size=(6, 12)))


def test_the_test_arm_is_compared_with_the_reference(votes: np.ndarray) -> None:
    """Outcomes speak of arm 0; the plan tests arm 1, so shares are turned."""
    found = summarise(pairs(votes), Plan("non-inferiority", margin=0.1))
    (one,) = found["comparisons"]
    reader, case = np.indices(votes.shape).reshape(2, -1)
    expected = preference(reader, case, 1 - votes.ravel())
    assert (one["arm"], one["against"]) == ("tv", "fbp")
    assert one["estimate"] == pytest.approx(1 - votes.mean())
    assert (one["low"], one["high"]) == pytest.approx((expected.low, expected.high))
    assert one["by_reader"]["R2"]["estimate"] == pytest.approx(1 - votes[2].mean())
    assert one["by_case"]["c3"] == {
        "for": int((votes[:, 3] == 0).sum()),
        "ties": int((votes[:, 3] == 0.5).sum()),
        "against": int((votes[:, 3] == 1).sum()),
        "cannot_judge": 0,
    }
    assert [claim["kind"] for claim in one["claims"]] == ["non-inferiority", "superiority"]
    assert one["claims"][0]["limit"] == pytest.approx(0.4)
    assert one["claims"][0]["bound"] == pytest.approx(expected.low)
    strength = found["strengths"]["differences"][0]
    assert (strength["arm"], strength["against"]) == ("tv", "fbp")
    assert strength["preferred"] == pytest.approx(one["estimate"])  # two arms: the model is saturated
    assert strength["low"] < strength["estimate"] < strength["high"]
    assert found["warnings"] == []
    json.dumps(found, allow_nan=False)


def test_cannot_judge_is_left_out_counted_and_tried_as_a_tie(votes: np.ndarray) -> None:
    votes[:, 0] = NAN
    votes[1, 1] = NAN
    found = summarise(pairs(votes), Plan())
    (one,) = found["comparisons"]
    assert one["estimate"] == pytest.approx(1 - np.nanmean(votes))
    as_ties = np.where(np.isnan(votes), 0.5, votes)
    assert one["cannot_judge_as_no_difference"]["estimate"] == pytest.approx(1 - as_ties.mean())
    assert found["answers"]["cannot_judge"] == 7
    assert found["answers"]["by_reader"]["R1"]["cannot_judge"] == 2
    assert found["cases"] == 11
    assert any("7 of 72 answers were 'cannot judge'" in text for text in found["warnings"])
    assert any("missing at random" in text for text in found["warnings"])


def test_few_readers_and_an_arm_that_always_wins() -> None:
    found = summarise(pairs(np.zeros((2, 6))), Plan(planned_readers=5, remarks=("blocks of one scan",)))
    (one,) = found["comparisons"]
    assert one["estimate"] == 1
    assert one["low"] == pytest.approx(0.025 ** (1 / 6))  # six of six cases, readers fixed
    assert one["claims"][0]["shown"]
    assert found["strengths"]["separated"]
    words = " / ".join(found["warnings"])
    for part in ("blocks of one scan", "readers are treated as fixed", "2 of 5 planned", "always won"):
        assert part in words
    assert any("exact" in text for text in found["methods"])
    assert not any("Henderson" in text for text in found["methods"])


def test_a_side_that_is_always_chosen_is_told() -> None:
    """Readers who press A whatever it shows: no preference between arms, and a warning."""
    shown = np.tile([0, 1], 8 * 10 // 2)
    votes = np.where(shown == 0, 1.0, 0.0).reshape(8, 10)
    found = summarise(pairs(votes, side_a=shown), Plan())
    assert found["comparisons"][0]["estimate"] == 0.5
    assert found["side_a"]["estimate"] == 1
    assert any("side A was preferred in 100 %" in text for text in found["warnings"])


def test_three_arms_of_which_two_are_never_compared(votes: np.ndarray) -> None:
    first = np.tile([0, 0, 1], 24)
    second = np.tile([1, 2, 2], 24)
    found = summarise(pairs(votes, ("a", "b", "c"), first=first, second=second), Plan(test=2))
    assert [(one["arm"], one["against"]) for one in found["comparisons"]] == [
        ("c", "a"),
        ("b", "a"),
        ("c", "b"),
    ]
    assert "claims" in found["comparisons"][0]
    assert "claims" not in found["comparisons"][1]
    assert sum(found["strengths"]["log_strengths"].values()) == pytest.approx(0)
    apart = summarise(pairs(votes, ("a", "b", "c")), Plan())
    assert apart["strengths"] is None
    assert any("never compared" in text for text in apart["warnings"])


def test_scores_by_hand() -> None:
    rng = np.random.default_rng(1)
    values = np.clip(np.round(3 + rng.standard_normal((5, 8, 1)) + [0, 0.6]), 1, 5)
    values[0, 0, 1] = NAN
    found = summarise(scale(values), Plan("superiority", scale=(1, 5)))
    (one,) = found["comparisons"]
    difference = values[..., 1] - values[..., 0]
    assert one["estimate"] == pytest.approx(np.nanmean(difference))
    as_none = np.where(np.isnan(difference), 0, difference)
    assert one["cannot_judge_as_no_difference"]["estimate"] == pytest.approx(as_none.mean())
    assert found["scores"]["tv"]["estimate"] == pytest.approx(np.nanmean(values[..., 1]))
    assert sum(found["scores"]["fbp"]["given"].values()) == 40
    assert found["agreement"]["icc"]["units"] == 15
    assert found["seconds"] is None
    json.dumps(found, allow_nan=False)


def test_agreement_takes_first_answers_and_repeats_the_later_ones(votes: np.ndarray) -> None:
    """Everybody says the same first, and half of them the opposite when asked again."""
    same = np.tile(votes[:1], (6, 1))
    n = same.size
    later = np.where(np.arange(6)[:, None] < 3, same, 1 - same)
    value = np.r_[same.ravel(), later.ravel()]
    table = pairs(same)
    twice = {
        name: np.tile(getattr(table, name), 2) for name in ("reader", "case", "first", "second", "side_a")
    }
    again = pairs(same, **twice, value=value, repeat=np.repeat([0, 1], n), seconds=np.full(2 * n, 1.0))
    found = summarise(again, Plan())
    assert found["agreement"]["krippendorff_alpha"]["value"] == pytest.approx(1)
    assert found["agreement"]["weighted_kappa"]["same_answer"] == 1
    assert found["repeatability"]["count"] == n
    assert found["repeatability"]["agreement"] == pytest.approx((1 + np.mean(same == 0.5)) / 2)
    assert found["comparisons"][0]["estimate"] == pytest.approx(1 - value.mean())


def test_nothing_to_say() -> None:
    with pytest.raises(InputError) as caught:
        summarise(pairs(np.full((2, 3), NAN)), Plan())
    assert "none of them judged" in caught.value.got


def test_scores_that_no_reader_gave_both_arms_of_a_case() -> None:
    values = np.full((2, 6, 2), 4.0)
    values[..., 0] = NAN
    with pytest.raises(InputError, match="judged a case in two arms"):
        summarise(scale(values), Plan("superiority", scale=(1, 5)))
    values[0, :3, 0], values[0, :3, 1] = 2.0, NAN  # both arms were judged, never of one case
    with pytest.raises(InputError, match="judged a case in two arms"):
        summarise(scale(values), Plan("superiority", scale=(1, 5)))


def test_a_planned_comparison_without_answers_is_told(votes: np.ndarray) -> None:
    """Of three arms the plan's two were never judged together: other arms do not stand in for them."""
    found = summarise(pairs(votes, ("a", "b", "c")), Plan("superiority", test=2))
    assert not any("claims" in one for one in found["comparisons"])
    assert any("c and a, which the plan compares" in text for text in found["warnings"])


def test_more_readers_than_planned_are_told(votes: np.ndarray) -> None:
    found = summarise(pairs(votes), Plan(planned_readers=5))
    assert any("6 readers have answers, more than the 5" in text for text in found["warnings"])
    found = summarise(pairs(votes), Plan(planned_readers=6))
    assert not any("planned" in text for text in found["warnings"])


def test_where_nothing_varies_no_interval_has_no_width(votes: np.ndarray) -> None:
    """One case, of which two readers think opposite: a bootstrap or a covariance of cases sees nothing."""
    found = summarise(pairs(np.array([[1.0], [0.0]])), Plan())
    (one,), (difference,) = found["comparisons"], found["strengths"]["differences"]
    assert (one["low"], one["bootstrap"]) == (None, {"low": None, "high": None})
    assert (difference["low"], difference["high"]) == (None, None)
    study_figure(found)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hypothesis": "non-inferiority"},
        {"margin": -0.1},
        {"alpha": 0.6},
        {"test": 0},
    ],
)
def test_plans_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Plan(**wrong)


def test_tables_that_are_none(votes: np.ndarray) -> None:
    n = votes.size
    for wrong in (
        {"second": np.zeros(n, int)},
        {"first": np.full(n, 2)},
        {"case": np.zeros(3, int)},
        {"value": np.full(n, 0.3)},
    ):
        with pytest.raises(InputError):
            pairs(votes, **wrong)


def test_the_picture_says_what_was_found(votes: np.ndarray) -> None:
    found = summarise(pairs(votes), Plan("non-inferiority", margin=0.1))
    figure = study_figure(found)
    forest, cases = figure.axes
    texts = [text.get_text() for text in forest.texts]
    assert any(f"tv preferred in {100 * found['comparisons'][0]['estimate']:.0f} %" in text for text in texts)
    assert [label.get_text() for label in forest.get_yticklabels()][-2:] == ["all readers", "bootstrap"]
    assert any(line.get_xdata()[0] == pytest.approx(0.4) for line in forest.lines)  # the margin
    assert len(cases.get_yticklabels()) == 12
    assert png_bytes(figure) == png_bytes(study_figure(json.loads(json.dumps(found))))


def test_the_picture_of_scores() -> None:
    values = np.random.default_rng(2).integers(1, 6, (5, 40, 2)).astype(float)
    found = summarise(scale(values), Plan())
    forest, cases = study_figure(found).axes
    assert forest.get_xlabel() == "score of tv minus score of fbp"
    assert cases.get_ylabel() == "40 cases"
