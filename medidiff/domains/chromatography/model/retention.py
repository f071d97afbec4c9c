"""How strongly a film holds an analyte: the retention factor k = F K as a function of temperature.

    ln k = (C + Tc/th) (Tc/T - 1) + C ln(T/Tc) + ln(phi/phi0),    C = dCp/R,  phi = df/d

(K-centric form, Blumberg 2010, Temperature-Programmed Gas Chromatography): k is 1 at the characteristic
temperature Tc in a column of film fraction phi0, and falls there by the factor e in th kelvin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.model import plausible
from medidiff.domains.chromatography.model.column import Column

GAS_CONSTANT = 8.31446261815324
"""J/(mol K), exact (SI 2019)."""

FAR_K = 40.0
"""Kelvin from Tc beyond which K-centric parameters are usually extrapolated."""

Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True)
class KCentric:
    """Characteristic temperature Tc and thermal constant th in K, change of heat capacity in J/(mol K).

    phi0: film fraction df/d of the columns that the parameters were measured on. Tables give Tc in °C;
    th is a difference and the same in both. Raises InputError for what is not above 0.
    """

    tchar_k: float
    theta_k: float
    dcp_j_mol_k: float
    phi0: float = 0.001

    def __post_init__(self) -> None:
        plausible.CHARACTERISTIC.check(self.tchar_k)
        plausible.THERMAL.check(self.theta_k)
        plausible.RETENTION.check(self.phi0, "film fraction phi0")
        if not np.isfinite(self.dcp_j_mol_k):
            plausible.THERMAL.check(self.dcp_j_mol_k, "change of heat capacity")

    def retention_factor(self, temperature_k: Number, column: Column) -> Number:
        """K at temperatures of any shape."""
        C = self.dcp_j_mol_k / GAS_CONSTANT
        over = self.tchar_k / temperature_k
        slope = C + self.tchar_k / self.theta_k
        film = np.log(column.film_fraction / self.phi0)
        k: Number = np.exp(slope * (over - 1) - C * np.log(over) + film)
        return k

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what lies outside the usual."""
        return (
            *plausible.CHARACTERISTIC.notes(self.tchar_k),
            *plausible.THERMAL.notes(self.theta_k),
        )


@dataclass(frozen=True)
class FixedRetention:
    """A retention factor k > 0 that does not change with temperature."""

    k: float

    def __post_init__(self) -> None:
        plausible.RETENTION.check(self.k)

    def retention_factor(self, temperature_k: Number, column: Column) -> Number:
        """k, in the shape of the temperature."""
        return self.k + 0 * temperature_k

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what lies outside the usual."""
        return plausible.RETENTION.notes(self.k)


Retention = KCentric | FixedRetention
