"""Which engine runs, what the run says of itself, the picture, and c(x, t)."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medidiff.domains.chromatography import simulate as simulating
from medidiff.domains.chromatography.engines.closed import closed_curves
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.model.analyte import Analyte
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.flow import ConstantVelocity, PressureDriven
from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Rectangle,
    SampledInjection,
    TailedRectangle,
)
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.retention import FixedRetention
from medidiff.domains.chromatography.model.stored.shipped import named_system
from medidiff.domains.chromatography.model.system import System
from medidiff.domains.chromatography.profile import column_profile
from medidiff.domains.chromatography.simulate import simulate, simulate_chromatogram
from medidiff.errors import InputError
from medidiff.runs.result import Result

FIVE = ("benzene", "toluene", "ethylbenzene", "p-xylene", "o-xylene")


def short(b: float | None = None, area: float = 1.0, **changes: Any) -> System:
    """Two analytes with N = 50 and 48 in a column of 20 s, no dispersion."""
    column = Column(10.0, 0.25e-3, 0.25e-6)
    analytes = (
        Analyte("one", FixedRetention(2.0), lumped_kd_per_s=1.25, area=area, langmuir_b_m3_mol=b),
        Analyte("two", FixedRetention(1.2), lumped_kd_per_s=2.0, area=area, langmuir_b_m3_mol=b),
    )
    flow, oven = ConstantVelocity(0.5), Oven.isothermal(333.15)
    system = System("short", column, "He", flow, oven, analytes, Rectangle(4.0), end_s=120.0)
    return replace(system, **changes)


def dispersed(b: float | None = None, area: float = 1.0) -> System:
    """The same with a dispersion of its own."""
    system = short(b, area, dispersion="molecular")
    with_gas = (replace(analyte, gas_diffusion=3e-3) for analyte in system.analytes)
    return replace(system, analytes=tuple(with_gas))


@pytest.mark.parametrize(
    ("system", "dispersion", "engine"),
    [
        (short(), None, "closed"),
        (short(injection=GaussianInjection(3.0, 0.5)), None, "closed"),
        (short(injection=TailedRectangle(1.0, 0.5)), None, "fft"),
        (short(injection=SampledInjection(np.arange(4.0), np.array([0.0, 2, 1, 0]))), None, "fft"),
        (short(detector_s=0.2), None, "fft"),
        (dispersed(), None, "fft"),
        (dispersed(), "none", "closed"),
        (short(0.001), None, "closed"),
        (dispersed(0.001), None, "fft"),
        (named_system("btex"), None, "fft"),
        (named_system("btex"), "none", "closed"),
        (
            replace(named_system("btex"), oven=Oven.programme(313.15, 60.0, ((0.2, 400.0, 0.0),))),
            None,
            "programme",
        ),
    ],
)
def test_auto_takes_the_engine_that_the_system_needs(
    system: System, dispersion: str | None, engine: str
) -> None:
    found = simulate(system, dispersion=dispersion)
    assert found.engine == engine
    assert found.c.shape == (len(system.analytes), len(system.time_s))
    assert np.isfinite(found.c).all()
    assert found.signal == pytest.approx(found.c.sum(axis=0))


def test_engines_are_called_with_the_systems_own_values() -> None:
    """Areas scale the curves; the same from both engines."""
    system = named_system("btex").select(FIVE)
    system = replace(system, analytes=tuple(replace(a, area=2.5) for a in system.analytes))
    fft = simulate(system, engine="fft", dispersion="none")
    closed = simulate(system, engine="closed", dispersion="none")
    assert np.abs(fft.c - closed.c).max() <= 1e-12 * fft.c.max()
    truth = 2.5 * closed_curves(system.time_s, system.transport("none"), system.injection).c
    assert np.array_equal(closed.c, truth)
    golay = simulate(system, dispersion="golay").c
    assert np.array_equal(golay, 2.5 * fft_curves(system.time_s, system.transport("golay"), Rectangle(1.0)).c)


def test_btex_peaks_are_those_of_its_table() -> None:
    """Retention plus half the injection, apex a little before the mean, resolution 0.3 of the pair."""
    found = simulate(named_system("btex"))
    assert found.peaks is not None
    assert found.peaks.mean_s[0] == pytest.approx(206.3334 + 0.5, abs=1e-4)
    assert 0 < found.peaks.mean_s[0] - found.peaks.apex_s[0] < 0.01
    top = found.c.argmax(axis=1)
    assert found.retention_s == pytest.approx(found.time_s[top], abs=0.06)
    assert found.peaks.height_per_s == pytest.approx(found.c.max(axis=1), rel=2e-3)
    pairs = {(a, b): value for a, b, value in found.peaks.neighbours}
    assert pairs["m-xylene", "p-xylene"] == pytest.approx(0.300, abs=5e-4)
    assert found.warnings == ("m-xylene and p-xylene overlap: resolution 0.3",)


def warned(system: System, **options: Any) -> str:
    return " | ".join(simulate(system, **options).warnings)


def test_warnings() -> None:
    btex = named_system("btex").select(FIVE)
    assert simulate(btex).warnings == ()
    none = warned(btex, dispersion="none")
    # 2 tR^2/Pe over 2 k t0/kd of benzene.
    assert "Golay's equation would add 1168 % to the variance of benzene" in none
    coarse = warned(replace(btex, interval_s=0.5))
    assert "samples 0.5 s apart are too far for benzene, whose standard deviation is 0.663 s" in coarse
    # The apex lies 0.033 s, a twentieth of a standard deviation, after the last sample.
    assert "outside of the trace: 52 % of benzene" in warned(replace(btex, end_s=206.8))
    assert "outside of the trace: 100 % of benzene" in warned(replace(btex, start_s=300.0))
    spike = warned(short(analytes=(Analyte("one", FixedRetention(0.1), lumped_kd_per_s=2.0),)))
    assert "never retained, a spike at 20 s that is no part of the curve: 1.83 % of one" in spike
    hot = warned(replace(btex, oven=Oven.isothermal(473.15)), dispersion="none")
    assert "retention is extrapolated" in hot
    with pytest.raises(InputError, match="a peak inside it") as error:
        simulate(replace(btex, oven=Oven.isothermal(60.0)), dispersion="none")
    assert "was it meant in °C?" in error.value.fix


def test_a_number_in_another_unit_is_named_with_the_refusal_that_it_causes() -> None:
    """What is odd about a system would else be lost with the result that an engine refuses."""
    btex = named_system("btex").select(FIVE)
    pressed = replace(btex, flow=PressureDriven(180_000e3, 101_300.0))  # 180000 in a file that asks for kPa
    with pytest.raises(InputError) as error:
        simulate(pressed)
    assert "inlet pressure: 1.8e+08 Pa lies outside" in error.value.fix
    assert "was it meant in Pa, not kPa? A Peclet number" in error.value.fix
    assert error.value.argument
    with pytest.raises(InputError) as error:
        simulate(replace(btex, oven=Oven.isothermal(60.0)))
    assert "oven: 60 K lies outside the usual 223 to 700 K; was it meant in °C?" in error.value.fix
    with pytest.raises(InputError) as error:
        simulate(replace(btex, oven=Oven.isothermal(1173.15)))  # explained by no unit: a sentence of its own
    assert "the usual 223 to 700 K. Set start_s" in error.value.fix
    with pytest.raises(InputError) as error:
        simulate(btex, engine="closed")
    assert "Look first" not in error.value.fix


@pytest.mark.parametrize(
    ("celsius", "said"),
    [(333.0, "was it meant in K, 60 °C?"), (573.0, "was it meant in K, not °C?"), (150.0, None)],
)
def test_kelvin_in_place_of_celsius(celsius: float, said: str | None) -> None:
    """333 °C is a temperature of ovens, but far from where these analytes were measured; 150 °C is hot."""
    oven = Oven.isothermal(celsius + 273.15)
    notes = " ".join(replace(named_system("btex"), oven=oven).notes)
    assert said in notes if said else "meant in K" not in notes
    assert "extrapolated" in notes


def test_golay_that_adds_little_is_not_mentioned() -> None:
    """2 D/u against a slow film: 2 tR^2/Pe is 0.1 % of the variance."""
    slow = tuple(replace(a, gas_diffusion=3e-6) for a in short().analytes)
    assert "Golay" not in warned(short(analytes=slow))


def test_loading_decides() -> None:
    """Linear without a word to 5e-4, with a warning to 5e-3, then nonlinear; with dispersion a refusal."""
    unit = simulate(short(1e-6))
    per_b = (unit.loading or 0.0) / 1e-6
    assert "loading" not in warned(short(4e-4 / per_b))
    said = warned(short(4e-3 / per_b))
    assert "loading 0.004 (sum of b c at the apices): peaks would come about 0.76 %" in said
    per_b = (simulate(dispersed(1e-6)).loading or 0.0) / 1e-6
    assert simulate(dispersed(4.9e-3 / per_b)).engine == "fft"
    with pytest.raises(InputError) as error:
        simulate(dispersed(5.1e-3 / per_b))
    assert error.value.fix == "Take --engine pde, which solves both, or --dispersion none."
    assert error.value.argument
    assert "loading" in warned(dispersed(0.2, area=3.0), engine="fft")


def test_the_nonlinear_engine_above_the_limit() -> None:
    """Loading brings peaks earlier, keeps their area, and moves the apex that the report gives."""
    pytest.importorskip("numba")
    linear, found = simulate(short()), simulate(short(0.5, area=2.0))
    assert found.engine == "nonlinear"
    assert (found.retention_s < linear.retention_s - 1).all()
    assert found.retention_s == pytest.approx(found.time_s[found.c.argmax(axis=1)], abs=0.06)
    assert found.c.sum(axis=1) * 0.1 == pytest.approx([2.0, 2.0], rel=1e-3)
    judged = simulate(short(0.5, area=2.0), engine="pde")
    assert np.abs(judged.c - found.c).max() <= 5e-3 * found.c.max()


def test_pde_agrees_with_the_transform() -> None:
    one, two = (simulate(dispersed(), engine=engine) for engine in ("pde", "fft"))
    assert one.engine == "pde"
    assert np.abs(one.c - two.c).max() <= 1e-4 * two.c.max()


REFUSALS: list[tuple[Any, str]] = [
    (lambda: simulate(short(), engine="fast"), "auto, closed, fft"),
    (lambda: simulate(short(), dispersion="some"), "none, molecular, golay"),
    (lambda: simulate(dispersed(), engine="closed"), "a column without dispersion"),
    (lambda: simulate(short(), engine="nonlinear"), "Langmuir's b of each analyte"),
    (lambda: simulate(short(detector_s=0.1), engine="closed"), "an ideal detector"),
    (lambda: simulate(short(detector_s=0.1), engine="pde"), "an ideal detector"),
    (lambda: simulate(dispersed(), engine="pde", limit_s=1e-4), "a run of at most 0.0001 s"),
    (lambda: simulate(short(0.5, area=2.0), limit_s=1e-5), "a run of at most 1e-05 s"),
    (lambda: simulate(dispersed(0.5, area=2.0), engine="pde", limit_s=1e-4), "a run of at most 0.0001 s"),
    (lambda: simulate(dispersed(0.5, area=2.0), engine="nonlinear"), "no dispersion"),
    (lambda: simulate(short(), dispersion="molecular"), "diffusion in the gas"),
    (lambda: simulate(short(), limit_s=0.0), "seconds above 0"),
    (
        lambda: simulate(replace(short(), oven=Oven.programme(300.0, 1.0, ((1, 400.0, 0.0),))), engine="fft"),
        "one temp",
    ),
    (lambda: simulate(short(0.5, area=2.0, injection=Rectangle(0.0))), "one that lasts"),
    (lambda: simulate_chromatogram("btx"), "btex"),
    (
        lambda: simulate_chromatogram(short(injection=GaussianInjection(1, 1)), injection_width_s=1.0),
        "a system whose",
    ),
    (lambda: simulate_chromatogram("btex", interval_s=-1.0), "a finite sampling interval"),
    (lambda: simulate_chromatogram("btex", detector_s=-1.0), "a finite detector time constant"),
    (lambda: simulate_chromatogram("btex", end_s=-1.0), "an end after its start"),
    (lambda: simulate_chromatogram("btex", analytes=("water",)), "some of benzene"),
    (lambda: column_profile(short(), [0.0], [0.0, 1.0]), "above 0 and at most 10 m"),
    (lambda: column_profile(short(), [11.0], [0.0, 1.0]), "above 0 and at most 10 m"),
]


@pytest.mark.parametrize(("call", "expected"), REFUSALS)
def test_refusals(call: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert error.value.expected.startswith(expected)
    assert error.value.argument
    if expected.startswith("a run of"):
        assert "the limit with --limit-s (limit_s in Python)" in error.value.fix


def test_only_some_have_a_langmuir_parameter() -> None:
    system = short(0.5)
    part = replace(system.analytes[0], langmuir_b_m3_mol=None)
    with pytest.raises(InputError) as error:
        simulate(replace(system, analytes=(part, system.analytes[1])))
    assert error.value.got == "none for one"


def test_the_result_is_a_run(tmp_path: Path) -> None:
    """Curves to the last bit, every number that a reader looks for, and the picture."""
    seen = []
    result = simulate_chromatogram("btex", progress=seen.append)
    assert [record.done for record in seen] == [0, 1]
    folder = result.save(tmp_path / "o")
    with (folder / "chromatogram.csv").open() as file:
        header, *rows = csv.reader(file)
    names = named_system("btex").names
    assert header == ["time_s", "signal", *names]
    table = np.array(rows, float)
    truth = simulate(named_system("btex"))
    assert np.array_equal(table[:, 2:].T, truth.c)
    assert np.array_equal(table[:, 1], truth.signal)
    assert [row[0] for row in rows[:4]] == ["0.0", "0.1", "0.2", "0.3"]
    report = json.loads((folder / "report.json").read_text())
    assert report["task"] == "chromatography.simulate"
    assert report["notice"] == "research use only"
    assert (report["engine"], report["dispersion"]) == ("fft", "molecular")
    assert {"sha256", "points", "interval_s", "units"} <= set(report["input"])
    benzene = report["analytes"]["benzene"]
    assert benzene["effective_kd_per_s"] == pytest.approx(437, abs=0.5)
    assert {"k", "kd_per_s", "transfer_units", "peclet", "retention_time_s", "sigma_s", "plates"} <= set(
        benzene
    )
    assert benzene["retention_time_s"] == pytest.approx(206.3334, abs=1e-4)
    assert len(report["resolution"]) == 5
    assert report["loading"] is None
    assert report["warnings"] == ["m-xylene and p-xylene overlap: resolution 0.3"]
    record = json.loads((folder / "provenance.json").read_text())
    assert record["options"]["system"]["flow"]["inlet_pa"] == 180000.0
    assert record["inputs"]["system"] == named_system("btex").digest
    assert (folder / "figure.png").read_bytes()[:4] == b"\x89PNG"
    loaded = Result.load(folder)
    assert loaded.report["engine"] == "fft"


def test_the_closed_report_holds_no_infinity(tmp_path: Path) -> None:
    """No dispersion is a Peclet number of null, not a number that JSON lacks."""
    result = simulate_chromatogram("btex", dispersion="none", analytes=("benzene",))
    report = json.loads((result.save(tmp_path / "o") / "report.json").read_text())
    assert report["analytes"]["benzene"]["peclet"] is None
    assert not any("finite" in warning for warning in report["warnings"])


def test_overrides_replace_the_systems_own() -> None:
    result = simulate_chromatogram(
        "btex",
        analytes=("benzene", "toluene"),
        temperature_c=80.0,
        injection_width_s=0.5,
        detector_s=0.1,
        start_s=100.0,
        end_s=300.0,
        interval_s=0.05,
    )
    trace: Any = result.outputs["chromatogram.csv"]
    assert (trace.points, trace.x[0], trace.x[-1]) == (4001, 100.0, 300.0)
    assert list(trace.components) == ["benzene", "toluene"]
    warm = replace(named_system("btex"), oven=Oven.isothermal(353.15)).transport()
    assert result.report["analytes"]["toluene"]["k"] == warm.k[1]
    variance = warm.variance_s2[0] + 0.5**2 / 12 + 0.1**2
    assert result.report["analytes"]["benzene"]["peak"]["sigma_s"] == pytest.approx(variance**0.5)


def test_digests_tell_systems_apart() -> None:
    system = named_system("btex")
    assert system.digest == replace(system).digest
    assert system.digest != replace(system, detector_s=0.1).digest
    sampled = short(injection=SampledInjection(np.arange(3.0), np.ones(3)))
    assert sampled.to_plain()["injection"]["samples"] == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize(
    "system",
    [
        short(),
        short(start_s=50.0),
        replace(named_system("btex"), oven=Oven.programme(313.15, 60.0, ((0.2, 400.0, 0.0),))),
    ],
    ids=["linear", "late", "programme"],
)
def test_pictures_have_two_panels(system: System) -> None:
    figure = simulate_chromatogram(system).figure()
    upper, lower = figure.axes
    assert upper.get_xlim() == lower.get_xlim() == (system.time_s[0] / 60, system.time_s[-1] / 60)
    assert lower.get_xlabel() == "time in minutes"
    assert any(text.get_text().startswith(system.names[0]) for text in upper.texts) or system.start_s


def test_a_nonlinear_picture_has_the_trace_alone() -> None:
    pytest.importorskip("numba")
    (only,) = simulate_chromatogram(short(0.5, area=2.0)).figure().axes
    assert only.get_xlabel() == "time in minutes"


def test_the_profile_ends_at_the_outlet_and_keeps_its_area() -> None:
    """c(L, t) is the trace; everywhere the area under t is the analyte's; halfway, half the flight."""
    system = named_system("btex").select(("benzene", "toluene"))
    t = 0.1 * np.arange(3500)
    c = column_profile(system, [3.0, 15.0, 30.0], t, dispersion="none")
    trace = closed_curves(t, system.transport("none"), system.injection).c
    assert np.abs(c[:, 2] - trace).max() <= 1e-11 * trace.max()
    # The trapezoid on 0.1 s is exact once the peak is wider than that.
    assert c[:, 1:].sum(axis=2) * 0.1 == pytest.approx(np.ones((2, 2)), abs=1e-6)
    from medidiff.domains.chromatography.model.flow import flight_s

    flight = flight_s(np.array([15.0]), system.flow, system.column, "He", 333.15)[0]
    mean = (c[0, 1] * t).sum() / c[0, 1].sum()
    assert mean == pytest.approx(flight * (1 + system.transport().k[0]) + 0.5, abs=1e-3)
    assert flight > system.hold_up_s / 2
    # With dispersion the variance, too, is that of a column as long as the way so far.
    inside = column_profile(system, [15.0], t)[0, 0]
    variance = (inside * (t - mean) ** 2).sum() / inside.sum() - 1 / 12
    share = flight / system.hold_up_s
    assert variance == pytest.approx(share * system.transport().variance_s2[0], rel=1e-4)


def test_named_choices_are_the_same_at_the_command_line() -> None:
    from medidiff.cli.verbs.chromatography import simulate as verb
    from medidiff.domains.chromatography.model.system import DISPERSIONS

    assert (verb.ENGINES, verb.DISPERSIONS) == (simulating.ENGINES, DISPERSIONS)


def test_a_picture_that_would_take_minutes_is_not_drawn() -> None:
    """A film a thousand times too thick: the trace is instant, c(x, t) would not be."""
    system = named_system("btex")
    thick = replace(system, column=replace(system.column, film_m=250e-6))
    with pytest.raises(InputError, match="peaks are very broad"):
        column_profile(thick, np.linspace(0.1, 30, 320), np.linspace(0, 600, 1000))
    quick = Analyte("quick", FixedRetention(0.6), lumped_kd_per_s=500.0)  # the others leave after a day
    both = replace(thick, analytes=(*thick.analytes, quick))
    figure = simulate_chromatogram(both, dispersion="none").figure()
    assert any("not drawn" in text.get_text() for axes in figure.axes for text in axes.texts)
