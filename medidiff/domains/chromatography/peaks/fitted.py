"""Exponentially modified Gaussians of the peaks of a trace: which are fitted together, from where, and what
counts.

Peaks that share a valley are fitted together, at most four at a time, from several starts until all of them
are described: by their asymmetries, by these turned over, nearly symmetric, strongly tailing. What fails
then is tried without its neighbours: a peak whose valleys are low alone in its own window, the tallest
first, and what is left in runs, each above the curves that were accepted before.

A curve counts where the fit converged, its area is positive, its mean lies within two widths of the apex, its
maximum between the peak's bounds where it makes up a third of the trace at least, and the rms of its residual
between the bounds stays below 5 % of the height. A plateau and a peak that the trace cuts off have none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.peaks.integration import Extent, groups
from medidiff.domains.chromatography.peaks.models import EMG, EMGFit, fit_emg
from medidiff.domains.chromatography.peaks.shape import Shape
from medidiff.domains.chromatography.peaks.table import Peak
from medidiff.errors import InputError

_TOGETHER = 4  # EMGs in one fit
_POOR = 0.05  # of the height: an EMG that leaves more as rms residual describes something else
_FAR = 2.0  # widths between mean and apex
_SHARE = 1 / 3  # of the trace at its apex: an EMG below it describes what lies under the peak
_DENSE = 30  # samples a FWHM that a fit sees: more cost time and tell nothing
_ALONE = 0.2  # of a peak's height: its valleys lie below
_SYMMETRIC, _TAILING = 1.02, 3.0  # asymmetries to start from
_WIDTH_OF_AREA = 0.94  # FWHM times height over area, of a Gaussian

Array = NDArray[np.float64]
Start = tuple[float, float, float, float]
"""Apex in s, height, FWHM in s and asymmetry of a peak."""


@dataclass(eq=False)
class _Part:
    """Neighbours that are fitted together: their bounds, starts (apex, height, FWHM, asymmetry) and curves.

    found: index -> its curve and the rms residual over the height.
    """

    time_s: Array
    above: Array
    extents: Sequence[Extent]
    starts: list[Start]
    found: dict[int, tuple[EMG, float]] = field(default_factory=dict)

    def rest(self, members: Sequence[int]) -> Array:
        """The trace above the accepted curves of all others, (points,)."""
        others = [emg(self.time_s) for i, (emg, _) in self.found.items() if i not in members]
        return self.above - sum(others) if others else self.above

    def fit(self, members: Sequence[int]) -> None:
        """Fit these neighbours in one window and keep what counts."""
        rest, widths = self.rest(members), [self.starts[i][2] for i in members]
        step = float((self.time_s[-1] - self.time_s[0]) / (self.time_s.size - 1))
        start, end = self.extents[members[0]].start, max(self.extents[i].end for i in members)
        every = slice(start, end + 1, max(int(min(widths) / step / _DENSE), 1))
        best: dict[int, tuple[EMG, float]] = {}
        for starts in _starts([self.starts[i] for i in members]):
            try:
                fit = fit_emg(self.time_s[every], rest[every], starts)
            except InputError:  # too few samples for so many parameters
                return
            good = self._good(rest, members, fit, every.step, max(widths)) if fit.converged else {}
            if _better(good, best):
                best = good
            if len(best) == len(members):
                break
        self.found |= best

    def _good(
        self, rest: Array, members: Sequence[int], fit: EMGFit, step: int, width: float
    ) -> dict[int, tuple[EMG, float]]:
        good = {}
        for i, emg in zip(members, fit.peaks, strict=True):
            own = slice(self.extents[i].start, self.extents[i].end + 1, step)
            left = rest[own] - sum(other(self.time_s[own]) for other in fit.peaks)
            apex, height = self.starts[i][:2]
            residual = float(np.sqrt(np.mean(left**2))) / height
            near = abs(emg.mean_s - apex) < _FAR * width and self._shows(rest, i, emg)
            if emg.area > 0 and residual < _POOR and near:
                good[i] = (emg, residual)
        return good

    def _shows(self, rest: Array, i: int, emg: EMG) -> bool:
        """Whether a curve is highest between its peak's bounds, and there a fair part of the trace."""
        extent = self.extents[i]
        curve = emg(self.time_s)
        top = int(np.argmax(curve))
        return bool(extent.start <= top <= extent.end and curve[top] > _SHARE * rest[top])

    def alone(self, i: int) -> bool:
        """Whether the trace falls low between this peak and what is not yet described beside it."""
        extent, rest = self.extents[i], self.rest([i])
        ends = max(rest[extent.start], rest[extent.end])
        return bool(ends < _ALONE * self.starts[i][1])


