"""A model over a trace: areas and baseline come out as they went in, and knobs turn what they are called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.demo import demo_system
from medidiff.domains.chromatography.model.flow import ConstantFlow, ConstantVelocity
from medidiff.domains.chromatography.model.injection import GaussianInjection
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.system import System
from medidiff.domains.chromatography.overlay import MOST_POINTS, knobs_of, overlay, turned
from medidiff.domains.chromatography.peaks import Peak, measure_peaks
from medidiff.domains.chromatography.simulate import simulate
from medidiff.errors import InputError

AREAS = (1.0, 0.25, 3.0, 0.5, 2.0)


@pytest.fixture(scope="module")
def system() -> System:
    plain = demo_system()
    analytes = [replace(a, area=area) for a, area in zip(plain.analytes, AREAS, strict=True)]
    return replace(plain, analytes=tuple(analytes))


def trace_of(system: System, baseline: float = 0.0) -> Chromatogram:
    found = simulate(system)
    return Chromatogram(found.time_s, found.signal + baseline)


@pytest.mark.parametrize("baseline", [0.0, 0.7, -0.4])
def test_areas_and_a_constant_of_any_sign_come_out_as_they_went_in(system: System, baseline: float) -> None:
    found = overlay(trace_of(system, baseline), demo_system())
    assert found.area == pytest.approx(AREAS, rel=1e-5)
    assert found.baseline == pytest.approx(baseline, abs=1e-6)
    assert np.abs(found.residual).max() < 1e-5
    assert np.allclose(found.model, found.components.sum(axis=0) + found.baseline)


def test_an_analyte_keeps_the_area_of_the_nearest_peak_however_far_it_is_turned(system: System) -> None:
    """Two peaks for five analytes: the first for what comes before their middle, the second for the rest."""
    peaks = (Peak(200.0, 1.0, 3.0, 195.0, 205.0), Peak(500.0, 1.0, 6.0, 495.0, 505.0))
    trace = trace_of(system, baseline=0.3)
    found = overlay(trace, system, peaks)
    assert found.area == pytest.approx([1.5, 1.5, 2.0, 2.0, 2.0])
    assert found.baseline == pytest.approx(0.3, abs=1e-3)
    hotter = turned(system, replace(knobs_of(system), temperature_c=70.0))
    assert overlay(trace, hotter, peaks).area.min() > 0


@pytest.mark.parametrize(("times", "cut"), [(5.0, False), (5000.0, True)])
def test_a_solvent_far_from_the_analytes_is_cut(system: System, times: float, cut: bool) -> None:
    plain = trace_of(system)
    tallest = float(plain.signal.max())
    solvent = times * tallest * np.exp(-((plain.x - 30) ** 2) / 2)
    peaks = measure_peaks(plain.x, plain.signal + solvent).peaks
    found = overlay(Chromatogram(plain.x, plain.signal + solvent), system, peaks)
    low, high = found.span
    assert (found.rms < 0.05) == cut
    assert low == pytest.approx(0, abs=0.01 * tallest)
    assert (high < 3 * tallest) == cut
    assert high >= tallest


def test_an_axis_that_begins_late_and_ends_between_samples_is_kept(system: System) -> None:
    whole = trace_of(system)
    part = slice(301, 1702)
    found = overlay(Chromatogram(whole.x[part], whole.signal[part]), demo_system())
    assert np.allclose(found.time_s, whole.x[part])
    # o-xylene leaves at 565 s, after this trace: nothing in the data asks for it.
    assert found.area[:4] == pytest.approx(AREAS[:4], rel=1e-4)
    assert found.area[4] == pytest.approx(0, abs=1e-3)


def test_a_model_that_does_not_fit_leaves_a_residual(system: System) -> None:
    knobs = knobs_of(system)
    hotter = turned(system, replace(knobs, temperature_c=knobs.temperature_c + 2))
    trace = trace_of(system)
    assert overlay(trace, hotter).rms > 100 * overlay(trace, system).rms


def test_knobs_that_nobody_turned_change_nothing(system: System) -> None:
    same, own = turned(system, knobs_of(system)).transport(), system.transport()
    assert same.k == pytest.approx(own.k)
    assert same.t0_s == pytest.approx(own.t0_s)
    assert same.kd_per_s == pytest.approx(own.kd_per_s)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("length_m", 25.0, lambda s: s.column.length_m),
        ("diameter_mm", 0.32, lambda s: 1e3 * s.column.diameter_m),
        ("film_um", 0.5, lambda s: 1e6 * s.column.film_m),
        ("carrier", 200.0, lambda s: s.flow.inlet_pa / 1e3),
        ("injection_width_s", 2.0, lambda s: s.injection.width_s),
    ],
)
def test_a_knob_turns_what_it_is_called(system: System, name: str, value: float, read) -> None:
    found = turned(system, replace(knobs_of(system), **{name: value}))
    assert read(found) == pytest.approx(value)
    assert found.column.stationary_phase == system.column.stationary_phase


def test_k_by_hand_takes_the_place_of_the_systems(system: System) -> None:
    knobs = replace(knobs_of(system), k={"toluene": 1.5})
    k = dict(zip(system.names, turned(system, knobs).transport().k, strict=True))
    assert k["toluene"] == 1.5
    assert k["benzene"] == pytest.approx(system.transport().k[0])


@pytest.mark.parametrize(
    ("flow", "carrier"), [(ConstantFlow(1e-6 / 60, 0.0), 1.0), (ConstantVelocity(0.25), 25.0)]
)
def test_the_carrier_is_in_the_unit_of_the_flow(system: System, flow: object, carrier: float) -> None:
    other = replace(system, flow=flow)
    assert knobs_of(other).carrier == pytest.approx(carrier)
    faster = turned(other, replace(knobs_of(other), carrier=2 * carrier))
    assert knobs_of(faster).carrier == pytest.approx(2 * carrier)
    assert faster.hold_up_s < other.hold_up_s


def test_what_cannot_be_turned_is_refused(system: System) -> None:
    with pytest.raises(InputError):
        knobs_of(replace(system, injection=GaussianInjection(3.0, 0.5)))
    with pytest.raises(InputError):
        knobs_of(replace(system, oven=Oven((0.0, 60.0), (330.0, 360.0))))
    with pytest.raises(InputError):
        overlay(Chromatogram(np.arange(MOST_POINTS + 1.0), np.zeros(MOST_POINTS + 1)), system)
