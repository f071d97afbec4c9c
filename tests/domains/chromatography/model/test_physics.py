"""Gas, flow, column, oven, retention and analytes against tables, quadrature and each other."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from medidiff.domains.chromatography.engines.closed import closed_curves
from medidiff.domains.chromatography.engines.transport import Transport
from medidiff.domains.chromatography.model.analyte import (
    Analyte,
    gas_slowness_s,
    taylor_aris_m2_s,
)
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.flow import (
    ConstantFlow,
    ConstantVelocity,
    PressureDriven,
    flight_s,
    giddings_factor,
    hold_up_s,
    mean_pressure_pa,
    pressure_pa,
    velocity_m_s,
)
from medidiff.domains.chromatography.model.gas import FullerDiffusion, diffusion_m2_s, viscosity_pa_s
from medidiff.domains.chromatography.model.injection import Rectangle
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.retention import FixedRetention, KCentric
from medidiff.domains.chromatography.model.stored import units
from medidiff.domains.chromatography.model.stored.shipped import named_system
from medidiff.errors import InputError

COLUMN = Column(30.0, 0.25e-3, 0.25e-6)
FLOW = PressureDriven(180e3, 101.3e3)
WARM = 333.15
BENZENE = FullerDiffusion("C6H6", 1)


def test_btex_is_the_published_column(chromatography_data: Path) -> None:
    """Every number of the reference table, to the digits that it prints."""
    truth = json.loads((chromatography_data / "expected" / "btex_reference_system.json").read_text("utf-8"))
    system = named_system("btex")
    assert viscosity_pa_s("He", WARM) == pytest.approx(truth["eta_Pa_s"], rel=1e-12)
    assert system.hold_up_s == pytest.approx(truth["t0_s"], rel=1e-12)
    assert system.mean_pressure_pa == pytest.approx(truth["p_mean_Pa"], rel=1e-12)
    transport = system.transport()
    assert system.dispersion == "molecular"
    assert transport.names == tuple(truth["analytes"])
    for row, facts in enumerate(truth["analytes"].values()):
        assert transport.k[row] == pytest.approx(facts["k"], abs=1e-6)
        assert transport.kd_per_s[row] == pytest.approx(facts["kd_per_s"], rel=1e-7)
        assert transport.transfer_units[row] == pytest.approx(facts["N"], rel=2e-7)
        assert transport.peclet[row] == pytest.approx(facts["Pe"], rel=1e-6)
        assert transport.mean_s[row] == pytest.approx(facts["tR_s"], abs=1e-4)
        assert transport.variance_s2[row] ** 0.5 == pytest.approx(facts["sigma_s"], abs=6e-5)
        assert transport.plates[row] == pytest.approx(facts["plates"], rel=1e-5)
    assert np.array_equal(system.time_s[[0, -1]], [0.0, 600.0])
    assert len(system.time_s) == 6001
    assert system.notes == ()


def test_viscosity_of_tables() -> None:
    """At 0 °C the constants; helium and nitrogen at 25 °C as handbooks have them (19.9 and 17.8 µPa s)."""
    assert viscosity_pa_s("H2", 273.15) == 8.382e-6
    assert viscosity_pa_s("He", 298.15) == pytest.approx(19.85e-6, rel=5e-3)
    assert viscosity_pa_s("N2", 298.15) == pytest.approx(17.8e-6, rel=5e-3)
    assert np.array_equal(viscosity_pa_s("Ar", np.array([300.0])), [viscosity_pa_s("Ar", 300.0)])


def test_diffusion_of_tables() -> None:
    """Benzene in helium as Poling, Prausnitz & O'Connell write it (eq. 11-4.4), with three digits."""
    assert BENZENE.molar_mass == pytest.approx(78.114, abs=1e-3)
    assert BENZENE.diffusion_volume == pytest.approx(6 * 15.9 + 6 * 2.31 - 18.3)
    harmonic = 2 / (1 / 78.114 + 1 / 4.0)
    cubes = BENZENE.diffusion_volume ** (1 / 3) + 2.67 ** (1 / 3)
    handbook_cm2_s = 0.00143 * 298.15**1.75 / (1.01325 * harmonic**0.5 * cubes**2)
    assert BENZENE.diffusion_m2_s("He", 298.15, 101_325.0) == pytest.approx(handbook_cm2_s * 1e-4, rel=3e-3)
    half = diffusion_m2_s("N2", 100.0, 120.0, 400.0, 2e5)
    assert diffusion_m2_s("N2", 100.0, 120.0, 400.0, 1e5) == pytest.approx(2 * half)
    assert FullerDiffusion("CHCl3").molar_mass == pytest.approx(119.37, abs=0.01)


