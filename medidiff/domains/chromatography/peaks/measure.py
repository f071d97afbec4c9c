"""From a trace to its peaks: noise, baseline, picking, bounds, areas and shapes, in that order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.peaks.baselines import BaselineChoice, baseline, lift_dips
from medidiff.domains.chromatography.peaks.fitted import with_emgs
from medidiff.domains.chromatography.peaks.integration import (
    RIDER,
    Extent,
    find_extents,
    line_baseline,
    manual_extents,
    raw_area,
    saturated,
    skim_riders,
    skimmed,
    with_manual,
)
from medidiff.domains.chromatography.peaks.noise import Noise, measure_noise, noise_range
from medidiff.domains.chromatography.peaks.picking import THRESHOLD, pick_peaks
from medidiff.domains.chromatography.peaks.shape import (
    Shape,
    measure_shape,
    resolution_half,
    resolution_tangent,
)
from medidiff.domains.chromatography.peaks.shoulders import with_shoulders
from medidiff.domains.chromatography.peaks.table import Peak
from medidiff.errors import InputError

SNR_WIDTHS = 20.0  # FWHM around a peak's place: the pharmacopoeias' window; newer texts accept 5
_FEW = 8  # samples across a FWHM

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Integration:
    """How a trace is integrated.

    threshold: least prominence of an apex, in noises at peak width. off_s: windows (start, end) in which no
    apex counts. manual_s: windows that are one peak each. minimum_area, minimum_height: in the trace's unit
    (times s). negative_s: windows in which negative peaks are sought. emg: also fit exponentially modified
    Gaussians. snr_widths: FWHM around a peak whose noise counts.
    """

    baseline: BaselineChoice = field(default_factory=BaselineChoice)
    threshold: float = THRESHOLD
    shoulders: bool = True
    rider_ratio: float = RIDER
    off_s: Sequence[tuple[float, float]] = ()
    manual_s: Sequence[tuple[float, float]] = ()
    negative_s: Sequence[tuple[float, float]] = ()
    minimum_area: float = 0.0
    minimum_height: float = 0.0
    emg: bool = True
    snr_widths: float = SNR_WIDTHS

    def __post_init__(self) -> None:
        for name in ("threshold", "rider_ratio", "snr_widths"):
            if not 0 < getattr(self, name) < math.inf:
                raise _bad(name, "a finite number above 0", f"{getattr(self, name):g}")
        for name in ("minimum_area", "minimum_height"):
            if not 0 <= getattr(self, name) < math.inf:
                raise _bad(name, "a finite number of at least 0", f"{getattr(self, name):g}")
        for name in ("off_s", "manual_s", "negative_s"):
            for start, end in getattr(self, name):
                if not start < end:
                    raise _bad(name, "windows that end after they start", f"{start:g} to {end:g} s")


@dataclass(frozen=True)
class Measured:
    """What was found: peaks from left to right, the baseline they stand on, the noise, and warnings."""

    peaks: tuple[Peak, ...]
    baseline: Array
    noise: Noise
    warnings: tuple[str, ...] = ()


def measure_peaks(
    time_s: Array,
    signal: Array,
    integration: Integration | None = None,
    *,
    blank: Array | None = None,
) -> Measured:
    """Find and measure the peaks of a trace on a uniform axis.

    time_s, signal: (points,). blank: (points,), whose noise is that of S/N in place of the trace's own.
    InputError for manual bounds outside the trace, MissingError for a baseline whose package is absent.
    """
    chosen = integration or Integration()
    noise = measure_noise(signal)
    first = baseline(time_s, signal, noise, chosen.baseline)
    extents = _positive(time_s, signal, first, noise, chosen)
    curve = first
    if chosen.baseline.method in ("valley", "groups"):
        each = chosen.baseline.method == "valley"
        curve, extents = line_baseline(time_s, signal, noise, extents, each=each)
    above = signal - curve
    extents = skim_riders(time_s, above, extents, ratio=chosen.rider_ratio)
    peaks, shapes = _measured(time_s, signal, above, noise, extents, 1)
    if chosen.emg:
        peaks = with_emgs(time_s, above, extents, shapes, peaks)
    kept = [(peak, extent) for peak, extent in zip(peaks, extents, strict=True) if _large(peak, chosen)]
    found = _with_neighbours([peak for peak, _ in kept])
    if chosen.negative_s:
        found = [*found, *_negative(time_s, signal, above, noise, chosen)]
    found = _with_noise(time_s, above, noise, extents, chosen, found, blank)
    peaks = sorted(found, key=lambda peak: peak.retention_time_s)
    return Measured(tuple(peaks), curve, noise, _warnings(peaks))


def _positive(time_s: Array, signal: Array, first: Array, noise: Noise, chosen: Integration) -> list[Extent]:
    # Drift that a dip interrupts is no peak before the dip.
    lifted = lift_dips(signal, noise)
    picks = pick_peaks(lifted, noise, threshold=chosen.threshold)
    if chosen.shoulders:
        picks = with_shoulders(lifted, noise, picks, threshold=chosen.threshold)
    found = find_extents(signal, first, noise, picks)
    for start, end in chosen.manual_s:
        if start < time_s[0] or end > time_s[-1]:
            expected = f"windows from {time_s[0]:g} to {time_s[-1]:g} s"
            raise _bad("manual bounds", expected, f"{start:g} to {end:g} s", argument=False)
    manual = manual_extents(time_s, signal, chosen.manual_s)
    found = with_manual(found, manual)
    return [extent for extent in found if extent.manual or not _in(time_s[extent.pick.index], chosen.off_s)]


def _in(at_s: float, windows: Sequence[tuple[float, float]]) -> bool:
    return any(start <= at_s < end for start, end in windows)


def _large(peak: Peak, chosen: Integration) -> bool:
    """Whether a peak is reported: what somebody bounded, else what is large and on the right side.

    A bump that lies below the baseline is no peak.
    """
    if "manual" in peak.flags:
        return True
    sign = -1 if "negative" in peak.flags else 1
    positive = sign * peak.area > 0 and sign * peak.height > 0
    large = abs(peak.area) >= chosen.minimum_area and abs(peak.height) >= chosen.minimum_height
    return positive and large


def _measured(
    time_s: Array, signal: Array, above: Array, noise: Noise, extents: Sequence[Extent], sign: int
) -> tuple[list[Peak], list[Shape]]:
    """A peak and its shape for each extent; `above` and `signal` are turned over where the sign is -1."""
    peaks: list[Peak] = []
    shapes: list[Shape] = []
    for extent in extents:
        part = skimmed(time_s, above, extent)
        times, at = time_s[extent.start : extent.end + 1], extent.pick.index - extent.start
        if extent.pick.shoulder:
            shape = Shape(float(times[at]), float(part[at]))
        else:
            shape = measure_shape(times, part, at, white=noise.white)
        shapes.append(shape)
        deviation = math.sqrt(shape.variance_s2) if shape.variance_s2 > 0 else math.nan
        peak = Peak(
            retention_time_s=shape.retention_s,
            height=sign * shape.height,
            area=sign * raw_area(time_s, above, extent),
            start_s=float(time_s[extent.start]),
            end_s=float(time_s[extent.end]),
            fwhm_s=shape.fwhm_s,
            plates_half=shape.plates_half,
            plates_tangent=shape.plates_tangent,
            plates_moment=shape.plates_moment,
            tailing_usp=shape.tailing_usp,
            asymmetry10=shape.asymmetry10,
            flags=_flags(time_s, signal, extent, shape, sign),
            baseline=extent.code,
            width_tangent_s=shape.width_tangent_s,
            width_5_s=shape.width_5_s,
            mean_s=shape.mean_s,
            sigma_s=deviation,
            peak_to_valley=_peak_to_valley(above, extents, len(peaks)),
        )
        peaks.append(peak)
    return peaks, shapes


def _flags(time_s: Array, signal: Array, extent: Extent, shape: Shape, sign: int) -> tuple[str, ...]:
    step = float((time_s[-1] - time_s[0]) / (time_s.size - 1))
    found = {
        "negative": sign < 0,
        "shoulder": extent.pick.shoulder,
        "rider": extent.rider,
        "manual": extent.manual,
        "saturated": saturated(signal, extent),
        "edge": extent.at_edge,
        "few points": shape.fwhm_s < _FEW * step,
    }
    return tuple(name for name, is_so in found.items() if is_so)


def _peak_to_valley(above: Array, extents: Sequence[Extent], index: int) -> float:
    """The height of the smaller peak over that of the higher of its valleys; NaN for one that has none."""
    extent = extents[index]
    ratios = []
    for other, shared, valley in ((index - 1, 0, extent.start), (index + 1, 1, extent.end)):
        if extent.code[shared] == "V" and 0 <= other < len(extents) and above[valley] > 0:
            smaller = min(above[extent.pick.index], above[extents[other].pick.index])
            ratios.append(float(smaller / above[valley]))
    return min(ratios, default=math.nan)


def _with_neighbours(peaks: Sequence[Peak]) -> list[Peak]:
    """The resolution of each peak from the one before it."""
    found = list(peaks[:1])
    for before, peak in pairwise(peaks):
        earlier, later = (
            Shape(p.retention_time_s, p.height, p.fwhm_s, p.width_tangent_s) for p in (before, peak)
        )
        found.append(
            replace(
                peak,
                resolution=resolution_half(earlier, later),
                resolution_tangent=resolution_tangent(earlier, later),
            )
        )
    return found


def _negative(time_s: Array, signal: Array, above: Array, noise: Noise, chosen: Integration) -> list[Peak]:
    """Peaks of the trace turned over, in the windows where they are sought."""
    picks = pick_peaks(-above, noise, threshold=chosen.threshold)
    low = chosen.threshold * noise.sd
    picks = [p for p in picks if _in(time_s[p.index], chosen.negative_s) and above[p.index] < -low]
    picks = [p for p in picks if not _in(time_s[p.index], chosen.off_s)]
    extents = find_extents(-above, np.zeros_like(above), noise, picks)
    peaks, _ = _measured(time_s, -signal, -above, noise, extents, -1)
    return [peak for peak in peaks if _large(peak, chosen)]


def _with_noise(
    time_s: Array,
    above: Array,
    noise: Noise,
    extents: Sequence[Extent],
    chosen: Integration,
    peaks: Sequence[Peak],
    blank: Array | None,
) -> list[Peak]:
    """Signal to noise: from a blank around the peak's place, else from where the trace holds no signal."""
    still, rest = noise.quiet.copy(), above
    for extent in extents:
        still[extent.start : extent.end + 1] = False
    if blank is not None:
        still, rest = np.ones(blank.size, bool), blank
    found = []
    for peak in peaks:
        width = chosen.snr_widths * peak.fwhm_s
        spread = noise_range(time_s, rest, still, at_s=peak.retention_time_s, width_s=width)
        snr = 2 * abs(peak.height) / spread if spread > 0 else math.nan
        found.append(replace(peak, snr=snr, snr_sd=abs(peak.height) / noise.sd if noise.sd else math.nan))
    return found


def _warnings(peaks: Sequence[Peak]) -> tuple[str, ...]:
    found = []
    if flat := [peak for peak in peaks if "saturated" in peak.flags]:
        places = ", ".join(f"{peak.retention_time_s / 60:.3f} min" for peak in flat[:5])
        found.append(
            f"the detector was at its limit at {places}: area, height and widths there are too small"
        )
    if few := sum("few points" in peak.flags for peak in peaks):
        has = "peak has" if few == 1 else "peaks have"
        found.append(f"{few} {has} fewer than {_FEW} samples across the FWHM")
    if cut := sum("edge" in peak.flags for peak in peaks):
        are = "peak is" if cut == 1 else "peaks are"
        found.append(f"{cut} {are} cut off by the beginning or the end of the trace")
    return tuple(found)


def _bad(what: str, expected: str, got: str, *, argument: bool = True) -> InputError:
    """`argument` is false for what another trace would take."""
    fix = "Correct the method, or the bounds given."
    return InputError(what, expected=expected, got=got, fix=fix, argument=argument)
