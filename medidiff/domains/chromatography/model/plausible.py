"""Whether a quantity lies where a gas chromatograph's does, and if not, which unit was probably meant.

What cannot be (a negative length, a retention factor of 0) is refused where it stands; what is merely odd is
used as it is and noted in a sentence, which ends among the warnings of a result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from medidiff.errors import InputError

CELSIUS = 273.15
"""Kelvin of 0 °C."""


@dataclass(frozen=True)
class Quantity:
    """A quantity in SI `unit`, its usual range, and units that are taken for it: name -> their size in SI."""

    name: str
    unit: str
    low: float
    high: float
    mistaken: tuple[tuple[str, float], ...] = ()
    zero: bool = False
    """Whether 0 is a value."""
    asked: tuple[tuple[str, float], ...] = ()
    """Units in which files and options ask for it, where a number in SI may be given: name -> size in SI."""

    def check(self, value: float, what: str = "") -> None:
        """InputError for a value that is not finite, or not above 0."""
        if math.isfinite(value) and (value > 0 or (self.zero and value == 0)):
            return
        raise InputError(
            what or self.name,
            expected=f"a finite {self.name} {'of at least' if self.zero else 'above'} 0 {self.unit}".rstrip(),
            got=f"{value:g}",
            fix=f"{self.low:g} to {self.high:g} {self.unit}".rstrip() + " is usual.",
            argument=True,
        )

    def notes(self, value: float, what: str = "") -> tuple[str, ...]:
        """A sentence on a value outside the usual range, none for another."""
        if self.low <= value <= self.high or (self.zero and value == 0):
            return ()
        said = f"{what or self.name}: {value:g} {self.unit}".rstrip()
        said += f" lies outside the usual {self.low:g} to {self.high:g} {self.unit}".rstrip()
        meant = [unit for unit, size in self.mistaken if self.low <= value * size <= self.high]
        meant += [f"{self.unit}, not {u}" for u, size in self.asked if self.low <= value / size <= self.high]
        if self.unit == "K" and self.low <= value + CELSIUS <= self.high:
            meant = ["°C"]
        elif self.unit == "K" and self.low <= value - CELSIUS <= self.high:
            meant = ["K, not °C"]
        return (f"{said}; was it meant in {' or '.join(meant)}?" if meant else said,)


LENGTH = Quantity("column length", "m", 0.5, 200.0, (("cm", 1e-2), ("mm", 1e-3), ("inches", 0.0254)))
DIAMETER = Quantity("inner diameter", "m", 20e-6, 1e-3, (("mm", 1e-3), ("µm", 1e-6)), asked=(("mm", 1e-3),))
FILM = Quantity(
    "film thickness", "m", 10e-9, 20e-6, (("µm", 1e-6), ("mm", 1e-3), ("nm", 1e-9)), asked=(("µm", 1e-6),)
)
TEMPERATURE = Quantity("temperature", "K", 223.0, 700.0)
PRESSURE = Quantity(
    "absolute pressure",
    "Pa",
    2e4,
    2e6,
    (("kPa", 1e3), ("psi", 6894.757), ("bar", 1e5)),
    zero=True,
    asked=(("kPa", 1e3),),
)
FLOW = Quantity(
    "flow", "m³/s", 5e-10, 1e-6, (("mL/min", 1e-6 / 60), ("cm³/s or mL/s", 1e-6), ("m³/h", 1 / 3600))
)
VELOCITY = Quantity("gas velocity", "m/s", 0.02, 10.0, (("cm/s", 1e-2), ("mm/s", 1e-3)))
GAS_DIFFUSION = Quantity("diffusion in the gas", "m²/s", 1e-7, 1e-3, (("cm²/s", 1e-4), ("mm²/s", 1e-6)))
FILM_DIFFUSION = Quantity("diffusion in the film", "m²/s", 1e-15, 1e-8, (("cm²/s", 1e-4), ("mm²/s", 1e-6)))
DESORPTION = Quantity("desorption rate", "1/s", 0.1, 1e7, (("1/min", 1 / 60), ("1/ms", 1e3)))
RETENTION = Quantity("retention factor", "", 1e-3, 1e3)
CHARACTERISTIC = Quantity("characteristic temperature", "K", 200.0, 900.0)
THERMAL = Quantity("characteristic thermal constant", "K", 10.0, 80.0)
LOOP = Quantity("injection", "s", 1e-3, 120.0, (("ms", 1e-3), ("minutes", 60.0)), zero=True)
INTERVAL = Quantity("sampling interval", "s", 1e-4, 10.0, (("ms", 1e-3), ("minutes", 60.0)))
DETECTOR = Quantity("detector time constant", "s", 1e-4, 5.0, (("ms", 1e-3), ("minutes", 60.0)), zero=True)
END = Quantity("end of the trace", "s", 1.0, 2e4, (("minutes", 60.0), ("ms", 1e-3)))


MOST_RETAINED = 30.0
"""k of the earliest peak above which the hold-up time is odd."""


def hold_up_notes(t0_s: float, retention_s: Sequence[float]) -> tuple[str, ...]:
    """A sentence where no peak comes after the hold-up time, or the earliest that does comes very late."""
    after = [at for at in retention_s if at > t0_s]
    if retention_s and not after:
        return (f"no peak comes after the hold-up time, {t0_s:g} s: none has a retention factor",)
    earliest = min(after, default=t0_s)
    if earliest / t0_s - 1 <= MOST_RETAINED:
        return ()
    said = f"hold-up time: {t0_s:g} s gives the earliest peak a retention factor of {earliest / t0_s - 1:.3g}"
    return (f"{said}; was it meant in minutes, {60 * t0_s:g} s?" if 60 * t0_s < earliest else said,)
