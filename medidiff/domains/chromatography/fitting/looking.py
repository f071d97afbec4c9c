"""Which analytes a fit is about, and the peaks it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medidiff.domains.chromatography.fitting.conditions import Conditions
from medidiff.domains.chromatography.fitting.start import Peak, locate, rough_baseline
from medidiff.domains.chromatography.fitting.trace import Trace, check_wanted
from medidiff.domains.chromatography.samples import white_noise
from medidiff.errors import InputError

TALL = 0.05
"""Of the highest analyte: a peak of none that would spoil the fit."""

_EARLY, _RETAINED = 0.98, 1 + 1e-3  # of the hold-up time
_APART = (0.8, 1.4, 0.5)  # standard deviations between the parts of one maximum, tried in turn


@dataclass(frozen=True)
class Look:
    """names and times_s (retentions named; of peaks that nobody named, their apexes): (n,) each.

    seen: the peaks that they start from, in that order; several lists where maxima are shared. left_out:
    names that no maximum shows.
    """

    names: tuple[str, ...]
    times_s: tuple[float, ...]
    seen: tuple[tuple[Peak, ...], ...]
    left_out: tuple[str, ...] = ()

    @property
    def shared(self) -> list[tuple[str, ...]]:
        """The names that share a maximum, nearest to it first; a tuple for each such maximum."""
        groups: dict[float, list[tuple[float, str]]] = {}
        for name, time, peak in zip(self.names, self.times_s, self.seen[0], strict=True):
            if peak.shares > 1:
                groups.setdefault(peak.maximum_s, []).append((abs(time - peak.maximum_s), name))
        return [tuple(name for _, name in sorted(group)) for group in groups.values()]

    def only(self, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[float, ...]]:
        """Some of the names with their times, in this order."""
        kept = [pair for pair in zip(self.names, self.times_s, strict=True) if pair[0] in names]
        return tuple(name for name, _ in kept), tuple(time for _, time in kept)


def look(
    trace: Trace,
    conditions: Conditions,
    wanted: tuple[Sequence[str], Sequence[float]] | None,
    *,
    baseline_order: int,
    optional: bool = False,
) -> Look:
    """Find the analytes wanted (names and retention times in s), or every peak that stands out.

    optional: names that lie outside the trace, or that no maximum shows, are left out. Raises InputError for
    peaks that cannot be there, and where there are none.
    """
    time, signal, t0 = trace.time_s, trace.signal, conditions.t0_s
    noise = white_noise(signal)
    rest = signal - rough_baseline(time, signal, baseline_order, noise)
    if wanted is None:
        found = locate(time, rest, noise, None)
        peaks = [peak for peak in found if retained(peak, conditions)]
        if not peaks:
            fix = "Name them with --analytes NAME@RT_s, or look at the hold-up time."
            expected = f"peaks after the hold-up time, {t0:.6g} s"
            raise InputError("trace", expected=expected, got="none that stands out of the noise", fix=fix)
        _refuse_early(found, conditions)
        names = [f"peak_{i}" for i in range(1, len(peaks) + 1)]
        return Look(tuple(names), tuple(peak.apex_s for peak in peaks), (tuple(peaks),))
    names, times = list(wanted[0]), list(wanted[1])
    left_out: list[str] = []
    if optional:
        inside = [time[0] < at < time[-1] and at > t0 for at in times]
        shown = [peak.seen for peak in locate(time, rest, noise, times)]
        left_out = [name for name, a, b in zip(names, inside, shown, strict=True) if not (a and b)]
        times = [at for name, at in zip(names, times, strict=True) if name not in left_out]
        names = [name for name in names if name not in left_out]
        if not names:
            fix = "Name what is in it with --analytes NAME@RT_s, or look at the system's conditions."
            got = "none where they are expected"
            raise InputError("trace", expected="peaks of the system's analytes", got=got, fix=fix)
    check_wanted(names, times, trace, t0)
    first = locate(time, rest, noise, times, apart=_APART[0])
    if all(peak.shares == 1 for peak in first):
        return Look(tuple(names), tuple(times), (tuple(first),), tuple(left_out))
    others = [locate(time, rest, noise, times, apart=apart) for apart in _APART[1:]]
    every = tuple(tuple(peaks) for peaks in (first, *others))
    return Look(tuple(names), tuple(times), every, tuple(left_out))


def retained(peak: Peak, conditions: Conditions) -> bool:
    """Whether it comes after the hold-up time."""
    return peak.mean_s - conditions.late_s > _RETAINED * conditions.t0_s


def too_early(peak: Peak, conditions: Conditions) -> bool:
    """Whether it comes well before the hold-up time, where nothing can."""
    return peak.mean_s - conditions.late_s < _EARLY * conditions.t0_s


def _refuse_early(peaks: Sequence[Peak], conditions: Conditions) -> None:
    """A tall peak well before the hold-up time would stay in the residual, and spoil its neighbours' fit."""
    tall = TALL * max((peak.height for peak in peaks), default=0.0)
    early = [peak for peak in peaks if too_early(peak, conditions) and peak.height >= tall]
    if early:
        fix = "Mend --t0-s, begin the --window-s after that peak, or name what to fit with --analytes."
        expected = f"no tall peak before the hold-up time, {conditions.t0_s:.6g} s"
        raise InputError("trace", expected=expected, got=f"one at {early[0].apex_s:.6g} s", fix=fix)
