"""Seconds of each engine on the reference column, and of the rivals' problems beside CADET."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medidiff.bench.chromatography import cadet, oracle
from medidiff.bench.chromatography.cases import (
    BTEX,
    C3_PE,
    ONE_SECOND,
    Array,
    Measured,
    Options,
    btex_five,
    median_seconds,
    off_by,
    uniform,
)
from medidiff.bench.report import Row
from medidiff.domains.chromatography.engines.closed import closed_curves
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.engines.fft_plan import fft_plan
from medidiff.domains.chromatography.engines.langmuir import langmuir_curves
from medidiff.domains.chromatography.engines.pde import pde_curves
from medidiff.domains.chromatography.engines.transport import Curves, Transport
from medidiff.domains.chromatography.model.injection import Rectangle

FFT_S, CLOSED_S = 1e-3, 4e-3
PDE_GATE, NONLINEAR_TOLERANCE = 1e-4, 1e-3
LINEAR_GATE, LANGMUIR_GATE = 1000.0, 10.0
LINEAR_ERROR, LANGMUIR_ERROR = 1e-3, 1e-5
_LOADING = 1e-9  # b c at the inlet: the linear limit, where the closed form is the truth
_LINEAR_TRIES = (
    cadet.Settings(30, 6, 1e-5, 1e-7),
    cadet.Settings(40, 6, 1e-5, 1e-7),
    cadet.Settings(20, 10, 1e-5, 1e-7),
    cadet.Settings(30, 8, 1e-6, 1e-8),
    cadet.Settings(100, 3, 1e-6, 1e-8),
    cadet.Settings(100, 5, 1e-7, 1e-9),
)
_LANGMUIR_TRIES = (
    cadet.Settings(8, 8, 1e-5, 1e-7),
    cadet.Settings(16, 6, 1e-5, 1e-7),
    cadet.Settings(20, 4, 1e-6, 1e-8),
    cadet.Settings(12, 8, 1e-6, 1e-8),
)
_REPEATS = 3  # of CADET's fastest
_TRUTH = 1e-9
_T0 = 10.0  # of the pair, whose equations know only tau


def seconds(_: Options) -> Measured:
    """seconds.<engine> on the reference column, with what pde and nonlinear err by there."""
    return Measured(tuple(_seconds()), remarks=_REMARKS)


_REMARKS = (
    "seconds: median of 20 calls in one thread, closed without dispersion (lumped kd), fft and pde with "
    "molecular dispersion; pde and nonlinear (without dispersion, tolerance 1e-3) take seconds and are "
    "called once.",
)


def _seconds() -> Iterator[Row]:
    system, t = btex_five()
    still, spread = system.transport("none"), system.transport()
    fast: dict[str, tuple[Callable[[], Curves], float]] = {
        "closed": (lambda: closed_curves(t, still, ONE_SECOND), CLOSED_S),
        "fft": (lambda: fft_curves(t, spread, ONE_SECOND), FFT_S),
    }
    for engine, (call, gate) in fast.items():
        yield Row(BTEX, f"seconds.{engine}", median_seconds(call), "s", gate, better="lower")
    loads = np.full(len(still.names), _LOADING)

    def langmuir() -> Curves:
        return langmuir_curves(
            t, still, loads, np.ones_like(loads), ONE_SECOND, tolerance=NONLINEAR_TOLERANCE, limit_s=np.inf
        )

    langmuir_curves(
        t[:2], still, loads, np.ones_like(loads), ONE_SECOND, tolerance=0.5, limit_s=np.inf
    )  # compile
    slow: dict[str, tuple[Callable[[], Curves], Curves, str, float]] = {
        "pde": (
            lambda: pde_curves(t, spread, ONE_SECOND, limit_s=np.inf),
            fft_curves(t, spread, ONE_SECOND),
            "fft_vs_pde",
            PDE_GATE,
        ),
        "nonlinear": (
            langmuir,
            closed_curves(t, still, ONE_SECOND),
            "closed_vs_nonlinear",
            NONLINEAR_TOLERANCE,
        ),
    }
    for engine, (call, truth, metric, gate) in slow.items():
        begun = time.perf_counter()
        found = call().c
        yield Row(BTEX, f"seconds.{engine}", time.perf_counter() - begun, "s", better="lower")
        yield Row(BTEX, metric, off_by(found, truth.c), "of the peak", gate, better="lower")


def beside_cadet(_: Options) -> Measured:
    """speedup_vs_cadet.linear and .langmuir, with every setting of CADET that was tried."""
    program = cadet.find_cadet()
    if program is None:
        names = ("speedup_vs_cadet.linear", "speedup_vs_cadet.langmuir")
        return Measured((), tuple(f"{name}: {cadet.HOW}" for name in names))
    rows = [row for race in (_linear(), _langmuir()) for row in _run_race(program, race)]
    return Measured(tuple(rows), remarks=_CADET_REMARKS)


_CADET_REMARKS = (
    "CADET-Core 5.1.1 by its command line: lumped rate model without pores, kinetic binding, Danckwerts "
    "inlet, one thread; its time is /meta/TIME_SIM of its output file, the time integration alone, the "
    "least of three for the fastest setting, without its set-up; ours is likewise a call with its plan made "
    "(linear; the whole call stands beside it) or the whole call (langmuir). A speedup is over CADET's "
    "fastest setting within the error that the row error_beside_cadet has as its gate; ours errs by no more.",
)


@dataclass(frozen=True)
class _Race:
    """A problem for both, the truth at its times, our error and time, and what is asked of the speedup."""

    name: str
    words: str
    problem: cadet.Problem
    truth: Array
    tries: tuple[cadet.Settings, ...]
    most: float
    error: float
    taken: float
    whole: float
    gate: float


def _linear() -> _Race:
    """C3 with dispersion; the truth is ours, which a few points by mpmath confirm to 1e-14."""
    t = uniform(150.0, 0.05, 1401)
    ours = fft_curves(t, C3_PE.transport, ONE_SECOND).c
    plan = fft_plan(t, C3_PE.transport, ONE_SECOND)
    few = slice(600, 900, 30)
    problem = cadet.Problem(
        C3_PE.t0_s,
        np.array([C3_PE.units]),
        np.array([C3_PE.kd_per_s]),
        np.ones(1),
        1.0,
        np.concatenate([[0.0], t]),
        C3_PE.peclet,
    )
    return _Race(
        "linear",
        f"{C3_PE.words}, rectangle 1 s, 1401 points",
        problem,
        ours,
        _LINEAR_TRIES,
        LINEAR_ERROR,
        off_by(ours[:, few], oracle.outlet(C3_PE, 1.0, t[few])),
        median_seconds(lambda: fft_curves(t, C3_PE.transport, ONE_SECOND, plan=plan)),
        median_seconds(lambda: fft_curves(t, C3_PE.transport, ONE_SECOND)),
        LINEAR_GATE,
    )


def _langmuir() -> _Race:
    """The coupled pair; the truth is ours on grids so fine that they err by 1e-9."""
    units, kd, b, inlet = (np.array(pair) for pair in ((50.0, 40.0), (1.0, 1.2), (0.5, 0.8), (1.0, 0.5)))
    transport = Transport(("first", "second"), _T0, units / kd / _T0, kd)
    t, rectangle = uniform(_T0, 0.1, 1201), Rectangle(4.0)

    def ours() -> Curves:
        return langmuir_curves(t, transport, b, inlet, rectangle, tolerance=LANGMUIR_ERROR)

    truth = langmuir_curves(t, transport, b, inlet, rectangle, tolerance=_TRUTH).c
    taken = median_seconds(ours)
    return _Race(
        "langmuir",
        "coupled Langmuir pair: N 50 and 40, b c 0.5 and 0.4, 1201 points",
        cadet.Problem(_T0, units, kd, inlet, 4.0, np.concatenate([[0.0], t]), np.inf, b),
        truth,
        _LANGMUIR_TRIES,
        LANGMUIR_ERROR,
        off_by(ours().c, truth),
        taken,
        taken,
        LANGMUIR_GATE,
    )


def _run_race(program: Path, race: _Race) -> Iterator[Row]:
    """Error and time of every setting, then the speedup over the fastest that errs by at most `most`."""
    name, best = race.name, None
    for settings in race.tries:
        outlet, taken = cadet.solve(program, race.problem, settings)
        error = off_by(outlet[:, 1:], race.truth)
        case = f"{race.words}: {settings.words}"
        yield Row(case, f"cadet_error.{name}", error, "of the peak", better="lower")
        yield Row(case, f"cadet_seconds.{name}", taken, "s", better="lower")
        if error <= race.most and (best is None or taken < best[0]):
            best = (taken, error, settings)
    yield Row(race.words, f"error_beside_cadet.{name}", race.error, "of the peak", race.most, better="lower")
    yield Row(race.words, f"seconds_beside_cadet.{name}", race.taken, "s", better="lower")
    yield Row(race.words, f"whole_call_beside_cadet.{name}", race.whole, "s", better="lower")
    if best is None:
        return
    again = [cadet.solve(program, race.problem, best[2])[1] for _ in range(_REPEATS - 1)]
    least = min(best[0], *again)
    case = f"{race.words}; CADET {best[2].words}, error {best[1]:.1e}, {least:.3f} s"
    yield Row(case, f"speedup_vs_cadet.{name}", least / race.taken, "x", race.gate)
