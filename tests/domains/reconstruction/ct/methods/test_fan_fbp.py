"""Fan FBP against discs of known value: 1, 1.5 and 0.6 (the gate is 1 %)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from medidiff.domains.reconstruction.ct.methods.fbp import fbp
from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Grid, ParallelBeam

GRID = Grid(96, 80, 1.5, 1.8)
DISCS = ((0.0, 0.0, 60.0, 1.0), (25.0, 10.0, 12.0, 0.5), (-20.0, -15.0, 14.0, -0.4))


def scan(arc: float, views: int = 360, curved: bool = True) -> FanBeam:
    angles = [(37 + k * arc / views + 180) % 360 - 180 for k in range(views)]
    return FanBeam.of_angles(
        angles,
        curved=curved,
        detectors=384,
        field_mm=200,
        source_to_isocentre_mm=400,
        source_to_detector_mm=700,
    )


def discs(fan: FanBeam, *circles: tuple[float, float, float, float]) -> torch.Tensor:
    """Exact pencil-ray sinogram (1, views, detectors) of discs (x, y, radius, water units)."""
    gamma = fan.fan_angles_rad()[None]
    theta, s = fan.angles_rad()[:, None] - gamma, fan.source_to_isocentre_mm * np.sin(gamma)
    p = np.zeros(theta.shape)
    for x, y, radius, value in circles:
        t = s - (x * np.cos(theta) + y * np.sin(theta))
        p += 2 * MU_WATER * value * np.sqrt(np.maximum(radius**2 - t**2, 0))
    return torch.from_numpy(p).float()[None]


def mean(image: torch.Tensor, x: float, y: float, radius: float) -> float:
    inside = (GRID.x_mm()[None] - x) ** 2 + (GRID.y_mm()[:, None] - y) ** 2 < radius**2
    return float(image[0].numpy()[inside].mean())


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("arc", [360.0, 300.0, 180 + 2 * 14.48])
def test_discs_keep_their_value(curved: bool, arc: float) -> None:
    """A full, a long and the shortest short scan; 14.48 degrees is half the fan."""
    fan = scan(arc, curved=curved)
    image = fbp(discs(fan, *DISCS), fan, GRID, window="ramp")
    for x, y, radius, value in ((25, 10, 8, 1.5), (-20, -15, 10, 0.6), (0, 40, 10, 1.0), (40, -25, 8, 1.0)):
        assert mean(image, x, y, radius) == pytest.approx(value, rel=4e-3)


def test_unequal_steps_are_weighted() -> None:
    """Half the turn sampled three times as densely: the values stay."""
    angles = (*np.arange(-180, 0, 0.5), *np.arange(0, 180, 1.5))
    fan = replace(scan(360), angles_deg=tuple(float(a) for a in angles))
    image = fbp(discs(fan, *DISCS), fan, GRID, window="ramp")
    assert mean(image, 25, 10, 8) == pytest.approx(1.5, rel=5e-3)


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("missing", [30, 110, -110])
def test_a_displaced_detector_sees_in_a_full_turn_what_it_lacks_on_one_side(
    missing: int, curved: bool
) -> None:
    """Some of the 384 bins are gone at one end: the disc of 60 mm is whole, and the field as wide."""
    whole = scan(360, curved=curved)
    y = discs(whole, *DISCS)
    kept = y[..., missing:] if missing > 0 else y[..., :missing]
    fan = replace(whole, detectors=384 - abs(missing), offset_mm=missing / 2 * whole.spacing_mm)
    image = fbp(kept, fan, GRID, window="ramp")
    for x, y0, radius, value in ((25, 10, 8, 1.5), (-20, -15, 10, 0.6), (0, 40, 10, 1.0), (0, -52, 5, 1.0)):
        assert mean(image, x, y0, radius) == pytest.approx(value, rel=5e-3)
    assert fan.field_radius_mm() == pytest.approx(whole.field_radius_mm())
    assert replace(fan, angles_deg=fan.angles_deg[:240]).field_radius_mm() < 100


@pytest.mark.parametrize(("x", "y"), [(30.0, 0.0), (-17.0, 22.0)])
def test_the_centroid_is_where_the_disc_is(x: float, y: float) -> None:
    """Within a tenth of a pixel, with a detector off centre: a sign of the fan turned is pixels more."""
    fan = replace(scan(360, 120), offset_mm=2.1)
    image = fbp(discs(fan, (x, y, 10.0, 1.0)), fan, GRID)[0].numpy()
    near = (GRID.x_mm()[None] - x) ** 2 + (GRID.y_mm()[:, None] - y) ** 2 < 16**2
    weight = np.where(near, image, 0)
    centre = [(weight * GRID.x_mm()[None]).sum(), (weight * GRID.y_mm()[:, None]).sum()] / weight.sum()
    assert abs(centre[0] - x) < 0.1 * GRID.dx_mm
    assert abs(centre[1] - y) < 0.1 * GRID.dy_mm


def test_truncated_rows_are_extended() -> None:
    """A disc of 60 mm through a field of 45: without more, the rim of the field is a third too bright."""
    beam = ParallelBeam(tuple(np.arange(0, 180, 1.0)), 60, 1.5)
    s = beam.bins_mm()[None]
    p = 2 * MU_WATER * np.sqrt(np.maximum(60.0**2 - s**2, 0)) + 0 * beam.angles_rad()[:, None]
    y = torch.from_numpy(p).float()[None]
    cut = torch.ones(1, beam.views, 2, dtype=torch.bool)
    plain, extended = (mean(fbp(y, beam, GRID, window="ramp", truncated=t), 0, 36, 4) for t in (None, cut))
    assert plain > 1.3
    assert abs(extended - 1) < 0.2
    whole = fbp(y, beam, GRID, window="ramp", truncated=~cut)  # no row is cut
    torch.testing.assert_close(whole, fbp(y, beam, GRID, window="ramp"), atol=1e-4, rtol=0)
