"""Competitive Langmuir: the oracle, orders, mass, the linear limit, and one engine that judges the other."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.engines.closed import closed_curves
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.engines.langmuir import (
    LEVELS,
    forecast_langmuir,
    langmuir_curves,
    richardson,
)
from medidiff.domains.chromatography.engines.marching import box
from medidiff.domains.chromatography.engines.marching.inlet import (
    Phase,
    divide,
    highest_rate,
    injection_breaks,
    step_means,
)
from medidiff.domains.chromatography.engines.pde_langmuir import pde_langmuir_curves
from medidiff.domains.chromatography.engines.transport import Transport
from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Injection,
    Rectangle,
    SampledInjection,
    TailedRectangle,
)
from medidiff.errors import InputError, MissingError

pytest.importorskip("numba")

T0 = 10.0
UNITS, KD, B, INLET = (np.array(pair) for pair in ((50.0, 40.0), (1.0, 1.2), (0.5, 0.8), (1.0, 0.5)))
PAIR = Transport(("first", "second"), T0, UNITS / KD / T0, KD)
PULSE = Rectangle(4.0)


def off(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(found - truth).max() / np.abs(truth).max())


def test_the_oracle_to_1e_9(chromatography_data: Path) -> None:
    """Means over outlet cells, here by Gauss-Legendre quadrature of the curve: it must be right between "
    "them.
    """
    oracle = json.loads((chromatography_data / "expected" / "oracles_nonlinear.json").read_text())
    begin = np.array([cell["tau_a"] for cell in oracle["cells"]])
    end = np.array([cell["tau_b"] for cell in oracle["cells"]])
    truth = np.array([[float(cell["c1"]), float(cell["c2"])] for cell in oracle["cells"]]).T
    nodes, weights = np.polynomial.legendre.leggauss(5)
    t = T0 + ((begin + end) / 2)[:, None] + ((end - begin) / 2)[:, None] * nodes
    order = np.argsort(t.ravel())
    found = np.empty((2, t.size))
    found[:, order] = langmuir_curves(t.ravel()[order], PAIR, B, INLET, PULSE, tolerance=1e-10).c
    means = found.reshape(2, *t.shape) @ weights / 2
    assert np.abs(means - truth).max() < 1e-9 * truth.max()


def grids(injection: Injection, factor: int) -> np.ndarray:
    """Means over the first grid's steps, of a grid `factor` times as fine."""
    fine = [
        Phase(phase.start_s, phase.end_s, factor * phase.steps)
        for phase in divide(injection_breaks(injection), 130.0, 1.5)
    ]
    rates = np.concatenate([step_means(injection, phase.edges_s) for phase in fine]) / highest_rate(injection)
    steps = np.concatenate([np.full(phase.steps, phase.step_s) for phase in fine])
    out = box.march((B * INLET)[:, None] * rates, KD, UNITS, steps, 25 * factor)
    return np.asarray(out.reshape(2, -1, factor).mean(axis=2))


@pytest.mark.parametrize(
    "injection",
    [
        PULSE,
        TailedRectangle(3.0, 0.8),
        GaussianInjection(9.0, 1.0),
        SampledInjection(1.5 * np.arange(6.0), np.array([0.5, 2.0, 3.0, 1.0, 0.3, 0.1])),
    ],
)
def test_orders_2_4_6_for_every_injection(injection: Injection) -> None:
    truth = richardson([grids(injection, factor) for factor in (8, 12, 16)], (8, 12, 16))[0]
    found = {factor: grids(injection, factor) for factor in (1, 2, 3, 4, 6)}
    for order, count in ((2, 1), (4, 2), (6, 3)):
        errors = [
            off(richardson([found[scale * f] for f in LEVELS[:count]], LEVELS[:count])[0], truth)
            for scale in (1, 2)
        ]
        assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_boxes_keep_the_mass_to_rounding() -> None:
    inflow = np.zeros((2, 1600))
    inflow[:, :27] = np.array([[2.0], [0.7]])
    steps = np.full(1600, 0.15)
    out = box.march(inflow, KD, UNITS, steps, 40)
    assert out @ steps == pytest.approx(inflow @ steps, rel=1e-13)


def test_the_compiled_loop_is_the_python_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    inflow = np.zeros((2, 30))
    inflow[:, 2:6] = np.array([[0.8], [0.3]])
    compiled = box.march(inflow, KD, UNITS, np.full(30, 1.0), 5)
    monkeypatch.setattr(box, "_compiled", lambda: box._boxes)
    assert box.march(inflow, KD, UNITS, np.full(30, 1.0), 5) == pytest.approx(compiled, abs=1e-15)


