"""Algebraic reconstruction without a prior: SIRT and CGLS, each slice on its own.

SIRT (Gilbert 1972, J Theor Biol 36:105; weighted as by Gregor & Benson 2008, IEEE Trans Med Imaging 27:918)

    x <- max(x + C A^T R (y - A x), 0),   R = 1 / row sums of A,   C = 1 / column sums   (0 where a sum is 0)

CGLS (Hestenes & Stiefel 1952; Bjorck 1996, Numerical Methods for Least Squares Problems, algorithm 7.4.1)

    min |W^(1/2) (A x - y)|^2,   stopped at the noise: |W^(1/2) (A x - y)| <= sqrt(rays that count)

Both blur less and fit noise more with every iteration, so that their number is what regularises. CGLS does
not know that attenuation is positive. Rays without weight are left out. x in water units, y dimensionless.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.progress import Progress, Report, silent

SIRT_ITERATIONS = 200
CGLS_ITERATIONS = 30
TOLERANCE = 1e-6  # of |A^T W r| against its start
_CHECK_EVERY = 10


@dataclass(frozen=True, eq=False)
class Iterated:
    """The image (slices, ny, nx) in water units, and how it was reached.

    residuals: rms of A x - y (CGLS: of W^(1/2) (A x - y)) over rays that count, of the start and after each
    iteration. `converged`: CGLS reached the noise or its tolerance in every slice; SIRT runs its iterations.
    """

    image: Tensor
    residuals: tuple[float, ...]
    converged: bool = True

    @property
    def iterations(self) -> int:
        """Iterations done."""
        return len(self.residuals) - 1


@torch.no_grad()
def sirt(
    sinogram: Tensor,
    projector: Projector,
    *,
    weights: Tensor | None = None,
    start: Tensor | None = None,
    iterations: int = SIRT_ITERATIONS,
    progress: Report = silent,
) -> Iterated:
    """SIRT of line integrals (slices, views, detectors).

    From `start`, an image in water units, or from air. Of `weights` it only matters which are 0.
    """
    system, tiles = projector.system, projector.tiles(len(sinogram))
    y = tiles.pack_rays(sinogram)
    seen = torch.ones_like(y) if weights is None else tiles.pack_rays((weights > 0).to(sinogram))
    rows = system.forward(y.new_ones((1, tiles.pixels, 1)))
    rows = torch.where(rows > 0, 1 / rows, 0) * seen
    columns = system.back(seen)
    columns = torch.where(columns > 0, 1 / columns, 0)
    x = y.new_zeros((tiles.blocks, tiles.pixels, tiles.width)) if start is None else tiles.pack(start.to(y))
    count = max(float(seen.sum()), 1.0)
    error = (y - system.forward(x)) * seen
    history = [_rms(error, count)]
    for done in range(1, iterations + 1):
        x += columns * system.back(rows * error)
        x.clamp_(min=0)
        error = (y - system.forward(x)) * seen
        history.append(_rms(error, count))
        if done % _CHECK_EVERY == 0 or done == iterations:
            progress(Progress("sirt", done, iterations, f"rms residual {history[-1]:.2e}"))
    return Iterated(tiles.unpack(x), tuple(history))


@torch.no_grad()
def cgls(
    sinogram: Tensor,
    projector: Projector,
    *,
    weights: Tensor | None = None,
    start: Tensor | None = None,
    noise_known: bool = True,
    iterations: int = CGLS_ITERATIONS,
    progress: Report = silent,
) -> Iterated:
    """CGLS of line integrals (slices, views, detectors).

    From `start`, an image in water units, or from air. `weights` are absolute (inverse variances); without
    them, or unless `noise_known`, it does not stop at the noise. A slice that has stopped is left alone.
    """
    system, tiles = projector.system, projector.tiles(len(sinogram))
    root = None if weights is None else tiles.pack_rays(weights.sqrt())
    y = tiles.pack_rays(sinogram)

    def weighed(rays: Tensor) -> Tensor:
        return rays if root is None else rays * root

    rays_each = y.new_full((len(y), 1, y.shape[-1]), y.shape[1]) if root is None else _count(root)
    x = y.new_zeros((tiles.blocks, tiles.pixels, tiles.width)) if start is None else tiles.pack(start.to(y))
    r = weighed(y - system.forward(x))
    s = system.back(weighed(r))
    p, gamma = s.clone(), _dot(s)
    first, square = gamma.clone(), _dot(r)
    count = max(float(rays_each.sum()), 1.0)
    history, known = [_share(square, count)], noise_known and root is not None
    active = _active(gamma, first, square, rays_each, known=known)
    while bool(active.any()) and len(history) <= iterations:
        q = weighed(system.forward(p))
        alpha = torch.where(active, gamma / _dot(q).clamp_min(1e-30), 0)
        x += alpha * p
        r -= alpha * q
        s = system.back(weighed(r))
        before, gamma = gamma, torch.where(active, _dot(s), gamma)
        p = s + torch.where(active, gamma / before.clamp_min(1e-30), 0) * p
        square = _dot(r)
        history.append(_share(square, count))
        active &= _active(gamma, first, square, rays_each, known=known)
        progress(Progress("cgls", len(history) - 1, iterations, f"rms residual {history[-1]:.2e}"))
    return Iterated(tiles.unpack(x), tuple(history), converged=not bool(active.any()))


def _active(gamma: Tensor, first: Tensor, square: Tensor, rays: Tensor, *, known: bool) -> Tensor:
    """Slices that have reached neither the noise nor the tolerance."""
    going = gamma > TOLERANCE**2 * first
    return going & (square > rays) if known else going


def _dot(v: Tensor) -> Tensor:
    """|v|^2 of each slice: (blocks, n, s) to (blocks, 1, s)."""
    return v.square().sum(1, keepdim=True)


def _count(root: Tensor) -> Tensor:
    return (root > 0).to(root).sum(1, keepdim=True)


def _rms(error: Tensor, count: float) -> float:
    return _share(error.square(), count)


def _share(square: Tensor, count: float) -> float:
    return math.sqrt(float(square.sum(dtype=torch.float64)) / count)
