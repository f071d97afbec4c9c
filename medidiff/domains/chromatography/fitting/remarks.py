"""What a person must know of a fit, as sentences: assumed, not determined, not fitting."""

from __future__ import annotations

import numpy as np

from medidiff.domains.chromatography.fitting.certainty.intervals import Estimate
from medidiff.domains.chromatography.fitting.certainty.judgement import (
    BEYOND_DOUBT,
    FEWEST_POINTS,
    FUSED,
    NON_KINETIC,
    ONE_PEAK,
    OVERLAP,
    RANDOM,
    ROUNDING,
    misfits,
    resolutions,
)
from medidiff.domains.chromatography.fitting.estimates import Analyte
from medidiff.domains.chromatography.fitting.fit import Fit
from medidiff.domains.chromatography.model.plausible import hold_up_notes
from medidiff.uncertainty import correlation_of

_RHAT = 1.01
_FOOT = 0.05  # of a peak's height: below, its residuals are noise


def flags_of(fit: Fit, index: int) -> tuple[str, ...]:
    """Short words for one analyte, for tables: what the sentences say at length."""
    analyte, peak = fit.analytes[index], fit.seen[index]
    absent = index in fit.minimum.problem.absent
    tests = {
        "not-converged": not fit.converged,
        "area-zero": absent,
        "no-maximum": not peak.seen,
        "shared-maximum": peak.shares > 1,
        "overlap": not absent and analyte.resolution < OVERLAP,
        "few-points": not absent and analyte.points < FEWEST_POINTS,
        "k-open": not absent and fit.converged and _open(analyte.k),
        "kd-open": not absent and fit.converged and _open(analyte.kd_per_s),
        "kd-hardly-seen": not absent and analyte.kinetic_share < 1 - NON_KINETIC,
    }
    return tuple(name for name, holds in tests.items() if holds)


def remarks(fit: Fit) -> list[str]:
    """The sentences, those about the whole fit first."""
    found = [*fit.conditions.notes]
    if not fit.converged:
        found.append(f"the fit did not converge: {fit.minimum.best.reason}; its numbers have no intervals")
    elif fit.covariance.singular:
        found.append(_singular(fit))
    if fit.left_out:
        found.append(f"no peak where the system expects it, left out: {', '.join(fit.left_out)}")
    for name, other in fit.hidden:
        found.append(
            f"{name} shares a maximum with {other}, which explains it alone, and was left out: "
            "name both with --analytes to fit both"
        )
    return found + _about_start(fit) + _about_overlap(fit) + _about_analytes(fit) + _about_residuals(fit)


def _singular(fit: Fit) -> str:
    return (
        "some parameters cannot be told apart at all, and have no intervals: "
        + ("peaks that overlap entirely, " if _fused(fit) else "")
        + "or more parameters than the trace determines"
    )


def _about_start(fit: Fit) -> list[str]:
    found = list(hold_up_notes(fit.conditions.t0_s, [peak.mean_s for peak in fit.seen]))
    names = _listed(fit, "no-maximum")
    if names:
        found.append(f"no maximum near the retention that was named: {names}")
    shared = [name for name, peak in zip(fit.model.names, fit.seen, strict=True) if peak.shares > 1]
    if shared:
        found.append(f"more analytes than peaks: {', '.join(shared)} share a maximum, and were split")
    return found


def _about_overlap(fit: Fit) -> list[str]:
    found = [
        f"{', '.join(names)}: to these data they are one peak, and which of them has it is arbitrary"
        for names in _maxima(fit)
        if set(names) & {fit.model.names[i] for i in fit.minimum.problem.absent}
    ]
    for first, second, resolution in _neighbours(fit):
        names = f"{first.name} and {second.name} overlap (resolution {resolution:.2f})"
        near = resolution < OVERLAP or any({first.name, second.name} <= set(names) for names in _maxima(fit))
        if resolution < FUSED or (near and _arbitrary(fit, first, second)):
            found.append(f"{names}: to these data they are one peak, and their parts are arbitrary")
        elif resolution >= OVERLAP:
            continue
        elif fit.ways.interval == "covariance":
            found.append(f"{names}: intervals by covariance are too short there; take --interval profile")
        else:
            found.append(f"{names}: their areas and retentions are strongly correlated")
    return found


def _about_analytes(fit: Fit) -> list[str]:
    found = []
    if names := _listed(fit, "area-zero"):
        found.append(f"an area below 0 was set to 0, and nothing else is known of: {names}")
    if stuck := [name for name, estimate in fit.shared.items() if estimate.value is None]:
        found.append(f"fitted to its limit, and not determined: {', '.join(stuck)}")
    if names := _listed(fit, "few-points"):
        few = min(a.points for i, a in enumerate(fit.analytes) if "few-points" in flags_of(fit, i))
        found.append(
            f"fewer than {FEWEST_POINTS:g} points across the width at half height ({few:.1f}): {names}"
        )
    if names := _listed(fit, "k-open"):
        found.append(f"k is not determined to both sides, its interval is open: {names}")
    if names := _listed(fit, "kd-open"):
        found.append(f"kd is not determined to both sides, its interval is open: {names}")
    if names := _listed(fit, "kd-hardly-seen"):
        found.append(
            "most of the variance is not kinetic (injection, detector, dispersion), so that kd rests on how "
            f"well these are known: {names}"
        )
    return found