@pytest.mark.parametrize(("units", "kd", "width"), [(3000.0, 30.0, 1.0), (20.0, 1.0, 2.0), (5.0, 1.0, 2.0)])
def test_without_loading_it_is_the_closed_form(units: float, kd: float, width: float) -> None:
    """With 5 transfer units 0.7 % are not retained: a rectangle of its own between t0 and t0 + width."""
    column = Transport(("a",), T0, np.array([units / (kd * T0)]), np.array([kd]))
    t = T0 + np.linspace(-1.0, units / kd + 9 * np.sqrt(2 * units) / kd, 700)
    linear = closed_curves(t, column, Rectangle(width))
    unretained = linear.spike[0] / width * ((t > T0) & (t < T0 + width))
    found = langmuir_curves(t, column, [1e-9], [1 / width], Rectangle(width), tolerance=1e-6)
    assert off(found.c[0], linear.c[0] + unretained) < 3e-6
    none = langmuir_curves(t, column, [0.0], [1 / width], Rectangle(width), tolerance=1e-6)
    assert off(none.c, found.c) < 1e-6


def test_the_apex_moves_by_the_loading_rule() -> None:
    """-1.9 b c_apex of the adjusted retention, for small loadings (N 300)."""
    column = Transport(("a",), T0, np.array([10.0]), np.array([3.0]))
    t = np.linspace(60.0, 160.0, 4001)
    linear = closed_curves(t, column, Rectangle(1.0)).c[0]
    apex = t[linear.argmax()] - T0
    for loading in (1e-3, 5e-3):
        b = loading / linear.max()
        c = langmuir_curves(t, column, [b], [1.0], Rectangle(1.0), tolerance=1e-7).c[0]
        shift = (t[c.argmax()] - T0) / apex - 1
        assert shift == pytest.approx(-1.9 * loading, rel=0.1)


def test_the_whole_equation_agrees_with_the_boxes() -> None:
    t = T0 + np.linspace(0.0, 110.0, 441)
    truth = langmuir_curves(t, PAIR, B, INLET, PULSE, tolerance=1e-7).c
    found = pde_langmuir_curves(t, PAIR, B, INLET, PULSE, cells=160)
    assert off(found.c, truth) < 2e-4
    assert found.engine == "pde"


def test_dispersion_and_langmuir_together_have_the_linear_limit() -> None:
    spread = replace(PAIR, peclet=np.array([300.0, 80.0]))
    t = T0 + np.linspace(0.0, 110.0, 441)
    injection = TailedRectangle(2.0, 1.0)
    linear = fft_curves(t, spread, injection).c
    inlet = np.full(2, highest_rate(injection))
    found = pde_langmuir_curves(t, spread, [1e-9, 0.0], inlet, injection, cells=160)
    assert off(found.c, linear) < 5e-5
    loaded = pde_langmuir_curves(t, spread, B, 4 * inlet, injection, cells=120).c
    assert (t @ loaded.T / loaded.sum(axis=1) < t @ linear.T / linear.sum(axis=1)).all()  # sooner


def test_dispersion_is_refused_with_the_engine_that_takes_it() -> None:
    with pytest.raises(InputError, match="--engine pde") as error:
        langmuir_curves([20.0, 30.0], replace(PAIR, peclet=np.array([1e5, np.inf])), B, INLET, PULSE)
    assert error.value.argument


def test_long_runs_are_refused_with_their_forecasts() -> None:
    slow = Transport(("a",), 130.0, np.array([3.0]), np.array([2e3]))
    t = np.linspace(0.0, 600.0, 11)
    seconds = forecast_langmuir(t, slow, [1e-3], [1.0], Rectangle(1.0)).seconds
    with pytest.raises(InputError, match="a forecast of"):
        langmuir_curves(t, slow, [1e-3], [1.0], Rectangle(1.0), limit_s=seconds / 2)
    with pytest.raises(InputError, match="a forecast of"):
        pde_langmuir_curves(t, slow, [1e-3], [1.0], Rectangle(1.0))


@pytest.mark.parametrize("engine", [langmuir_curves, pde_langmuir_curves])
@pytest.mark.parametrize(
    ("b", "inlet", "expected"),
    [
        ([0.5], INLET, "b of at least 0"),
        ([-0.1, 0.1], INLET, "b of at least 0"),
        (B, [1.0, 0.0], "inlet concentration above 0"),
        (B, [1.0, np.nan], "inlet concentration above 0"),
    ],
)
def test_wrong_loadings_are_refused(engine, b, inlet, expected: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError) as error:
        engine([20.0, 30.0], PAIR, b, inlet, PULSE)
    assert error.value.expected.startswith(expected)


def test_fronts_that_loading_sharpens_are_followed_and_what_remains_is_told() -> None:
    """Inlets of b c = 5 and 4 leave jumps at the outlet; the grids are refined, and a hurried run says it."""
    t = T0 + np.linspace(0.1, 60.0, 241)
    truth = langmuir_curves(t, PAIR, 10 * B, INLET, PULSE, tolerance=1e-6).c
    found = langmuir_curves(t, PAIR, 10 * B, INLET, PULSE, tolerance=1e-3)
    assert found.warnings == ()
    assert off(found.c, truth) < 5e-3
    hurried = langmuir_curves(t, PAIR, 50 * B, INLET, PULSE, tolerance=1e-3, limit_s=0.3)
    assert "still differ" in hurried.warnings[0]


def test_the_extra_is_named_where_numba_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    box._compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingError) as error:
        langmuir_curves([20.0, 30.0], PAIR, B, INLET, PULSE)
    assert "medidiff[chromatography]" in error.value.fix
    box._compiled.cache_clear()
