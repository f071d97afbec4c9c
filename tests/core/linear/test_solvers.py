"""Conjugate gradients against dense solves, by row, real and complex."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from medidiff.core.linear import cg
from medidiff.errors import MedidiffError


def positive(d: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """A random Hermitian positive matrix with eigenvalues from 1 to about 5."""
    M = torch.randn(d, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return torch.eye(d, dtype=dtype) + M @ M.mH / d


def rows(count: int, d: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(count, d, generator=torch.Generator().manual_seed(9), dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_solution_is_the_dense_one(dtype: torch.dtype) -> None:
    M, b = positive(9, dtype), rows(3, 9, dtype)
    x, info = cg(lambda v: v @ M.mT, b, tol=1e-12)
    torch.testing.assert_close(x, torch.linalg.solve(M, b.mT).mT, rtol=1e-9, atol=1e-9)
    assert info.converged.all()
    assert info.residuals.shape == (info.iterations + 1, 3)
    true = (b - x @ M.mT).norm(dim=1) / b.norm(dim=1)
    assert (true < 1e-11).all()


def test_history_is_the_true_residual() -> None:
    """Every entry equals |b - M x_k| / |b| of a run stopped there."""
    M, b = positive(9, torch.float64), rows(2, 9, torch.float64)
    _, full = cg(lambda v: v @ M.mT, b, max_iterations=5)
    for k in range(1, 6):
        x, info = cg(lambda v: v @ M.mT, b, max_iterations=k)
        assert info.iterations == k
        torch.testing.assert_close(full.residuals[k], (b - x @ M.mT).norm(dim=1) / b.norm(dim=1))


def test_rows_are_solved_as_alone() -> None:
    """A row a million times larger, one that is already solved and one of zeros change nothing."""
    M, b = positive(9, torch.float64), rows(4, 9, torch.float64)
    b[1] *= 1e6
    b[3] = 0
    x0 = torch.zeros_like(b)
    x0[2] = torch.linalg.solve(M, b[2])
    together, info = cg(lambda v: v @ M.mT, b, x0)
    for k in range(4):
        alone, _ = cg(lambda v: v @ M.mT, b[k : k + 1], x0[k : k + 1])
        torch.testing.assert_close(together[k : k + 1], alone, rtol=1e-12, atol=1e-12)
    assert torch.equal(together[2], x0[2])
    assert torch.equal(together[3], x0[3])
    assert info.converged.all()


def test_a_warm_start_is_used_and_not_changed() -> None:
    M, b = positive(9, torch.float64), rows(1, 9, torch.float64)
    near = torch.linalg.solve(M, b.mT).mT + 1e-3
    kept = near.clone()
    _, cold = cg(lambda v: v @ M.mT, b, max_iterations=2)
    _, warm = cg(lambda v: v @ M.mT, b, near, max_iterations=2)
    assert warm.residuals[-1] < cold.residuals[-1] / 100
    assert torch.equal(near, kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_tolerance_zero_stops_at_the_rounding_unit(dtype: torch.dtype) -> None:
    """A fixed count would go on dividing rounding noise: one step for I, a few dozen for a condition of 5."""
    b = rows(2, 50, dtype)
    for M, most in ((torch.eye(50, dtype=dtype), 2), (positive(50, dtype), 30)):
        x, info = cg(lambda v, M=M: v @ M.mT, b, tol=0.0, max_iterations=1000)
        assert info.iterations <= most
        assert info.converged.all()
        torch.testing.assert_close(x @ M.mT, b, rtol=1e-5, atol=1e-5)


def test_a_direction_without_curvature_stops_its_row() -> None:
    """M = diag(1, 0) and diag(1, -1): the row ends where it is, finite, and is reported."""
    for last in (0.0, -1.0):
        M = torch.tensor([1.0, last])
        x, info = cg(lambda v, M=M: M * v, torch.tensor([[1.0, 1.0], [1.0, 0.0]]), max_iterations=10)
        assert torch.isfinite(x).all()
        assert info.converged.tolist() == [False, True]
        torch.testing.assert_close(x[1], torch.tensor([1.0, 0.0]))


def test_the_diagonal_preconditions() -> None:
    """A badly scaled diagonal system is solved in one step."""
    M = torch.logspace(0, 6, 20, dtype=torch.float64)
    b = rows(2, 20, torch.float64)
    _, plain = cg(lambda v: M * v, b, max_iterations=5)
    x, info = cg(lambda v: M * v, b, max_iterations=5, preconditioner=1 / M)
    assert info.iterations == 1
    assert not plain.converged.any()
    torch.testing.assert_close(x, b / M)


def test_every_residual_is_heard() -> None:
    heard: list[int] = []
    M, b = positive(9, torch.float64), rows(2, 9, torch.float64)
    _, info = cg(lambda v: v @ M.mT, b, max_iterations=3, watch=lambda k, r: heard.append(k))
    assert heard == list(range(info.iterations + 1))


def test_nan_is_not_taken_for_convergence() -> None:
    """NaN > tol is false: the loop would end with x = 0 and say nothing."""
    M, b = positive(4, torch.float64), rows(2, 4, torch.float64)
    b[1, 2] = torch.nan
    with pytest.raises(MedidiffError):
        cg(lambda v: v @ M.mT, b)
    calls = iter((1.0, torch.inf))
    with pytest.raises(MedidiffError):
        cg(lambda v: next(calls) * v @ M.mT, rows(1, 4, torch.float64), tol=1e-12)