def _about_residuals(fit: Fit) -> list[str]:
    found: list[str] = []
    if fit.covariance.sigma < ROUNDING * float(np.abs(fit.trace.signal).max()):
        return found  # of a simulation without noise: what is left is rounding
    if fit.covariance.inflation > 1:
        found.append(
            f"neighbouring residuals correlate (AR(1) coefficient {fit.covariance.correlation:.2f}): "
            f"variances were multiplied by {fit.covariance.inflation:.2f}"
        )
    if fit.runs[1] < RANDOM:
        found.append(f"the residuals are not random (runs test, z {fit.runs[0]:.1f}): look at the picture")
    found += _under_peaks(fit)
    best = fit.families[0]
    kinetic = next(family for family in fit.families if family.name == "kinetic")
    if kinetic.difference > BEYOND_DOUBT:
        found.append(
            f"a shape without physics ({best.name}) explains it better, AICc by {kinetic.difference:.0f}"
        )
    posterior = fit.posterior
    if posterior is not None and posterior.rhat is not None and (posterior.rhat > _RHAT).any():
        found.append(f"the chains have not met (R-hat {np.max(posterior.rhat):.3f}): draw more samples")
    if fit.ways.samples and posterior is None:
        found.append("no samples were drawn: the fit did not converge")
    return found


def _under_peaks(fit: Fit) -> list[str]:
    """Peaks that do not have the model's shape, which the residuals of a whole trace can hide."""
    parts = np.array([*fit.components.values()])
    under = parts > _FOOT * np.maximum(parts.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    times = misfits(fit.residual, under)
    bad = [f"{name} {t:.1f} times" for name, t in zip(fit.model.names, times, strict=True) if t]
    if not bad:
        return []
    return [f"residuals are larger under peaks than elsewhere ({', '.join(bad)}): another analyte or shape?"]


def _neighbours(fit: Fit) -> list[tuple[Analyte, Analyte, float]]:
    """Analytes that are present, each with the next in time, and their resolution."""
    present = [i for i in range(len(fit.analytes)) if i not in fit.minimum.problem.absent]
    p = fit.minimum.best.p
    centres, sigma = fit.model.centres(p)[present], np.sqrt(fit.model.variances(p)[1][present])
    order, found = resolutions(centres, sigma)
    inside = [fit.analytes[present[i]] for i in order]
    return [(a, b, float(rs)) for a, b, rs in zip(inside[:-1], inside[1:], found, strict=True)]


def _maxima(fit: Fit) -> list[tuple[str, ...]]:
    """The names that started as parts of one maximum, together."""
    groups: dict[float, list[str]] = {}
    for name, peak in zip(fit.model.names, fit.seen, strict=True):
        if peak.shares > 1:
            groups.setdefault(peak.maximum_s, []).append(name)
    return [tuple(names) for names in groups.values()]


def _arbitrary(fit: Fit, first: Analyte, second: Analyte) -> bool:
    """Whether an area of two is less certain than it is large.

    Or whether one is nothing but what the other leaves, while the residuals tell of a misfit, which intervals
    know nothing of.
    """
    places = [fit.model.names.index(one.name) + len(fit.minimum.best.p) for one in (first, second)]
    together = float(correlation_of(fit.covariance.matrix)[places[0], places[1]])
    exchanged = together < -ONE_PEAK and _misfit(fit)
    return exchanged or any(_wider(one.area) for one in (first, second))


def _misfit(fit: Fit) -> bool:
    """Whether more than rounding is left, and it is not random."""
    rounding = fit.covariance.sigma < ROUNDING * float(np.abs(fit.trace.signal).max())
    return not rounding and fit.runs[1] < RANDOM


def _wider(area: Estimate) -> bool:
    """Whether an interval is open, or wider than its value."""
    if area.value is None or area.low is None or area.high is None:
        return True
    return area.high - area.low > area.value


def _fused(fit: Fit) -> bool:
    return any(resolution < FUSED for *_, resolution in _neighbours(fit))


def _open(estimate: Estimate) -> bool:
    """Whether it lacks its value or an end."""
    return None in (estimate.value, estimate.low, estimate.high)


def _listed(fit: Fit, flag: str) -> str:
    return ", ".join(name for i, name in enumerate(fit.model.names) if flag in flags_of(fit, i))
