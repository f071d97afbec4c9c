"""Defaults by views, arc and dose: interpolated between knots, and said where they end."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from medidiff.domains.reconstruction.ct.methods import defaults as module
from medidiff.domains.reconstruction.ct.methods.defaults import (
    defaults_for,
    model_error,
    rays_per_line,
)
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Grid, ParallelBeam

SHIPPED = module._table
FIXED = {"cg_iterations": 5, "flips": 1, "shift": 9}


def part(*names: str, base: float = 1.0) -> dict[str, list[dict[str, float]]]:
    """Knots whose values are powers of where they stand, so that the logarithms are straight."""

    def knots(*at: float, power: float, size: float = 1.0) -> list[dict[str, float]]:
        return [{"at": a, **dict.fromkeys(names, size * a**power)} for a in at]

    return {
        "by_views": knots(8, 60, 24, power=-1, size=base),
        "by_arc_deg": knots(90, 180, power=-2, size=180**2),
        "by_photons": knots(1e4, 1e6, power=-0.5, size=1e3),
    }


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = ("first_hu", "last_hu", "prox_factor", "evaluations")
    made = {
        "model_error_per_mm": 0.004,
        "coupling": {"kappa": 0.9, "eta": 0.8, "noise_length_mm": 5.0, "z_weight": 0.02},
        "tv": part("tv_weight"),
        "white": {**FIXED, **part(*levels, base=1000.0)},
        "tuned": {**FIXED, **part(*levels, base=500.0)},
    }
    monkeypatch.setattr(module, "_table", lambda: made)


@pytest.mark.parametrize("views", [8, 11, 24, 37, 60])
def test_views_between_knots_are_interpolated(views: int) -> None:
    found = defaults_for(views, 180.0, None, "white")
    assert found.fast.first_hu == pytest.approx(1000 / views)
    assert found.tv_weight == pytest.approx(1 / views)
    assert found.notes == ()


def test_arc_and_dose_multiply() -> None:
    """(180/120)^2 of the arc and 1e3 / sqrt(1e5) of the dose."""
    found = defaults_for(24, 120.0, 1e5, "tuned")
    assert found.fast.last_hu == pytest.approx(500 / 24 * 1.5**2 * 1e3 / 1e5**0.5)
    assert found.fast.evaluations == round(500 / 24 * 1.5**2 * 1e3 / 1e5**0.5)  # a whole number
    assert found.fast.cg_iterations == 5
    assert (found.fast.shift, found.fast.flips) == (9, 1)


def test_outside_the_knots_the_end_is_used_and_said_once() -> None:
    found = defaults_for(200, 60.0, 1e8, "white")
    assert found.fast.first_hu == pytest.approx(1000 / 60 * 4 * 1)
    assert len(found.notes) == 3
    assert found.notes[0].startswith("200 views lie outside the tuned range of 8 to 60")


@pytest.mark.parametrize(("coupling", "kappa"), [("none", 0), ("tv", 0), ("noise", 0.9), ("both", 0.9)])
def test_the_couplings_come_from_the_table_and_noise_alone_renoises(coupling: str, kappa: float) -> None:
    fast = defaults_for(24, 180.0, None, coupling=coupling).fast
    assert (fast.coupling, fast.kappa, fast.eta) == (coupling, kappa, 0.8)
    assert (fast.noise_length_mm, fast.z_weight) == (5.0, 0.02)


def test_the_model_error_grows_with_the_pixel() -> None:
    grid = Grid(32, 32, 1.4, 1.4)
    assert model_error(grid, ParallelBeam.sparse(24, grid=grid)) == pytest.approx(0.0056)


def test_rays_that_share_a_line_weigh_as_one() -> None:
    """Bins of half a pixel, a full turn of parallel rays, and a fan seen from both sides."""
    grid = Grid(32, 32, 1.4, 1.4)
    beam = ParallelBeam.sparse(24, grid=grid)
    turn = ParallelBeam.sparse(24, 360, grid=grid)
    pitch = 1.4 * FanBeam.sparse(2).source_to_detector_mm / FanBeam.sparse(2).source_to_isocentre_mm
    fan = replace(FanBeam.sparse(24), spacing_mm=pitch, detectors=100)
    assert rays_per_line(grid, beam) == 1
    assert rays_per_line(grid, beam.finer_bins(2)) == pytest.approx(2)
    assert rays_per_line(grid, turn) == 2
    assert rays_per_line(grid, fan) == pytest.approx(2)
    assert model_error(grid, turn) == pytest.approx(0.0056 * 2**0.5)


def test_the_shipped_table_is_whole() -> None:
    """Every part, and numbers that a method can use."""
    shipped = SHIPPED()
    assert 0 < shipped["model_error_per_mm"] < 0.02
    assert 0 < shipped["coupling"]["kappa"] <= 1
    assert 0 <= shipped["coupling"]["eta"] <= 1
    assert min(shipped["coupling"]["noise_length_mm"], shipped["coupling"]["z_weight"]) > 0
    for role in ("white", "tuned", "tv"):
        assert {"by_views", "by_arc_deg", "by_photons"} <= shipped[role].keys()
    factors = next(knot for knot in shipped["tv"]["by_arc_deg"] if knot["at"] == 180)
    assert factors["tv_weight"] == 1  # a full arc is the base


@pytest.mark.parametrize("role", ["white", "tuned"])
def test_levels_fall_whatever_the_views_the_arc_and_the_dose(
    role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Factors multiply, so that a case may lie where nobody searched; levels must still fall."""
    monkeypatch.setattr(module, "_table", SHIPPED)
    cases = itertools.product(
        (2, 8, 13, 24, 40, 60, 200), (60, 90, 105, 120, 150, 180), (None, 1e3, 1e5, 1e7)
    )
    for views, arc, photons in cases:
        fast = defaults_for(views, arc, photons, role).fast
        assert fast.first_hu > 1.4 * fast.last_hu > 0, (views, arc, photons)
        assert fast.prox_factor > 0
        assert fast.evaluations >= 4
