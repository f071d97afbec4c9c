"""Plate height against gas velocity, of a system: the curves of van Deemter and Golay as the model has them.

    H(u) = sigma^2 L/tR^2,    sigma^2 and tR of the column alone, without injection and detector

so that with molecular or Golay dispersion H is Golay's equation (1958, Gas Chromatography, Butterworths),

    H = 2 D_m/u + [(1+6k+11k^2)/(96 (1+k)^2) d^2/D_m + 2k df^2/(3 (1+k)^2 D_s)] u,

and without dispersion only what grows with u. u is the average velocity L/t0, as an instrument shows it. A
column with a pressure drop reaches another velocity by another inlet pressure, against the same outlet; D_m
is taken at the mean pressure that belongs to it, so that its curve rises faster than Golay's at one pressure.
Temperature, retention and the film stay. What a pressure drop adds (`flow.giddings_factor`) is left out, as
everywhere in `System.transport`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize_scalar

from medidiff.domains.chromatography.figures.plate_heights import draw_plate_heights
from medidiff.domains.chromatography.model.analyte import Analyte
from medidiff.domains.chromatography.model.flow import ConstantVelocity, PressureDriven, mean_pressure_pa
from medidiff.domains.chromatography.model.gas import FullerDiffusion
from medidiff.domains.chromatography.model.stored.shipped import find_system
from medidiff.domains.chromatography.model.system import System, check_dispersion
from medidiff.domains.chromatography.tables import cell, write_csv
from medidiff.errors import InputError
from medidiff.runs.figures.page import png_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

_SLOWEST, _FASTEST = 1e-4, 1e3  # m/s, between which an optimum is looked for
_POINTS = 121
_BELOW, _ABOVE = 0.3, 2.5  # of the optima: what a curve covers unless velocities are given
_COLUMNS = ("analyte", "velocity_m_s", "inlet_pa", "height_m")


@dataclass(frozen=True, eq=False)
class PlateHeights:
    """Curves of n analytes: velocity_m_s (points,), height_m (n, points).

    inlet_pa: (points,), the absolute inlet pressure of each velocity; NaN where the flow is a velocity.
    optimal_m_s, least_m: (n,), the velocity of the least height, and it; NaN without dispersion, where the
    height only grows. own_m_s, own_m: the system's own velocity, and heights there (n,).
    """

    names: tuple[str, ...]
    dispersion: str
    velocity_m_s: Array
    inlet_pa: Array
    height_m: Array
    optimal_m_s: Array
    least_m: Array
    own_m_s: float
    own_m: Array

    def figure(self) -> Figure:
        """The curves with their optima."""
        return draw_plate_heights(self)

    def _repr_png_(self) -> bytes:
        """The picture that a notebook shows."""
        return png_bytes(self.figure())

    def facts(self) -> dict[str, dict[str, float | None]]:
        """Name -> optimal_velocity_m_s, least_height_m, and height_m at the system's own velocity.

        None for an optimum that is not there.
        """
        rows = zip(self.names, self.optimal_m_s, self.least_m, self.own_m, strict=True)
        return {
            name: {
                "optimal_velocity_m_s": _or_none(best),
                "least_height_m": _or_none(least),
                "height_m": float(own),
            }
            for name, best, least, own in rows
        }

    def write(self, path: Path) -> None:
        """Write plate_heights.csv: a row an analyte and velocity; no inlet pressure where there is none."""
        write_csv(
            path,
            _COLUMNS,
            (
                [name, cell(u), cell(inlet), cell(height)]
                for name, heights in zip(self.names, self.height_m.tolist(), strict=True)
                for u, inlet, height in zip(
                    self.velocity_m_s.tolist(), self.inlet_pa.tolist(), heights, strict=True
                )
            ),
        )


def plate_heights(
    system: str | Path | System = "btex",
    velocity_m_s: ArrayLike | None = None,
    *,
    dispersion: str | None = None,
) -> PlateHeights:
    """Plate heights of a system's analytes over average velocities.

    system: "btex", a YAML file or a `System`. velocity_m_s: (points,), rising or not; by default from well
    below the optima to well above them. dispersion: by default the system's own. Raises InputError for a
    temperature programme and for velocities that are not finite and above 0.
    """
    found = find_system(system)
    named = check_dispersion(found.dispersion if dispersion is None else dispersion)
    if not found.oven.is_isothermal:
        fix = "Give one temperature: a plate height belongs to it."
        raise _bad("plate heights", "an oven of one temperature", "a programme", fix)
    heights = _heights_of(found, named)
    own = found.column.length_m / found.hold_up_s
    if named == "none":
        optimal = np.full(len(found.names), np.nan)
    else:
        optimal = np.array([_optimum(heights, row) for row in range(len(found.names))])
    at = _velocities(own, optimal) if velocity_m_s is None else _checked(velocity_m_s)
    return PlateHeights(
        found.names,
        named,
        at,
        np.array([_inlet_pa(found, u) for u in at.tolist()]),
        np.stack([heights(u) for u in at.tolist()], axis=1),
        optimal,
        np.array([heights(u)[row] if u == u else np.nan for row, u in enumerate(optimal.tolist())]),
        own,
        heights(own),
    )


def _heights_of(system: System, dispersion: str) -> Callable[[float], Array]:
    """Velocity -> heights (n,). The film's rate is the system's own at each velocity, the gas's is not."""
    kelvin, reference = system.temperature_k, system.mean_pressure_pa
    analytes = [_film_fixed(analyte, system) for analyte in system.analytes]

    def at_pressure(analyte: Analyte, pressure: float) -> Analyte:
        gas = analyte.gas_diffusion
        if gas is None or isinstance(gas, FullerDiffusion):
            return analyte
        return replace(analyte, gas_diffusion=gas * reference / pressure)

    def heights(velocity: float) -> Array:
        flow = _flow(system, velocity)
        pressure = float(mean_pressure_pa(flow, system.column, system.gas, kelvin))
        changed = tuple(at_pressure(analyte, pressure) for analyte in analytes)
        transport = replace(system, flow=flow, analytes=changed).transport(dispersion)
        # Open: the few plates that the column's two ends take do not belong to a height of one.
        transport = replace(transport, boundary="open")
        return np.asarray(system.column.length_m / transport.plates)

    return heights


