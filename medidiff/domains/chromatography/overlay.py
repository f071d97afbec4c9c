"""A model laid over a recorded trace, fast enough to follow a hand that turns the column's numbers.

    system = turned(named_system("btex"), Knobs(length_m=30, ...))
    over = overlay(trace, system, peaks)     # milliseconds

Areas are not turned, so that the eye judges times and widths alone: each analyte takes the area of the
nearest peak of the data, and stays in sight however far it is turned away. Where no peak was found, areas are
those that fit the data best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from medidiff.domains.chromatography.analysis.chromatogram import uniform_axis
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.flow import ConstantFlow, ConstantVelocity, PressureDriven
from medidiff.domains.chromatography.model.injection import Rectangle
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.retention import FixedRetention
from medidiff.domains.chromatography.model.stored.units import from_celsius, to_celsius
from medidiff.domains.chromatography.model.system import System
from medidiff.domains.chromatography.peaks.table import Peak
from medidiff.domains.chromatography.simulate import simulate
from medidiff.domains.chromatography.summary import Peaks
from medidiff.errors import InputError

Array = NDArray[np.float64]

MOST_POINTS = 200_000
"""Of a trace that is followed by hand."""


@dataclass(frozen=True)
class Knobs:
    """What may be turned. carrier: inlet pressure in kPa absolute, flow in mL/min or velocity in cm/s.

    k: name -> retention factor in place of what the system predicts at the temperature.
    """

    length_m: float
    diameter_mm: float
    film_um: float
    temperature_c: float
    carrier: float
    injection_width_s: float
    k: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Overlay:
    """Data and model over the trace's own axis, (points,) each; components (n, points), baseline left out.

    area: (n,) in the signal's unit times s. peaks: where the model's lie.
    """

    time_s: Array
    signal: Array
    model: Array
    components: Array
    names: tuple[str, ...]
    k: Array
    area: Array
    baseline: float
    peaks: Peaks

    @property
    def residual(self) -> Array:
        """Data - model."""
        return self.signal - self.model

    @cached_property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest value to look at.

        What lies far from every analyte counts up to 12 times as tall as what lies near: a solvent is cut.
        """
        low, high = float(self.signal.min()), float(self.signal.max())
        if not self.near.any():
            return low, high
        top = max(float(self.signal[self.near].max()), float(self.model.max()))
        return low, top if high - low > _SOLVENT * (top - low) > 0 else high

    @cached_property
    def near(self) -> NDArray[np.bool_]:
        """Samples within five standard deviations of an analyte's apex, (points,)."""
        away = np.abs(self.time_s[:, None] - self.peaks.apex_s) / self.peaks.sigma_s
        return np.asarray((away < _NEAR).any(axis=1))

    @property
    def rms(self) -> float:
        """Of the residual, over the signal's range, both as far as `span` goes."""
        low, high = self.span
        seen = self.residual[self.signal <= high]
        return float(np.sqrt(np.mean(seen**2))) / ((high - low) or 1.0)


CARRIERS = {
    PressureDriven: ("Inlet pressure", "kPa absolute"),
    ConstantFlow: ("Flow", "mL/min"),
    ConstantVelocity: ("Gas velocity", "cm/s"),
}
"""What `Knobs.carrier` is, by the system's flow."""

_ML_MIN = 1e-6 / 60
_NEAR, _SOLVENT = 5.0, 12.0  # standard deviations from an apex; times the height of what is near


def knobs_of(system: System) -> Knobs:
    """The system's own numbers; InputError for a programme or an injection that is no rectangle."""
    flow = system.flow
    if isinstance(flow, PressureDriven):
        carrier = flow.inlet_pa / 1e3
    else:
        carrier = flow.flow_m3_s / _ML_MIN if isinstance(flow, ConstantFlow) else 100 * flow.velocity_m_s
    if not isinstance(system.injection, Rectangle):
        kind = type(system.injection).__name__
        raise InputError("injection", expected="a rectangle", got=kind, fix="Take another system.")
    column = system.column
    return Knobs(
        column.length_m,
        1e3 * column.diameter_m,
        1e6 * column.film_m,
        to_celsius(system.temperature_k),
        carrier,
        system.injection.width_s,
    )