@pytest.mark.parametrize("formula", ["", "benzene", "C6H6!", "Xe2", "c6h6"])
def test_a_formula_that_is_none(formula: str) -> None:
    with pytest.raises(InputError):
        FullerDiffusion(formula)


def test_flow_is_its_own_integral() -> None:
    """th(L) = t0, dth/dx = 1/u, the mean of p, and u p the same everywhere."""
    x = np.linspace(0, 30.0, 7)
    args = (FLOW, COLUMN, "He", WARM)
    t0 = hold_up_s(*args)
    flight = flight_s(x, *args)
    assert flight[[0, -1]] == pytest.approx([0, t0], abs=1e-12)
    assert flight[3] == pytest.approx(
        quad(lambda y: 1 / velocity_m_s(np.array(y), *args), 0, x[3])[0], rel=1e-9
    )
    mean = quad(lambda y: float(pressure_pa(np.array(y), *args)), 0, 30.0)[0] / 30
    assert mean_pressure_pa(*args) == pytest.approx(mean, rel=1e-9)
    product = velocity_m_s(x, *args) * pressure_pa(x, *args)
    assert np.ptp(product) <= 1e-12 * product[0]


@pytest.mark.parametrize(
    ("normal", "inlet", "hold_up"), [(298.15, 188435.63, 116.49297), (273.15, 194470.18, 109.25752)]
)
def test_constant_flow(normal: float, inlet: float, hold_up: float) -> None:
    """1 mL/min at 25 °C or at 0 °C; and the flow of the pressures that it takes is itself."""
    flow = ConstantFlow(units.from_ml_min(1.0), 101_300.0, normal)
    assert flow.inlet(COLUMN, "He", WARM) == pytest.approx(inlet, abs=5e-3)
    assert hold_up_s(flow, COLUMN, "He", WARM) == pytest.approx(hold_up, abs=5e-6)
    outlet = float(velocity_m_s(np.array([30.0]), flow, COLUMN, "He", WARM)[0])
    section = np.pi * COLUMN.diameter_m**2 / 4
    assert outlet * section * normal / WARM == pytest.approx(units.from_ml_min(1.0), rel=1e-12)


def test_an_outlet_at_vacuum() -> None:
    """t0 = (128/3) eta (L/d)^2/pin; the velocity at the outlet alone is infinite."""
    args = (PressureDriven(150e3, 0.0), COLUMN, "He", WARM)
    slim = (COLUMN.length_m / COLUMN.diameter_m) ** 2
    assert hold_up_s(*args) == pytest.approx(128 / 3 * viscosity_pa_s("He", WARM) * slim / 150e3, rel=1e-12)
    assert np.isinf(velocity_m_s(np.array([30.0]), *args)).all()
    assert flight_s(np.array([30.0]), *args)[0] == pytest.approx(hold_up_s(*args))
    assert giddings_factor(150e3, 0.0) == 9 / 8
    assert FLOW.notes == PressureDriven(150e3, 0.0).notes == ()


def test_the_pressure_drop_widens_the_gas_part_by_giddings_factor() -> None:
    """Local plate height B p/u-free: sigma^2 = sum of 2 D(x) dx/u(x)^3 over the mean-pressure one is f."""
    args = (FLOW, COLUMN, "He", WARM)
    mean = mean_pressure_pa(*args)
    # D ~ 1/p and u ~ 1/p locally: a plate height of D/u is the same everywhere, and each slice's variance in
    # time is H dx/u^2, seen at the outlet in full.
    local = quad(lambda y: float(velocity_m_s(np.array(y), *args)) ** -2, 0, 30.0)[0]
    diffusion = float(pressure_pa(np.array(0.0), *args)) * float(velocity_m_s(np.array(0.0), *args))
    uniform = 30.0 * (hold_up_s(*args) / 30.0) ** 2
    # H_local = c p(x) D/(p u) is constant; at mean values it is c D(mean)/u(mean).
    ratio = (mean * (30.0 / hold_up_s(*args)) / diffusion) * local / uniform
    assert ratio == pytest.approx(giddings_factor(180e3, 101.3e3), rel=1e-9)
    assert giddings_factor(180e3, 101.3e3) == pytest.approx(1.0241, abs=5e-5)


def test_pressure_drop_and_constant_velocity_give_one_shape() -> None:
    """Without dispersion the reduction is exact: equal hold-up, equal curve, to the last bit."""
    system = named_system("btex")
    even = ConstantVelocity(COLUMN.length_m / system.hold_up_s, system.mean_pressure_pa)
    from dataclasses import replace

    t = system.time_s
    one = closed_curves(t, system.transport("none"), system.injection).c
    two = closed_curves(t, replace(system, flow=even).transport("none"), system.injection).c
    assert np.abs(one - two).max() <= 1e-11 * one.max()
    assert one.max() > 0.5