def _film_fixed(analyte: Analyte, system: System) -> Analyte:
    """The analyte with the film's kd that it has in the system, where that can be told from the gas's."""
    if analyte.gas_diffusion is None:
        return analyte
    kelvin, column = system.temperature_k, system.column
    k = float(analyte.retention.retention_factor(kelvin, column))
    gas = analyte.gas_diffusion_m2_s(system.gas, kelvin, system.mean_pressure_pa)
    film = analyte.film_rate_per_s(k, gas, column)
    return replace(analyte, film_diffusion_m2_s=None, lumped_kd_per_s=None, film_kd_per_s=film)


def _flow(system: System, velocity: float) -> PressureDriven | ConstantVelocity:
    if isinstance(system.flow, ConstantVelocity):
        return replace(system.flow, velocity_m_s=velocity)
    return PressureDriven(_inlet_pa(system, velocity), system.flow.outlet_pa)


def _inlet_pa(system: System, velocity: float) -> float:
    """The inlet pressure that gives an average velocity against the system's outlet; NaN where none does.

    With a = pin - pout and b = pin + pout, t0 = R (pin^3 - pout^3)/(pin^2 - pout^2)^2
    = R (3 + (a/b)^2)/(4 a).
    """
    if isinstance(system.flow, ConstantVelocity):
        return np.nan
    low = system.flow.outlet_pa
    drop = float(system.flow.inlet(system.column, system.gas, system.temperature_k)) - low
    wanted = _slowness(drop, low) / drop * system.column.length_m / (velocity * system.hold_up_s)
    # The slowness lies from 3 to 4 at any pressure, the ends included: the root lies well between these.
    ends = (2.5 / wanted, 4.5 / wanted)
    return low + float(brentq(lambda a: _slowness(a, low) - wanted * a, *ends, xtol=1e-13 * ends[0]))


def _slowness(drop: float, low: float) -> float:
    """3 + (a/b)^2, which is 4 a t0/R: 3 for a small drop, 4 against a vacuum."""
    return 3 + (drop / (drop + 2 * low)) ** 2


def _optimum(heights: Callable[[float], Array], row: int) -> float:
    bounds = (np.log(_SLOWEST), np.log(_FASTEST))
    found = minimize_scalar(
        lambda x: float(np.log(heights(float(np.exp(x)))[row])),
        bounds=bounds,
        method="bounded",
        options={"xatol": 1e-8},
    )
    return float(np.exp(found.x))


def _velocities(own: float, optimal: Array) -> Array:
    ends = (own, own) if np.isnan(optimal).all() else (optimal.min(), optimal.max())
    low, high = min(_BELOW * ends[0], own / 2), max(_ABOVE * ends[1], 1.5 * own)
    return np.geomspace(low, high, _POINTS)


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _checked(velocity_m_s: ArrayLike) -> Array:
    at = np.asarray(velocity_m_s, np.float64)
    if at.ndim != 1 or at.size == 0 or not (np.isfinite(at) & (at > 0)).all():
        raise _bad("velocities", "one or more in a row, above 0 m/s", f"shape {at.shape}", "Give m/s.")
    return at


def _bad(what: str, expected: str, got: str, fix: str) -> InputError:
    return InputError(what, expected=expected, got=got, fix=fix, argument=True)
