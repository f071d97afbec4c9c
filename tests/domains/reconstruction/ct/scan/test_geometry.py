"""Default detectors, view weights, missing arcs, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam
from medidiff.errors import InputError

GRID = Grid(256, 256, 1.4, 1.4)


def test_the_default_detector_covers_the_diagonal() -> None:
    """The smallest multiple of 8 above sqrt(2) 256 + 2 = 364.04."""
    assert ParallelBeam.sparse(24, grid=GRID).detectors == 368
    assert ParallelBeam.sparse(24, grid=GRID).spacing_mm == 1.4
    wide = Grid(20, 60, 2.0, 0.5)
    beam = ParallelBeam.sparse(3, grid=wide)
    assert beam.detectors * beam.spacing_mm > wide.diagonal_mm


def test_the_centre_of_the_grid_is_the_axis() -> None:
    grid = Grid(17, 20, 2.0, 0.5)
    assert grid.x_mm()[[0, -1]] == pytest.approx([-4.75, 4.75])
    assert grid.y_mm()[[0, 8, -1]] == pytest.approx([16.0, 0.0, -16.0])


@pytest.mark.parametrize(
    ("views", "arc", "total"), [(24, 180, 180), (24, 120, 120), (7, 360, 180), (24, 360, 180), (1, 180, 180)]
)
def test_view_weights_add_up_to_the_directions_measured(views: int, arc: float, total: float) -> None:
    weights = ParallelBeam.sparse(views, arc, grid=GRID).view_weights_rad()
    assert weights.sum() == pytest.approx(math.radians(total))
    assert weights == pytest.approx(np.full(views, math.radians(total) / views))


def test_missing_directions_of_a_limited_arc_are_named() -> None:
    beam = ParallelBeam.sparse(24, 120, grid=GRID, start_deg=30)
    ((low, high),) = beam.missing_deg()
    assert (low, high) == pytest.approx((147.5, 207.5))
    assert "147.5 to 27.5 degrees" in beam.missing_words()
    assert ParallelBeam.sparse(24, 180, grid=GRID).missing_words() == ""


@pytest.mark.parametrize(
    ("views", "arc"), [(24, 180), (24, 175), (24, 172.9), (24, 360), (8, 160), (2, 120), (7, 90)]
)
def test_the_arc_of_a_scan_is_the_one_asked_for(views: int, arc: float) -> None:
    """Also after a file: no field holds it, the angles do."""
    beam = ParallelBeam.sparse(views, arc, grid=GRID, start_deg=-20)
    assert ParallelBeam.from_plain(beam.to_plain()).arc_deg() == arc


def test_the_arc_of_a_list_and_of_one_direction() -> None:
    """From first to last and a mean step: 90 + 30. One view spans none; a turn and more is a turn."""
    arc = [
        ParallelBeam(angles, 20, 1.0).arc_deg() for angles in ((2, 90, 0, 1), (7,), (5, 5), (-180, 0, 350))
    ]
    assert arc == [120, None, None, 360]


@pytest.mark.parametrize(
    ("views", "arc", "covered"),
    [(24, 180, 180), (24, 175, 180), (24, 360, 180), (24, 120, 120), (8, 160, 180)],
)
def test_directions_that_the_views_stand_for(views: int, arc: float, covered: float) -> None:
    assert ParallelBeam.sparse(views, arc, grid=GRID).covered_deg() == covered


@pytest.mark.parametrize(
    ("angles", "count"),
    [((0.0,), 1), ((0, 180, 360), 1), ((0, 179.99995, 90), 2), ((0, 15, 195.0001, 30), 3), ((0, 60, 120), 3)],
)
def test_directions_are_counted_modulo_half_a_turn(angles: tuple[float, ...], count: int) -> None:
    assert ParallelBeam(angles, 20, 1.0).directions() == count
    assert ParallelBeam.sparse(26, 360, grid=GRID).directions() == 13
    assert ParallelBeam.sparse(25, 360, grid=GRID).directions() == 25


def test_one_direction_is_said_to_be_all() -> None:
    assert "only edges whose normal lies at 30 degrees" in ParallelBeam((210.0,), 20, 1.0).missing_words()


def test_plain_is_undone() -> None:
    beam = ParallelBeam((0.1, -3.0, 90.0), 50, 0.7, -0.2)
    assert ParallelBeam.from_plain(beam.to_plain()) == beam


@pytest.mark.parametrize(
    ("views", "arc"), [(0, 180), (-3, 180), (24, 0), (24, -5), (24, 361), (24, math.nan)]
)
def test_wrong_views_and_arcs_are_arguments(views: int, arc: float) -> None:
    with pytest.raises(InputError) as error:
        ParallelBeam.sparse(views, arc, grid=GRID)
    assert error.value.argument


@pytest.mark.parametrize("angles", [(), (math.nan,), (0.0, 4000.0)])
def test_wrong_angles_are_arguments(angles: tuple[float, ...]) -> None:
    with pytest.raises(InputError) as error:
        ParallelBeam.of_angles(angles, grid=GRID)
    assert error.value.argument


def test_wrong_grids_and_geometries_are_refused() -> None:
    with pytest.raises(InputError, match="16 pixels"):
        Grid(15, 256, 1.0, 1.0)
    with pytest.raises(InputError, match="positive"):
        Grid(64, 64, 0.0, 1.0)
    with pytest.raises(InputError, match="parallel"):
        ParallelBeam.from_plain({"geometry": "fan-flat"})
    with pytest.raises(InputError, match="detectors"):
        ParallelBeam.from_plain({"geometry": "parallel", "angles_deg": [0.0]})
    with pytest.raises(InputError, match="bins"):
        ParallelBeam((0.0,), 10, -1.0)
