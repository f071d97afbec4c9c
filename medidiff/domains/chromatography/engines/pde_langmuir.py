"""Competitive Langmuir adsorption with dispersion: the cells of `pde` with an implicit integrator.

    dg_i/dt = (M g)_i / t0 - k_i dtheta_i/dt,   dtheta_i/dt = kd_i (g_i (1 - S) - theta_i),   S = sum theta_i

with g = b c and M the differences of the fluxes (`marching.finite_volumes`), inlet and outlet by Danckwerts.
The integrator is scipy's Radau IIA of order 5 with its own error control and the exact sparse Jacobian
(Hairer & Wanner, Solving Ordinary Differential Equations II, IV.8), restarted where the inlet jumps. The
scheme is not monotone: where a front of high loading is thinner than a few cells it rings; more cells help.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.integrate import Radau

from medidiff.domains.chromatography.engines.langmuir import check_loading
from medidiff.domains.chromatography.engines.marching.finite_volumes import FEWEST_CELLS, build_cells
from medidiff.domains.chromatography.engines.marching.inlet import highest_rate, injection_breaks
from medidiff.domains.chromatography.engines.pde import LIMIT_S, pde_cells
from medidiff.domains.chromatography.engines.transport import Curves, Transport, check_times
from medidiff.domains.chromatography.model.injection import Injection
from medidiff.errors import InputError

Array = NDArray[np.float64]

TOLERANCE = 1e-6  # of the integrator, relative
_ABSOLUTE = 1e-2  # of the tolerance and the largest g at the inlet: below, an error is nothing
_EVALUATIONS_SIGMA, _SECONDS_UNKNOWN = 200.0, 6e-7  # measured on a small machine
_FIRST = 1e-4  # of the shortest phase: the step after a jump
_UNDERSHOOT = 1e-3  # of the peak: a front that is not resolved


@dataclass
class _Cells:
    """The ordinary differential equation of all cells; y is g_1 ... g_n, theta_1 ... theta_n of each.

    matrices: of -d(flux)/dX / t0, one an analyte, because each has its own dispersion; k, kd: (n,); inlet:
    what enters the first cell where the rate is highest, (n,), 1/s.
    """

    matrices: list[Any]
    k: Array
    kd: Array
    inlet: Array
    flow: Any = field(init=False)
    rows: NDArray[np.int64] = field(init=False)
    columns: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        n, cells = len(self.k), self.matrices[0].shape[0]
        of_gas = np.eye(2 * n)
        self.flow = sum(
            sparse.kron(matrix, np.diag(of_gas[i])) for i, matrix in enumerate(self.matrices)
        ).tocsr()
        cell = 2 * n * np.arange(cells)[:, None, None]
        block = np.arange(2 * n)
        self.rows = np.broadcast_to(cell + block[:, None], (cells, 2 * n, 2 * n)).ravel()
        self.columns = np.broadcast_to(cell + block, (cells, 2 * n, 2 * n)).ravel()

    def rise(self, y: Array, rate: float) -> Array:
        """dy/dt while the injection's rate is `rate`."""
        n = len(self.k)
        both = y.reshape(-1, 2 * n)
        free = 1 - both[:, n:].sum(axis=1, keepdims=True)
        taken = self.kd * (both[:, :n] * free - both[:, n:])
        out = np.array(self.flow @ y).reshape(-1, 2 * n)
        out[:, :n] -= self.k * taken
        out[:, n:] = taken
        out[0, :n] += self.inlet * rate
        return out.ravel()

    def jacobian(self, y: Array) -> Any:
        """d(dy/dt)/dy, sparse."""
        n = len(self.k)
        both = y.reshape(-1, 2 * n)
        free = 1 - both[:, n:].sum(axis=1)
        block = np.zeros((len(both), 2 * n, 2 * n))
        for i in range(n):
            block[:, n + i, i] = self.kd[i] * free
            block[:, n + i, n:] = -self.kd[i] * both[:, i, None]
            block[:, n + i, n + i] -= self.kd[i]
            block[:, i] = -self.k[i] * block[:, n + i]
        local = sparse.csr_matrix((block.ravel(), (self.rows, self.columns)), shape=self.flow.shape)
        return (self.flow + local).tocsc()


