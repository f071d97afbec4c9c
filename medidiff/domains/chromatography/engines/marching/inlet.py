"""An injection of unit area in time steps: what the engines that march in time let in.

Jumps and kinks of the rate lie on step edges, else every scheme falls to first or second order there: those
of a sampled injection are its samples, so that a step is never longer than theirs. A step's inflow is the
projection of the rate on polynomials by Gauss-Legendre quadrature, and the whole is scaled to the area of
the injection, so that mass is exact to rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.model.injection import Injection
from medidiff.errors import InputError

Array = NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_LOOKS = 4096  # for the highest rate, and even: the middle of a Gaussian is among them
_SAME = 1e-9  # of a step


@dataclass(frozen=True)
class Phase:
    """`steps` equal steps from `start_s` to `end_s`."""

    start_s: float
    end_s: float
    steps: int

    @property
    def step_s(self) -> float:
        """The length of a step."""
        return (self.end_s - self.start_s) / self.steps

    @property
    def edges_s(self) -> Array:
        """The steps' edges, (steps + 1,)."""
        return np.linspace(self.start_s, self.end_s, self.steps + 1)


def is_impulse(injection: Injection) -> bool:
    """Whether all of it enters at one instant."""
    return injection.variance_s2 == 0


def injection_breaks(injection: Injection) -> tuple[float, ...]:
    """Where the rate begins, ends and is not smooth, rising; one time for an impulse."""
    if is_impulse(injection):
        return (injection.begin_s,)
    return tuple(sorted({edge for piece in injection.pieces for edge in piece}))


def divide(breaks: tuple[float, ...], end_s: float, longest_s: float) -> list[Phase]:
    """Phases from the first break to `end_s` whose steps are at most `longest_s` and end on the breaks.

    Neighbours of one step are one phase.
    """
    inner = [edge for edge in breaks if edge < end_s]
    edges = [*inner, max(end_s, breaks[0])]
    phases: list[Phase] = []
    for a, b in pairwise(edges):
        phase = Phase(a, b, max(1, math.ceil((b - a) / longest_s * (1 - 1e-9))))
        if phases and abs(phases[-1].step_s / phase.step_s - 1) < _SAME:
            last = phases.pop()
            phase = Phase(last.start_s, b, last.steps + phase.steps)
        phases.append(phase)
    return phases


def step_means(injection: Injection, edges_s: Array) -> Array:
    """The mean rate in each step, (steps,), 1/s; exact where the rate is a low polynomial within the step."""
    return _at_nodes(injection, edges_s) @ _WEIGHTS / 2


def stage_rates(injection: Injection, edges_s: Array, nodes: Array) -> Array:
    """Rates at the stages of each step, (steps, stages): the projection on polynomials of as many terms."""
    degree = len(nodes) - 1
    basis = np.polynomial.legendre.legvander(_NODES, degree)
    terms = _at_nodes(injection, edges_s) @ (_WEIGHTS[:, None] * basis * (np.arange(degree + 1) + 0.5))
    return np.asarray(terms @ np.polynomial.legendre.legvander(2 * nodes - 1, degree).T)


def _at_nodes(injection: Injection, edges_s: Array) -> Array:
    middle, half = (edges_s[1:] + edges_s[:-1]) / 2, np.diff(edges_s) / 2
    return injection.rate(middle[:, None] + half[:, None] * _NODES)


def highest_rate(injection: Injection) -> float:
    """The highest rate in 1/s; InputError for an impulse, which has none.

    An analyte whose injection carries `area` mol s/m3 enters at most at area * highest_rate mol/m3.
    """
    if is_impulse(injection):
        raise InputError(
            "injection",
            expected="one that lasts, where concentrations matter",
            got="an impulse",
            fix="Give it a width.",
            argument=True,
        )
    breaks = injection_breaks(injection)
    looks = 1 + max(1, _LOOKS // (len(breaks) - 1))
    times = np.concatenate([np.linspace(a, b, looks) for a, b in pairwise(breaks)])
    return float(injection.rate(times).max())
