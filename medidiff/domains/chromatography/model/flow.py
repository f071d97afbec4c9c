"""The carrier's flow: pressures, velocity, time of flight. All pressures are absolute.

Steady, isothermal, Hagen-Poiseuille, p u constant:

    p(x)^2 = pin^2 - (x/L) (pin^2 - pout^2),    u(x) = d^2 (pin^2 - pout^2) / (64 eta L p(x))
    t0     = (128/3) eta (L/d)^2 (pin^3 - pout^3)/(pin^2 - pout^2)^2
    pin^2  = pout^2 + (256/pi) (pn/Tn) eta T L/d^4 F_n        for a flow F_n at normal state, pn = 101.3 kPa

With the time of flight th(x) = integral of dx/u as coordinate the linear column is the one of constant
velocity with the same t0, exactly. An outlet at vacuum (a mass spectrometer) is legal: only u(L) is infinite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.model import plausible
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.gas import viscosity_pa_s
from medidiff.errors import InputError

NORMAL_PRESSURE_PA = 101_300.0
"""Of the normal state; with a normal temperature of 25 °C or 0 °C, whichever the instrument means."""

Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True)
class PressureDriven:
    """Constant absolute pressures; an outlet of 0 is a vacuum. InputError unless the inlet's is higher."""

    inlet_pa: float
    outlet_pa: float

    def __post_init__(self) -> None:
        plausible.PRESSURE.check(self.inlet_pa, "inlet pressure")
        plausible.PRESSURE.check(self.outlet_pa, "outlet pressure")
        if not self.inlet_pa > self.outlet_pa:
            raise InputError(
                "inlet pressure",
                expected=f"above the outlet's {self.outlet_pa:g} Pa, both absolute",
                got=f"{self.inlet_pa:g} Pa",
                fix=f"A gauge pressure? Then add the ambient: {self.inlet_pa + self.outlet_pa:g} Pa.",
                argument=True,
            )

    def inlet(self, column: Column, gas: str, temperature_k: Number) -> Number:
        """Inlet pressure in Pa, in the shape of the temperature."""
        return self.inlet_pa + 0 * temperature_k

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what lies outside the usual."""
        low = plausible.PRESSURE.notes(self.outlet_pa, "outlet pressure") if self.outlet_pa > 1e3 else ()
        return (*plausible.PRESSURE.notes(self.inlet_pa, "inlet pressure"), *low)


@dataclass(frozen=True)
class ConstantFlow:
    """A constant flow, given at normal state, against an absolute outlet pressure (0: a vacuum).

    normal_temperature_k: 25 °C by default; some instruments mean 0 °C.
    """

    flow_m3_s: float
    outlet_pa: float
    normal_temperature_k: float = 298.15

    def __post_init__(self) -> None:
        plausible.FLOW.check(self.flow_m3_s)
        plausible.PRESSURE.check(self.outlet_pa, "outlet pressure")
        plausible.TEMPERATURE.check(self.normal_temperature_k, "normal temperature")

    def inlet(self, column: Column, gas: str, temperature_k: Number) -> Number:
        """The inlet pressure in Pa that the flow takes, in the shape of the temperature."""
        normal = NORMAL_PRESSURE_PA / self.normal_temperature_k
        resistance = 256 / np.pi * column.length_m / column.diameter_m**4
        rise = resistance * normal * self.flow_m3_s * viscosity_pa_s(gas, temperature_k) * temperature_k
        inlet: Number = (self.outlet_pa**2 + rise) ** 0.5
        return inlet

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what lies outside the usual."""
        low = plausible.PRESSURE.notes(self.outlet_pa, "outlet pressure") if self.outlet_pa > 1e3 else ()
        return (*plausible.FLOW.notes(self.flow_m3_s), *low)