def turned(system: System, knobs: Knobs) -> System:
    """The system with these numbers; InputError for what cannot be (no pressure above the outlet's ...)."""
    flow = system.flow
    if isinstance(flow, PressureDriven):
        flow = replace(flow, inlet_pa=1e3 * knobs.carrier)
    elif isinstance(flow, ConstantFlow):
        flow = replace(flow, flow_m3_s=_ML_MIN * knobs.carrier)
    else:
        flow = replace(flow, velocity_m_s=knobs.carrier / 100)
    start = system.injection.start_s if isinstance(system.injection, Rectangle) else 0.0
    return replace(
        system,
        column=Column(
            knobs.length_m, knobs.diameter_mm / 1e3, knobs.film_um / 1e6, system.column.stationary_phase
        ),
        flow=flow,
        oven=Oven.isothermal(from_celsius(knobs.temperature_c)),
        injection=Rectangle(knobs.injection_width_s, start),
        analytes=tuple(
            replace(a, retention=FixedRetention(knobs.k[a.name])) if a.name in knobs.k else a
            for a in system.analytes
        ),
    )


def overlay(trace: Chromatogram, system: System, found: Sequence[Peak] = ()) -> Overlay:
    """The system's trace on the data's axis, with the areas of the peaks that were `found` there.

    An axis that is not uniform is interpolated first. Raises InputError for an axis that is no time, for more
    than `MOST_POINTS` points, and what `simulate` raises.
    """
    if trace.points > MOST_POINTS:
        raise InputError(
            "chromatogram",
            expected=f"at most {MOST_POINTS} points to follow by hand",
            got=str(trace.points),
            fix="Take `medidiff chromatography fit`.",
        )
    time_s, signal, _, _ = uniform_axis(trace)
    step = float((time_s[-1] - time_s[0]) / (len(time_s) - 1))
    unit = tuple(replace(analyte, area=1.0) for analyte in system.analytes)
    # Half a step further, so that rounding never loses the last sample.
    on_axis = replace(
        system, analytes=unit, start_s=float(time_s[0]), end_s=float(time_s[-1] + step / 2), interval_s=step
    )
    simulation = simulate(on_axis, dispersion=system.dispersion)
    if simulation.peaks is None or simulation.transport is None:
        raise InputError("oven", expected="one temperature", got="a programme", fix="Take another system.")
    shapes = simulation.c[:, : len(time_s)]
    if found:
        area = _nearest_areas(simulation.peaks.apex_s, found)
        baseline = float(np.median(signal - area @ shapes))
    else:
        area, baseline = _amounts(shapes, signal)
    components = area[:, None] * shapes
    return Overlay(
        time_s,
        signal,
        components.sum(axis=0) + baseline,
        components,
        system.names,
        simulation.transport.k,
        area,
        baseline,
        simulation.peaks,
    )


def _nearest_areas(apex_s: Array, found: Sequence[Peak]) -> Array:
    """For each analyte (n,) the area of the peak nearest to its apex, shared where several have the same."""
    times = np.array([peak.retention_time_s for peak in found])
    areas = np.maximum([peak.area for peak in found], 0.0)
    nearest = np.abs(apex_s[:, None] - times).argmin(axis=1)
    shared = np.bincount(nearest, minlength=len(found))
    return np.asarray(areas[nearest] / shared[nearest], np.float64)


def _amounts(shapes: Array, signal: Array) -> tuple[Array, float]:
    """Non-negative areas (n,) and a constant of any sign, by least squares through the normal equations."""
    ones = np.ones_like(signal)
    basis = np.stack([*shapes, ones, -ones])
    scale = np.sqrt((basis**2).sum(axis=1))
    scale[scale == 0] = 1.0  # an analyte that leaves after the trace's end
    unit = basis / scale[:, None]
    gram = unit @ unit.T + 1e-12 * np.eye(len(unit))  # ones and -ones are opposite
    root = np.linalg.cholesky(gram)
    found = nnls(root.T, np.linalg.solve(root, unit @ signal))[0] / scale
    return found[:-2], float(found[-2] - found[-1])
