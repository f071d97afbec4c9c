"""Finite volumes on a column of length 1: faces, fluxes and the matrix of their differences.

    d c_i/d t = -(F_(i+1/2) - F_(i-1/2)) / (h t0) ,     F = c - (1/Pe) dc/dX ,     cell i is [i h, (i + 1) h]

`upwind5`: the value at the face i+1/2 is that of the polynomial whose cell means are those of the five cells
i-2 ... i+2, (2, -13, 47, 27, -3)/60, and the gradient that of the four about it, (1, -15, 15, -1)/12; where a
stencil would leave the column, the four nearest cells are taken, one order lower, which keeps the whole at
order 5 for smooth curves (Gustafsson 1975, Math Comp 29:396) and all eigenvalues in the left half plane: the
five nearest do not. `upwind1` and `central` are the schemes of first and second order.

The inlet's face carries exactly what is injected (Danckwerts 1953, Chem Eng Sci 2:1), so mass is exact. The
outlet's carries the value there, without a gradient. Its layer of thickness 1/Pe is usually far thinner than
a cell: the last value is that of a cubic and a term e^(Pe (X - 1)) that makes the slope 0, together of the
means of the last four cells. A thick layer so becomes the polynomial without slope, a thin one the outer
flux.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Scheme = Literal["upwind5", "upwind1", "central"]
SCHEMES: tuple[Scheme, ...] = ("upwind5", "upwind1", "central")
FEWEST_CELLS = 8  # below, the closures at both ends meet
_TERMS = 40  # of a series whose terms fall like 4^k/k!


@dataclass(frozen=True)
class Cells:
    """A column in `count` cells: `matrix` is -d(flux)/dX, sparse; `outlet` (count,) gives c at X = 1."""

    count: int
    matrix: Any
    outlet: NDArray[np.float64]


def build_cells(count: int, peclet: float, scheme: Scheme = "upwind5") -> Cells:
    """Divide the column into `count` equal cells; `peclet` may be infinite."""
    values, gradients = (_at_faces(count, scheme, derivative) for derivative in (0, 1))
    if scheme == "upwind5" and np.isfinite(peclet):
        values = values.tolil()
        values[count, count - 4 :] = layer_weights(peclet / count)
        values = values.tocsr()
    flux = values - gradients * (count / peclet) if np.isfinite(peclet) else values
    matrix = (-count * (flux[1:] - flux[:-1])).tocsr()
    return Cells(count, matrix, values[count].toarray().ravel())


def face_weights(cells: range, face: int, derivative: int = 0) -> NDArray[np.float64]:
    """Weights on the means of `cells` that give the value, or the slope, at the left edge of cell `face`.

    Exact for polynomials of degree len(cells) - 1; lengths are in cells.
    """
    powers = np.arange(len(cells))[:, None] + 1
    left = np.arange(cells.start, cells.stop) - float(face)
    means = ((left + 1) ** powers - left**powers) / powers
    wanted = np.zeros(len(cells))
    wanted[derivative] = 1.0
    return np.asarray(np.linalg.solve(means, wanted))


def layer_weights(cell_peclet: float) -> NDArray[np.float64]:
    """Weights on the means of the last four cells that give the value at the outlet, where the slope is 0."""
    powers = np.arange(4)[:, None] + 1
    left, p = np.arange(-4.0, 0.0), cell_peclet
    means = ((left + 1) ** powers - left**powers) / powers
    if p >= 1:  # x - e^(p x)/p, with x = 0 at the outlet
        means[1] -= (np.exp(p * (left + 1)) - np.exp(p * left)) / p**2
        wanted = np.array([1.0, -1 / p, 0.0, 0.0])
    else:  # the same less its part that 1, x^2 and x^3 make: (e^(p x) - its first four terms)/p^4
        means[1] = sum(p ** (k - 5) * ((left + 1) ** k - left**k) / factorial(k) for k in range(5, _TERMS))
        wanted = np.array([1.0, 0.0, 0.0, 0.0])
    return np.asarray(np.linalg.solve(means, wanted))


def _at_faces(count: int, scheme: Scheme, derivative: int) -> Any:
    """The values (or slopes) at faces 0 ... count as a sparse matrix; face 0 has none of its own."""
    stencils = [_stencil(face, count, scheme, derivative) for face in range(1, count + 1)]
    known: dict[tuple[int, int], NDArray[np.float64]] = {}
    rows, columns, weights = [], [], []
    for face, cells in enumerate(stencils, start=1):
        shape = (cells.start - face, len(cells))
        if cells and shape not in known:
            known[shape] = face_weights(cells, face, derivative)
        rows += [face] * len(cells)
        columns += list(cells)
        weights += list(known[shape]) if cells else []
    return sparse.csr_matrix((weights, (rows, columns)), shape=(count + 1, count))


def _stencil(face: int, count: int, scheme: Scheme, derivative: int) -> range:
    """The cells from which a face takes its value or its slope."""
    if derivative and face == count:
        return range(0)  # Danckwerts: no gradient at the outlet
    if scheme == "upwind1":
        return range(face - 1, face + derivative)
    if scheme == "central":
        first = min(face - 1, count - 2)
        return range(first, first + 2)
    if not derivative and 3 <= face < count - 1:
        return range(face - 3, face + 2)
    first = min(max(face - 2, 0), count - 4)
    return range(first, first + 4)
