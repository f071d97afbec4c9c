"""Fan strips against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Grid, ParallelBeam

NEAR = FanBeam.of_angles(
    (0.0, 37.0, 90.0, 200.0, 301.5),
    detectors=160,
    field_mm=150,
    source_to_isocentre_mm=250,
    source_to_detector_mm=400,
)
FANS = [replace(NEAR, offset_mm=1.3), FanBeam.of_angles(NEAR.angles_deg, curved=False, detectors=160)]


@pytest.mark.parametrize("fan", FANS)
def test_a_disc_off_centre_against_its_chords(fan: FanBeam) -> None:
    """P = 2 mu_w sqrt(r^2 - (s - t)^2) on the rays theta = beta - gamma, s = R sin gamma."""
    grid = Grid(96, 96, 1.0, 1.0)
    x0, y0, radius = 11.0, -17.0, 24.0
    dense = grid.finer(8)
    inside = (dense.x_mm()[None] - x0) ** 2 + (dense.y_mm()[:, None] - y0) ** 2 < radius**2
    image = torch.from_numpy(inside.reshape(96, 8, 96, 8).mean((1, 3)))[None, None, None].float()
    gamma = fan.fan_angles_rad()[None]
    theta, s = fan.angles_rad()[:, None] - gamma, fan.source_to_isocentre_mm * np.sin(gamma)
    t = s - (x0 * np.cos(theta) + y0 * np.sin(theta))
    chord = 2 * MU_WATER * np.sqrt(np.maximum(radius**2 - t**2, 0))

    found = Projector(fan, grid)(image)[0, 0, 0].numpy()

    assert np.sqrt(np.mean((found - chord) ** 2)) < 0.01 * chord.max()
    assert found.sum() == pytest.approx(chord.sum(), rel=2e-3)


@pytest.mark.parametrize("offset", [0.0, 0.4])
def test_a_source_far_away_casts_parallel_strips(offset: float) -> None:
    """From 1e6 mm the fan opens by 1e-4 over the image: entries agree with the parallel matrix to that."""
    grid = Grid(21, 34, 1.3, 0.8)
    angles = (0.0, 45.0, 77.0, 190.0)
    parallel = ParallelBeam(angles, 50, 1.1, offset)
    fan = FanBeam(angles, 50, 1.1, offset, 1e6, 1e6, curved=False)
    image = torch.rand(1, 1, 1, *grid.shape, dtype=torch.float64)
    near, far = (Projector(beam, grid, torch.float64)(image) for beam in (fan, parallel))
    torch.testing.assert_close(near, far, rtol=0, atol=2e-4 * float(far.max()))


@pytest.mark.parametrize("fan", FANS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
def test_the_adjoint_is_exact(fan: FanBeam, dtype: torch.dtype, tolerance: float) -> None:
    grid = Grid(33, 20, 0.7, 1.9)
    projector = Projector(fan, grid, dtype)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 1, 3, *grid.shape, generator=generator, dtype=dtype)
    y = torch.randn(1, 1, 3, fan.views, fan.detectors, generator=generator, dtype=dtype)
    ax, aty = projector(x), projector.adjoint(y)
    gap = torch.sum(ax.double() * y) - torch.sum(x.double() * aty)
    assert abs(gap) / (ax.norm() * y.norm()) < tolerance
