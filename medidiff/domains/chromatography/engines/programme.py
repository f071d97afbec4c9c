"""A temperature programme: when each analyte leaves and how wide, and Gaussian peaks of these numbers.

Retention and width are those of `marching.migration`; the shape is a Gaussian, as other simulators of
programmes draw it, because the kinetic shape is known for one temperature alone. Injection and detector add
their variance, the injection's shrunk as its start and end draw together in a rising temperature.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.domains.chromatography.engines.marching.migration import Passage, Route, travel
from medidiff.domains.chromatography.engines.transport import Curves, check_times
from medidiff.domains.chromatography.model.retention import FAR_K, KCentric
from medidiff.domains.chromatography.model.system import System, check_dispersion

Array = NDArray[np.float64]
_MIDDLE = (0.05, 0.95)  # of the way
SHAPE = "peaks in a temperature programme are Gaussians of the computed retention and width"


@dataclass(frozen=True, eq=False)
class ProgrammePeaks:
    """Retention times and standard deviations at the detector, in s, and oven temperatures then; (n,) each.

    passages: of the column alone, one an analyte.
    """

    names: tuple[str, ...]
    retention_s: Array
    sigma_s: Array
    elution_k: Array
    passages: tuple[Passage, ...]
    warnings: tuple[str, ...] = ()

    def places(self, t: ArrayLike) -> Array:
        """Where the analytes are at the times `t`, (n, points), 0 at the inlet and 1 at the outlet."""
        times = np.asarray(t, np.float64)
        return np.array([np.interp(times, passage.times_s, passage.places) for passage in self.passages])


def programme_peaks(system: System, *, dispersion: str | None = None) -> ProgrammePeaks:
    """Retention and width of every analyte of a system, isothermal or not.

    dispersion: "none" leaves the term 2 D/u out of the plate height; None is the system's own.
    """
    name = check_dispersion(system.dispersion if dispersion is None else dispersion)
    injection, detector = system.injection, system.detector_s
    route = Route(system.column, system.gas, system.flow, system.oven, name != "none")
    passages = travel(route, system.analytes, injection.mean_s)
    warnings = _far(system, passages)
    variances = [p.sigma_s**2 + p.squeeze**2 * injection.variance_s2 + detector**2 for p in passages]
    retention = np.array([passage.retention_s for passage in passages])
    if late := [n for n, time in zip(system.names, retention, strict=True) if time > system.end_s]:
        warnings.append(f"leaving the column after the trace's end at {system.end_s:g} s: {', '.join(late)}")
    elution = system.oven.temperature(retention)
    return ProgrammePeaks(
        system.names, retention + detector, np.sqrt(variances), elution, tuple(passages), tuple(warnings)
    )


def programme_curves(t: ArrayLike, system: System, *, dispersion: str | None = None) -> Curves:
    """Gaussian outlet curves (n, points) in 1/s, of unit area each, at the times `t` (points,)."""
    times = check_times(t)
    peaks = programme_peaks(system, dispersion=dispersion)
    z = (times - peaks.retention_s[:, None]) / peaks.sigma_s[:, None]
    c = np.exp(-(z**2) / 2) / (np.sqrt(2 * np.pi) * peaks.sigma_s[:, None])
    return Curves(c, {}, np.zeros(len(peaks.names)), "programme", (SHAPE, *peaks.warnings))


def _far(system: System, passages: list[Passage]) -> list[str]:
    """A warning on those that travel their middle 90 % far from the characteristic temperature."""
    far = {}
    for analyte, passage in zip(system.analytes, passages, strict=True):
        if not isinstance(analyte.retention, KCentric):
            continue
        begin, end = np.interp(_MIDDLE, passage.places, passage.times_s)
        corners = [time for time in system.oven.times_s if begin < time < end]
        kelvin = system.oven.temperature([begin, *corners, end])
        own = analyte.retention.tchar_k
        distance = max(float(kelvin.min()) - own, own - float(kelvin.max()))
        if distance > FAR_K:
            far[analyte.name] = distance
    if not far:
        return []
    worst = max(far, key=lambda name: far[name])
    return [
        f"the middle 90 % of the way is more than {FAR_K:.0f} K from the characteristic temperature, where "
        f"retention is extrapolated ({worst}: {far[worst]:.0f} K): {', '.join(far)}"
    ]
