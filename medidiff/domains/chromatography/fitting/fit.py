"""A fit of a trace: which k, kd and area of each analyte explain it, how surely, and what speaks against it.

Variable projection with the engines' exact slopes from a start by moments (`start`, `projection`, `descent`),
intervals by covariance or profile (`intervals`), and a judgement of what is not determined (`judgement`). The
other families of shapes, Gaussian and exponentially modified Gaussian, are fitted beside and ranked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from medidiff.domains.chromatography.fitting.certainty.intervals import (
    BetterFit,
    Covariance,
    Estimate,
    Profile,
    covariance_of,
)
from medidiff.domains.chromatography.fitting.certainty.judgement import (
    BEYOND_DOUBT,
    ROUNDING,
    Ranked,
    aicc,
    ranked,
    runs_test,
)
from medidiff.domains.chromatography.fitting.certainty.posterior import Posterior, Sampler, sample_posterior
from medidiff.domains.chromatography.fitting.conditions import Conditions
from medidiff.domains.chromatography.fitting.estimates import Analyte, Estimates
from medidiff.domains.chromatography.fitting.looking import Look, look
from medidiff.domains.chromatography.fitting.solving.empirical import Gaussian, ModifiedGaussian
from medidiff.domains.chromatography.fitting.solving.minimum import Minimum, again, minimise
from medidiff.domains.chromatography.fitting.solving.projection import Problem, polynomial
from medidiff.domains.chromatography.fitting.solving.shapes import SHARED, Array, KineticModel, PeakModel
from medidiff.domains.chromatography.fitting.start import Peak
from medidiff.domains.chromatography.fitting.trace import Trace
from medidiff.errors import InputError
from medidiff.uncertainty import correlation_of

IntervalKind = Literal["covariance", "profile"]
_SMALLEST_SHARE = 0.1  # of a peak's variance: what kinetics is given at the start at least
_TAIL = 0.4  # of the standard deviation: where an exponentially modified Gaussian starts
_RESTARTS = 3
_TILT = 0.5  # of ln kd, between the parts of one maximum

MOST_ANALYTES = 60
"""In one fit: its time grows with their square, and a longer trace is better fitted in windows."""


@dataclass(frozen=True)
class Ways:
    """How to fit. baseline_order: of its polynomial. shared: which of `SHARED` are fitted as well.

    interval: "covariance" or "profile". level: of the intervals. samples: posterior draws, 0 for none. rank:
    whether the other families are fitted as well.
    """

    baseline_order: int = 1
    shared: tuple[str, ...] = ()
    interval: IntervalKind = "covariance"
    level: float = 0.95
    samples: int = 0
    sampler: Sampler = "hamiltonian"
    seed: int = 0
    rank: bool = True


@dataclass(frozen=True, eq=False)
class Fit:
    """A finished fit.

    analytes in the order asked. shared: fitted shared parameters. minimum, covariance: the numbers behind.
    families: kinetic and the others by AICc. runs: z and probability of the residuals' signs. seen: the peaks
    it started from. left_out: analytes of a system that no maximum shows; hidden: (analyte, other) whose
    maximum the other one explains alone. posterior: samples, if asked for.
    """

    trace: Trace
    conditions: Conditions
    ways: Ways
    model: KineticModel
    minimum: Minimum
    covariance: Covariance
    analytes: tuple[Analyte, ...]
    shared: dict[str, Estimate]
    families: tuple[Ranked, ...]
    runs: tuple[float, float]
    seen: tuple[Peak, ...]
    left_out: tuple[str, ...] = ()
    hidden: tuple[tuple[str, str], ...] = ()
    posterior: Posterior | None = None

    @property
    def converged(self) -> bool:
        """Whether a minimum was reached."""
        return self.minimum.best.converged

    @property
    def baseline(self) -> Array:
        """(points,)."""
        return self.minimum.best.place.baseline @ self.minimum.problem.baseline

    @property
    def components(self) -> dict[str, Array]:
        """Each analyte's part of the model, without baseline, (points,)."""
        columns = self.model.shapes(self.minimum.best.p).columns
        areas = self.minimum.best.place.areas
        return {name: areas[i] * columns[i] for i, name in enumerate(self.model.names)}

    @property
    def residual(self) -> Array:
        """Data - model, (points,)."""
        return -self.minimum.best.place.residual

    @property
    def correlation(self) -> Array:
        """Of the nonlinear parameters, (m, m); nan for what is not determined."""
        size = len(self.minimum.best.p)
        return correlation_of(self.covariance.matrix[:size, :size])


