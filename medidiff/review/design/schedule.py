"""Who sees what, in which order and on which side: determined by the seed and the reader's order alone.

An item is what is judged at once: for pairs a case with two arms, for a Likert scale one arm of a case.

- Training items come first, in the protocol's order.
- The others follow in a random order of the reader's own. Readers come in twos: the second has the first's
  order reversed and every side swapped, so that over the two each case stands in the middle on average and
  each arm is once left and once right.
- Within a reader, half of the items (one more or less when odd) have their first arm on side A.
- A share of the items comes twice: those that stood first come again at the end, in the same order with
  sides swapped. Every pair of occasions is then as many items apart as there are items, and no other
  arrangement has a larger smallest distance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from medidiff.review.design.protocol import Case, Protocol

_ORDER, _SIDES = 1, 2  # purposes of random streams


@dataclass(frozen=True)
class Item:
    """One presentation. case: its id. arms: in the order of the sides, A first. occasion: 1, or 2 a repeat.

    first: number (from 1) of the presentation that this one repeats, None on the first occasion.
    """

    case: str
    arms: tuple[str, ...]
    training: bool = False
    occasion: int = 1
    first: int | None = None


def schedule(protocol: Protocol, order: int) -> tuple[Item, ...]:
    """All presentations of the reader with that order (1, 2, ...), in order."""
    training = [item for case in protocol.cases if case.training for item in _items(protocol, case)]
    items = [item for case in protocol.scored_cases for item in _items(protocol, case)]
    pair, second = divmod(order - 1, 2)
    train = _sided(training, _stream(protocol.seed, _SIDES, pair, 0), swap=bool(second))
    sided = _sided(items, _stream(protocol.seed, _SIDES, pair, 1), swap=bool(second))
    turn = _stream(protocol.seed, _ORDER, pair).permutation(len(sided))
    firsts = [sided[k] for k in (turn[::-1] if second else turn)]
    count = round(protocol.repeats * len(firsts))
    again = [
        replace(item, arms=item.arms[::-1], occasion=2, first=len(train) + k + 1)
        for k, item in enumerate(firsts[:count])
    ]
    return (*train, *firsts, *again)


def _items(protocol: Protocol, case: Case) -> list[Item]:
    names = [arm.name for arm in protocol.arms]
    groups = combinations(names, 2) if protocol.kind == "pairs" else ((name,) for name in names)
    return [Item(case.id, tuple(arms), case.training) for arms in groups]


def _sided(items: list[Item], stream: np.random.Generator, *, swap: bool) -> list[Item]:
    """The items, a random half of them with their arms in the other order; with `swap` the other half."""
    turned = np.arange(len(items)) < (len(items) + int(stream.integers(2))) // 2
    stream.shuffle(turned)
    return [
        replace(item, arms=item.arms[::-1]) if flip != swap else item
        for item, flip in zip(items, turned, strict=True)
    ]


def _stream(*words: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(words))
