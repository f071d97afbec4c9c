"""A whole instrument: column, gas, flow, oven, analytes, injection, detector, and the trace it writes.

Dispersion is named, and so is the rate of exchange that goes with it (`analyte`):

    none        no dispersion, lumped kd (arXiv:2501.00001)
    molecular   D_m, lumped kd
    golay       D_m + D_TA, kd of the film alone

`transport` treats a pressure drop as constant velocity u = L/t0 with D_m at the mean pressure. Without
dispersion that is exact (`flow`); with it, a local treatment would multiply the gas-phase part of the plate
height by `giddings_factor`, 1.024 for `btex`, whose peaks are 1.0 to 1.2 % wider so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.engines.transport import Transport
from medidiff.domains.chromatography.model import plausible
from medidiff.domains.chromatography.model.analyte import Analyte, taylor_aris_m2_s
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.flow import Flow, hold_up_s, mean_pressure_pa
from medidiff.domains.chromatography.model.gas import GASES
from medidiff.domains.chromatography.model.injection import Injection
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.plain import plain
from medidiff.domains.chromatography.model.retention import FAR_K, KCentric
from medidiff.domains.chromatography.model.stored.units import to_celsius
from medidiff.errors import InputError

Dispersion = Literal["none", "molecular", "golay"]
DISPERSIONS: tuple[str, ...] = get_args(Dispersion)

MOST_POINTS = 5_000_000


@dataclass(frozen=True, eq=False)
class System:
    """All SI. The trace has samples at start_s + i interval_s, up to end_s. Raises InputError.

    dispersion: the system's own, which an option may override. detector_s: time constant of a first-order
    detector. The column is called isothermal when the oven's temperature never changes.
    """

    name: str
    column: Column
    gas: str
    flow: Flow
    oven: Oven
    analytes: tuple[Analyte, ...]
    injection: Injection
    dispersion: str = "none"
    detector_s: float = 0.0
    start_s: float = 0.0
    end_s: float = 600.0
    interval_s: float = 0.1

    def __post_init__(self) -> None:
        object.__setattr__(self, "analytes", tuple(self.analytes))
        names = self.names
        if not names or len(set(names)) < len(names):
            raise _bad("analytes", "one or more, each name once", f"{names}", "Rename or leave out.")
        if self.gas not in GASES:
            raise _bad("carrier gas", ", ".join(GASES), repr(self.gas), "Helium is He.")
        check_dispersion(self.dispersion)
        plausible.DETECTOR.check(self.detector_s)
        plausible.INTERVAL.check(self.interval_s)
        if not (np.isfinite([self.start_s, self.end_s]).all() and self.end_s > self.start_s):
            got = f"{self.start_s:g} to {self.end_s:g} s"
            raise _bad("trace", "an end after its start", got, "Both are in seconds.")
        points = (self.end_s - self.start_s) / self.interval_s
        if not 1 - 1e-9 <= points < MOST_POINTS:
            fix = "Give another interval or end."
            raise _bad("trace", f"2 to {MOST_POINTS} samples", f"{points + 1:.0f}", fix)

    @property
    def names(self) -> tuple[str, ...]:
        """The analytes' names."""
        return tuple(analyte.name for analyte in self.analytes)

    @property
    def areas(self) -> NDArray[np.float64]:
        """The analytes' areas in mol s/m³, (n,)."""
        return np.array([analyte.area for analyte in self.analytes])

    @property
    def time_s(self) -> NDArray[np.float64]:
        """The trace's axis, to the picosecond: 0.3 and not 0.30000000000000004."""
        count = int(np.floor((self.end_s - self.start_s) / self.interval_s * (1 + 1e-12) + 1e-9)) + 1
        return np.round(self.start_s + self.interval_s * np.arange(count, dtype=np.float64), 12)

    @property
    def temperature_k(self) -> float:
        """Of an isothermal oven; InputError for a programme."""
        if not self.oven.is_isothermal:
            raise _bad("oven", "one temperature", "a programme", "Take --engine programme.")
        return self.oven.temperatures_k[0]

    @property
    def hold_up_s(self) -> float:
        """t0 of an isothermal column."""
        return float(hold_up_s(self.flow, self.column, self.gas, self.temperature_k))

    @property
    def mean_pressure_pa(self) -> float:
        """Absolute pressure averaged over the length of an isothermal column."""
        return float(mean_pressure_pa(self.flow, self.column, self.gas, self.temperature_k))

    def transport(self, dispersion: str | None = None) -> Transport:
        """What the engines see of an isothermal column; dispersion None is the system's own."""
        dispersion = check_dispersion(self.dispersion if dispersion is None else dispersion)
        kelvin, pressure, t0 = self.temperature_k, self.mean_pressure_pa, self.hold_up_s
        velocity = self.column.length_m / t0
        k = [float(a.retention.retention_factor(kelvin, self.column)) for a in self.analytes]
        rates, peclets = [], []
        for analyte, factor in zip(self.analytes, k, strict=True):
            known = analyte.gas_diffusion is not None or dispersion != "none"
            gas = analyte.gas_diffusion_m2_s(self.gas, kelvin, pressure) if known else None
            spread = 0.0
            if dispersion != "none" and gas is not None:
                spread = gas
            if dispersion == "golay" and gas is not None:
                spread += taylor_aris_m2_s(factor, gas, self.column, velocity)
                rates.append(analyte.film_rate_per_s(factor, gas, self.column))
            else:
                rates.append(analyte.lumped_rate_per_s(factor, gas, self.column))
            peclets.append(velocity * self.column.length_m / spread if spread else np.inf)
        return Transport(self.names, t0, np.array(k), np.array(rates), np.array(peclets))

    def select(self, names: Sequence[str]) -> System:
        """The same system with these analytes only; InputError for a name that it does not have."""
        if wrong := [name for name in names if name not in self.names]:
            raise _bad("analytes", f"some of {', '.join(self.names)}", ", ".join(wrong), "Choose these.")
        return replace(self, analytes=tuple(a for a in self.analytes if a.name in names))

    @property
    def langmuir_b_m3_mol(self) -> NDArray[np.float64] | None:
        """Langmuir's b of every analyte, (n,); None for a linear system. InputError where only some have one.

        Those that share the sites of the film all take part, so that a missing b is no b of 0.
        """
        found = [analyte.langmuir_b_m3_mol for analyte in self.analytes]
        if all(b is None for b in found):
            return None
        if missing := [a.name for a in self.analytes if a.langmuir_b_m3_mol is None]:
            fix = "They share the sites: give each one, a small one where it holds little."
            raise _bad("Langmuir's b", "one for all analytes or for none", f"none for {missing[0]}", fix)
        return np.array(found, np.float64)

    def to_plain(self) -> dict[str, Any]:
        """Everything in SI as plain data, for a provenance; `from_plain.system_from_plain` brings it back."""
        taken_apart: dict[str, Any] = plain(self)
        return taken_apart

    @property
    def digest(self) -> str:
        """Of all that `to_plain` gives, as "sha256:..."."""
        text = json.dumps(self.to_plain(), sort_keys=True)
        return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what lies outside the usual, or is extrapolated."""
        notes = [*self.column.notes, *self.flow.notes, *self.oven.notes]
        notes += [note for analyte in self.analytes for note in analyte.notes]
        notes += plausible.LOOP.notes(self.injection.variance_s2**0.5, "injection's standard deviation")
        notes += plausible.DETECTOR.notes(self.detector_s)
        notes += plausible.INTERVAL.notes(self.interval_s)
        notes += plausible.END.notes(self.end_s)
        return tuple(notes + (self._extrapolated() if self.oven.is_isothermal else []))

    def _extrapolated(self) -> list[str]:
        kelvin = self.temperature_k
        far = {
            a.name: abs(kelvin - a.retention.tchar_k)
            for a in self.analytes
            if isinstance(a.retention, KCentric) and abs(kelvin - a.retention.tchar_k) > FAR_K
        }
        if not far:
            return []
        worst = max(far, key=lambda name: far[name])
        said = (
            f"{to_celsius(kelvin):.0f} °C is more than {FAR_K:.0f} K from the characteristic temperature, "
            f"where retention is extrapolated ({worst}: {far[worst]:.0f} K): {', '.join(far)}"
        )
        # The number of °C read as one of K, where that lies nearer to all of them.
        meant = to_celsius(kelvin)
        near = all(
            abs(meant - a.retention.tchar_k) < far[a.name] / 2
            for a in self.analytes
            if isinstance(a.retention, KCentric) and a.name in far
        )
        return [f"{said}; was it meant in K, {to_celsius(meant):.0f} °C?" if near else said]


def check_dispersion(dispersion: str) -> str:
    """`dispersion` when it is a name of one; else InputError."""
    if dispersion not in DISPERSIONS:
        raise _bad("dispersion", ", ".join(DISPERSIONS), repr(dispersion), "Choose one.")
    return dispersion


def _bad(what: str, expected: str, got: str, fix: str) -> InputError:
    return InputError(what, expected=expected, got=got, fix=fix, argument=True)
