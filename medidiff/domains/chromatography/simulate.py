"""A simulated chromatogram: which engine computes it, and the run that holds it.

    simulation = simulate(named_system("btex"))            # plain data, milliseconds
    result = simulate_chromatogram("btex")                 # a Result: chromatogram.csv, figure, report

`auto` takes the engine that solves what the system says, never other physics: a programme by quadrature; no
dispersion and a rectangle or a Gaussian by the closed form; dispersion, other injections and a detector by
the Fourier engine; Langmuir parameters by the box scheme where they matter (`summary.LOADING_LIMIT`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from medidiff.domains.chromatography import summary
from medidiff.domains.chromatography.engines.closed import closed_curves
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.engines.transport import Curves, Transport
from medidiff.domains.chromatography.figures.simulation import draw_simulation
from medidiff.domains.chromatography.model.injection import GaussianInjection, Rectangle, TailedRectangle
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.stored.shipped import find_system
from medidiff.domains.chromatography.model.stored.units import from_celsius, to_celsius
from medidiff.domains.chromatography.model.system import System, check_dispersion
from medidiff.domains.chromatography.simulation import UNIT, Simulation
from medidiff.domains.chromatography.summary import Peaks, linear_peaks, sampled_apices
from medidiff.errors import InputError
from medidiff.progress import Progress, Report, silent
from medidiff.runs.clock import Clock, finish_report
from medidiff.runs.provenance import provenance
from medidiff.runs.report import start_report
from medidiff.runs.result import Result, Writable

Engine = Literal["auto", "closed", "fft", "pde", "nonlinear", "programme"]
ENGINES: tuple[str, ...] = get_args(Engine)
LIMIT_S = 600.0
"""Forecast above which an engine refuses."""


def simulate(
    system: System,
    *,
    engine: str = "auto",
    dispersion: str | None = None,
    limit_s: float = LIMIT_S,
    progress: Report = silent,
) -> Simulation:
    """The trace of a system; dispersion None is the system's own.

    Raises InputError where the engine does not solve what the system says, and above `limit_s` seconds of
    forecast; MissingError where the nonlinear engine's numba is absent.
    """
    if engine not in ENGINES:
        raise _bad("engine", ", ".join(ENGINES), repr(engine), "Choose one.")
    if not 0 < limit_s < np.inf:
        raise _bad("limit", "seconds above 0", f"{limit_s:g}", f"{LIMIT_S:g} is the default.")
    named = check_dispersion(system.dispersion if dispersion is None else dispersion)
    if engine == "programme" or (engine == "auto" and not system.oven.is_isothermal):
        with _doubting(system):
            return _programme(system, named)
    with _doubting(system):
        transport = system.transport(named)
        peaks = linear_peaks(transport, system.injection, system.detector_s)
    total = summary.loading(system, peaks)
    summary.check_inside(system, peaks)
    chosen = _choose(system, transport, total) if engine == "auto" else engine
    progress(Progress("simulate", 0, 1))
    with _doubting(system):
        curves = _run(chosen, system, transport, limit_s)
    progress(Progress("simulate", 1, 1))
    warnings = [*system.notes, *curves.warnings, *summary.peak_warnings(system, peaks)]
    warnings += summary.physics_warnings(system, transport, named)
    if total is not None and (said := summary.loading_warning(total, chosen)):
        warnings.append(said)
    if total is not None and chosen in ("nonlinear", "pde"):
        peaks = sampled_apices(peaks, system, curves.c)
    return Simulation(
        system,
        chosen,
        named,
        system.time_s,
        curves.c,
        peaks.apex_s,
        peaks.sigma_s,
        transport,
        peaks,
        total,
        tuple(dict.fromkeys(warnings)),
    )


@contextmanager
def _doubting(system: System) -> Iterator[None]:
    """Put what is odd about the system before the advice of an engine that refuses it.

    A pressure in Pa in place of kPa ends in an engine's limits, whose own advice would not help.
    """
    try:
        yield
    except InputError as error:
        if not system.notes:
            raise
        note = system.notes[0]
        fix = f"Look first at this: {note}{'' if note.endswith('?') else '.'} {error.fix}"
        what, expected, got = error.what, error.expected, error.got
        raise InputError(what, expected=expected, got=got, fix=fix, argument=error.argument) from None


def _choose(system: System, transport: Transport, loading: float | None) -> str:
    """The engine of an isothermal system that named none."""
    dispersed = bool(np.isfinite(transport.peclet).any())
    if loading is not None and loading > summary.LOADING_LIMIT:
        if dispersed:
            raise _bad(
                "engine auto",
                f"a loading of at most {summary.LOADING_LIMIT:g} beside dispersion",
                f"{loading:.2g}",
                "Take --engine pde, which solves both, or --dispersion none.",
            )
        return "nonlinear"
    simple = isinstance(system.injection, Rectangle | GaussianInjection) and not system.detector_s
    return "closed" if simple and not dispersed else "fft"


def _run(engine: str, system: System, transport: Transport, limit_s: float) -> Curves:
    """Curves in mol/m³."""
    t, injection, areas = system.time_s, system.injection, system.areas[:, None]
    if engine == "fft":
        curves = fft_curves(t, transport, injection, detector_s=system.detector_s)
        return replace(curves, c=areas * curves.c)
    if system.detector_s:
        fix = "Set detector_s to 0, or take engine fft."
        raise _bad(f"engine {engine}", "an ideal detector", f"{system.detector_s:g} s", fix)
    if engine == "closed":
        curves = closed_curves(t, transport, injection)
        return replace(curves, c=areas * curves.c)
    b = system.langmuir_b_m3_mol
    if engine == "pde" and b is None:
        from medidiff.domains.chromatography.engines.pde import pde_curves

        curves = pde_curves(t, transport, injection, limit_s=limit_s)
        return replace(curves, c=areas * curves.c)
    if b is None:
        fix = "Give langmuir_b_m3_mol, or take engine auto."
        raise _bad("engine nonlinear", "Langmuir's b of each analyte", "a linear system", fix)
    from medidiff.domains.chromatography.engines.marching.inlet import highest_rate

    inlet = system.areas * highest_rate(injection)
    if engine == "pde":
        from medidiff.domains.chromatography.engines.pde_langmuir import pde_langmuir_curves

        return pde_langmuir_curves(t, transport, b, inlet, injection, limit_s=limit_s)
    from medidiff.domains.chromatography.engines.langmuir import langmuir_curves

    return langmuir_curves(t, transport, b, inlet, injection, limit_s=limit_s)


def _programme(system: System, dispersion: str) -> Simulation:
    from medidiff.domains.chromatography.engines.programme import programme_curves, programme_peaks

    peaks = programme_peaks(system, dispersion=dispersion)
    curves = programme_curves(system.time_s, system, dispersion=dispersion)
    shown = Peaks(peaks.names, peaks.retention_s, peaks.sigma_s, peaks.retention_s, peaks.sigma_s)
    summary.check_inside(system, shown)
    warnings = [*system.notes, *curves.warnings, *summary.peak_warnings(system, shown)]
    if system.langmuir_b_m3_mol is not None:
        warnings.append("engine programme is linear: Langmuir's b is not used")
    return Simulation(
        system,
        "programme",
        dispersion,
        system.time_s,
        system.areas[:, None] * curves.c,
        peaks.retention_s,
        peaks.sigma_s,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def simulate_chromatogram(
    system: str | Path | System = "btex",
    *,
    engine: str = "auto",
    dispersion: str | None = None,
    analytes: Sequence[str] | None = None,
    temperature_c: float | None = None,
    injection_width_s: float | None = None,
    detector_s: float | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    interval_s: float | None = None,
    limit_s: float = LIMIT_S,
    plate_heights: bool = False,
    progress: Report = silent,
) -> Result:
    """The trace of a gas chromatograph as a run: `chromatogram.csv`, its picture, and a report.

    system: "btex", the path of a YAML file (`assets/chromatography-btex.yaml` shows one), or a `System`.
    engine, dispersion, limit_s: as in `simulate`. The others replace what the system says: the analytes
    that are present, one temperature in °C, the width of a rectangle, the detector's time constant, and the
    trace's start, end and interval. plate_heights: add the analytes' plate heights over gas velocity, of an
    isothermal column, as plate_heights.csv and plate_heights.png. Raises InputError for what cannot be,
    MissingError for want of numba.
    """
    clock = Clock()
    found = find_system(system)
    changes = {
        "injection": _wide(found, injection_width_s),
        "oven": None if temperature_c is None else Oven.isothermal(from_celsius(temperature_c)),
        "detector_s": detector_s,
        "start_s": start_s,
        "end_s": end_s,
        "interval_s": interval_s,
    }
    given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
    used = replace(found if analytes is None else found.select(analytes), **given)
    more, found_heights = _plate_heights(used, dispersion) if plate_heights else ({}, {})
    clock.lap()
    simulation = simulate(used, engine=engine, dispersion=dispersion, limit_s=limit_s, progress=progress)
    seconds = clock.lap()
    trace = simulation.chromatogram()
    source = {
        "sha256": used.digest.removeprefix("sha256:"),
        "system": used.name,
        "points": trace.points,
        "interval_s": used.interval_s,
        "units": UNIT,
    }
    report = start_report("chromatography.simulate", 0, source)
    report["methods"] = {
        simulation.engine: {"output": "chromatogram.csv", "seconds": round(seconds, 6), "metrics": {}}
    }
    report |= _facts(simulation) | found_heights
    report["warnings"] += simulation.warnings
    finish_report(report, clock)
    options = {
        "engine": engine,
        "dispersion": simulation.dispersion,
        "limit_s": limit_s,
        "plate_heights": plate_heights,
        "system": used.to_plain(),
    }
    record = provenance(
        "chromatography simulate",
        options,
        {"system": used.digest},
        {},
        seed=0,
        precision="float64",
    )
    return Result(
        {"chromatogram.csv": trace, **more},
        report,
        record,
        draw=partial(draw_simulation, simulation=simulation),
    )


def _plate_heights(system: System, dispersion: str | None) -> tuple[dict[str, Writable], dict[str, Any]]:
    """Table and picture, and what the report says of them."""
    from medidiff.domains.chromatography.figures.plate_heights import PlateHeightPicture
    from medidiff.domains.chromatography.plate_heights import plate_heights

    curves = plate_heights(system, dispersion=dispersion)
    facts = {"velocity_m_s": curves.own_m_s, "analytes": curves.facts()}
    outputs: dict[str, Writable] = {
        "plate_heights.csv": curves,
        "plate_heights.png": PlateHeightPicture(curves),
    }
    return outputs, {"plate_heights": facts}


def _wide(system: System, width_s: float | None) -> Rectangle | TailedRectangle | None:
    """The system's injection with another width; None for its own."""
    if width_s is None:
        return None
    if not isinstance(system.injection, Rectangle | TailedRectangle):
        kind = type(system.injection).__name__
        raise _bad("injection width", "a system whose injection is a rectangle", kind, "Leave it out.")
    return replace(system.injection, width_s=width_s)