@dataclass(frozen=True)
class ConstantVelocity:
    """One velocity everywhere (no pressure drop); the absolute pressure matters to diffusion only."""

    velocity_m_s: float
    pressure_pa: float = 101_300.0

    def __post_init__(self) -> None:
        plausible.VELOCITY.check(self.velocity_m_s)
        plausible.PRESSURE.check(self.pressure_pa, "pressure")

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what lies outside the usual."""
        return (
            *plausible.VELOCITY.notes(self.velocity_m_s),
            *plausible.PRESSURE.notes(self.pressure_pa, "pressure"),
        )


Flow = PressureDriven | ConstantFlow | ConstantVelocity


def hold_up_s(flow: Flow, column: Column, gas: str, temperature_k: Number) -> Number:
    """t0, the time of flight of what is not retained, in the shape of the temperature."""
    if isinstance(flow, ConstantVelocity):
        return column.length_m / flow.velocity_m_s + 0 * temperature_k
    high, low = flow.inlet(column, gas, temperature_k), flow.outlet_pa
    return _resistance(column, gas, temperature_k) * (high**3 - low**3) / (high**2 - low**2) ** 2


def mean_pressure_pa(flow: Flow, column: Column, gas: str, temperature_k: Number) -> Number:
    """Pressure averaged over the length, (2/3) (pin^3 - pout^3)/(pin^2 - pout^2)."""
    if isinstance(flow, ConstantVelocity):
        return flow.pressure_pa + 0 * temperature_k
    high, low = flow.inlet(column, gas, temperature_k), flow.outlet_pa
    return (2 / 3) * (high**3 - low**3) / (high**2 - low**2)


def pressure_pa(
    x_m: NDArray[np.float64], flow: Flow, column: Column, gas: str, temperature_k: float
) -> NDArray[np.float64]:
    """Absolute pressure at places from the inlet on, (points,)."""
    if isinstance(flow, ConstantVelocity):
        return np.full_like(x_m, flow.pressure_pa)
    high, low = flow.inlet(column, gas, temperature_k), flow.outlet_pa
    return np.sqrt(high**2 - x_m / column.length_m * (high**2 - low**2))


def velocity_m_s(
    x_m: NDArray[np.float64], flow: Flow, column: Column, gas: str, temperature_k: float
) -> NDArray[np.float64]:
    """Velocity at places from the inlet on, (points,); infinite at an outlet of no pressure."""
    if isinstance(flow, ConstantVelocity):
        return np.full_like(x_m, flow.velocity_m_s)
    high, low = flow.inlet(column, gas, temperature_k), flow.outlet_pa
    eta = viscosity_pa_s(gas, temperature_k)
    with np.errstate(divide="ignore"):
        p = pressure_pa(x_m, flow, column, gas, temperature_k)
        return column.diameter_m**2 * (high**2 - low**2) / (64 * eta * column.length_m * p)


def flight_s(
    x_m: NDArray[np.float64], flow: Flow, column: Column, gas: str, temperature_k: float
) -> NDArray[np.float64]:
    """Time of flight th(x) from the inlet to places, (points,)."""
    if isinstance(flow, ConstantVelocity):
        return x_m / flow.velocity_m_s
    high, low = flow.inlet(column, gas, temperature_k), flow.outlet_pa
    p = pressure_pa(x_m, flow, column, gas, temperature_k)
    return _resistance(column, gas, temperature_k) * (high**3 - p**3) / (high**2 - low**2) ** 2


def giddings_factor(inlet_pa: float, outlet_pa: float) -> float:
    """F = 9/8 (P^4-1)(P^2-1)/(P^3-1)^2, P = pin/pout: what a pressure drop adds to gas-phase plate height.

    The mean-pressure treatment leaves it out; 1 without a drop, 9/8 against a vacuum (Giddings 1963,
    Anal Chem 35:439).
    """
    low = outlet_pa / inlet_pa
    return float(9 / 8 * (1 - low**4) * (1 - low**2) / (1 - low**3) ** 2)


def _resistance(column: Column, gas: str, temperature_k: Number) -> Number:
    slimness = (column.length_m / column.diameter_m) ** 2
    return (128 / 3) * viscosity_pa_s(gas, temperature_k) * slimness