def with_emgs(
    time_s: Array, above: Array, extents: Sequence[Extent], shapes: Sequence[Shape], peaks: Sequence[Peak]
) -> list[Peak]:
    """The peaks with their EMGs, and the flag "emg failed" where there is none; all in one order."""
    found = list(peaks)
    place = {id(extent): i for i, extent in enumerate(extents)}
    for run in groups(extents):
        for extents_of_part in _parts(above, run):
            members = [place[id(extent)] for extent in extents_of_part]
            for i, curve in zip(
                members, _curves(time_s, above, extents, shapes, peaks, members), strict=True
            ):
                if curve is None:
                    found[i] = replace(found[i], flags=(*found[i].flags, "emg failed"))
                    continue
                emg, residual = curve
                found[i] = replace(
                    found[i],
                    area_fitted=emg.area,
                    emg_mean_s=emg.mean_s,
                    emg_sigma_s=emg.sigma_s,
                    emg_tau_s=emg.tau_s,
                    emg_residual=residual,
                )
    return found


def _parts(above: Array, run: list[Extent]) -> list[list[Extent]]:
    """A long run, cut at its lowest valleys into fits of at most a few peaks."""
    if len(run) <= _TOGETHER:
        return [run]
    cut = 1 + int(np.argmin([above[extent.end] for extent in run[:-1]]))
    return [*_parts(above, run[:cut]), *_parts(above, run[cut:])]


def _curves(
    time_s: Array,
    above: Array,
    extents: Sequence[Extent],
    shapes: Sequence[Shape],
    peaks: Sequence[Peak],
    members: Sequence[int],
) -> list[tuple[EMG, float] | None]:
    """The EMG and relative residual of each member; None where nothing counts."""
    bounds = [extents[i] for i in members]
    starts = [_measured(time_s, above, extents[i], shapes[i]) for i in members]
    part = _Part(time_s, above, bounds, starts)
    possible = [
        n
        for n, i in enumerate(members)
        if not {"saturated", "edge"} & set(peaks[i].flags) and starts[n][1] > 0 and starts[n][2] > 0
    ]
    if len(possible) == len(members):
        part.fit(possible)
    for n in sorted(possible, key=lambda n: -starts[n][1]):
        if n not in part.found and len(members) > 1 and part.alone(n):
            part.fit([n])
    if len(part.found) > 0:
        for run in _runs([n for n in possible if n not in part.found]):
            part.fit(run)
    return [part.found.get(n) for n in range(len(members))]


def _runs(members: Sequence[int]) -> list[list[int]]:
    """Numbers that follow each other, together."""
    runs: list[list[int]] = []
    for n in members:
        if runs and runs[-1][-1] == n - 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return runs


def _better(one: dict[int, tuple[EMG, float]], other: dict[int, tuple[EMG, float]]) -> bool:
    """More curves that count, or as many that leave less."""
    return (len(one), -sum(left for _, left in one.values())) > (
        len(other),
        -sum(left for _, left in other.values()),
    )


def _measured(time_s: Array, above: Array, extent: Extent, shape: Shape) -> Start:
    """Apex, height, FWHM and asymmetry of a peak.

    Where a valley cuts its width off, that is twice the known half; where both do, by area over height.
    """
    if shape.fwhm_s > 0:
        return shape.retention_s, shape.height, shape.fwhm_s, shape.asymmetry10
    part, times = above[extent.start : extent.end + 1], time_s[extent.start : extent.end + 1]
    low = times[part < shape.height / 2]
    halves = np.abs(low - shape.retention_s)
    if halves.size and shape.height > 0:
        width = 2 * float(halves.min())
    else:
        width = _WIDTH_OF_AREA * float(np.trapezoid(part, times)) / shape.height if shape.height else math.nan
    return shape.retention_s, shape.height, width, shape.asymmetry10


def _starts(
    measured: list[Start],
) -> list[list[Start]]:
    """The start as measured, and others that lead to other minima."""
    asymmetries = (
        [asymmetry for *_, asymmetry in measured],
        [1 / asymmetry if asymmetry > 0 else 1 / _SYMMETRIC for *_, asymmetry in measured],
        [_SYMMETRIC] * len(measured),
        [_TAILING] * len(measured),
    )
    return [
        [(*start[:3], asymmetry) for start, asymmetry in zip(measured, chosen, strict=True)]
        for chosen in asymmetries
    ]
