"""Van Deemter's and Golay's curves: exact ones come back, with their optimum."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medidiff.domains.chromatography.analysis import fit_plate_height
from medidiff.errors import InputError

U = np.array([0.1, 0.15, 0.2, 0.3, 0.5, 0.8])


def test_an_exact_curve_comes_back() -> None:
    found = fit_plate_height(U, 1e-4 + 2e-5 / U + 3e-4 * U)
    assert (found.a_m, found.b_m2_s, found.c_s) == pytest.approx((1e-4, 2e-5, 3e-4), rel=1e-9)
    assert found.optimal_velocity_m_s == pytest.approx(math.sqrt(2e-5 / 3e-4))
    assert found.least_height_m == pytest.approx(1e-4 + 2 * math.sqrt(6e-9))
    assert found.height_m(found.optimal_velocity_m_s) == pytest.approx(found.least_height_m)


def test_golay_has_no_packing() -> None:
    found = fit_plate_height(U, 2e-5 / U + 3e-4 * U, model="golay")
    assert (found.a_m, found.errors[0]) == (0, 0)
    assert (found.b_m2_s, found.c_s) == pytest.approx((2e-5, 3e-4), rel=1e-9)


def test_errors_are_those_of_the_scatter() -> None:
    """2 % relative noise, 300 draws: the mean standard error is the spread of the coefficients."""
    rng = np.random.default_rng(0)
    u = np.linspace(0.1, 0.8, 20)
    fits = [
        fit_plate_height(u, (1e-4 + 2e-5 / u + 3e-4 * u) * (1 + rng.normal(0, 0.02, 20))) for _ in range(300)
    ]
    assert np.mean([fit.errors[1] for fit in fits]) == pytest.approx(
        np.std([fit.b_m2_s for fit in fits]), rel=0.15
    )
    assert np.mean([fit.relative_sd for fit in fits]) == pytest.approx(0.02, rel=0.05)


def test_velocities_on_one_side_have_no_optimum() -> None:
    found = fit_plate_height(U, 1e-3 - 1e-5 / U + 3e-4 * U)
    assert math.isnan(found.optimal_velocity_m_s)
    assert math.isnan(found.least_height_m)


@pytest.mark.parametrize(
    ("u", "h", "model"),
    [
        ([0.1, 0.2], [1e-3, 1e-3], "van deemter"),
        ([0.1], [1e-3], "golay"),
        ([0.1, 0.2, 0.3], [1e-3, 1e-3], "van deemter"),
        ([0.1, 0.2, -0.3], [1e-3] * 3, "van deemter"),
        ([0.1, 0.2, 0.3], [1e-3, math.nan, 1e-3], "van deemter"),
        ([0.1, 0.1000001, 0.1000002], [1e-3] * 3, "van deemter"),
    ],
)
def test_points_that_allow_no_curve_are_refused(u: list[float], h: list[float], model: str) -> None:
    with pytest.raises(InputError):
        fit_plate_height(u, h, model=model)
