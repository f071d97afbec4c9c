"""Traces with a known truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.engines.transport import Transport
from medidiff.domains.chromatography.model.injection import Rectangle
from medidiff.domains.chromatography.model.stored.shipped import named_system
from medidiff.domains.chromatography.model.system import System

FIVE = ("benzene", "toluene", "ethylbenzene", "p-xylene", "o-xylene")


@dataclass(frozen=True)
class Truth:
    """A trace and what it was made from."""

    chromatogram: Chromatogram
    column: Transport
    areas: np.ndarray
    clean: np.ndarray


@pytest.fixture(scope="session")
def btex() -> System:
    """The reference column with five analytes and a rectangle of 0.5 s."""
    return replace(named_system("btex").select(FIVE), injection=Rectangle(0.5))


@pytest.fixture(scope="session")
def btex_trace(btex: System) -> Callable[..., Truth]:
    """`btex_trace(noise=0.005, seed=0)`: 1401 points of 0.31 s, a line; noise in parts of the maximum."""

    def make(noise: float = 0.005, seed: int = 0) -> Truth:
        time, column = 165 + 0.31 * np.arange(1401), btex.transport()
        clean = fft_curves(time, column, btex.injection).c.sum(axis=0)
        rng = np.random.default_rng(np.random.SeedSequence((seed, 1)))
        line = 0.01 + 0.002 * np.linspace(-1, 1, time.size)
        signal = clean + line + noise * clean.max() * rng.standard_normal(time.size)
        return Truth(Chromatogram(time, signal), column, np.ones(5), clean)

    return make


@pytest.fixture(scope="session")
def pair() -> Callable[..., Truth]:
    """`pair(resolution, noise=0.01, seed=0)`: two kinetic peaks, t0 85.75 s, a rectangle of 1 s."""

    def make(
        resolution: float,
        noise: float = 0.01,
        seed: int = 0,
        areas: tuple[float, float] = (10.0, 6.0),
    ) -> Truth:
        time, t0, kd = 150 + 0.05 * np.arange(1401), 85.75, np.array([30.0, 26.0])
        first = np.sqrt(2 * 1.05 * t0 / 30)
        k = 1.05
        for _ in range(30):
            k = 1.05 + 2 * resolution * (first + np.sqrt(2 * k * t0 / 26)) / t0
        column, weights = Transport(("first", "second"), t0, np.array([1.05, k]), kd), np.array(areas)
        clean = weights @ fft_curves(time, column, Rectangle(1.0)).c
        rng = np.random.default_rng(np.random.SeedSequence((seed, 2)))
        line = 0.3 + 0.1 * np.linspace(-1, 1, time.size)
        signal = clean + line + noise * clean.max() * rng.standard_normal(time.size)
        return Truth(Chromatogram(time, signal), column, weights, clean)

    return make