def pde_langmuir_curves(
    t: ArrayLike,
    transport: Transport,
    b_m3_per_mol: ArrayLike,
    inlet_mol_m3: ArrayLike,
    injection: Injection,
    *,
    cells: int | None = None,
    tolerance: float = TOLERANCE,
    limit_s: float = LIMIT_S,
) -> Curves:
    """Outlet concentrations (n, points) in mol/m3 at the times `t` (points,), any rising order.

    b_m3_per_mol: (n,), Langmuir's b = ka/kd for a unit of sites. inlet_mol_m3: (n,), the highest
    concentration at the inlet. Raises InputError for an open column with dispersion, and with the forecast
    above `limit_s` seconds.
    """
    times = check_times(t)
    b, inlet = _check(transport, b_m3_per_mol, inlet_mol_m3, cells)
    count, seconds = forecast_pde_langmuir(times, transport, injection, cells=cells)
    if seconds > limit_s:
        raise InputError(
            "engine pde",
            expected=f"a run of at most {limit_s:g} s",
            got=f"a forecast of {seconds:.0f} s ({count} cells, {len(b)} coupled analytes)",
            fix="Raise the limit with --limit-s (limit_s in Python), or take nonlinear without dispersion.",
            argument=True,
        )
    grids = [build_cells(count, float(peclet)) for peclet in transport.peclet]
    system = _Cells(
        [grid.matrix / transport.t0_s for grid in grids],
        transport.k,
        transport.kd_per_s,
        b * inlet * count / transport.t0_s,
    )
    floor = _ABSOLUTE * tolerance * float((b * inlet).max())
    found = _integrate(system, times, injection, grids[0].outlet, tolerance, floor)
    return Curves(found / b[:, None], {}, np.zeros(len(b)), "pde", _warnings(found))


def forecast_pde_langmuir(
    t: ArrayLike, transport: Transport, injection: Injection, *, cells: int | None = None
) -> tuple[int, float]:
    """Cells of the column and seconds."""
    times = check_times(t)
    sigma = np.sqrt(transport.variance_s2)
    count = cells or pde_cells(float((transport.mean_s / sigma).max()))
    lasts = max(float(times[-1]) - injection.begin_s, 0.0)
    evaluations = _EVALUATIONS_SIGMA * (lasts / float(sigma.min()) + 2)
    return count, evaluations * 2 * len(sigma) * count * _SECONDS_UNKNOWN


def _integrate(
    system: _Cells, t: Array, injection: Injection, outlet: Array, tolerance: float, floor: float
) -> Array:
    """What leaves, g, (n, points)."""
    n = len(system.k)
    y, found = np.zeros(2 * n * len(outlet)), np.zeros((n, len(t)))
    highest = highest_rate(injection)
    breaks = [edge for edge in injection_breaks(injection) if edge < t[-1]]
    for begin, end in zip(breaks, [*breaks[1:], float(t[-1])], strict=True):

        def rate(time: float, begin: float = begin, end: float = end) -> float:
            # Just inside the phase at its ends, where the rate may jump.
            inside = np.clip(time, begin + 1e-12 * (end - begin), end - 1e-12 * (end - begin))
            return float(injection.rate(np.array([inside]))[0]) / highest

        solver = Radau(
            lambda time, state, rate=rate: system.rise(state, rate(time)),
            begin,
            y,
            end,
            rtol=tolerance,
            atol=floor,
            jac=lambda time, state: system.jacobian(state),
            first_step=_FIRST * (end - begin),
        )
        while solver.status == "running":
            message = solver.step()
            if solver.status == "failed":
                fix = "Take more cells, or a smaller loading."
                raise InputError("engine pde", expected="steps that converge", got=str(message), fix=fix)
            now = (t > solver.t_old) & (t <= solver.t)
            if now.any():
                states = solver.dense_output()(t[now]).reshape(len(outlet), 2 * n, -1)
                found[:, now] = np.einsum("c,cip->ip", outlet, states[:, :n])
        y = solver.y
    return found


def _check(transport: Transport, b: ArrayLike, inlet: ArrayLike, cells: int | None) -> tuple[Array, Array]:
    if transport.boundary == "open" and np.isfinite(transport.peclet).any():
        raise _bad("boundary danckwerts", "open", "A column in cells has two ends.")
    if cells is not None and cells < FEWEST_CELLS:
        raise _bad(
            f"at least {FEWEST_CELLS} cells", f"{cells}", "Take more, or leave the choice to the engine."
        )
    return check_loading(transport, b, inlet, "engine pde")


def _warnings(found: Array) -> tuple[str, ...]:
    under = -float(found.min()) / max(float(found.max()), 1e-300)
    if under < _UNDERSHOOT:
        return ()
    return (f"the curve falls to -{under:.1e} of its peak: a front is thinner than some cells; take more",)


def _bad(expected: str, got: str, fix: str) -> InputError:
    return InputError("engine pde", expected=expected, got=got, fix=fix, argument=True)
