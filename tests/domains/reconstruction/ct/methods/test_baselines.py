"""FBP and TV of a measurement: their window, their weights, their start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from medidiff.domains.reconstruction.ct.methods.baselines import MANY_VIEWS, fbp_image, mean_weight, tv_image
from medidiff.domains.reconstruction.ct.methods.fbp import fbp
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
from medidiff.domains.reconstruction.ct.simulate import simulate_ct
from medidiff.io.volume import Volume

Body = Callable[..., Volume]


@pytest.fixture(scope="session")
def noisy(body: Body) -> CTMeasurement:
    return simulate_ct(body(4, 32, 36, 8.0, 7.0), views=12, photons=1e4)[0]


@pytest.mark.parametrize(("views", "window"), [(12, "hann"), (MANY_VIEWS + 4, "ramp")])
def test_few_views_are_windowed_and_air_is_the_floor(views: int, window: str, body: Body) -> None:
    m, _ = simulate_ct(body(1, 32, 32, 8.0, 8.0), views=views)
    plain = fbp(torch.from_numpy(m.sinogram), m.geometry, m.grid, window=window)  # type: ignore[arg-type]  a literal
    assert plain.min() < 0
    assert torch.equal(fbp_image(m), plain.clamp_min(0))


def test_a_ray_without_weight_does_not_count(noisy: CTMeasurement) -> None:
    """Also where no photons are named: a dead bin of a measured sinogram may hold any value."""
    weights = noisy.weights.copy()
    weights[:, :, 20] = 0
    sinogram = noisy.sinogram.copy()
    sinogram[:, :, 20] = 5
    dead = replace(noisy, weights=weights, sinogram=sinogram, photons=None)
    start = torch.ones(noisy.shape)
    one = tv_image(dead, 1e-3, iterations=40, start=start).image
    sinogram[:, :, 20] = 1
    two = tv_image(replace(dead, sinogram=sinogram), 1e-3, iterations=40, start=start).image
    # The mean weight counts rays through the body, and the value says which those are: a part in a hundred.
    assert (one - two).abs().mean() < 0.01 * one.abs().mean()
    ignored = tv_image(dead, 1e-3, iterations=40, start=start, weighted=False).image
    assert (ignored - one).abs().mean() > 0.05 * one.abs().mean()


def test_a_slab_is_solved_as_the_whole_when_its_weight_follows(noisy: CTMeasurement) -> None:
    """Two copies of the same slices, one at a fourth of the dose: each alone with its own share of lambda."""
    faint = replace(noisy, weights=np.concatenate([noisy.weights[:2], noisy.weights[2:] / 4]))
    whole, slab = mean_weight(faint), mean_weight(faint.slices(0, 2))
    assert slab > 1.2 * whole
    # z is as good as uncoupled: slices 1 m apart.
    far = replace(faint, affine=noisy.affine @ np.diag([1, 1, 400, 1]))
    together = tv_image(far, 2e-3, iterations=2000).image
    alone = tv_image(far.slices(0, 2), 2e-3 * whole / slab, iterations=2000).image
    other = tv_image(far.slices(0, 2), 2e-3, iterations=2000).image
    gap = (other - together[:2]).square().mean().sqrt()
    assert (alone - together[:2]).square().mean().sqrt() < 0.25 * gap


def test_equal_weights_are_none(noisy: CTMeasurement) -> None:
    same = replace(noisy, weights=np.full_like(noisy.weights, 7.0))
    none = replace(noisy, weights=None)
    assert mean_weight(same) == mean_weight(none) == 1
    assert torch.equal(*(tv_image(m, 1e-3, iterations=20).image for m in (same, none)))
