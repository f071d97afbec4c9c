"""Units that people write to SI and back, each by its name. Nothing here guesses.

from medidiff.domains.chromatography.model.stored.units import from_celsius, from_kpa_gauge, from_ml_min
PressureDriven(from_kpa_gauge(78.7), 101_300.0)
"""

from __future__ import annotations

from medidiff.domains.chromatography.model.plausible import CELSIUS

AMBIENT_PA = 101_300.0
"""The pressure that a gauge calls 0, where nothing else is said."""

_PSI = 6894.757293168
_MINUTE = 60.0


def from_celsius(celsius: float) -> float:
    """°C to K."""
    return celsius + CELSIUS


def to_celsius(kelvin: float) -> float:
    """K to °C."""
    return kelvin - CELSIUS


def from_minutes(minutes: float) -> float:
    """Min to s."""
    return minutes * _MINUTE


def to_minutes(seconds: float) -> float:
    """S to min."""
    return seconds / _MINUTE


def from_mm(millimetres: float) -> float:
    """Mm to m."""
    return millimetres * 1e-3


def from_um(micrometres: float) -> float:
    """µm to m."""
    return micrometres * 1e-6


def from_kpa_absolute(kilopascal: float) -> float:
    """KPa to Pa, absolute."""
    return kilopascal * 1e3


def from_kpa_gauge(kilopascal: float, ambient_pa: float = AMBIENT_PA) -> float:
    """KPa above ambient, as many instruments show an inlet pressure, to absolute Pa."""
    return kilopascal * 1e3 + ambient_pa


def from_psi_gauge(psi: float, ambient_pa: float = AMBIENT_PA) -> float:
    """Psi above ambient (psig) to absolute Pa."""
    return psi * _PSI + ambient_pa


def from_bar_absolute(bar: float) -> float:
    """Bar to Pa, absolute."""
    return bar * 1e5


def from_ml_min(millilitres_per_minute: float) -> float:
    """mL/min to m³/s; at which temperature, the flow's `normal_temperature_k` says."""
    return millilitres_per_minute * 1e-6 / _MINUTE


def from_cm_s(centimetres_per_second: float) -> float:
    """cm/s to m/s."""
    return centimetres_per_second * 1e-2


def from_celsius_min(celsius_per_minute: float) -> float:
    """°C/min to K/s."""
    return celsius_per_minute / _MINUTE