def _facts(simulation: Simulation) -> dict[str, Any]:
    """What the report adds: engine, column, analytes, resolution, loading."""
    system, transport, peaks = simulation.system, simulation.transport, simulation.peaks
    facts: dict[str, Any] = {"engine": simulation.engine, "dispersion": simulation.dispersion}
    if transport is None or peaks is None:
        rows = zip(system.names, simulation.retention_s, simulation.sigma_s, strict=True)
        facts["analytes"] = {name: {"retention_time_s": time, "sigma_s": sigma} for name, time, sigma in rows}
        return facts
    velocity = system.column.length_m / transport.t0_s
    facts["column"] = {
        "t0_s": transport.t0_s,
        "velocity_m_s": velocity,
        "mean_pressure_pa": system.mean_pressure_pa,
        "temperature_c": to_celsius(system.temperature_k),
        "phase_ratio": system.column.phase_ratio,
    }
    facts["analytes"] = summary.analyte_facts(system, transport, peaks)
    facts["resolution"] = [{"between": [a, b], "resolution": value} for a, b, value in peaks.neighbours]
    facts["loading"] = simulation.loading
    return facts


def _bad(what: str, expected: str, got: str, fix: str) -> InputError:
    return InputError(what, expected=expected, got=got, fix=fix, argument=True)
