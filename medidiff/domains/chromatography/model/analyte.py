"""An analyte in a column: retention, and what broadens its peak.

    kd_film = 3 D_s/df^2                                    transfer in the film alone
    1/kd    = 1/kd_film + (1+6k+11k^2) d^2/(192 k D_m)      lumped: film and the gas across the tube
    D_TA    = u^2 d^2 (1+6k+11k^2)/(192 (1+k)^2 D_m)        Taylor-Aris: the same gas term as a dispersion

(Golay 1958, in Gas Chromatography, Butterworths). The lumped kd goes with no or molecular dispersion, the
film's kd with D_m + D_TA; a lumped kd together with D_TA would count the gas term twice. An analyte therefore
stores one of film diffusion, film kd or lumped kd, and the other rate is derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.model import plausible
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.gas import FullerDiffusion
from medidiff.domains.chromatography.model.retention import Retention
from medidiff.errors import InputError

FILM_RATIO = 1e4
"""D_m/D_s where neither film diffusion nor a rate is given, at the column's mean pressure."""

Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True)
class Analyte:
    """Retention, diffusion in the gas, and one rate of exchange with the film.

    gas_diffusion: in m²/s at the column's temperature and mean pressure, or by formula; None where a kd is
    given and no dispersion is asked. At most one of film_diffusion_m2_s, film_kd_per_s, lumped_kd_per_s;
    none: D_s = D_m/10^4. area: of the outlet peak, in mol s/m³. langmuir_b_m3_mol: b of
    theta = b c/(1 + b c); None: linear. Raises InputError for what cannot be.
    """

    name: str
    retention: Retention
    gas_diffusion: FullerDiffusion | float | None = None
    film_diffusion_m2_s: float | None = None
    film_kd_per_s: float | None = None
    lumped_kd_per_s: float | None = None
    area: float = 1.0
    langmuir_b_m3_mol: float | None = None

    def __post_init__(self) -> None:
        if not self.name or "," in self.name or not self.name.isprintable() or self.name in _COLUMNS:
            raise self._bad("a printable name without commas", repr(self.name), "benzene is one.")
        given = [
            value
            for value in (self.film_diffusion_m2_s, self.film_kd_per_s, self.lumped_kd_per_s)
            if value is not None
        ]
        if len(given) > 1 or (not given and self.gas_diffusion is None):
            fix = "Without a rate D_s is D_m/10000, which needs gas diffusion."
            raise self._bad("one of film diffusion, film kd and lumped kd", f"{len(given)} of them", fix)
        if isinstance(self.gas_diffusion, float | int):
            plausible.GAS_DIFFUSION.check(self.gas_diffusion, self.name)
        if self.film_diffusion_m2_s is not None:
            plausible.FILM_DIFFUSION.check(self.film_diffusion_m2_s, self.name)
        for rate in (self.film_kd_per_s, self.lumped_kd_per_s):
            if rate is not None:
                plausible.DESORPTION.check(rate, self.name)
        if not 0 < self.area < float("inf"):
            raise self._bad("an area above 0 mol s/m³", f"{self.area:g}", "Leave out what is not there.")
        if self.langmuir_b_m3_mol is not None and not 0 < self.langmuir_b_m3_mol < float("inf"):
            raise self._bad("b above 0 m³/mol", f"{self.langmuir_b_m3_mol:g}", "None is linear.")

    def gas_diffusion_m2_s(self, gas: str, temperature_k: Number, pressure_pa: Number) -> Number:
        """D_m, in the shape of the temperature; InputError where the analyte has none."""
        if self.gas_diffusion is None:
            raise self._bad("diffusion in the gas", "none", "Give it, or a formula; or dispersion none.")
        if isinstance(self.gas_diffusion, FullerDiffusion):
            return self.gas_diffusion.diffusion_m2_s(gas, temperature_k, pressure_pa)
        return float(self.gas_diffusion) + 0 * temperature_k

    def film_rate_per_s(self, k: float, gas_diffusion_m2_s: float, column: Column) -> float:
        """Kd of the film alone; InputError for a lumped kd faster than the gas allows."""
        if self.film_kd_per_s is not None:
            return self.film_kd_per_s
        if self.lumped_kd_per_s is not None:
            slowness = 1 / self.lumped_kd_per_s - gas_slowness_s(k, gas_diffusion_m2_s, column)
            if slowness <= 0:
                limit = 1 / gas_slowness_s(k, gas_diffusion_m2_s, column)
                got = f"{self.lumped_kd_per_s:g}"
                raise self._bad(f"a lumped kd below the gas's {limit:.4g} 1/s", got, "Is it the film's?")
            return 1 / slowness
        diffusion = self.film_diffusion_m2_s or gas_diffusion_m2_s / FILM_RATIO
        return 3 * diffusion / column.film_m**2

    def lumped_rate_per_s(self, k: float, gas_diffusion_m2_s: float | None, column: Column) -> float:
        """Kd of film and gas together; a stored lumped kd needs no diffusion."""
        if self.lumped_kd_per_s is not None:
            return self.lumped_kd_per_s
        if gas_diffusion_m2_s is None:
            raise self._bad("diffusion in the gas", "none", "Give it, a formula, or a lumped kd.")
        film = self.film_rate_per_s(k, gas_diffusion_m2_s, column)
        return 1 / (1 / film + gas_slowness_s(k, gas_diffusion_m2_s, column))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what lies outside the usual."""
        found = list(self.retention.notes)
        if isinstance(self.gas_diffusion, float | int):
            found += plausible.GAS_DIFFUSION.notes(self.gas_diffusion)
        if self.film_diffusion_m2_s is not None:
            found += plausible.FILM_DIFFUSION.notes(self.film_diffusion_m2_s)
        for rate in (self.film_kd_per_s, self.lumped_kd_per_s):
            found += plausible.DESORPTION.notes(rate) if rate is not None else ()
        return tuple(f"{self.name}: {note}" for note in found)

    def _bad(self, expected: str, got: str, fix: str) -> InputError:
        return InputError(f"analyte {self.name[:40]!r}", expected=expected, got=got, fix=fix, argument=True)


_COLUMNS = ("time_s", "signal")  # of chromatogram.csv, beside which the analytes stand


def gas_slowness_s(k: float, gas_diffusion_m2_s: float, column: Column) -> float:
    """(1+6k+11k^2) d^2/(192 k D_m): what the gas across the tube adds to 1/kd."""
    return (1 + 6 * k + 11 * k**2) * column.diameter_m**2 / (192 * k * gas_diffusion_m2_s)


def taylor_aris_m2_s(k: float, gas_diffusion_m2_s: float, column: Column, velocity_m_s: float) -> float:
    """D_TA, the same term as a dispersion; Taylor's u^2 d^2/(192 D_m) for k = 0."""
    shape = (1 + 6 * k + 11 * k**2) / (192 * (1 + k) ** 2)
    return shape * (velocity_m_s * column.diameter_m) ** 2 / gas_diffusion_m2_s
