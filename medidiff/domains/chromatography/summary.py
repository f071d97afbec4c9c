"""What a simulation says of itself: numbers of each analyte, resolutions, loading, and warnings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.engines.transport import Transport, moments
from medidiff.domains.chromatography.model.injection import Injection
from medidiff.domains.chromatography.model.system import System
from medidiff.domains.chromatography.samples import vertex
from medidiff.errors import InputError

Array = NDArray[np.float64]

LOADING_WARNING, LOADING_LIMIT = 5e-4, 5e-3
"""sum of b c at the apices: above the first, retention shifts by 0.1 %, above the second by 1 %."""

_OVERLAP = 1.0  # of resolution: below, peaks overlap
_COARSE = 0.5  # sampling intervals in a standard deviation, at most
_GOLAY = 0.02  # of a variance
_OUTSIDE, _UNRETAINED = 1e-3, 1e-6  # of an area


@dataclass(frozen=True, eq=False)
class Peaks:
    """Where a linear system's peaks lie at the detector, (n,) each: mean, standard deviation and apex in s.

    height: of the response to a unit area, 1/s.
    """

    names: tuple[str, ...]
    mean_s: Array
    sigma_s: Array
    apex_s: Array
    height_per_s: Array

    @property
    def neighbours(self) -> list[tuple[str, str, float]]:
        """(earlier, later, resolution) of peaks next to each other: distance over 2 (sigma1 + sigma2)."""
        order = np.argsort(self.mean_s, kind="stable").tolist()
        return [
            (
                self.names[a],
                self.names[b],
                float((self.mean_s[b] - self.mean_s[a]) / (2 * (self.sigma_s[a] + self.sigma_s[b]))),
            )
            for a, b in pairwise(order)
        ]


def linear_peaks(transport: Transport, injection: Injection, detector_s: float) -> Peaks:
    """Moments exactly, apices by a parabola through samples a fortieth of a standard deviation apart."""
    mean, variance, _ = moments(transport, injection, detector_s)
    sigma = np.sqrt(variance)
    found = [
        _apex(transport.select((name,)), injection, detector_s, float(mean[row]), float(sigma[row]))
        for row, name in enumerate(transport.names)
    ]
    apex, height = np.array(found).T
    return Peaks(transport.names, mean, sigma, apex, height)


def _apex(
    one: Transport, injection: Injection, detector_s: float, mean: float, sigma: float
) -> tuple[float, float]:
    t = mean + sigma * np.linspace(-2.0, 1.0, 121)
    return _highest(t, fft_curves(t, one, injection, detector_s=detector_s).c[0])


def sampled_apices(peaks: Peaks, system: System, c: Array) -> Peaks:
    """The same peaks with apices and heights of curves (n, points) in mol/m³: with loading they move."""
    apex, height = np.array([_highest(system.time_s, row) for row in c]).T
    return replace(peaks, apex_s=apex, height_per_s=height / system.areas)


def _highest(t: Array, c: Array) -> tuple[float, float]:
    """Time and height of the highest sample, by a parabola."""
    return vertex(t, c, int(c.argmax()))


def analyte_facts(system: System, transport: Transport, peaks: Peaks) -> dict[str, dict[str, Any]]:
    """Name -> numbers of the column ("k" to "plates") and of the peak at the detector.

    retention_time_s: the mean at the column's end, of an impulse; the terminal shows the detector's apex_s.
    effective_kd_per_s: the kd that would make all of the column's width without dispersion. Of the peak, mean
    and sigma are the linear column's; with loading, apex and height are not.
    """
    b = system.langmuir_b_m3_mol
    effective = 2 * transport.k * transport.t0_s / transport.variance_s2
    facts: dict[str, dict[str, Any]] = {}
    for row, analyte in enumerate(system.analytes):
        peclet, height = transport.peclet[row], analyte.area * peaks.height_per_s[row]
        facts[analyte.name] = {
            "k": transport.k[row],
            "kd_per_s": transport.kd_per_s[row],
            "transfer_units": transport.transfer_units[row],
            "peclet": peclet if np.isfinite(peclet) else None,
            "retention_time_s": transport.mean_s[row],
            "sigma_s": transport.variance_s2[row] ** 0.5,
            "plates": transport.plates[row],
            "effective_kd_per_s": effective[row],
            "peak": {
                "mean_s": peaks.mean_s[row],
                "sigma_s": peaks.sigma_s[row],
                "apex_s": peaks.apex_s[row],
                "height_mol_m3": height,
                "area_mol_s_m3": analyte.area,
            },
        }
        if b is not None:
            facts[analyte.name]["loading"] = b[row] * height
    return facts


def loading(system: System, peaks: Peaks) -> float | None:
    """Sum of b c at the apices of the linear peaks; None for a system without b."""
    b = system.langmuir_b_m3_mol
    return None if b is None else float(b @ (system.areas * peaks.height_per_s))


def check_inside(system: System, peaks: Peaks) -> None:
    """InputError where every peak lies outside of the trace: there would be nothing but zeros."""
    shares = outside_shares(system, peaks)
    if min(shares.values()) < 1 - _OUTSIDE:
        return
    note = system.notes[0] if system.notes else ""
    doubt = f"Look first at this: {note}{'' if note.endswith('?') else '.'} " if note else ""
    axis, first, last = system.time_s, float(peaks.apex_s.min()), float(peaks.apex_s.max())
    raise InputError(
        "trace",
        expected=f"a peak inside it, {axis[0]:g} to {axis[-1]:g} s",
        got=f"apexes from {first:.4g} to {last:.4g} s",
        fix=f"{doubt}Set start_s and end_s around them (--start-s, --end-s).",
    )


def outside_shares(system: System, peaks: Peaks) -> dict[str, float]:
    """Name -> how much of a peak's area lies before or after the trace, were it Gaussian."""
    axis = system.time_s
    before = ndtr((axis[0] - peaks.mean_s) / peaks.sigma_s)
    after = ndtr((peaks.mean_s - axis[-1]) / peaks.sigma_s)
    return dict(zip(peaks.names, (before + after).tolist(), strict=True))


