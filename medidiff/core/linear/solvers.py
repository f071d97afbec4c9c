"""Conjugate gradients for Hermitian positive systems, one system a row.

    M x = b,   M = M^H > 0,   rows of b independent                (Hestenes & Stiefel 1952)

Every scalar is one per row, so that a row does not know of its neighbours; a row that has converged is
left alone. Inner products are r^H r, real also for complex rows. The iteration stops on a relative
residual: a fixed count would go on dividing rounding noise once the answer is reached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.errors import MedidiffError


@dataclass(frozen=True, slots=True)
class CGInfo:
    """What conjugate gradients did.

    `residuals` (iterations + 1, K): |b - M x| / |b| as the recursion carries it, the start first.
    `converged` (K,): rows that reached the tolerance; the others ran out of iterations or of curvature.
    """

    iterations: int
    residuals: Tensor
    converged: Tensor


def cg(
    apply: Callable[[Tensor], Tensor],
    b: Tensor,
    x0: Tensor | None = None,
    *,
    tol: float = 1e-6,
    max_iterations: int = 30,
    preconditioner: Tensor | None = None,
    watch: Callable[[int, Tensor], None] | None = None,
) -> tuple[Tensor, CGInfo]:
    """Solve apply(x) = b from x0 (default 0): (K, ...) real or complex; x0 and b are not changed.

    `tol` is on |r| / |b| (never below the rounding unit), or on |r| / |r_0| in rows where b is 0.
    `preconditioner` is an approximate inverse of the diagonal of M, positive, broadcast to b.
    `watch(iteration, relative residual (K,))` sees every residual. A row whose curvature p^H M p is not
    positive (rounding at convergence, or M not positive) stops where it is. Raises MedidiffError when a
    residual is not finite: b, x0 or what `apply` makes of them.
    """
    x = torch.zeros_like(b) if x0 is None else x0.clone()
    r = b.clone() if x0 is None else b - apply(x)
    z = r if preconditioner is None else preconditioner * r
    p, rho = z.clone(), _dot(r, z)
    scale, tol = _scale(b, r), max(tol, torch.finfo(b.dtype).eps)
    history = [_dot(r, r).sqrt() / scale]
    _finite(history[0])
    active = history[0] > tol
    while bool(active.any()) and len(history) <= max_iterations:
        if watch is not None:
            watch(len(history) - 1, history[-1])
        curvature = _dot(p, q := apply(p))
        _finite(curvature)
        active = active & (curvature > 0)
        alpha = torch.where(active, rho / curvature, 0)
        x += _rows(alpha, x) * p
        r -= _rows(alpha, r) * q
        z = r if preconditioner is None else preconditioner * r
        rho, before = torch.where(active, _dot(r, z), rho), rho
        p = z + _rows(torch.where(active, rho / before, 0), p) * p
        history.append(_dot(r, r).sqrt() / scale)
        _finite(history[-1])
        active = active & (history[-1] > tol)
    if watch is not None:
        watch(len(history) - 1, history[-1])
    return x, CGInfo(len(history) - 1, torch.stack(history), history[-1] <= tol)


def _dot(u: Tensor, v: Tensor) -> Tensor:
    """Re u^H v of each row: (K, ...) to (K,)."""
    product = torch.view_as_real(u.conj() * v)[..., 0] if u.is_complex() else u * v
    return product.sum(tuple(range(1, u.ndim)))


def _finite(values: Tensor) -> None:
    """NaN compares false with everything: unasked, it would end the iteration as if it had converged."""
    if not bool(torch.isfinite(values).all()):
        raise MedidiffError(
            "conjugate gradients",
            expected="finite residuals and curvatures",
            got=f"{int((~torch.isfinite(values)).sum())} of {len(values)} rows without",
            fix="Check measurement, weights and operator for NaN and overflow.",
        )


def _scale(b: Tensor, r: Tensor) -> Tensor:
    size, start = _dot(b, b).sqrt(), _dot(r, r).sqrt()
    return torch.where(size > 0, size, torch.where(start > 0, start, 1))


def _rows(scalar: Tensor, like: Tensor) -> Tensor:
    return scalar.reshape(-1, *[1] * (like.ndim - 1))
