"""Orders and sides: exact counts, by the seed and the reader's order alone."""

from __future__ import annotations

from collections import Counter

import pytest

from medidiff.review.design.protocol import Protocol
from medidiff.review.design.schedule import Item, schedule


def make_protocol(**changes: object) -> Protocol:
    cases = [{"id": f"c{k:02d}", "run": "r", "training": k < 2} for k in range(2 + 9)]
    plain = {
        "schema": "medidiff.review/1",
        "title": "t",
        "question": "q",
        "kind": "pairs",
        "endpoint": "e",
        "hypothesis": {"kind": "superiority", "better": "b", "than": "a"},
        "alpha": 0.025,
        "readers": 4,
        "arms": [{"name": name, "image": f"{name}.nii.gz"} for name in ("a", "b")],
        "cases": cases,
        "repeats": 0.5,
        "seed": 11,
        "window": {"level": 0, "width": 1},
    }
    return Protocol.model_validate({**plain, **changes})


def firsts(items: tuple[Item, ...]) -> list[Item]:
    return [item for item in items if not item.training and item.occasion == 1]


def test_the_same_seed_and_order_give_the_same_schedule() -> None:
    protocol = make_protocol()
    assert schedule(protocol, 3) == schedule(make_protocol(), 3)
    assert schedule(protocol, 3) != schedule(make_protocol(seed=12), 3)
    orders = [tuple(item.case for item in schedule(protocol, k)) for k in range(1, 9)]
    assert len(set(orders)) == 8


@pytest.mark.parametrize("order", range(1, 7))
def test_each_case_comes_once_and_its_repeat_as_far_as_can_be(order: int) -> None:
    """Nine cases, four of them twice (9 * 0.5 rounds to 4): training first, each repeat nine items later."""
    items = schedule(make_protocol(), order)
    assert [item.training for item in items] == [True] * 2 + [False] * 13
    assert Counter(item.case for item in firsts(items)) == {f"c{k:02d}": 1 for k in range(2, 11)}
    repeats = [(number, item) for number, item in enumerate(items, 1) if item.occasion == 2]
    assert len(repeats) == 4
    for number, item in repeats:
        assert item.first is not None
        before = items[item.first - 1]
        assert number - item.first == 9
        assert (before.case, before.arms) == (item.case, item.arms[::-1])  # sides swapped


def test_sides_are_balanced_within_a_reader_and_between_two() -> None:
    """Nine cases: four or five with arm a on the left; the second of two readers sees the other side."""
    protocol = make_protocol()
    lefts = Counter()
    for order in range(1, 41, 2):
        one, two = ({i.case: i.arms for i in firsts(schedule(protocol, k))} for k in (order, order + 1))
        count = sum(arms == ("a", "b") for arms in one.values())
        assert count in (4, 5)
        lefts[count] += 1
        assert all(two[case] == arms[::-1] for case, arms in one.items())
        positions = [[i.case for i in firsts(schedule(protocol, k))] for k in (order, order + 1)]
        assert positions[0] == positions[1][::-1]
    assert set(lefts) == {4, 5}  # the odd one falls to either side


def test_no_case_has_a_fixed_side_or_place() -> None:
    protocol = make_protocol()
    seen = [firsts(schedule(protocol, order)) for order in range(1, 201)]
    left = Counter(item.case for items in seen for item in items if item.arms == ("a", "b"))
    assert set(left.values()) == {100}  # exact, because readers come in twos
    first = Counter(items[0].case for items in seen)
    # 200 draws of one of nine: mean 22, standard deviation 4.4; 5 of them is 22.
    assert set(first) == {f"c{k:02d}" for k in range(2, 11)}
    assert max(first.values()) < 22 + 22


def test_all_pairs_of_three_arms_and_each_arm_of_a_scale() -> None:
    arms = [{"name": name, "image": "x"} for name in ("a", "b", "c")]
    three = schedule(make_protocol(arms=arms, repeats=0.0), 1)
    pairs = Counter((item.case, frozenset(item.arms)) for item in three)
    assert len(pairs) == 11 * 3
    assert set(pairs.values()) == {1}
    scale = {"kind": "likert", "likert": {"anchors": ["bad", "good"]}}
    alone = schedule(make_protocol(arms=arms, repeats=0.0, **scale), 1)
    assert Counter((item.case, item.arms) for item in alone) == Counter(
        (f"c{k:02d}", (arm,)) for k in range(11) for arm in "abc"
    )