def peak_warnings(system: System, peaks: Peaks) -> list[str]:
    """Overlap, sampling that is too coarse, and peaks outside the trace."""
    found = [
        f"{a} and {b} overlap: resolution {resolution:.2g}"
        for a, b, resolution in peaks.neighbours
        if resolution < _OVERLAP
    ]
    coarse = system.interval_s / peaks.sigma_s
    if coarse.max() > _COARSE:
        worst = int(coarse.argmax())
        found.append(
            f"samples {system.interval_s:g} s apart are too far for {peaks.names[worst]}, whose standard "
            f"deviation is {peaks.sigma_s[worst]:.3g} s: area and height cannot be read from them"
        )
    shares = outside_shares(system, peaks)
    if outside := [_percent(share, name) for name, share in shares.items() if share > _OUTSIDE]:
        found.append(f"outside of the trace: {', '.join(outside)}")
    return found


def physics_warnings(system: System, transport: Transport, dispersion: str) -> list[str]:
    """What the named dispersion leaves out, and what was never retained."""
    found = []
    if dispersion == "none" and all(a.gas_diffusion is not None for a in system.analytes):
        # With the lumped kd Golay's gas term is there already: what he adds is molecular diffusion.
        added = system.transport("molecular").variance_s2 / transport.variance_s2 - 1
        worst = int(added.argmax())
        if added[worst] > _GOLAY:
            found.append(
                f"dispersion none leaves molecular diffusion out: Golay's equation would add "
                f"{100 * added[worst]:.0f} % to the variance of {transport.names[worst]}"
            )
    spike = np.where(np.isinf(transport.peclet), np.exp(-transport.transfer_units), 0.0)
    shares = dict(zip(transport.names, spike.tolist(), strict=True))
    if passing := [_percent(share, name) for name, share in shares.items() if share > _UNRETAINED]:
        found.append(
            f"never retained, a spike at {transport.t0_s:.4g} s that is no part of the curve: "
            f"{', '.join(passing)}"
        )
    return found


def _percent(share: float, name: str) -> str:
    return f"{100 * share:.3g} % of {name}"


def loading_warning(total: float, engine: str) -> str:
    """A sentence on a linear engine's loading above the rule; else nothing."""
    if total <= LOADING_WARNING or engine not in ("closed", "fft"):
        return ""
    shift = 190 * total
    return (
        f"loading {total:.2g} (sum of b c at the apices): peaks would come about {shift:.2g} % of the "
        f"adjusted retention earlier than engine {engine} says"
    )
