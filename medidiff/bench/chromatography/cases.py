"""What the benches of the chromatograph share: named columns, how a time is taken, what a part gives back.

C1 ... C5 are columns from 5 to 5e6 transfer units; btex is the reference column, five of its analytes on
1401 points of 0.31 s. A time is the median of at least 20 calls after one to warm up, in one thread; where
one call takes seconds it is one call, and the case says so.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.bench.report import Row
from medidiff.domains.chromatography.engines.transport import Transport
from medidiff.domains.chromatography.model.injection import Rectangle
from medidiff.domains.chromatography.model.stored.shipped import named_system
from medidiff.domains.chromatography.model.system import System

Array = NDArray[np.float64]

FIVE = ("benzene", "toluene", "ethylbenzene", "p-xylene", "o-xylene")
BTEX = "btex, five analytes, 1401 points"
RUNS = 20


@dataclass(frozen=True)
class Options:
    """What the command line gives to every part; data: the folder of real files, None without."""

    draws: int = 1000
    data: Path | None = None


@dataclass(frozen=True)
class Measured:
    """What a part found; `skipped` and `remarks` as in a BenchResult."""

    rows: tuple[Row, ...]
    skipped: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


Part = Callable[[Options], Measured]


@dataclass(frozen=True)
class Case:
    """One analyte in one column: N, kd in 1/s, t0 in s, and a Peclet number, infinite without dispersion."""

    name: str
    units: float
    kd_per_s: float
    t0_s: float
    peclet: float = np.inf

    @property
    def transport(self) -> Transport:
        """As the engines take it."""
        k = self.units / (self.kd_per_s * self.t0_s)
        return Transport(
            (self.name,), self.t0_s, np.array([k]), np.array([self.kd_per_s]), np.array([self.peclet])
        )

    @property
    def words(self) -> str:
        """For a table."""
        spread = "no dispersion" if np.isinf(self.peclet) else f"Pe {self.peclet:g}"
        return f"{self.name}: N {self.units:g}, kd {self.kd_per_s:g}/s, {spread}"

    def times(self, each_side: float = 6.0, points: int = 601) -> Array:
        """A uniform axis about the peak, so many standard deviations to each side, after the hold-up time."""
        mean, sigma = float(self.transport.mean_s[0]), float(np.sqrt(self.transport.variance_s2[0]))
        return np.linspace(max(mean - each_side * sigma, self.t0_s), mean + (each_side + 2) * sigma, points)


C1, C2 = Case("C1", 5, 1, 10), Case("C2", 200, 5, 60)
C3, C3_PE = Case("C3", 3000, 30, 85.75), Case("C3", 3000, 30, 85.75, 1e5)
C4, C5 = Case("C4", 1e5, 1e3, 85.75), Case("C5", 5e6, 1e4, 85.75)
C3_SLOW, SHORT = Case("C3", 3000, 30, 85.75, 2000), Case("D5", 20, 1, 10, 50)
ONE_SECOND = Rectangle(1.0)


def btex_five() -> tuple[System, Array]:
    """The reference column with five analytes, and the bench's 1401 times."""
    return named_system("btex").select(FIVE), uniform(165.0, 0.31, 1401)


def uniform(start_s: float, step_s: float, points: int) -> Array:
    """`points` times from `start_s`."""
    return np.asarray(start_s + step_s * np.arange(points), np.float64)


def median_seconds(call: Callable[[], Any], runs: int = RUNS) -> float:
    """The median of `runs` calls after one to warm up."""
    call()
    taken = []
    for _ in range(runs):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def off_by(found: Array, truth: Array) -> float:
    """The largest difference, as a share of the truth's largest value; over rows, the worst."""
    found, truth = np.atleast_2d(found), np.atleast_2d(truth)
    return float((np.abs(found - truth).max(axis=1) / np.abs(truth).max(axis=1)).max())