def test_oven() -> None:
    """40 °C for 1 min, 10 °C/min to 300 °C, 3 min: corners at 60, 1620 and 1800 s."""
    ramp = (units.from_celsius_min(10.0), units.from_celsius(300.0), units.from_minutes(3.0))
    oven = Oven.programme(units.from_celsius(40.0), 60.0, (ramp,))
    assert oven.times_s == pytest.approx((0, 60, 1620, 1800))
    at = oven.temperature([0, 60, 840, 1620, 5000])
    assert at == pytest.approx([313.15, 313.15, 443.15, 573.15, 573.15])
    assert not oven.is_isothermal
    assert Oven.isothermal(333.15).is_isothermal
    assert Oven.programme(400.0, 0.0, ((-0.5, 350.0, 0.0),)).temperatures_k == (400.0, 350.0)


def test_retention_at_and_below_the_characteristic_temperature() -> None:
    """At Tc ln k is ln(phi/phi0), and its slope -1/theta; a twice thicker film holds twice."""
    benzene = KCentric(313.876, 34.618, 113.57)
    assert benzene.retention_factor(313.876, COLUMN) == pytest.approx(1.0)
    near = benzene.retention_factor(np.array([313.875, 313.877]), COLUMN)
    assert np.diff(np.log(near))[0] / 0.002 == pytest.approx(-1 / 34.618, rel=1e-6)
    thick = Column(30.0, 0.25e-3, 0.5e-6)
    assert benzene.retention_factor(WARM, thick) == pytest.approx(2 * benzene.retention_factor(WARM, COLUMN))
    assert FixedRetention(2.0).retention_factor(np.array([300.0, 400.0]), COLUMN).tolist() == [2.0, 2.0]
    assert (COLUMN.phase_ratio, COLUMN.film_fraction) == pytest.approx((250.0, 0.001))


def test_the_gas_term_is_counted_once() -> None:
    """Golay's plate height three ways: lumped kd with D_m, film kd with D_m + D_TA, and his equation."""
    velocity, k, D, film = 0.25, 2.0, 3e-5, 3e-9
    t0 = COLUMN.length_m / velocity
    analyte = Analyte("a", FixedRetention(k), D, film_diffusion_m2_s=film)
    film_rate = analyte.film_rate_per_s(k, D, COLUMN)
    lumped_rate = analyte.lumped_rate_per_s(k, D, COLUMN)
    spread = D + taylor_aris_m2_s(k, D, COLUMN, velocity)
    lumped = Transport(("a",), t0, [k], [lumped_rate], [velocity * 30 / D], "open")  # type: ignore[arg-type]  # numbers are widened
    golay = Transport(("a",), t0, [k], [film_rate], [velocity * 30 / spread], "open")  # type: ignore[arg-type]  # numbers are widened
    d, df = COLUMN.diameter_m, COLUMN.film_m
    across = (1 + 6 * k + 11 * k**2) / (96 * (1 + k) ** 2) * d**2 / D
    height = 2 * D / velocity + (across + 2 * k * df**2 / (3 * (1 + k) ** 2 * film)) * velocity
    for transport in (lumped, golay):
        assert 30 / transport.plates[0] == pytest.approx(height, rel=1e-12)
    assert film_rate == 3 * film / df**2
    assert 1 / lumped_rate == pytest.approx(1 / film_rate + gas_slowness_s(k, D, COLUMN))
    # Taylor's own case: no retention.
    assert taylor_aris_m2_s(0.0, D, COLUMN, velocity) == pytest.approx(velocity**2 * (d / 2) ** 2 / 48 / D)


def test_a_stored_rate_gives_the_other() -> None:
    by_film = Analyte("a", FixedRetention(2.0), 3e-5, film_kd_per_s=1e5)
    lumped = by_film.lumped_rate_per_s(2.0, 3e-5, COLUMN)
    by_lumped = Analyte("a", FixedRetention(2.0), 3e-5, lumped_kd_per_s=lumped)
    assert by_lumped.film_rate_per_s(2.0, 3e-5, COLUMN) == pytest.approx(1e5)
    assert Analyte("a", FixedRetention(2.0), lumped_kd_per_s=50.0).lumped_rate_per_s(2.0, None, COLUMN) == 50
    fast = Analyte("a", FixedRetention(2.0), 3e-5, lumped_kd_per_s=1e6)
    with pytest.raises(InputError) as error:
        fast.film_rate_per_s(2.0, 3e-5, COLUMN)
    assert error.value.fix == "Is it the film's?"


