"""What every noise law must do: N(0, 1) voxels that depend on their name alone."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from medidiff.core.contracts import Entry
from medidiff.core.process import NoiseLaw, NoiseStreams

_SHAPE = (4, 1, 6, 60, 71)


@pytest.fixture
def law(noise_entry: Entry) -> NoiseLaw:
    return noise_entry.make(_SHAPE[2])


def test_every_slice_is_standard_normal(law: NoiseLaw) -> None:
    """17 000 voxels a slice: Kolmogorov-Smirnov p > 1e-3."""
    n = law.draw(_SHAPE, NoiseStreams(5), "start", 0)
    assert n.dtype == torch.float32
    for z in range(_SHAPE[2]):
        assert stats.kstest(n[:, :, z].flatten().numpy(), "norm").pvalue > 1e-3


def test_voxels_of_a_slice_are_independent(law: NoiseLaw) -> None:
    """Lags in y, x and between samples: correlation 0 within 4 standard errors."""
    n = law.draw(_SHAPE, NoiseStreams(6), "start", 0)
    for one, other in ((n[..., 1:], n[..., :-1]), (n[..., 1:, :], n[..., :-1, :]), (n[1:], n[:-1])):
        for z in range(_SHAPE[2]):
            product = one[:, :, z] * other[:, :, z]
            assert abs(product.mean()) < 4 / product.numel() ** 0.5


def test_blocks_are_cut_from_the_whole(law: NoiseLaw) -> None:
    """Samples and slices drawn in blocks are bit-equal to those drawn at once."""
    streams = NoiseStreams(7)
    whole = law.draw(_SHAPE, streams, "step", 3)
    part = law.draw((2, 1, 3, 60, 71), streams.block(first_sample=1, first_slice=2), "step", 3)
    assert torch.equal(part, whole[1:3, :, 2:5])
    assert torch.equal(law.draw(_SHAPE, streams, "step", 3), whole)


def test_other_names_are_other_noise(law: NoiseLaw) -> None:
    """Purpose, step and seed each change the draw: correlation 0 within 4 standard errors."""
    base = law.draw(_SHAPE, NoiseStreams(8), "step", 3)
    for seed, purpose, step in ((9, "step", 3), (8, "start", 3), (8, "step", 4)):
        other = law.draw(_SHAPE, NoiseStreams(seed), purpose, step)
        # correlated slices hold less information: 4 standard errors of one slice bound all
        assert abs((base * other).mean()) < 4 / (base.numel() / _SHAPE[2]) ** 0.5
