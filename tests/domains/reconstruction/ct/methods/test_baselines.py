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


def test_a_bin_without_weight_is_filled_in_from_its_neighbours(noisy: CTMeasurement) -> None:
    """A ramp along the detector is known between its points: whatever dead bins hold, FBP is the ramp's."""
    ramp = np.broadcast_to(
        np.linspace(0, 2, noisy.geometry.detectors, dtype=np.float32), noisy.sinogram.shape
    )
    weights, dead = np.ones_like(ramp), ramp.copy()
    weights[:, :, [7, 20, 21]], dead[:, :, [7, 20, 21]] = 0, 1000
    weights[:, 3, :], dead[:, 3, :] = 0, -50  # a whole view adds nothing
    ends = dead.copy()
    whole = ramp.copy()
    whole[:, 3] = 0
    image = fbp_image(replace(noisy, sinogram=dead, weights=weights, photons=None))
    truth = fbp_image(replace(noisy, sinogram=whole, weights=None, photons=None))
    torch.testing.assert_close(image, truth, rtol=0, atol=1e-4)
    assert np.array_equal(dead, ends)  # the measurement is as it was


def test_a_slab_in_which_no_ray_counts_is_solved(noisy: CTMeasurement) -> None:
    """Its data are nothing; so is its image. The rest of the volume is not touched by it."""
    weights = noisy.weights.copy()
    weights[:2] = 0
    dead = replace(noisy, weights=weights).slices(0, 2)
    assert mean_weight(dead) == 1
    assert not fbp_image(dead).any()
    found = tv_image(dead, 1e-3, iterations=40).image
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-6)


def test_where_no_ray_through_the_body_counts_the_others_set_the_scale(noisy: CTMeasurement) -> None:
    weights = np.where(noisy.sinogram > 0.5, 0, noisy.weights)
    faint = replace(noisy, weights=weights)
    assert mean_weight(faint) == pytest.approx(weights.mean(dtype=np.float64), rel=1e-5)
    assert torch.isfinite(tv_image(faint, 1e-3, iterations=40).image).all()


def test_equal_weights_are_none(noisy: CTMeasurement) -> None:
    same = replace(noisy, weights=np.full_like(noisy.weights, 7.0))
    none = replace(noisy, weights=None)
    assert (mean_weight(same), mean_weight(none)) == (7, 1)
    assert torch.equal(*(tv_image(m, 1e-3, iterations=20).image for m in (same, none)))
