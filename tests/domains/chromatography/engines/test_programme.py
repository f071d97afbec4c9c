"""Temperature programmes against the oracle, a measurement, an ordinary integrator and the isothermal "
"column.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from medidiff.domains.chromatography.engines.marching.migration import Route, travel
from medidiff.domains.chromatography.engines.programme import SHAPE, programme_curves, programme_peaks
from medidiff.domains.chromatography.engines.transport import moments
from medidiff.domains.chromatography.model.analyte import Analyte
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.flow import (
    ConstantFlow,
    ConstantVelocity,
    Flow,
    PressureDriven,
    giddings_factor,
    hold_up_s,
    velocity_m_s,
)
from medidiff.domains.chromatography.model.gas import FullerDiffusion
from medidiff.domains.chromatography.model.injection import Rectangle
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.retention import FixedRetention, KCentric
from medidiff.domains.chromatography.model.stored.shipped import named_system
from medidiff.domains.chromatography.model.system import System

COLUMN = Column(11.18, 0.104e-3, 0.104e-6, "FS5ms")
PRESSURES = PressureDriven(411_564.0, 101_300.0)
RAMPS_S = {"A": 1560.0, "B": 1040.0}
DECANE = Analyte("C10", KCentric(391.24, 32.24, 112.49), FullerDiffusion("C10H22"))
EICOSANE = Analyte("C20", KCentric(536.0, 43.0, 150.0), FullerDiffusion("C20H42"))


def oven(ramp_s: float) -> Oven:
    """40 degrees Celsius for a minute, then evenly to 300."""
    return Oven.programme(313.15, 60.0, ((260 / ramp_s, 573.15, 180.0),))


def system(
    ramp_s: float = 1560.0, *, flow: Flow = PRESSURES, analytes: tuple[Analyte, ...] = (DECANE, EICOSANE)
) -> System:
    return System("made", COLUMN, "H2", flow, oven(ramp_s), analytes, Rectangle(0.0), "golay", end_s=2500.0)


def alkanes(folder: Path) -> tuple[Analyte, ...]:
    path = folder / "leppert2020" / "Database_Leppert2020b.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        return tuple(
            Analyte(
                row["Name"],
                KCentric(
                    float(row["Tchar"]) + 273.15,
                    float(row["thetachar"]),
                    float(row["DeltaCp"]),
                    float(row["phi0"]),
                ),
                FullerDiffusion(f"C{row['Name'][1:]}H{2 * int(row['Name'][1:]) + 2}"),
            )
            for row in csv.DictReader(file)
        )


@pytest.mark.parametrize("programme", RAMPS_S)
def test_the_oracle_of_both_programmes(chromatography_data: Path, programme: str) -> None:
    """The oracle has four decimals of a second, and widths by a trapezoid that is right to 4e-5."""
    peaks = programme_peaks(system(RAMPS_S[programme], analytes=alkanes(chromatography_data)))
    path = chromatography_data / "expected" / "oracles_temperature_programme.json"
    truth = json.loads(path.read_text())["results"][programme]
    assert list(peaks.names) == list(truth)
    assert peaks.retention_s == pytest.approx([float(row["tR_s"]) for row in truth.values()], abs=1e-4)
    assert peaks.sigma_s == pytest.approx([float(row["sigma_s"]) for row in truth.values()], rel=6e-5)


@pytest.mark.parametrize("programme", RAMPS_S)
def test_measured_retention_within_the_aim(chromatography_data: Path, programme: str) -> None:
    """Leppert et al. 2020: a mean error of at most 0.7 % (gate 2 %)."""
    peaks = programme_peaks(system(RAMPS_S[programme], analytes=alkanes(chromatography_data)))
    path = chromatography_data / "leppert2020" / f"measured_RT_prog{programme}.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        measured = {row["Name"]: 60 * float(row["RT"]) for row in csv.DictReader(file)}
    errors = np.abs(peaks.retention_s / [measured[name] for name in peaks.names] - 1)
    assert errors.mean() < 0.007


def integrated(made: System, analyte: Analyte) -> tuple[float, float]:
    """Retention and variance by an ordinary integrator in time: dx/dt = u/(1 + k), and the width beside it.

    d sigma^2/dt = H r + 2 sigma^2 d ln r/dT dT/dt, the derivative by differences.
    """

    def local(x: float, kelvin: float) -> tuple[float, float]:
        place = np.array([min(x, 1 - 1e-12) * COLUMN.length_m])
        u = float(velocity_m_s(place, made.flow, COLUMN, "H2", kelvin)[0])
        k = float(analyte.retention.retention_factor(kelvin, COLUMN))
        if isinstance(made.flow, ConstantVelocity):
            pressure = made.flow.pressure_pa
        else:
            high, low = made.flow.inlet(COLUMN, "H2", kelvin), made.flow.outlet_pa
            pressure = float(np.sqrt(high**2 - place[0] / COLUMN.length_m * (high**2 - low**2)))
        gas = analyte.gas_diffusion_m2_s("H2", kelvin, pressure)
        kd = analyte.lumped_rate_per_s(k, gas, COLUMN)
        return (1 + k) / u, 2 * gas / u + 2 * k * u / ((1 + k) ** 2 * kd)

    def rise(t: float, state: np.ndarray) -> list[float]:
        kelvin = float(made.oven.temperature(t))
        r, height = local(state[0], kelvin)
        heating = float(made.oven.temperature(t + 1e-6) - kelvin) / 1e-6
        growth = np.log(local(state[0], kelvin + 0.01)[0] / local(state[0], kelvin - 0.01)[0]) / 0.02
        return [1 / (r * COLUMN.length_m), height * r + 2 * state[1] * growth * heating]

    def left(t: float, state: np.ndarray) -> float:
        return float(state[0]) - 1

    left.terminal = True
    state, begin = [0.0, 0.0], 0.0
    for end in (*made.oven.times_s[1:], 1e5):
        found = solve_ivp(rise, (begin, end), state, rtol=1e-9, atol=1e-12, events=left)
        begin, state = found.t[-1], found.y[:, -1]
        if found.status == 1:
            break
    return float(begin), float(state[1])


@pytest.mark.parametrize(
    "flow",
    [PRESSURES, ConstantFlow(5e-9, 101_300.0), ConstantVelocity(0.4, 250_000.0)],
    ids=lambda flow: type(flow).__name__,
)
def test_every_flow_against_an_ordinary_integrator(flow: Flow) -> None:
    made = system(flow=flow)
    peaks = programme_peaks(made)
    for row, analyte in enumerate(made.analytes):
        retention, variance = integrated(made, analyte)
        assert peaks.retention_s[row] == pytest.approx(retention, rel=1e-6)
        assert peaks.sigma_s[row] ** 2 == pytest.approx(variance, rel=1e-4)


def test_constant_flow_into_a_vacuum() -> None:
    """Slightly above a vacuum it is nearly the same; an infinite velocity at the outlet is no special "
    "case.
    """
    none, little = (programme_peaks(system(flow=ConstantFlow(5e-9, low))) for low in (0.0, 100.0))
    assert none.retention_s == pytest.approx(little.retention_s, rel=1e-6)
    assert none.sigma_s == pytest.approx(little.sigma_s, rel=1e-4)


@pytest.mark.parametrize("flow", [PRESSURES, ConstantFlow(5e-9, 0.0)], ids=lambda f: type(f).__name__)
def test_the_squeeze_is_how_much_later_a_later_start_leaves(flow: Flow) -> None:
    route = Route(COLUMN, "H2", flow, oven(1560.0))
    early, start, late = (travel(route, (DECANE, EICOSANE), at) for at in (-0.25, 0.0, 0.25))
    for before, now, after in zip(early, start, late, strict=True):
        assert (after.retention_s - before.retention_s) / 0.5 == pytest.approx(now.squeeze, rel=1e-5)


def test_an_isothermal_oven_is_the_isothermal_column() -> None:
    """Retention to rounding; the width of `btex` is that of mean pressure, 1.0 to 1.2 % less (Giddings)."""
    btex = named_system("btex")
    peaks = programme_peaks(btex)
    transport = btex.transport()
    mean, variance, _ = moments(transport, btex.injection)
    assert peaks.retention_s == pytest.approx(mean, rel=1e-9)
    ratio = peaks.sigma_s / np.sqrt(variance)
    assert (ratio > 1.003).all()
    assert (ratio**2 < giddings_factor(180_000.0, 101_300.0)).all()


def test_an_unretained_analyte_leaves_at_t0_and_a_late_one_after_the_last_corner() -> None:
    barely = Analyte("barely", FixedRetention(1e-3), 1e-5)
    late = Analyte("late", FixedRetention(200.0), 1e-5)
    isothermal = replace(system(analytes=(barely, late)), oven=Oven.isothermal(400.0))
    t0 = float(hold_up_s(PRESSURES, COLUMN, "H2", 400.0))
    assert programme_peaks(isothermal).retention_s == pytest.approx([1.001 * t0, 201 * t0], rel=1e-12)
    ramped = programme_peaks(system(analytes=(late,)))
    assert ramped.elution_k == pytest.approx([573.15])
    assert ramped.retention_s[0] > 1560 + 60 + 180


def test_places_rise_from_inlet_to_outlet() -> None:
    peaks = programme_peaks(system())
    places = peaks.places(np.linspace(0.0, 1000.0, 101))
    assert places[:, 0] == pytest.approx(0)
    assert (np.diff(places, axis=1) >= 0).all()
    assert places[0, -1] == 1
    assert [np.interp(0.5, passage.places, passage.times_s) for passage in peaks.passages] > [0.0, 0.0]


def test_peaks_are_gaussians_and_say_so() -> None:
    made = replace(system(), injection=Rectangle(2.0), detector_s=0.3)
    t = np.linspace(100.0, 1200.0, 22001)
    curves, peaks = programme_curves(t, made), programme_peaks(made)
    assert curves.engine == "programme"
    assert SHAPE in curves.warnings
    for c, retention, sigma in zip(curves.c, peaks.retention_s, peaks.sigma_s, strict=True):
        step = t[1] - t[0]
        assert c.sum() * step == pytest.approx(1, abs=1e-9)
        assert c @ t * step == pytest.approx(retention, rel=1e-9)
        assert c @ (t - retention) ** 2 * step == pytest.approx(sigma**2, rel=1e-9)


def test_an_injection_shrinks_on_the_way() -> None:
    """Two seconds of injection widen a late peak by far less than their own variance of 1/3."""
    sharp, wide = programme_peaks(system()), programme_peaks(replace(system(), injection=Rectangle(2.0)))
    added = wide.sigma_s**2 - sharp.sigma_s**2
    assert (added < 0.2).all()
    assert added[1] < 0.01


def test_extrapolated_retention_is_told_once() -> None:
    warnings = programme_peaks(system()).warnings
    assert len(warnings) == 1
    assert "C10" in warnings[0]
    assert "40 K" in warnings[0]
    near = replace(system(analytes=(DECANE,)), oven=Oven.isothermal(391.0))
    assert programme_peaks(near).warnings == ()


def test_an_analyte_that_comes_too_late_is_told() -> None:
    warnings = programme_peaks(replace(system(), end_s=500.0)).warnings
    assert any("C20" in words and "500 s" in words for words in warnings)


def test_without_dispersion_the_gas_diffusion_is_left_out() -> None:
    made = system()
    without, with_it = programme_peaks(made, dispersion="none"), programme_peaks(made)
    assert without.retention_s == pytest.approx(with_it.retention_s)
    assert (without.sigma_s < with_it.sigma_s).all()
