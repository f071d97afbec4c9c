"""What a simulation is: concentrations at the detector, and what is known of each peak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.engines.transport import Transport
from medidiff.domains.chromatography.model.system import System
from medidiff.domains.chromatography.summary import Peaks

UNIT = "mol/m³"


@dataclass(frozen=True, eq=False)
class Simulation:
    """Concentrations (n, points) in mol/m³ at the detector, over `time_s`.

    engine, dispersion: what was used. transport, peaks: of an isothermal column, as the linear engines see
    it, but apices as they are with loading; else None. retention_s: of the apices; sigma_s; (n,) each.
    loading: sum of b c at the linear apices. warnings: sentences.
    """

    system: System
    engine: str
    dispersion: str
    time_s: NDArray[np.float64]
    c: NDArray[np.float64]
    retention_s: NDArray[np.float64]
    sigma_s: NDArray[np.float64]
    transport: Transport | None = None
    peaks: Peaks | None = None
    loading: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def signal(self) -> NDArray[np.float64]:
        """The sum over the analytes, (points,)."""
        return np.asarray(self.c.sum(axis=0), np.float64)

    def chromatogram(self) -> Chromatogram:
        """The trace, with a component an analyte."""
        components = dict(zip(self.system.names, self.c, strict=True))
        return Chromatogram(self.time_s, self.signal, UNIT, "simulated", components=components)
