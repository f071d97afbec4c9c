"""The whole equation against its transform, its moments and its own refinement."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.engines.closed import closed_curves
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.engines.marching.finite_volumes import Scheme
from medidiff.domains.chromatography.engines.pde import forecast_pde, pde_curves
from medidiff.domains.chromatography.engines.transport import Transport, moments
from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Injection,
    Rectangle,
    SampledInjection,
    TailedRectangle,
)
from medidiff.errors import InputError

T0 = 85.75


def c3(peclet: float = 1e5) -> Transport:
    """N 3000, kd 30/s: the brief's third column."""
    return Transport(("c3",), T0, np.array([3000 / (30 * T0)]), np.array([30.0]), np.array([peclet]))


TIMES = np.linspace(155.0, 225.0, 701)


def off(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(found - truth).max() / np.abs(truth).max())


@pytest.mark.parametrize("peclet", [1e5, 2000.0, np.inf])
@pytest.mark.parametrize(
    "injection",
    [
        Rectangle(1.0),
        TailedRectangle(1.0, 0.8, -0.5),
        GaussianInjection(3.0, 0.5),
        SampledInjection(np.arange(6.0), np.array([1.0, 2.0, 4.0, 2.0, 0.5, 0.2])),
    ],
)
def test_it_agrees_with_the_transform_for_every_injection(injection: Injection, peclet: float) -> None:
    """The gate is 1e-4 of the peak; with cells and steps of its own choice it does a few times better."""
    found = pde_curves(TIMES, c3(peclet), injection)
    assert off(found.c, fft_curves(TIMES, c3(peclet), injection).c) < 5e-5
    assert found.engine == "pde"
    assert found.warnings == ()


def test_an_impulse_of_a_few_transfer_units_against_mpmath(chromatography_data: Path) -> None:
    """Cases D3 and D5 of the oracle have closed ends; D5 is a column of 20 transfer units at Pe 50."""
    cases = json.loads((chromatography_data / "expected" / "oracles_linear.json").read_text())["transform"]
    for name in ("D3", "D5"):
        points = [case for case in cases if case["case"] == name]
        assert {point["bc"] for point in points} == {"danckwerts"}
        n, kd, t0, peclet = (float(points[0][key]) for key in ("N", "kd", "t0", "Pe"))
        transport = Transport((name,), t0, np.array([n / (kd * t0)]), np.array([kd]), np.array([peclet]))
        t = np.array([float(point["t"]) for point in points])
        truth = np.array([float(point["c"]) for point in points])
        assert off(pde_curves(t, transport, Rectangle(0.0)).c[0], truth) < 5e-5


def test_mass_and_moments() -> None:
    """Sums over a uniform axis integrate a smooth curve to all digits; the cumulants are exact ones."""
    t = np.linspace(145.0, 260.0, 1151)
    step = (t[-1] - t[0]) / (len(t) - 1)
    mean, variance, third = (value[0] for value in moments(c3(), Rectangle(1.0)))
    c = pde_curves(t, c3(), Rectangle(1.0), cells=1600).c[0]
    assert c.sum() * step == pytest.approx(1, abs=1e-12)
    assert c @ t * step == pytest.approx(mean, rel=1e-9)
    assert c @ (t - mean) ** 2 * step == pytest.approx(variance, rel=1e-5)
    assert c @ (t - mean) ** 3 * step == pytest.approx(third, abs=1e-5 * variance**1.5)


@pytest.mark.parametrize(("scheme", "order"), [("upwind5", 5.0), ("central", 2.0)])
def test_the_order_for_a_smooth_inlet(scheme: Scheme, order: float) -> None:
    injection = GaussianInjection(40.0, 6.0)
    t = np.linspace(180.0, 280.0, 401)
    truth = fft_curves(t, c3(), injection).c
    coarse, fine = (
        off(pde_curves(t, c3(), injection, cells=n, step_s=160 / n, scheme=scheme).c, truth)
        for n in (300, 600)
    )
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.4)


def test_first_order_upwind_adds_the_variance_that_it_should() -> None:
    """M cells make mean^2/M of it, backward Euler the step times the mean."""
    t = np.linspace(0.0, 400.0, 2001)
    step = t[1] - t[0]
    c = pde_curves(t, c3(np.inf), Rectangle(1.0), cells=400, step_s=0.1, scheme="upwind1").c[0]
    mean = c @ t * step
    variance = c @ (t - mean) ** 2 * step
    exact = 2 * 3000 / 30**2 + 1 / 12
    assert variance == pytest.approx(exact + (mean - 0.5) ** 2 / 400 + 0.1 * mean, rel=0.02)


def test_analytes_are_solved_each_on_its_own_cells() -> None:
    both = Transport(("a", "b"), T0, np.array([1.0, 1.2]), np.array([30.0, 10.0]), np.array([1e4, np.inf]))
    t = np.linspace(150.0, 230.0, 401)
    found = pde_curves(t, both, Rectangle(1.0))
    for row, name in enumerate(both.names):
        assert off(found.c[row], pde_curves(t, both.select((name,)), Rectangle(1.0)).c[0]) < 1e-12
    costs = forecast_pde(t, both, Rectangle(1.0))
    assert costs[0].cells > costs[1].cells
    assert costs[0].step_s < costs[1].step_s


def test_what_is_not_retained_is_told_and_is_part_of_the_curve() -> None:
    few = Transport(("a",), 10.0, np.array([0.4]), np.array([0.5]), np.array([1e4]))
    t = np.linspace(0.0, 80.0, 4001)
    found = pde_curves(t, few, Rectangle(2.0), cells=400)
    assert found.spike == 0
    assert "is not retained" in found.warnings[0]
    assert found.c[0].sum() * 0.02 == pytest.approx(1, abs=1e-6)  # its front is sharp


def test_too_few_cells_are_told() -> None:
    assert "only 2.2 cells" in pde_curves(TIMES, c3(), Rectangle(1.0), cells=150).warnings[0]


def test_times_before_the_injection_and_after_the_peak_are_zero() -> None:
    t = np.array([-5.0, 1e-6, 186.0, 5000.0])
    found = pde_curves(t, c3(), Rectangle(1.0)).c[0]
    assert found[0] == found[3] == 0
    assert found[2] == pytest.approx(closed_curves(t, c3(np.inf), Rectangle(1.0)).c[0, 2], rel=0.1)


def test_a_run_that_would_take_too_long_is_refused_with_its_forecast() -> None:
    narrow = Transport(("a",), 100.0, np.array([2.0]), np.array([1e7]), np.array([1e9]))
    with pytest.raises(InputError, match="a forecast of") as error:
        pde_curves(np.linspace(0.0, 400.0, 11), narrow, Rectangle(1.0))
    assert error.value.argument


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cells": 3}, "at least 8 cells"),
        ({"step_s": 0.0}, "a step above 0 s"),
        ({"scheme": "weno"}, "scheme upwind5"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], expected: str) -> None:
    with pytest.raises(InputError) as error:
        pde_curves(TIMES, c3(), Rectangle(1.0), **options)
    assert error.value.expected.startswith(expected)


def test_an_open_column_is_refused() -> None:
    open_ends = Transport(("a",), T0, np.array([1.0]), np.array([30.0]), np.array([1e4]), "open")
    with pytest.raises(InputError) as error:
        pde_curves(TIMES, open_ends, Rectangle(1.0))
    assert error.value.got == "open"