def fit_trace(
    trace: Trace,
    conditions: Conditions,
    wanted: tuple[Sequence[str], Sequence[float]] | None = None,
    ways: Ways | None = None,
    *,
    optional: bool = False,
) -> Fit:
    """Fit the analytes wanted (names and retention times in s), or every peak that stands out.

    optional: an analyte that lies outside the trace, or that no maximum shows, is left out and named in
    `left_out`, and one that shares a maximum which a better match explains alone in `hidden`; else the first
    is refused. Raises InputError for peaks that cannot be there, and where there
    are none.
    """
    ways = ways or Ways()
    found = look(trace, conditions, wanted, baseline_order=ways.baseline_order, optional=optional)
    shared = found.shared if optional else []
    if shared:
        found, minimum = _needed(trace, conditions, found, shared, ways)
    else:
        minimum = _minimum(trace, conditions, found, ways)
    model = _model(trace, conditions, found.names, ways)
    minimum, covariance, profile = _certain(minimum, ways)
    estimates = Estimates(model, minimum, covariance, ways.level, profile)
    posterior = None
    if ways.samples and minimum.best.converged:
        posterior = sample_posterior(
            minimum.problem,
            minimum.best,
            minimum.bounds,
            covariance,
            draws=ways.samples,
            sampler=ways.sampler,
            seed=ways.seed,
        )
    return Fit(
        trace,
        conditions,
        ways,
        model,
        minimum,
        covariance,
        estimates.analytes(trace),
        estimates.shared(),
        _families(minimum, model, ways),
        runs_test(minimum.best.place.residual),
        found.seen[0],
        found.left_out,
        tuple((name, group[0]) for group in shared for name in group if name not in found.names),
        posterior,
    )


def _needed(
    trace: Trace, conditions: Conditions, found: Look, shared: Sequence[tuple[str, ...]], ways: Ways
) -> tuple[Look, Minimum]:
    """Under each shared maximum the analyte nearest to it, and those that explain it better beyond doubt."""

    def tried(names: Sequence[str]) -> tuple[Look, Minimum, float]:
        seen = look(trace, conditions, found.only(names), baseline_order=ways.baseline_order)
        minimum = _minimum(trace, conditions, seen, ways)
        least = trace.signal.size * (ROUNDING * float(np.abs(trace.signal).max())) ** 2
        return seen, minimum, _criterion(minimum, least)

    others = [name for group in shared for name in group[1:]]
    best = tried([name for name in found.names if name not in others])
    for name in others:
        with_it = tried([*best[0].names, name])
        absent = with_it[0].names.index(name) in with_it[1].problem.absent
        if with_it[1].best.converged and not absent and with_it[2] < best[2] - BEYOND_DOUBT:
            best = with_it
    return replace(best[0], left_out=found.left_out), best[1]


def _criterion(minimum: Minimum, least: float = 0.0) -> float:
    """The kinetic family's AICc; `least`: a sum of squares below which there is only rounding."""
    parameters = len(minimum.best.p) - len(minimum.bounds.fixed) + len(minimum.best.place.design)
    return aicc(max(minimum.best.place.rss, least), minimum.problem.signal.size, parameters)


def _minimum(trace: Trace, conditions: Conditions, found: Look, ways: Ways) -> Minimum:
    model = _model(trace, conditions, found.names, ways)
    problem = Problem(trace.signal, model, polynomial(trace.time_s, ways.baseline_order))
    _check_size(problem)
    starts = [_start(model, conditions, peaks, ways) for peaks in found.seen]
    if found.shared:
        starts += _unequal(starts[0], found)
    # Lists of peaks that differ where the system knows kd, or in nothing, start at one place.
    distinct = {start.tobytes(): start for start in starts}
    return minimise(problem, list(distinct.values()))


def _unequal(start: Array, found: Look) -> list[Array]:
    """Starts whose earlier parts of a maximum are the narrower ones, and the wider ones.

    A small narrow peak before a wide one resembles a large one before a small: two minima.
    """
    tilt = np.zeros(len(start))
    for group in found.shared:
        members = sorted((found.names.index(name) for name in group), key=lambda i: found.times_s[i])
        tilt[len(found.names) + np.array(members)] = np.linspace(_TILT, -_TILT, len(members))
    return [start + tilt, start - tilt]


def _model(trace: Trace, conditions: Conditions, names: tuple[str, ...], ways: Ways) -> KineticModel:
    return KineticModel(
        names,
        trace.time_s,
        conditions.t0_s,
        conditions.injection,
        conditions.detector_s,
        conditions.peclet(names),
        conditions.boundary,
        ways.shared,
        trace.uniform,
    )


