"""CADET-Core beside ours, as a program of its own: its command line, files written and read with h5py.

    MEDIDIFF_CADET=PATH/cadet-cli medidiff bench chromatography --out DIR

The wheel of `cadet-core` 5.1.1 is for CPython 3.12 and 3.13; its program runs without Python, so that the
wheel is unpacked in a place of its own: `pip download cadet-core==5.1.1 --no-deps --python-version 3.12
--only-binary :all: && unzip cadet_core-*.whl -d cadet`, then cadet/cadet_core/bin/cadet-cli. Its licence is
GPL-3; nothing of it is part of medidiff.

The column is its lumped rate model without pores, with kinetic binding, Danckwerts inlet and one thread. Its
time is the one that it reports itself, /meta/TIME_SIM of its output file: the time integration alone.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

VARIABLE = "MEDIDIFF_CADET"
HOW = (
    f"set {VARIABLE} to the program cadet-cli of the wheel cadet-core 5.1.1: pip download cadet-core==5.1.1 "
    "--no-deps --python-version 3.12 --only-binary :all:, then unzip it (cadet_core/bin/cadet-cli)"
)
_POROSITY = 0.5  # so that F = (1 - porosity)/porosity = 1
_MOST_S = 120


@dataclass(frozen=True)
class Settings:
    """Discontinuous Galerkin elements of a degree, and the integrator's tolerances."""

    elements: int
    degree: int
    relative: float
    absolute: float

    @property
    def words(self) -> str:
        """For a table."""
        return f"DG {self.elements} x {self.degree}, tolerance {self.relative:g}"


@dataclass(frozen=True)
class Problem:
    """Analytes of a column, their rectangle from t = 0, and when the outlet is asked for.

    units: N, kd_per_s, inlet_mol_m3, b_m3_per_mol: (n,), b None for linear binding. peclet may be infinite.
    """

    t0_s: float
    units: Array
    kd_per_s: Array
    inlet_mol_m3: Array
    width_s: float
    times_s: Array
    peclet: float = np.inf
    b_m3_per_mol: Array | None = None


def find_cadet() -> Path | None:
    """The program that the environment variable names; None where it names none."""
    path = Path(os.environ.get(VARIABLE, ""))
    return path if path.is_file() else None


def solve(program: Path, problem: Problem, settings: Settings) -> tuple[Array, float]:
    """The outlet (n, points) and the seconds that CADET reports; RuntimeError where it fails."""
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problem.h5"
        with h5py.File(path, "w") as file:
            _write(file.create_group("input"), problem, settings)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [program, path],
            capture_output=True,
            text=True,
            timeout=_MOST_S,
            check=False,
            env=environment,
        )
        with h5py.File(path, "r") as file:
            if done.returncode or "output" not in file:
                raise RuntimeError((done.stderr or done.stdout).strip()[-200:])
            outlet = np.array(file["output/solution/unit_001/SOLUTION_OUTLET"], np.float64)
            seconds = float(file["meta/TIME_SIM"][()])
    return outlet.reshape(len(problem.times_s), -1).T, seconds


def _write(file: Any, problem: Problem, settings: Settings) -> None:
    """The input: unit 0 feeds unit 1, the column of length 1 m and section 1 m2."""
    count = len(problem.units)
    velocity = 1 / problem.t0_s
    column: dict[str, Any] = {
        "UNIT_TYPE": "LUMPED_RATE_MODEL_WITHOUT_PORES",
        "NCOMP": count,
        "NBOUND": np.ones(count, np.int32),
        "INIT_C": np.zeros(count),
        "INIT_Q": np.zeros(count),
        "COL_LENGTH": 1.0,
        "CROSS_SECTION_AREA": 1.0,
        "TOTAL_POROSITY": _POROSITY,
        "COL_DISPERSION": velocity / problem.peclet,
        **_binding(problem),
        "discretization": {
            "SPATIAL_METHOD": "DG",
            "POLYDEG": settings.degree,
            "NELEM": settings.elements,
            "EXACT_INTEGRATION": 0,
            "USE_ANALYTIC_JACOBIAN": 1,
            "NBOUND": np.ones(count, np.int32),
        },
    }
    still = {name: np.zeros(count) for name in ("CONST_COEFF", "LIN_COEFF", "QUAD_COEFF", "CUBE_COEFF")}
    inlet = {
        "UNIT_TYPE": "INLET",
        "INLET_TYPE": "PIECEWISE_CUBIC_POLY",
        "NCOMP": count,
        "sec_000": still | {"CONST_COEFF": problem.inlet_mol_m3},
        "sec_001": still,
    }
    flow = np.array(
        [0.0, 1.0, -1.0, -1.0, velocity * _POROSITY]
    )  # from unit 0 to 1, all components: u A porosity
    end = float(problem.times_s[-1])
    tree = {
        "model": {
            "NUNITS": 2,
            "unit_000": inlet,
            "unit_001": column,
            "connections": {"NSWITCHES": 1, "switch_000": {"SECTION": 0, "CONNECTIONS": flow}},
            "solver": {"GS_TYPE": 1, "MAX_KRYLOV": 0, "MAX_RESTARTS": 10, "SCHUR_SAFETY": 1e-8},
        },
        "return": {
            "SPLIT_COMPONENTS_DATA": 0,
            "WRITE_SOLUTION_TIMES": 0,
            "unit_001": {"WRITE_SOLUTION_OUTLET": 1, "WRITE_SOLUTION_BULK": 0, "WRITE_SOLUTION_INLET": 0},
        },
        "solver": {
            "NTHREADS": 1,
            "USER_SOLUTION_TIMES": problem.times_s,
            "sections": {
                "NSEC": 2,
                "SECTION_CONTINUITY": np.zeros(1, np.int32),
                "SECTION_TIMES": np.array([0.0, problem.width_s, end]),
            },
            "time_integrator": {
                "RELTOL": settings.relative,
                "ABSTOL": settings.absolute,
                "ALGTOL": settings.absolute,
                "INIT_STEP_SIZE": 1e-6,
                "MAX_STEPS": 1_000_000,
            },
        },
    }
    _fill(file, tree)


def _binding(problem: Problem) -> dict[str, Any]:
    """For linear binding ka = N/(F t0); for Langmuir's ka = kd b and qmax = N/(kd b F t0)."""
    if problem.b_m3_per_mol is None:
        rates = {"LIN_KA": problem.units / problem.t0_s, "LIN_KD": problem.kd_per_s}
        return {"ADSORPTION_MODEL": "LINEAR", "adsorption": rates | {"IS_KINETIC": 1}}
    rates = {
        "MCL_KA": problem.kd_per_s * problem.b_m3_per_mol,
        "MCL_KD": problem.kd_per_s,
        "MCL_QMAX": problem.units / (problem.kd_per_s * problem.b_m3_per_mol * problem.t0_s),
    }
    return {"ADSORPTION_MODEL": "MULTI_COMPONENT_LANGMUIR", "adsorption": rates | {"IS_KINETIC": 1}}


def _fill(group: Any, tree: dict[str, Any]) -> None:
    for name, value in tree.items():
        if isinstance(value, dict):
            _fill(group.create_group(name), value)
        elif isinstance(value, str):
            group.create_dataset(name, data=np.bytes_(value))
        else:
            array = np.asarray(value)
            group.create_dataset(name, data=array.astype(np.int32) if array.dtype.kind == "i" else array)
