"""Streams by name, and the autoregression down z."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from medidiff.core.process import Gaussian, NoiseStreams, ZCorrelated
from medidiff.errors import InputError

_POSITIONS = (0.0, 2.5, 3.2, 10.0, 9.0)  # uneven, and once back


def test_correlation_falls_with_the_distance_along_the_path() -> None:
    """exp(-d / length) with d summed down the slices; 4 standard errors of 40 000 voxels."""
    length, count = 4.0, 40_000
    n = (
        ZCorrelated(_POSITIONS, length)
        .draw((1, 1, 5, 200, 200), NoiseStreams(3), "start", 0)[0, 0]
        .flatten(1)
    )
    steps = [abs(b - a) for a, b in pairwise(_POSITIONS)]
    for i in range(5):
        for j in range(i, 5):
            expected = math.exp(-sum(steps[i:j]) / length)
            assert abs((n[i] * n[j]).mean() - expected) < 4 * ((1 + expected**2) / count) ** 0.5


def test_no_length_is_white_and_infinite_length_is_one_slice() -> None:
    shape, streams = (2, 1, 5, 3, 4), NoiseStreams(1)
    white = Gaussian().draw(shape, streams, "start", 2)
    assert torch.equal(ZCorrelated(_POSITIONS, 0.0).draw(shape, streams, "start", 2), white)
    shared = ZCorrelated(_POSITIONS, math.inf).draw(shape, streams, "start", 2)
    assert torch.equal(shared, white[:, :, :1].expand(shape))


def test_two_dimensional_states_are_one_slice() -> None:
    """(K, C, y, x) draws what a volume of one slice draws."""
    flat = Gaussian().draw((2, 3, 5, 7), NoiseStreams(4), "start", 0)
    assert torch.equal(Gaussian().draw((2, 3, 1, 5, 7), NoiseStreams(4), "start", 0)[:, :, 0], flat)


def test_names_that_share_a_generator_seed_still_differ() -> None:
    """PyTorch's generator keeps 32 bits of a seed: of 200 000 names some pairs share them (5 expected)."""
    streams = NoiseStreams(0)
    seen: dict[int, int] = {}
    pairs = []
    for sample in range(200_000):
        seed = streams._word("start", sample, 0, 0) & 0xFFFFFFFF
        if seed in seen:
            pairs.append((seen[seed], sample))
        seen[seed] = sample
    assert pairs
    for one, other in pairs:
        n, m = (streams.white((128, 128), "start", k, 0, 0) for k in (one, other))
        assert abs((n * m).mean()) < 5 / 128


@pytest.mark.parametrize(
    ("positions", "length"), [((0.0, math.nan), 1.0), ((0.0, 1.0), -1.0), ((0.0,), math.nan)]
)
def test_bad_laws_are_refused(positions: tuple[float, ...], length: float) -> None:
    with pytest.raises(InputError):
        ZCorrelated(positions, length)


@pytest.mark.parametrize("shape", [(1, 1, 6, 3, 4), (1, 1, 5, 3)])
def test_every_slice_needs_a_position(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        ZCorrelated(_POSITIONS, 2.0).draw(shape, NoiseStreams(0), "start", 0)