def _start(model: KineticModel, conditions: Conditions, peaks: Sequence[Peak], ways: Ways) -> Array:
    """Ln k and ln kd by moments, kd where the system knows it from there; the shared as they are given."""
    t0 = conditions.t0_s
    mean = np.array([peak.mean_s for peak in peaks]) - conditions.late_s
    for name, peak, at in zip(model.names, peaks, mean, strict=True):
        if at <= t0:
            raise InputError(
                f"analyte {name}",
                expected=f"a peak after the hold-up time, {t0:.6g} s",
                got=f"its maximum at {peak.apex_s:.6g} s",
                fix="Look at --t0-s: what is not retained comes at t0.",
            )
    k = mean / t0 - 1
    total = np.array([peak.variance_s2 for peak in peaks])
    step = np.ptp(model.time_s) / (model.time_s.size - 1)
    given = {"t0_s": t0, "detector_s": conditions.detector_s}
    given |= {"injection_width_s": getattr(conditions.injection, "width_s", 0.0)}
    given |= {"injection_tail_s": getattr(conditions.injection, "tail_s", 0.0)}
    shared = np.log([given[name] or step for name in ways.shared]) if ways.shared else np.zeros(0)
    guess = np.concatenate([np.log(k), np.log(2 * k * t0 / total), shared])
    kinetic, all_of_it = model.variances(guess)
    own = np.maximum(total - (all_of_it - kinetic), _SMALLEST_SHARE * total)
    kd = 2 * k * t0 / own
    known = conditions.rates or {}
    if model.peclet is not None:
        kd = np.array([known.get(name, value) for name, value in zip(model.names, kd, strict=True)])
    return np.concatenate([np.log(k), np.log(kd), shared])


def _certain(
    minimum: Minimum, ways: Ways
) -> tuple[Minimum, Covariance, dict[int, tuple[float | None, float | None]]]:
    """The covariance and, if asked for, the profile's ends by index; a better minimum on the way is taken."""
    for _ in range(_RESTARTS):
        covariance = covariance_of(minimum.problem, minimum.best, minimum.bounds)
        if ways.interval == "covariance" or not minimum.best.converged:
            return minimum, covariance, {}
        try:
            ends = _profiled(minimum, covariance, ways.level)
        except BetterFit as better:
            minimum = again(minimum, better.p)
            continue
        return minimum, covariance, ends
    reason = "the profile goes on to find lower sums of squares"
    best = replace(minimum.best, converged=False, reason=reason)
    return replace(minimum, best=best), covariance, {}


def _profiled(
    minimum: Minimum, covariance: Covariance, level: float
) -> dict[int, tuple[float | None, float | None]]:
    """The ends by index, over all minima that the threshold lets in: peaks that fuse have two of them."""
    problem, bounds, size = minimum.problem, minimum.bounds, len(minimum.best.p)
    least = min(one.place.rss for one in (minimum.best, *minimum.others) if one.converged)
    profiles = [Profile(problem, minimum.best, bounds, covariance, level, least)]
    for other in minimum.others:
        beside = Profile(problem, other, bounds, covariance_of(problem, other, bounds), level, least)
        profiles += [beside] if beside.reached else []
    found = {
        **{i: [one.of_parameter(i) for one in profiles] for i in range(size) if i not in bounds.fixed},
        **{size + i: [one.of_area(i) for one in profiles] for i in problem.free},
    }
    return {i: _hull(ends) for i, ends in found.items()}


def _hull(ends: Sequence[tuple[float | None, float | None]]) -> tuple[float | None, float | None]:
    """From the lowest end to the highest; open where one is."""
    low = [low for low, _ in ends if low is not None]
    high = [high for _, high in ends if high is not None]
    return min(low) if len(low) == len(ends) else None, max(high) if len(high) == len(ends) else None


def _families(minimum: Minimum, model: KineticModel, ways: Ways) -> tuple[Ranked, ...]:
    """The kinetic family, and the two empirical ones fitted from its minimum, by AICc."""
    points, linear = minimum.problem.signal.size, len(minimum.best.place.design)
    found = {"kinetic": _criterion(minimum)}
    present = list(minimum.problem.free)
    if ways.rank and present:
        p = minimum.best.p
        centre, sigma = model.centres(p)[present], np.sqrt(model.variances(p)[1][present])
        for name, rival, start in _rivals(model.time_s, centre, sigma):
            problem = Problem(minimum.problem.signal, rival, minimum.problem.baseline)
            best = minimise(problem, [start]).best
            found[name] = aicc(best.place.rss, points, len(start) + linear)
    return ranked(found)


def _rivals(time_s: Array, centre: Array, sigma: Array) -> list[tuple[str, PeakModel, Array]]:
    tail = _TAIL * sigma
    narrow = np.sqrt(sigma**2 - tail**2)
    gaussian = np.concatenate([centre / sigma, np.log(sigma)])
    modified = np.concatenate([(centre - tail) / sigma, np.log(narrow), np.log(tail)])
    return [
        ("gaussian", Gaussian(time_s, sigma), gaussian),
        ("emg", ModifiedGaussian(time_s, sigma), modified),
    ]


def _check_size(problem: Problem) -> None:
    if problem.model.analytes > MOST_ANALYTES:
        raise InputError(
            "analytes",
            expected=f"at most {MOST_ANALYTES} in one fit",
            got=str(problem.model.analytes),
            fix="Name the peaks that matter with --analytes, or fit a part of the trace with --window-s.",
        )
    needed = 3 * problem.model.analytes + len(problem.baseline) + len(SHARED)
    if problem.signal.size <= needed:
        raise InputError(
            "trace",
            expected=f"more samples than parameters ({needed})",
            got=str(problem.signal.size),
            fix="Fit fewer analytes.",
        )
