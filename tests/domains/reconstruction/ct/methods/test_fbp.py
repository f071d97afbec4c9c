"""FBP against discs of known value and place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medidiff.domains.reconstruction.ct.methods.fbp import fbp
from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam

GRID = Grid(96, 96, 1.5, 1.5)


def discs(beam: ParallelBeam, *circles: tuple[float, float, float, float]) -> torch.Tensor:
    """Exact pencil-ray sinogram (1, views, detectors) of discs (x, y, radius, water units)."""
    theta, s = beam.angles_rad()[:, None], beam.bins_mm()[None]
    p = np.zeros((beam.views, beam.detectors))
    for x, y, radius, value in circles:
        t = s - (x * np.cos(theta) + y * np.sin(theta))
        p += 2 * MU_WATER * value * np.sqrt(np.maximum(radius**2 - t**2, 0))
    return torch.from_numpy(p).float()[None]


def inside(grid: Grid, x: float, y: float, radius: float) -> np.ndarray:
    return (grid.x_mm()[None] - x) ** 2 + (grid.y_mm()[:, None] - y) ** 2 < radius**2


@pytest.mark.parametrize("window", ["ramp", "shepp-logan", "cosine", "hann"])
@pytest.mark.parametrize("arc", [180.0, 360.0])
def test_discs_keep_their_value(window: str, arc: float) -> None:
    """Values 1, 1.5 and 0.6; 360 views and 1.5 mm pixels leave 0.3 %, the brief's gate is 1 %."""
    beam = ParallelBeam.sparse(360, arc, grid=GRID)
    y = discs(beam, (0, 0, 60, 1.0), (25, 10, 12, 0.5), (-20, -15, 14, -0.4))
    image = fbp(y, beam, GRID, window=window)[0].numpy()  # type: ignore[arg-type]  # a literal
    for x, y0, radius, value in ((25, 10, 8, 1.5), (-20, -15, 10, 0.6), (0, 40, 10, 1.0)):
        assert image[inside(GRID, x, y0, radius)].mean() == pytest.approx(value, rel=3e-3)


@pytest.mark.parametrize(("x", "y"), [(30.0, 0.0), (-17.0, 22.0), (5.0, -33.3)])
@pytest.mark.parametrize("grid", [GRID, Grid(121, 67, 1.0, 1.7)])
def test_the_centroid_is_where_the_disc_is(grid: Grid, x: float, y: float) -> None:
    """Within a tenth of a pixel: a shift of half a bin or a flipped axis is ten times more."""
    beam = ParallelBeam.of_angles(tuple(np.arange(0, 180, 1.5) + 7.0), grid=grid)
    image = fbp(discs(beam, (x, y, 10.0, 1.0)), beam, grid)[0].numpy()
    weight = np.where(inside(grid, x, y, 16.0), image, 0)
    centre = [(weight * grid.x_mm()[None]).sum(), (weight * grid.y_mm()[:, None]).sum()] / weight.sum()
    assert abs(centre[0] - x) < 0.1 * grid.dx_mm
    assert abs(centre[1] - y) < 0.1 * grid.dy_mm


def test_a_detector_off_centre_is_known() -> None:
    """The same disc through bins moved by 0.4 of their width."""
    straight = ParallelBeam.sparse(180, grid=GRID)
    moved = ParallelBeam(straight.angles_deg, straight.detectors, straight.spacing_mm, 0.6)
    images = [fbp(discs(beam, (12, 20, 25, 1.0)), beam, GRID) for beam in (straight, moved)]
    middle = torch.from_numpy(inside(GRID, 12, 20, 20))
    torch.testing.assert_close(images[0][0][middle], images[1][0][middle], atol=0.02, rtol=0)


def test_unequal_steps_are_weighted() -> None:
    """Half the directions sampled three times as densely: the value in the middle stays."""
    angles = (*np.arange(0, 90, 0.5), *np.arange(90, 180, 1.5))
    beam = ParallelBeam.of_angles(angles, grid=GRID)
    image = fbp(discs(beam, (0, 0, 50, 1.0)), beam, GRID)[0].numpy()
    assert image[inside(GRID, 0, 0, 40)].mean() == pytest.approx(1.0, rel=3e-3)


def test_a_missing_arc_is_left_out() -> None:
    """Two thirds of the directions give two thirds of a centred disc's mean density."""
    beam = ParallelBeam.sparse(240, 120, grid=GRID)
    image = fbp(discs(beam, (0, 0, 40, 1.0)), beam, GRID)[0].numpy()
    assert image[inside(GRID, 0, 0, 5)].mean() == pytest.approx(2 / 3, rel=0.01)


@pytest.mark.parametrize("slices", [1, 40])
def test_slices_and_groups_of_views_do_not_mix(slices: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from medidiff.domains.reconstruction.ct.methods import fbp as module

    beam = ParallelBeam.sparse(9, grid=GRID)
    y = torch.rand(slices, beam.views, beam.detectors, generator=torch.Generator().manual_seed(0))
    whole = fbp(y, beam, GRID)
    monkeypatch.setattr(module, "_INDEX_BYTES", 1)
    torch.testing.assert_close(fbp(y, beam, GRID), whole)
    torch.testing.assert_close(fbp(y[-1:], beam, GRID), whole[-1:], atol=1e-4, rtol=1e-4)
