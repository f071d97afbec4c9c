"""Steps against the exponential of the matrix: their order, their damping, and the source within them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.linalg import expm

from medidiff.domains.chromatography.engines.marching.stepping import TABLEAUS, Method, Stepper

ORDERS: dict[Method, int] = {"radau5": 5, "gauss4": 4, "backward_euler": 1, "crank_nicolson": 2}
RATES = (0.7, 0.4)
_SIZE = 5


def matrix() -> sparse.csr_matrix:
    """Upwind advection on five cells: banded, and not symmetric."""
    return sparse.csr_matrix(np.diag(np.full(_SIZE, -1.0)) + np.diag(np.full(_SIZE - 1, 1.0), -1))


def whole() -> np.ndarray:
    """The matrix of gas and film together."""
    ka, kd = RATES
    eye = np.eye(_SIZE)
    return np.block([[matrix().toarray() - ka * eye, kd * eye], [ka * eye, -kd * eye]])


def error(method: Method, steps: int) -> float:
    """After one second from a start that is not 0, with an inflow of 1 + t per second in the first cell."""
    stepper = Stepper(matrix(), RATES, 1 / steps, method)
    c, w = np.linspace(1, 2, _SIZE), np.linspace(0, 1, _SIZE)
    start = np.concatenate([c, w])
    for step in range(steps):
        stepper.advance(c, w, 1 + (step + stepper.nodes) / steps)
    # dy/dt = B y + g (1 + t) as one homogeneous system with the states 1 and t
    size = 2 * _SIZE
    wide = np.zeros((size + 2, size + 2))
    wide[:size, :size] = whole()
    wide[0, size:] = 1
    wide[size + 1, size] = 1
    exact = (expm(wide) @ np.concatenate([start, [1, 0]]))[:size]
    return float(np.abs(np.concatenate([c, w]) - exact).max())


@pytest.mark.parametrize("method", TABLEAUS)
def test_the_order_of_every_method(method: Method) -> None:
    coarse, fine = error(method, 4), error(method, 8)
    assert np.log2(coarse / fine) == pytest.approx(ORDERS[method], abs=0.15)


def test_mass_is_kept_to_rounding() -> None:
    """Gas and film exchange, the first cell receives, the last one gives: nothing else."""
    stepper = Stepper(matrix(), RATES, 0.5, "radau5")
    c, w = np.zeros(_SIZE), np.zeros(_SIZE)
    stepper.advance(c, w, np.array([2.0, 2.0, 2.0]))
    kept = np.ones(_SIZE)
    kept_after = (c + w).sum()
    # The outflow is the integral of c in the last cell: by the same stages, from a longer column.
    longer = sparse.csr_matrix(np.diag(np.r_[np.full(_SIZE, -1.0), 0.0]) + np.diag(np.full(_SIZE, 1.0), -1))
    c6, w6 = np.zeros(_SIZE + 1), np.zeros(_SIZE + 1)
    Stepper(longer, RATES, 0.5, "radau5").advance(c6, w6, np.array([2.0, 2.0, 2.0]))
    assert (c6 + w6).sum() == pytest.approx(1.0, abs=1e-14)
    assert (c6 + w6)[:_SIZE] @ kept == pytest.approx(kept_after, abs=1e-14)


def test_stiff_exchange_dies_in_a_step_of_radau_and_rings_with_pade_2_2() -> None:
    """Kd dt = 1e5: a film out of equilibrium is there in one step, or only after very many."""
    for method, left in (("radau5", 1e-3), ("gauss4", 0.9)):
        stepper = Stepper(0 * matrix(), (1e5, 1e5), 1.0, method)
        c, w = np.ones(_SIZE), np.zeros(_SIZE)
        stepper.advance(c, w, np.zeros(len(stepper.nodes)))
        assert bool(np.abs(c - w).max() < left) == (method == "radau5")
