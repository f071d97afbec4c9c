"""The demo: five analytes through the BTEX column, recorded with noise, and fitted back from the trace alone.

The truth is known, so the report says of each number whether its interval holds it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.figures.fit import draw_fit
from medidiff.domains.chromatography.fitting.document import FitDocument
from medidiff.domains.chromatography.fitting.result import FIT, fit_chromatogram
from medidiff.domains.chromatography.model.injection import Rectangle
from medidiff.domains.chromatography.model.stored.shipped import named_system
from medidiff.domains.chromatography.model.system import System
from medidiff.domains.chromatography.simulate import simulate
from medidiff.domains.chromatography.simulation import UNIT
from medidiff.progress import Progress, Report, silent
from medidiff.runs.result import Result

ANALYTES = ("benzene", "toluene", "ethylbenzene", "p-xylene", "o-xylene")  # m-xylene hides under p-xylene
INJECTION_S, END_S, INTERVAL_S = 0.5, 600.0, 0.31
NOISE = 0.005
"""Standard deviation of the noise, of the highest peak."""

_PURPOSE = 14  # of the noise, among all that is drawn by a seed


def demo_system() -> System:
    """The column, its five analytes, and the trace that is recorded."""
    system = named_system("btex").select(ANALYTES)
    return replace(system, injection=Rectangle(INJECTION_S), end_s=END_S, interval_s=INTERVAL_S)


def noisy_trace(system: System, seed: int = 0) -> Chromatogram:
    """What a detector records of the system: its trace and white noise."""
    simulation = simulate(system)
    random = np.random.default_rng(np.random.SeedSequence((seed, _PURPOSE, 0)))
    noise = NOISE * simulation.signal.max() * random.standard_normal(simulation.time_s.size)
    return Chromatogram(simulation.time_s, simulation.signal + noise, UNIT, "simulated")


def demo_chromatography(*, seed: int = 0, progress: Report = silent) -> Result:
    """Simulate, add noise, fit: `fit.json`, `chromatogram.csv`, and the truth beside each number."""
    system = demo_system()
    progress(Progress("demo", 0, 2, "simulate"))
    simulation = simulate(system)
    progress(Progress("demo", 1, 2, "fit"))
    result = fit_chromatogram(noisy_trace(system, seed), system=system, seed=seed)
    progress(Progress("demo", 2, 2))
    found = result.outputs[FIT]
    assert isinstance(found, FitDocument)
    transport = system.transport()
    truth = {
        name: {"k": float(k), "kd_per_s": float(kd), "area": float(area)}
        for name, k, kd, area in zip(system.names, transport.k, transport.kd_per_s, system.areas, strict=True)
    }
    result.report["truth"] = truth
    result.report["covered"] = {
        name: {what: _holds(found.plain["analytes"][name][what], value) for what, value in numbers.items()}
        for name, numbers in truth.items()
    }
    result.provenance["reading"] = {"demo": "chromatography"}
    result.draw = lambda _: draw_fit(found.fit, inside=simulation)
    return result


def _holds(estimate: dict[str, Any], value: float) -> bool:
    low, high = estimate["low"], estimate["high"]
    return low is not None and high is not None and low <= value <= high
