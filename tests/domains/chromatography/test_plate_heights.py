"""Plate heights over velocity: the model's variance is Golay's closed formula, and its optimum his."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.analysis import fit_plate_height
from medidiff.domains.chromatography.figures.plate_heights import draw_plate_heights
from medidiff.domains.chromatography.model.flow import (
    ConstantFlow,
    ConstantVelocity,
    PressureDriven,
    hold_up_s,
    mean_pressure_pa,
)
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.stored.shipped import named_system
from medidiff.domains.chromatography.model.system import System
from medidiff.domains.chromatography.plate_heights import plate_heights
from medidiff.errors import InputError

BTEX = named_system("btex")
U = np.array([0.08, 0.2, 0.35, 0.6, 1.5])


def golay(u: float, k: float, d_m: float, d_s: float, system: System) -> float:
    """The closed formula, with nothing of the model but its geometry."""
    d, film = system.column.diameter_m, system.column.film_m
    radial = (1 + 6 * k + 11 * k**2) / (96 * (1 + k) ** 2) * d**2 / d_m
    return 2 * d_m / u + (radial + 2 * k * film**2 / (3 * (1 + k) ** 2 * d_s)) * u


def rows(system: System) -> list[tuple[float, float, float]]:
    """k, D_m at the system's own mean pressure, D_s of each analyte."""
    kelvin, pressure = system.temperature_k, system.mean_pressure_pa
    return [
        (
            float(a.retention.retention_factor(kelvin, system.column)),
            gas := float(a.gas_diffusion_m2_s(system.gas, kelvin, pressure)),
            gas / 1e4,
        )
        for a in system.analytes
    ]


@pytest.mark.parametrize("dispersion", ["molecular", "golay"])
def test_at_one_pressure_it_is_golays_equation(dispersion: str) -> None:
    """The same terms in another form, so that the tolerance is rounding."""
    system = replace(BTEX, flow=ConstantVelocity(0.3, 144_320.0))
    found = plate_heights(system, U, dispersion=dispersion)
    expected = [[golay(u, *numbers, system) for u in U] for numbers in rows(system)]
    np.testing.assert_allclose(found.height_m, expected, rtol=1e-12)
    assert np.isnan(found.inlet_pa).all()


@pytest.mark.parametrize(
    "flow",
    [PressureDriven(180e3, 101.3e3), PressureDriven(50e3, 0.0), ConstantFlow(1.5e-6 / 60, 101.3e3)],
    ids=["pressure", "vacuum", "flow"],
)
def test_with_a_pressure_drop_the_gas_diffuses_as_at_each_velocitys_mean_pressure(
    flow: PressureDriven | ConstantFlow,
) -> None:
    """The inlet given with each velocity makes it, and D_m goes as 1/p; the film's D_s stays."""
    system = replace(BTEX, flow=flow)
    found = plate_heights(system, U)
    for j, u in enumerate(U):
        there = PressureDriven(float(found.inlet_pa[j]), flow.outlet_pa)
        column, gas, kelvin = system.column, system.gas, system.temperature_k
        assert column.length_m / hold_up_s(there, column, gas, kelvin) == pytest.approx(u, rel=1e-12)
        ratio = system.mean_pressure_pa / mean_pressure_pa(there, column, gas, kelvin)
        expected = [golay(float(u), k, d_m * ratio, d_s, system) for k, d_m, d_s in rows(system)]
        np.testing.assert_allclose(found.height_m[:, j], expected, rtol=1e-12)


def test_the_systems_own_point_is_its_plate_number() -> None:
    """L over the plates of the run's table, whose two closed ends take 1/Pe, 4e-6, of the width away."""
    found = plate_heights(BTEX)
    np.testing.assert_allclose(found.own_m, BTEX.column.length_m / BTEX.transport().plates, rtol=1e-5)
    assert found.own_m_s == pytest.approx(0.233515, rel=1e-5)


def test_the_optimum_is_that_of_the_fitted_curve() -> None:
    """u_opt = sqrt(B/C); a minimum's place is known to the root of the rounding."""
    system = replace(BTEX, flow=ConstantVelocity(0.3, 144_320.0))
    found = plate_heights(system)
    for row in range(len(found.names)):
        fit = fit_plate_height(found.velocity_m_s, found.height_m[row], model="golay")
        assert found.optimal_m_s[row] == pytest.approx(fit.optimal_velocity_m_s, rel=1e-6)
        assert found.least_m[row] == pytest.approx(fit.least_height_m, rel=1e-12)


def test_a_curve_encloses_its_optima_and_the_systems_velocity() -> None:
    found = plate_heights(BTEX)
    low, high = found.velocity_m_s[[0, -1]]
    assert low < min(found.own_m_s, found.optimal_m_s.min())
    assert high > max(found.own_m_s, found.optimal_m_s.max())
    assert (found.height_m.min(axis=1) >= found.least_m).all()


def test_numbers_of_ones_own_are_taken_at_the_systems_pressure() -> None:
    """A diffusion by number and a lumped kd say the same as formula and film, so the curves agree."""
    transport = BTEX.transport()
    analytes = tuple(
        replace(a, gas_diffusion=d_m, lumped_kd_per_s=float(kd))
        for a, (_, d_m, _), kd in zip(BTEX.analytes, rows(BTEX), transport.kd_per_s, strict=True)
    )
    found = plate_heights(replace(BTEX, analytes=analytes), U)
    np.testing.assert_allclose(found.height_m, plate_heights(BTEX, U).height_m, rtol=1e-9)


def test_without_dispersion_there_is_no_optimum() -> None:
    found = plate_heights(BTEX, dispersion="none")
    assert np.isnan(found.optimal_m_s).all()
    assert (np.diff(found.height_m, axis=1) > 0).all()
    assert found.facts()["benzene"]["least_height_m"] is None
    draw_plate_heights(found)


def test_the_table_holds_every_number_to_its_last_bit(tmp_path: Path) -> None:
    found = plate_heights(BTEX.select(("benzene", "toluene")), U)
    found.write(tmp_path / "plate_heights.csv")
    with (tmp_path / "plate_heights.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["analyte"] for line in lines] == ["benzene"] * 5 + ["toluene"] * 5
    assert [float(line["height_m"]) for line in lines] == found.height_m.ravel().tolist()
    assert [float(line["inlet_pa"]) for line in lines[:5]] == found.inlet_pa.tolist()


@pytest.mark.parametrize("velocity", [[], [0.0], [0.1, math.nan], [[0.1]]])
def test_velocities_that_are_none_are_refused(velocity: list[float]) -> None:
    with pytest.raises(InputError) as error:
        plate_heights(BTEX, velocity)
    assert error.value.argument


def test_a_programme_has_no_plate_height() -> None:
    ramp = replace(BTEX, oven=Oven.programme(313.0, 60.0, [(0.2, 400.0, 0.0)]))
    with pytest.raises(InputError) as error:
        plate_heights(ramp)
    assert error.value.got == "a programme"
