"""Where a fan's rays lie, how lines that are seen twice are shared, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medidiff.domains.reconstruction.ct.scan.geometry import (
    FanBeam,
    Geometry,
    Grid,
    ParallelBeam,
    check_source,
    default_geometry,
    from_plain,
)
from medidiff.errors import InputError

GRID = Grid(64, 64, 4.0, 4.0)
FANS = [FanBeam.sparse(7, 200, curved=curved) for curved in (False, True)]


@pytest.mark.parametrize("fan", FANS)
def test_the_default_gantry(fan: FanBeam) -> None:
    """736 bins over a circle of 500 mm, 595 and 1086 mm from the source."""
    assert (fan.detectors, fan.source_to_isocentre_mm, fan.source_to_detector_mm) == (736, 595, 1086)
    assert fan.field_radius_mm() == pytest.approx(250)
    edge = np.sin(abs(fan.fan_angles_rad()[0])) * 595
    assert 249 < edge < 250  # the centre of the last bin


@pytest.mark.parametrize("fan", FANS)
def test_a_ray_is_the_parallel_ray_of_beta_minus_gamma(fan: FanBeam) -> None:
    """From the source through the bin: its normal and distance, against theta and s."""
    beta, gamma = fan.angles_rad()[:, None], fan.fan_angles_rad()[None]
    source = 595 * np.stack([np.sin(beta), -np.cos(beta)])
    away, across = np.stack([-np.sin(beta), np.cos(beta)]), np.stack([np.cos(beta), np.sin(beta)])
    bins = fan.bins_mm()[None]
    if fan.curved:
        along, aside = 1086 * np.cos(bins / 1086), 1086 * np.sin(bins / 1086)
    else:
        along, aside = np.full_like(bins, 1086), bins
    direction = along * away + aside * across
    normal = np.stack([np.cos(beta - gamma), np.sin(beta - gamma)])
    assert np.abs((direction * normal).sum(0)).max() < 1e-9
    assert (source * normal).sum(0) == pytest.approx(595 * np.sin(gamma) + 0 * beta, abs=1e-9)


@pytest.mark.parametrize("arc", [150.0, 220.0, 229.8, 300.0, 360.0])
@pytest.mark.parametrize("fan", FANS)
def test_a_line_seen_twice_counts_once(fan: FanBeam, arc: float) -> None:
    """w(beta, gamma) + w(beta + 180 - 2 gamma, -gamma) = 1 where both lie in the arc, else w = 1."""
    start, step = -30.0, 0.05
    fan = replace(fan, angles_deg=tuple(start + step * k for k in range(round(arc / step))))
    weights, gamma = fan.redundancy(), np.rad2deg(fan.fan_angles_rad())
    twice = 0
    for k in range(7, fan.views, 311):
        for j in range(0, fan.detectors, 97):
            there = (fan.angles_deg[k] + 180 - 2 * gamma[j] - start) % 360
            if there > arc - step:
                assert arc < there < 360 - step or weights[k, j] == pytest.approx(1, abs=1e-3)
                continue
            twice += 1
            other = weights[round(there / step) % fan.views, fan.detectors - 1 - j]
            assert weights[k, j] + other == pytest.approx(1, abs=5e-3)
    assert twice or arc < 180


def test_what_a_turn_lacks_of_a_short_scan() -> None:
    """180 + 2 asin(250 / 595) = 229.69 degrees for the whole field."""
    assert FanBeam.sparse(100, 200).short_of_deg(250) == pytest.approx(29.69, abs=0.01)
    assert FanBeam.sparse(100, 230).short_of_deg(250) == 0
    assert FanBeam.sparse(100).short_of_deg(250) == 0


def test_directions_are_those_of_the_isocentre_and_no_view_repeats() -> None:
    turn = FanBeam.sparse(24)
    assert (turn.directions(), turn.repeated_views(), turn.covered_deg()) == (12, 0, 180)
    assert replace(turn, angles_deg=(0.0, 360.0, 90.0)).repeated_views() == 1
    assert FanBeam.sparse(24, 120).missing_words().startswith("at the isocentre, edges")


GEOMETRIES: list[Geometry] = [ParallelBeam((0.1, -3.0, 90.0), 50, 0.7, -0.2), *FANS]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_plain_is_undone_whatever_the_geometry(geometry: Geometry) -> None:
    assert from_plain(geometry.to_plain()) == geometry


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({"geometry": "cone"}, "parallel or fan-flat or fan-curved"),
        ({"source_to_isocentre_mm": None}, "source_to_isocentre_mm"),
        ({"detectors": 7.5}, "7.5"),
        ({"detectors": 10**400}, "detectors"),
        ({"detector_spacing_mm": "wide"}, "no number"),
        ({"angles_deg": 3}, "list"),
        ({"source_to_detector_mm": 100.0}, "between source and detector"),
    ],
)
def test_plain_data_that_cannot_be_are_refused(entries: dict[str, object], match: str) -> None:
    with pytest.raises(InputError, match=match):
        from_plain({**FANS[0].to_plain(), **entries})


def test_default_scans_are_full() -> None:
    assert default_geometry("parallel", GRID, views=24).arc_deg() == 180
    assert default_geometry("fan-flat", GRID, views=24).arc_deg() == 360
    assert default_geometry("fan-curved", GRID, views=24, arc_deg=230).arc_deg() == 230
    assert default_geometry("fan-flat", GRID, angles_deg=[1.0, 2.0]).angles_deg == (1.0, 2.0)
    with pytest.raises(InputError) as error:
        default_geometry("cone", GRID)
    assert error.value.argument


def test_a_source_inside_of_the_image_is_refused() -> None:
    check_source(FANS[0], GRID)
    with pytest.raises(InputError, match="outside of the image"):
        check_source(FANS[0], Grid(64, 64, 14.0, 14.0))
