"""`fit_chromatogram`: a chromatogram and what is known of its column -> k, kd and areas with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.figures.fit import draw_fit
from medidiff.domains.chromatography.fitting.certainty.posterior import Sampler
from medidiff.domains.chromatography.fitting.conditions import Wanted, gather_conditions, wanted_analytes
from medidiff.domains.chromatography.fitting.document import (
    fit_document,
    fitted_chromatogram,
    posterior_samples,
)
from medidiff.domains.chromatography.fitting.fit import Fit, IntervalKind, Ways, fit_trace
from medidiff.domains.chromatography.fitting.framing import around_analytes
from medidiff.domains.chromatography.fitting.trace import check_saturation, trace_of
from medidiff.domains.chromatography.model.injection import Injection
from medidiff.domains.chromatography.model.plain import plain
from medidiff.errors import InputError
from medidiff.runs.clock import Clock, finish_report
from medidiff.runs.provenance import provenance
from medidiff.runs.report import start_report
from medidiff.runs.result import Result

if TYPE_CHECKING:
    from medidiff.domains.chromatography.model.system import System

Places = tuple[tuple[str, ...], tuple[float, ...]]
FIT, CURVES, SAMPLES = "fit.json", "chromatogram.csv", "samples.csv"
HIGHEST_ORDER = 8


def fit_chromatogram(
    chromatogram: Chromatogram,
    *,
    t0_s: float | None = None,
    system: str | Path | System | None = None,
    analytes: Sequence[Wanted] | None = None,
    injection_width_s: float | None = None,
    injection: Injection | None = None,
    detector_s: float | None = None,
    dispersion: str | None = None,
    shared: Sequence[str] = (),
    interval: IntervalKind = "covariance",
    level: float = 0.95,
    baseline_order: int = 1,
    window_s: tuple[float, float] | None = None,
    samples: int = 0,
    sampler: Sampler = "hamiltonian",
    seed: int = 0,
) -> Result:
    """Fit every analyte's retention factor k, rate kd and area to a trace, all at once, with intervals.

    What is known of the column: `t0_s`, its hold-up time, or `system`, a name ("btex"), a YAML file or a
    `System`; what is given beside it overrides it. `analytes`: "NAME@RT_s" or (name, RT_s), a NAME alone
    with a system that predicts it; without them the system's analytes, as far as peaks show them, else every
    peak that stands out. `injection_width_s`: of a rectangle from t = 0, or any `injection`. `dispersion`:
    "none" (kd then lumps all broadening), "molecular", "golay"; by default the system's own. `shared`: what
    is fitted for all together, of "t0_s", "injection_width_s", "injection_tail_s", "detector_s".

    `interval`: "covariance", or "profile" for peaks closer than a resolution of 0.5. `baseline_order`: of a
    polynomial. `window_s`: the part of the trace that is fitted, (start, end); by default all but tall peaks
    before the first analyte and after the last. `samples`: posterior draws by
    "hamiltonian" chains with exact slopes, or of the "gaussian" law of the covariance.

    The result holds fit.json, chromatogram.csv (data, model and its parts) and samples.csv. A fit that does
    not converge is a result that says so. Raises InputError for arguments and traces that cannot be used (no
    hold-up time, a saturated plateau, a peak before t0).
    """
    clock = Clock()
    ways = _ways(baseline_order, shared, interval, level, samples, sampler, seed)
    column = None if system is None else _found(system)
    conditions = gather_conditions(
        t0_s=t0_s,
        system=column,
        injection_width_s=injection_width_s,
        injection=injection,
        detector_s=detector_s,
        dispersion=dispersion,
    )
    wanted = wanted_analytes(analytes, conditions)
    trace = trace_of(chromatogram, window_s)
    if window_s is None:
        times = None if wanted is None else wanted[1]
        trace, said = around_analytes(
            trace, conditions, times, baseline_order=baseline_order, optional=analytes is None
        )
        conditions = replace(conditions, notes=(*conditions.notes, *said))
    check_saturation(trace)
    fit = fit_trace(trace, conditions, wanted, ways, optional=analytes is None)
    options = {
        "t0_s": t0_s,
        "system": None if column is None else column.to_plain(),
        "analytes": _asked(analytes, wanted),
        "injection_width_s": injection_width_s,
        "injection": None if injection is None else plain(injection),
        "detector_s": detector_s,
        "dispersion": conditions.dispersion,
        "shared": list(ways.shared),
        "interval": interval,
        "level": level,
        "baseline_order": baseline_order,
        "window_s": window_s,
        "samples": samples,
        "sampler": sampler,
    }
    inputs = {"chromatogram": chromatogram.origin or chromatogram.digest()}
    if column is not None:
        inputs["system"] = column.digest
    return _result(chromatogram, fit, options, inputs, clock)


def _found(system: str | Path | System) -> System:
    from medidiff.domains.chromatography.model.stored.shipped import (
        find_system,  # pydantic, where a file is read
    )

    return find_system(system)


def _asked(analytes: Sequence[Wanted] | None, wanted: Places | None) -> list[str] | None:
    """What was asked for, with every time to its last bit; None where nothing was."""
    if analytes is None or wanted is None:
        return None
    return [f"{name}@{time!r}" for name, time in zip(*wanted, strict=True)]


def _ways(
    baseline_order: int,
    shared: Sequence[str],
    interval: IntervalKind,
    level: float,
    samples: int,
    sampler: Sampler,
    seed: int,
) -> Ways:
    checks: list[tuple[str, bool, str, object]] = [
        (
            "baseline_order",
            0 <= baseline_order <= HIGHEST_ORDER,
            f"from 0 to {HIGHEST_ORDER}",
            baseline_order,
        ),
        ("interval", interval in ("covariance", "profile"), "covariance or profile", interval),
        ("level", 0 < level < 1, "a probability above 0 and below 1", level),
        ("samples", samples >= 0, "a number of at least 0", samples),
        ("sampler", sampler in ("hamiltonian", "gaussian"), "hamiltonian or gaussian", sampler),
        ("shared", len(set(shared)) == len(shared), "each parameter once", ", ".join(shared)),
    ]
    for name, right, expected, got in checks:
        if not right:
            raise InputError(
                name, expected=expected, got=repr(got), fix="Choose one of these.", argument=True
            )
    return Ways(baseline_order, tuple(shared), interval, level, samples, sampler, seed)


def _result(
    chromatogram: Chromatogram, fit: Fit, options: dict[str, Any], inputs: dict[str, str], clock: Clock
) -> Result:
    document = fit_document(fit)
    source = {
        "sha256": inputs["chromatogram"].removeprefix("sha256:"),
        "points": chromatogram.points,
        "interval_s": chromatogram.interval,
        "units": chromatogram.signal_unit,
    }
    report = start_report("chromatography.fit", fit.ways.seed, source)
    report["warnings"] = [*chromatogram.notes, *document.plain["warnings"]]
    report["measurement"] = {name: document.plain[name] for name in ("t0_s", "injection", "dispersion")}
    report["protocol"] = {
        "interval": fit.ways.interval,
        "level": fit.ways.level,
        "points": fit.trace.time_s.size,
        "window_s": [fit.trace.time_s[0], fit.trace.time_s[-1]],
    }
    report["methods"] = {
        "kinetic": {
            "output": FIT,
            "analytes": [analyte.name for analyte in fit.analytes],
            "evaluations": fit.minimum.best.evaluations,
            "converged": fit.converged,
            "noise_sigma": fit.covariance.sigma,
            "metrics": {},
        }
    }
    outputs: dict[str, Any] = {FIT: document, CURVES: fitted_chromatogram(fit)}
    if (table := posterior_samples(fit)) is not None:
        outputs[SAMPLES] = table
    made = provenance(
        "chromatography fit",
        options,
        inputs,
        {},
        seed=fit.ways.seed,
        precision="float64",
    )
    report["methods"]["kinetic"]["seconds"] = round(clock.seconds(), 4)
    finish_report(report, clock)
    return Result(outputs, report, made, draw=lambda result: draw_fit(fit))
