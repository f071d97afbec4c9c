"""Implicit Runge-Kutta steps for a linear column whose cells exchange with a film.

    dc/dt = M c - ka c + kd w + g s(t) ,     dw/dt = ka c - kd w        (w: content of the film)

A step of s stages solves (A^-1 x I - dt I x B) Z = dt (1 x B y + g s(t_i)) and adds (b^T A^-1) Z. The
eigenvectors of A^-1 part it into one banded system an eigenvalue, one for each conjugate pair, and w leaves
each by hand (Hairer & Wanner, Solving Ordinary Differential Equations II, IV.8). `radau5` is the Radau IIA
method of order 5, the Pade approximant (2, 3): stiff exchange of thousands per second dies at once, which
that of (2, 2), `gauss4`, leaves ringing. Backward Euler and Crank-Nicolson are the same with one stage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import get_lapack_funcs

Method = Literal["radau5", "gauss4", "backward_euler", "crank_nicolson"]
_R6, _R3 = math.sqrt(6), math.sqrt(3)


@dataclass(frozen=True)
class Tableau:
    """Butcher's table: a (stages, stages), b and the nodes c (stages,)."""

    a: NDArray[np.float64]
    b: NDArray[np.float64]

    @property
    def nodes(self) -> NDArray[np.float64]:
        """Where within a step the stages lie, in 0 ... 1."""
        return np.asarray(self.a.sum(axis=1))


TABLEAUS: dict[Method, Tableau] = {
    "radau5": Tableau(
        np.array(
            [
                [(88 - 7 * _R6) / 360, (296 - 169 * _R6) / 1800, (-2 + 3 * _R6) / 225],
                [(296 + 169 * _R6) / 1800, (88 + 7 * _R6) / 360, (-2 - 3 * _R6) / 225],
                [(16 - _R6) / 36, (16 + _R6) / 36, 1 / 9],
            ]
        ),
        np.array([(16 - _R6) / 36, (16 + _R6) / 36, 1 / 9]),
    ),
    "gauss4": Tableau(np.array([[1 / 4, 1 / 4 - _R3 / 6], [1 / 4 + _R3 / 6, 1 / 4]]), np.array([0.5, 0.5])),
    "backward_euler": Tableau(np.array([[1.0]]), np.array([1.0])),
    "crank_nicolson": Tableau(np.array([[0.5]]), np.array([1.0])),  # with the source's mean over the step
}


@dataclass(frozen=True)
class _Part:
    """One banded system: its eigenvalue, factors, and how right-hand sides enter and results leave."""

    eigenvalue: complex
    factors: Any
    pivots: Any
    solve: Any
    enter: NDArray[Any]
    total: Any
    leave: Any


class Stepper:
    """Steps of one length on one column; the factorisation is paid when it is made.

    matrix: sparse (cells, cells), 1/s; exchange: (ka, kd) in 1/s.
    """

    def __init__(self, matrix: Any, exchange: tuple[float, float], step_s: float, method: Method) -> None:
        self.matrix, self.exchange, self.step_s = matrix, exchange, step_s
        table = TABLEAUS[method]
        self.nodes = table.nodes
        inverse = np.linalg.inv(table.a)
        eigenvalues, vectors = np.linalg.eig(inverse)
        into, out = np.linalg.inv(vectors), (table.b @ inverse) @ vectors
        self._lower, self._upper, self._bands = _banded(matrix)
        self._parts = [
            self._factor(eigenvalues[i], into[i], out[i])
            for i in range(len(table.b))
            if eigenvalues[i].imag >= 0
        ]

    def advance(self, c: NDArray[np.float64], w: NDArray[np.float64], inflow: NDArray[np.float64]) -> None:
        """One step in place; `inflow` (stages,) is added per second to the first cell at each stage."""
        (ka, kd), dt = self.exchange, self.step_s
        to_film = dt * (ka * c - kd * w)
        to_gas = dt * (self.matrix @ c) - to_film
        grown_c, grown_w = np.zeros_like(c), np.zeros_like(w)
        for part in self._parts:
            gas, film = part.total * to_gas, part.total * to_film
            gas[0] += dt * (part.enter @ inflow)
            share = part.eigenvalue + dt * kd
            x, _ = part.solve(
                part.factors,
                self._lower,
                self._upper,
                gas + (dt * kd / share) * film,
                part.pivots,
                overwrite_b=1,
            )
            grown_c += (part.leave * x).real
            grown_w += (part.leave / share * (film + (dt * ka) * x)).real
        c += grown_c
        w += grown_w

    def _factor(self, eigenvalue: complex, into: NDArray[Any], out: complex) -> _Part:
        (ka, kd), dt = self.exchange, self.step_s
        pair = abs(eigenvalue.imag) > 1e-9
        if not pair:
            eigenvalue, into, out = float(eigenvalue.real), into.real, float(out.real)
        bands = (-dt * self._bands).astype(type(eigenvalue))
        bands[self._lower + self._upper] += eigenvalue + dt * ka * eigenvalue / (eigenvalue + dt * kd)
        factor, solve = get_lapack_funcs(("gbtrf", "gbtrs"), (bands,))
        factors, pivots, _ = factor(bands, self._lower, self._upper, overwrite_ab=1)
        return _Part(eigenvalue, factors, pivots, solve, into, into.sum(), 2 * out if pair else out)


def _banded(matrix: Any) -> tuple[int, int, NDArray[np.float64]]:
    """Diagonals below and above, and LAPACK's band storage with room for its pivots."""
    diagonals = matrix.todia()
    lower, upper = max(0, -int(diagonals.offsets.min())), max(0, int(diagonals.offsets.max()))
    bands = np.zeros((2 * lower + upper + 1, matrix.shape[0]))
    for offset, values in zip(diagonals.offsets, diagonals.data, strict=True):
        bands[lower + upper - offset, : len(values)] = values
    return lower, upper, bands
