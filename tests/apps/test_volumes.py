"""Voxels by token: who gets which, what is let go first, and what a slice is."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="needs the extra [apps]")


def packed(shape: tuple[int, int, int], first: int = 0) -> bytes:
    text = json.dumps({"shape": shape, "step": 1.0}).encode()
    padding = b" " * (-len(text) % 4)
    voxels = np.arange(first, first + np.prod(shape), dtype="<i2")
    return len(text).to_bytes(4, "little") + text + padding + voxels.tobytes()


def test_slices_are_those_of_the_volume() -> None:
    """Odd and non-square: slice z begins at z times 3 x 7."""
    from serving.volumes import Store

    store, given = Store(), packed((5, 3, 7))
    token = store.serve(given, key="a", session="s")
    whole = store.whole(token)
    assert whole is not None
    assert bytes(whole) == given
    part = store.slices(token, 1, 3)
    assert part is not None
    np.testing.assert_array_equal(np.frombuffer(part, "<i2"), np.arange(21, 63))
    for a, b in ((-1, 1), (2, 2), (3, 2), (0, 6), (5, 6)):
        assert store.slices(token, a, b) is None


def test_a_token_is_of_one_key_in_one_session_and_says_nothing() -> None:
    from serving.volumes import Store

    store = Store()
    a, again = (store.serve(packed((1, 2, 2)), key="sha256:abc", session="s") for _ in range(2))
    other = store.serve(packed((1, 2, 2)), key="sha256:abc", session="t")
    assert a == again
    assert len({a, other, store.serve(packed((1, 2, 2)), key="b", session="s")}) == 3
    assert len(a) == 32
    assert "abc" not in a
    assert store.whole("sha256:abc") is None


def test_what_was_used_least_recently_goes_first() -> None:
    from serving.volumes import Store

    one = packed((1, 10, 10))
    store = Store(most_bytes=2 * len(one))
    a, b = (store.serve(one, key=key, session="s") for key in "ab")
    assert store.whole(a) is not None
    c = store.serve(one, key="c", session="s")
    assert [store.whole(token) is None for token in (a, b, c)] == [False, True, False]
    assert store.serve(one, key="b", session="s") == b
    assert store.whole(b) is not None
    # One that is larger than all the room is kept alone: the page that asked for it shows it.
    large = store.serve(packed((9, 10, 10)), key="large", session="s")
    assert store.whole(large) is not None
    assert store.whole(b) is None
