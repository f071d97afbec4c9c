"""Warped slices: exact where nothing moves, the right way round where something does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from medidiff.domains.reconstruction.ct.training.warp import OUTSIDE_HU, WarpSettings, warp

STILL = {"turn_deg": 0.0, "any_turn_share": 0.0, "zoom": 1.0, "bend": 0.0, "mirror_share": 0.0}


def made(image: Tensor, side: int = 0, seed: int = 0, **changes: float) -> Tensor:
    middle = ((image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2)
    settings = WarpSettings.model_validate({**STILL, **changes})
    return warp(image, side or image.shape[0], middle, settings, np.random.default_rng(seed))


@pytest.fixture
def noise() -> Tensor:
    return 300 * torch.randn(40, 40, generator=torch.Generator().manual_seed(1))


def spot(row: float, column: float, side: int = 80) -> Tensor:
    at = torch.arange(side) - (side - 1) / 2
    return 1000 * torch.exp(-((at[:, None] - row) ** 2 + (at[None] - column) ** 2) / 18) - 1000


def brightest(image: Tensor) -> list[float]:
    """Row and column of the centre of mass, from the middle."""
    mass = (image + 1000).clamp_min(0)
    at = torch.arange(len(image)) - (len(image) - 1) / 2
    return [float((mass * at[:, None]).sum() / mass.sum()), float((mass * at[None]).sum() / mass.sum())]


def test_nothing_moves_when_nothing_is_asked(noise: Tensor) -> None:
    assert torch.allclose(made(noise), noise, atol=1e-2)
    assert torch.equal(made(noise, 20), made(noise)[10:30, 10:30])


def test_a_mirror_image_is_exact(noise: Tensor) -> None:
    assert torch.allclose(made(noise, mirror_share=1.0), noise.flip(1), atol=1e-2)


def test_a_turn_keeps_the_distance_and_a_zoom_stretches_it() -> None:
    image = spot(12.0, -5.0)
    for seed in range(4):
        turned = brightest(made(image, seed=seed, any_turn_share=1.0))
        assert np.hypot(*turned) == pytest.approx(13.0, abs=0.1)
    row, column = brightest(made(image, seed=3, zoom=1.5))
    assert row / column == pytest.approx(12 / -5, rel=0.02)
    assert 1 / 1.5 < row / 12 < 1.5
    assert row != pytest.approx(12, abs=0.1)


def test_bending_moves_by_what_was_asked_and_smoothly() -> None:
    """Over many draws the spot moves by about bend (in pixels of 512) each way, and stays a spot."""
    image = spot(0.0, 0.0)
    moves = np.array([brightest(made(image, seed=k, bend=20.0, bend_every=200.0)) for k in range(60)])
    assert 0.4 < moves.std() / (20.0 * 80 / 512) < 1.1


def test_air_lies_beyond_the_edge_and_nothing_grows_denser() -> None:
    image = torch.full((40, 40), 50.0)
    image[::2] = 2500.0
    out = warp(image, 40, (-30.0, 20.0), WarpSettings(), np.random.default_rng(0))
    assert float(out.max()) <= 2500.0
    far = warp(image, 40, (-200.0, 20.0), WarpSettings(), np.random.default_rng(0))
    assert (far == OUTSIDE_HU).all()


def test_draws_differ_and_repeat(noise: Tensor) -> None:
    settings = WarpSettings()
    one, same, other = (warp(noise, 40, (19.5, 19.5), settings, np.random.default_rng(k)) for k in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
