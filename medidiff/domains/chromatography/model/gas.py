"""Carrier gases: viscosity, and diffusion of an analyte in them.

    eta(T)  = eta_st (T/T_st)^(xi0 + xi1 (T - T_st)/T_st),  T_st = 273.15 K      (Blumberg 2010, Temperature-
              Programmed Gas Chromatography; the constants that GasChromatographySimulator.jl lists)
    D(T, p) = 1.013e-2 T^1.75 sqrt(1/M + 1/M_g) / (p (V^(1/3) + V_g^(1/3))^2)       (Fuller, Ensley & Giddings
              1969, J Phys Chem 73:3679; M in g/mol, D in m^2/s, p in Pa absolute)

V adds up from the atoms of a molecule, less 18.3 for each aromatic ring.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.model.plausible import CELSIUS
from medidiff.errors import InputError

GasName = Literal["He", "H2", "N2", "Ar"]
GASES: tuple[str, ...] = get_args(GasName)
Number = TypeVar("Number", float, NDArray[np.float64])


@dataclass(frozen=True)
class _Gas:
    viscosity_pa_s: float  # at 0 degrees Celsius
    xi0: float
    xi1: float
    diffusion_volume: float
    molar_mass: float  # g/mol


_GASES = {
    "He": _Gas(18.63e-6, 0.6958, -0.0071, 2.67, 4.00),
    "H2": _Gas(8.382e-6, 0.6892, 0.005, 6.12, 2.02),
    "N2": _Gas(16.62e-6, 0.7665, -0.0378, 18.5, 28.01),
    "Ar": _Gas(21.04e-6, 0.8131, -0.0426, 16.2, 39.95),
}
_ATOMS = {  # diffusion volume, molar mass in g/mol
    "C": (15.9, 12.011),
    "H": (2.31, 1.008),
    "O": (6.11, 15.999),
    "N": (4.54, 14.007),
    "F": (14.7, 18.998),
    "Cl": (21.0, 35.45),
    "Br": (21.9, 79.904),
    "I": (29.8, 126.904),
    "S": (22.9, 32.06),
}
_RING = 18.3
_ATOM = re.compile(r"([A-Z][a-z]?)(\d*)")


@dataclass(frozen=True)
class FullerDiffusion:
    """Diffusion in the carrier gas from a molecule's formula ("C6H6") and its aromatic rings.

    Raises InputError for a formula with atoms that have no diffusion volume (known: C H O N F Cl Br I S).
    """

    formula: str
    rings: int = 0

    def __post_init__(self) -> None:
        if self.rings < 0 or self.diffusion_volume <= 0:
            raise _bad(f"diffusion of {self.formula}", "0 or more rings", str(self.rings), "Benzene has 1.")

    @property
    def molar_mass(self) -> float:
        """In g/mol."""
        return sum(number * _ATOMS[atom][1] for atom, number in self._atoms())

    @property
    def diffusion_volume(self) -> float:
        """Fuller's V, without unit."""
        atoms = sum(number * _ATOMS[atom][0] for atom, number in self._atoms())
        return atoms - _RING * self.rings

    def diffusion_m2_s(self, gas: str, temperature_k: Number, pressure_pa: Number) -> Number:
        """Diffusion in `gas`; temperature and absolute pressure of any one shape."""
        return diffusion_m2_s(gas, self.molar_mass, self.diffusion_volume, temperature_k, pressure_pa)

    def _atoms(self) -> list[tuple[str, int]]:
        found = [(atom, int(number or 1)) for atom, number in _ATOM.findall(self.formula)]
        whole = "".join(match[0] for match in _ATOM.finditer(self.formula)) == self.formula
        if not found or not whole or any(atom not in _ATOMS for atom, _ in found):
            known = ", ".join(_ATOMS)
            raise _bad("formula", f"atoms of {known}, as in C6H6", repr(self.formula), "Give gas diffusion.")
        return found


def viscosity_pa_s(gas: str, temperature_k: Number) -> Number:
    """Viscosity of a carrier gas, any shape of the temperature; InputError for an unknown gas."""
    g = _find(gas)
    over = temperature_k / CELSIUS
    eta: Number = g.viscosity_pa_s * over ** (g.xi0 + g.xi1 * (over - 1))
    return eta


def diffusion_m2_s(
    gas: str, molar_mass: float, diffusion_volume: float, temperature_k: Number, pressure_pa: Number
) -> Number:
    """Fuller's diffusion in `gas` at an absolute pressure; molar mass in g/mol."""
    g = _find(gas)
    volumes = diffusion_volume ** (1 / 3) + g.diffusion_volume ** (1 / 3)
    masses = (1 / molar_mass + 1 / g.molar_mass) ** 0.5
    diffusion: Number = 1.013e-2 * temperature_k**1.75 * masses / (pressure_pa * volumes**2)
    return diffusion


def _find(gas: str) -> _Gas:
    if gas not in _GASES:
        raise _bad("carrier gas", ", ".join(GASES), repr(gas), "Helium is He.")
    return _GASES[gas]


def _bad(what: str, expected: str, got: str, fix: str) -> InputError:
    return InputError(what, expected=expected, got=got, fix=fix, argument=True)
