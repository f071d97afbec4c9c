"""Retention in temperature programmes against a measurement: Leppert et al. 2020, n-alkanes C9 to C30.

K-centric parameters and measured times are the files of folder `leppert2020` (J Chromatogr A 1620:460985);
the column is 11.18 m x 0.104 mm x 0.104 um, hydrogen, 411.564 to 101.3 kPa absolute, 40 to 300 degrees
Celsius in 1560 s (A) or 1040 s (B) after a minute.
"""

from __future__ import annotations

import csv
from functools import partial
from pathlib import Path

import numpy as np

from medidiff.bench.chromatography.cases import Measured, Options, median_seconds
from medidiff.bench.report import Row
from medidiff.domains.chromatography.engines.programme import programme_peaks
from medidiff.domains.chromatography.model.analyte import Analyte
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.flow import PressureDriven
from medidiff.domains.chromatography.model.gas import FullerDiffusion
from medidiff.domains.chromatography.model.injection import Rectangle
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.retention import KCentric
from medidiff.domains.chromatography.model.stored.units import from_celsius, from_minutes
from medidiff.domains.chromatography.model.system import System

GATE, AIM = 0.02, 0.007
RAMPS_S = {"A": 1560.0, "B": 1040.0}


def retention(options: Options) -> Measured:
    """retention_error.A and .B, the mean over the alkanes, with their largest and the time of all."""
    folder = options.data / "leppert2020" if options.data else None
    if folder is None or not folder.is_dir():
        names = (f"retention_error.{name}" for name in RAMPS_S)
        return Measured((), tuple(f"{name}: needs the folder leppert2020 under --data" for name in names))
    rows = []
    for name in RAMPS_S:
        system = leppert_system(folder, name)
        measured = _measured(folder / f"measured_RT_prog{name}.csv")
        peaks = programme_peaks(system)
        truth = np.array([from_minutes(measured[analyte]) for analyte in peaks.names])
        errors = np.abs(peaks.retention_s / truth - 1)
        case = f"Leppert 2020, programme {name}, {len(truth)} alkanes"
        rows += [
            Row(case, f"retention_error.{name}", float(errors.mean()), "", GATE, AIM, "lower"),
            Row(case, f"retention_error_largest.{name}", float(errors.max()), "", better="lower"),
            Row(
                case,
                "seconds.programme",
                median_seconds(partial(programme_peaks, system)),
                "s",
                better="lower",
            ),
        ]
    return Measured(tuple(rows))


def leppert_system(folder: Path, programme: str) -> System:
    """The column with its alkanes, and the oven of programme "A" or "B"."""
    analytes = []
    for row in _rows(folder / "Database_Leppert2020b.csv"):
        carbons = int(row["Name"][1:])
        held = KCentric(
            from_celsius(float(row["Tchar"])),
            float(row["thetachar"]),
            float(row["DeltaCp"]),
            float(row["phi0"]),
        )
        analytes.append(Analyte(row["Name"], held, FullerDiffusion(f"C{carbons}H{2 * carbons + 2}")))
    end = from_celsius(300)
    start = from_celsius(40)
    ramp = ((end - start) / RAMPS_S[programme], end, 180.0)
    return System(
        f"leppert2020{programme}",
        Column(11.18, 0.104e-3, 0.104e-6, "FS5ms"),
        "H2",
        PressureDriven(411_564.0, 101_300.0),
        Oven.programme(start, 60.0, (ramp,)),
        tuple(analytes),
        Rectangle(0.0),
        "golay",
        end_s=1800.0,
    )


def _measured(path: Path) -> dict[str, float]:
    """Name -> retention in minutes, as the file has it."""
    return {row["Name"]: float(row["RT"]) for row in _rows(path)}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