def test_units_and_back() -> None:
    assert units.from_celsius(60.0) == WARM
    assert units.to_celsius(units.from_celsius(25.0)) == pytest.approx(25.0)
    assert units.to_minutes(units.from_minutes(7.0)) == 7.0
    assert units.from_kpa_gauge(78.7) == pytest.approx(180e3)
    assert units.from_psi_gauge(14.503774, 0.0) == pytest.approx(1e5, rel=1e-6)
    assert units.from_bar_absolute(1.8) == units.from_kpa_absolute(180.0)
    assert units.from_mm(0.25) == units.from_um(250.0) == 0.25e-3
    assert units.from_cm_s(25.0) == 0.25


def test_gauge_for_absolute_is_refused_with_advice() -> None:
    with pytest.raises(InputError) as error:
        PressureDriven(78.7e3, 101.3e3)
    assert error.value.fix == "A gauge pressure? Then add the ambient: 180000 Pa."
    assert error.value.argument


@pytest.mark.parametrize(
    ("notes", "unit"),
    [
        (Column(30.0, 0.25, 0.25e-6).notes, "in mm?"),
        (Column(30.0, 250.0, 0.25e-6).notes, "in µm?"),
        (Column(30.0, 0.25e-3, 0.25).notes, "in µm?"),
        (Column(3000.0, 0.25e-3, 0.25e-6).notes, "in cm or mm or inches?"),
        (PressureDriven(180.0, 101.3).notes, "in kPa"),
        (ConstantFlow(1.0, 101.3e3).notes, "in mL/min"),
        (ConstantVelocity(23.0).notes, "in cm/s"),
        (Oven.isothermal(60.0).notes, "in °C?"),
        (Oven.isothermal(900.0).notes, "223 to 700 K"),
        (KCentric(40.7, 34.6, 113.0).notes, "in °C?"),
        (Analyte("a", FixedRetention(1.0), 0.27).notes, "in cm²/s"),
    ],
)
def test_what_is_odd_is_noted_with_its_likely_unit(notes: tuple[str, ...], unit: str) -> None:
    assert len(notes) == 1
    assert unit in notes[0]


REFUSED = [
    lambda: Column(-1.0, 1e-3, 1e-6),
    lambda: Column(1.0, float("nan"), 1e-6),
    lambda: Column(1.0, 1e-3, 0.0),
    lambda: PressureDriven(101.3e3, 101.3e3),
    lambda: PressureDriven(101.3e3, -1.0),
    lambda: ConstantFlow(0.0, 0.0),
    lambda: ConstantVelocity(float("inf")),
    lambda: Oven.isothermal(0.0),
    lambda: Oven((0.0, 0.0), (300.0, 400.0)),
    lambda: Oven((1.0,), (300.0,)),
    lambda: Oven((0.0, 1.0), (300.0,)),
    lambda: Oven.programme(300.0, -1.0),
    lambda: Oven.programme(300.0, 0.0, ((0.5, 250.0, 0.0),)),
    lambda: Oven.programme(300.0, 0.0, ((0.0, 350.0, 0.0),)),
    lambda: KCentric(0.0, 30.0, 100.0),
    lambda: KCentric(300.0, 30.0, float("nan")),
    lambda: FixedRetention(0.0),
    lambda: viscosity_pa_s("helium", 300.0),
    lambda: FullerDiffusion("C6H6", -1),
    lambda: FullerDiffusion("H2", 3),
    lambda: Analyte("", FixedRetention(1.0), 1e-5),
    lambda: Analyte("a,b", FixedRetention(1.0), 1e-5),
    lambda: Analyte("signal", FixedRetention(1.0), 1e-5),
    lambda: Analyte("a", FixedRetention(1.0)),
    lambda: Analyte("a", FixedRetention(1.0), 1e-5, film_kd_per_s=1.0, lumped_kd_per_s=1.0),
    lambda: Analyte("a", FixedRetention(1.0), -1e-5),
    lambda: Analyte("a", FixedRetention(1.0), 1e-5, area=0.0),
    lambda: Analyte("a", FixedRetention(1.0), 1e-5, langmuir_b_m3_mol=-1.0),
    lambda: Analyte("a", FixedRetention(1.0), 1e-5, film_diffusion_m2_s=0.0),
    lambda: Analyte("a", FixedRetention(1.0), lumped_kd_per_s=1.0).gas_diffusion_m2_s("He", 300.0, 1e5),
    lambda: Rectangle(-1.0),
]


@pytest.mark.parametrize("make", REFUSED)
def test_what_cannot_be_is_refused(make: object) -> None:
    with pytest.raises(InputError) as error:
        make()  # type: ignore[operator]  # each a function
    assert error.value.argument
