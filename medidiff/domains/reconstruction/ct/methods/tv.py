"""Three-dimensional total variation: the classical reconstruction to beat.

    min over u >= 0 of   0.5 |W^(1/2) (A u - y)|^2 + lambda sum_voxels |grad u|

u in water units, grad = forward differences over the spacing in mm, 0 at the last index of every axis (no
wrap), |.| over its three components. W are weights relative to their mean over rays through the body
(y > 0.5), or 1, so that lambda does not depend on the dose; its unit is mm.

Solver: over-relaxed primal-dual (Chambolle & Pock 2011, J Math Imaging Vis 40:120; Condat 2013, J Optim
Theory Appl 158:460), with a preconditioner F along the detector: the square root of the ramp. With r the
dual of the data in units of W^(1/2) and p that of the gradient, one iteration is

    u' = max(u - tau (A^T W^(1/2) r + grad^T p), 0),   ubar = 2 u' - u
    r' = r + (I + F)^-1 F (W^(1/2) (A ubar - y) - r)
    p' = project(p + sigma grad ubar, |p| <= lambda)
    (u, r, p) += rho ((u', r', p') - (u, r, p))

which converges for tau |F^(1/2) W^(1/2) A|^2 + tau sigma |grad|^2 <= 1 and rho < 2. Any symmetric F >= 0
has the same fixed points; this one needs a third of the iterations of diagonal steps, because A A^T of one
view falls off as the inverse of the frequency. The best tau was found to be inverse to lambda.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.domains.reconstruction.ct.projection.projector import Projector, Tiles
from medidiff.domains.reconstruction.ct.projection.system import System
from medidiff.errors import InputError
from medidiff.progress import Progress, Report, silent

CHECK_EVERY = 20  # iterations between two looks at the objective
TOLERANCE = 1e-5
_BODY = 0.5  # line integral above which a ray went through the body
_TAU_LAMBDA = 0.012  # tau times lambda; fewest iterations from 2e-4 to 1e-2
_TAU_RANGE = (1.0, 100.0)
_DATA_SHARE = 0.75  # of the step condition; the rest is the gradient's
_RHO = 1.8
_POWER_ITERATIONS = 15
_FLAT = 1e-20
_MARGIN = 1.03  # the power iteration bounds the norm from below
_STRIP_BYTES = 1 << 18  # of one field: strips of rows stay in the cache


@dataclass(frozen=True, eq=False)
class TVResult:
    """The minimiser and how it was reached.

    image: (slices, ny, nx) in water units. objective: at the start and every 20 iterations.
    `dual` restarts a neighbouring problem (another lambda).
    """

    image: Tensor
    iterations: int
    objective: tuple[float, ...]
    converged: bool
    dual: tuple[Tensor, Tensor]


def relative_weights(weights: Tensor, sinogram: Tensor) -> Tensor:
    """W divided by its mean over rays through the body, the scale to which lambda refers.

    Over all rays where none through the body counts; 0 stays 0 where no ray does.
    """
    for rays in (weights[sinogram > _BODY], weights):
        if bool(rays.any()):
            return weights / rays.mean()
    return weights


def tv(
    sinogram: Tensor,
    projector: Projector,
    *,
    lam: float,
    spacing_mm: tuple[float, float, float],
    weights: Tensor | None = None,
    start: Tensor | TVResult | None = None,
    iterations: int = 1000,
    tolerance: float = TOLERANCE,
    progress: Report = silent,
) -> TVResult:
    """Minimise the objective of the module for line integrals (slices, views, detectors).

    spacing_mm is (dz, dy, dx). `weights`, like the sinogram, may be absolute: they are made relative. `start`
    is an image in water units, or the result of a neighbouring problem. Stops when the objective changed by
    less than `tolerance` over 20 iterations, twice; `progress` hears every 20. Refuses lam <= 0.
    """
    if not 0 < lam < math.inf:
        raise InputError(
            "TV weight",
            expected="lambda above 0",
            got=f"{lam:g}",
            fix="3e-4 to 1e-2 is usual.",
            argument=True,
        )
    with torch.no_grad():
        problem = _Problem(sinogram, projector, lam, spacing_mm, weights)
        return _minimise(problem, start, iterations, tolerance, progress)


class _Problem:
    """One objective and its steps; images are (ny, nx, slices), rays (blocks, views x detectors, s)."""

    def __init__(
        self,
        sinogram: Tensor,
        projector: Projector,
        lam: float,
        spacing_mm: tuple[float, float, float],
        weights: Tensor | None,
    ) -> None:
        dz, dy, dx = spacing_mm
        self.lam, self.steps_mm = lam, (dy, dx, dz)
        self.system: System = projector.system
        self.tiles: Tiles = projector.tiles(len(sinogram))
        self.views, self.detectors = self.tiles.rays
        self.y = self.tiles.pack_rays(sinogram)
        self.root: Tensor | None = None
        if weights is not None:
            self.root = self.tiles.pack_rays(relative_weights(weights, sinogram)).sqrt_()
        self.shape = (*projector.grid.shape, len(sinogram))
        self.tau = min(max(_TAU_LAMBDA / lam, _TAU_RANGE[0]), _TAU_RANGE[1])
        ramp = _root_ramp(self.detectors).to(sinogram)
        curvature = max(self._curvature(ramp), _FLAT)  # 0 where no ray counts
        scale = _DATA_SHARE / (self.tau * _MARGIN * curvature)
        identity = torch.eye(self.detectors, dtype=torch.float64)
        filtered = scale * ramp.double().cpu()
        self.filter = torch.linalg.solve(identity + filtered, filtered).to(sinogram)
        axes = [d for d, n in zip(self.steps_mm, self.shape, strict=True) if n > 1]
        self.sigma = (1 - _DATA_SHARE) / (self.tau * 4 * sum(d**-2 for d in axes))

    def forward(self, image: Tensor) -> Tensor:
        """W^(1/2) A u."""
        rays = self.system.forward(self.tiles.pack(image.permute(2, 0, 1)))
        return rays if self.root is None else rays.mul_(self.root)

    def back(self, rays: Tensor) -> Tensor:
        """A^T W^(1/2) r, a new image."""
        weighted = rays if self.root is None else rays * self.root
        return self.tiles.unpack_columns(self.system.back(weighted))

    def mismatch(self, image: Tensor) -> Tensor:
        """W^(1/2) (A u - y)."""
        rays = self.system.forward(self.tiles.pack(image.permute(2, 0, 1))).sub_(self.y)
        return rays if self.root is None else rays.mul_(self.root)

    def objective(self, image: Tensor) -> float:
        """The functional at an image >= 0, summed in float64."""
        data = float(self.mismatch(image).double().square_().sum())
        total = torch.zeros((), dtype=torch.float64, device=image.device)
        for rows in self.strips():
            square = torch.zeros_like(image[rows])
            for axis, step in enumerate(self.steps_mm):
                ahead, here, inside = _neighbours(image, rows, axis)
                square[inside].addcmul_(ahead - here, ahead - here, value=step**-2)
            total += square.sqrt_().double().sum()
        return 0.5 * data + self.lam * float(total)

    def strips(self) -> list[slice]:
        """Rows in groups that fit into the cache."""
        rows = max(1, _STRIP_BYTES // (4 * self.shape[1] * self.shape[2]))
        return [slice(i, min(i + rows, self.shape[0])) for i in range(0, self.shape[0], rows)]

    def _curvature(self, ramp: Tensor) -> float:
        """|F^(1/2) W^(1/2) A|^2, the largest over the slices (which do not mix), by power iterations."""
        slices = 1 if self.root is None else self.shape[2]
        tiles = Tiles(self.tiles.grid, self.tiles.rays, slices)
        x = self.y.new_ones((tiles.blocks, tiles.pixels, tiles.width))
        value = 0.0
        for _ in range(_POWER_ITERATIONS):
            x /= torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min_(1e-30)
            rays = self.system.forward(x)
            rays = rays if self.root is None else rays.mul_(self.root)
            rays = self.along_detector(ramp, rays)
            x = self.system.back(rays if self.root is None else rays.mul_(self.root))
            value = float(torch.linalg.vector_norm(x, dim=1).max())
        return value

    def along_detector(self, matrix: Tensor, rays: Tensor) -> Tensor:
        """A (detectors, detectors) matrix on every view."""
        each = rays.reshape(len(rays), self.views, self.detectors, -1)
        return (matrix @ each).reshape(rays.shape)


def _root_ramp(detectors: int) -> Tensor:
    """The square root of the ramp as a symmetric (detectors, detectors) matrix, float64."""
    size = 1 << (8 * detectors).bit_length()
    f = torch.fft.rfftfreq(size, dtype=torch.float64)
    response = (2 * (f.square() + (2 * detectors) ** -2).sqrt()).sqrt()
    kernel: Tensor = torch.fft.irfft(response.to(torch.complex128))
    n = torch.arange(detectors)
    return kernel[(n[:, None] - n).abs()]


def _minimise(
    problem: _Problem, start: Tensor | TVResult | None, iterations: int, tolerance: float, progress: Report
) -> TVResult:
    u, r, p = _start(problem, start)
    objective = [problem.objective(u)]
    below, done = 0, 0
    while done < iterations and below < 2:
        for _ in range(min(CHECK_EVERY, iterations - done)):
            done += 1
            _iterate(problem, u, r, p)
        objective.append(problem.objective(u.clamp(min=0)))
        change = abs(objective[-1] - objective[-2]) / max(objective[-1], 1e-30)
        below = below + 1 if change < tolerance else 0
        progress(Progress("tv", done, iterations, f"objective changes by {change:.1e}"))
    image = u.clamp_(min=0).permute(2, 0, 1).contiguous()
    return TVResult(image, done, tuple(objective), below >= 2, (r, p))


def _start(problem: _Problem, start: Tensor | TVResult | None) -> tuple[Tensor, Tensor, Tensor]:
    y = problem.y
    if isinstance(start, TVResult):
        image, (r, p) = start.image, start.dual
        return image.permute(1, 2, 0).contiguous(), r.clone(), p.clone()
    u = y.new_zeros(problem.shape) if start is None else start.permute(1, 2, 0).contiguous().clamp(min=0)
    return u.to(y), torch.zeros_like(y), y.new_zeros((3, *problem.shape))


def _iterate(problem: _Problem, u: Tensor, r: Tensor, p: Tensor) -> None:
    """One iteration of the module's equations, in place."""
    new = problem.back(r)
    for axis, step in enumerate(problem.steps_mm):
        size = p.shape[axis + 1] - 1
        inside = p[axis].narrow(axis, 0, size)
        new.narrow(axis, 0, size).sub_(inside, alpha=1 / step)
        new.narrow(axis, 1, size).add_(inside, alpha=1 / step)
    new.mul_(-problem.tau).add_(u).clamp_(min=0)
    ahead = torch.lerp(u, new, 2.0)
    u.lerp_(new, _RHO)
    r.add_(problem.along_detector(problem.filter, problem.mismatch(ahead).sub_(r)), alpha=_RHO)
    _gradient_dual(problem, p, ahead)


def _gradient_dual(problem: _Problem, p: Tensor, image: Tensor) -> None:
    for rows in problem.strips():
        new = p[:, rows].clone()
        for axis, step in enumerate(problem.steps_mm):
            ahead, here, inside = _neighbours(image, rows, axis)
            new[axis][inside].add_(ahead, alpha=problem.sigma / step).sub_(here, alpha=problem.sigma / step)
        length = torch.mul(new[0], new[0]).addcmul_(new[1], new[1]).addcmul_(new[2], new[2])
        new *= length.sqrt_().clamp_(min=problem.lam).reciprocal_().mul_(problem.lam)
        p[:, rows].lerp_(new, _RHO)


def _neighbours(image: Tensor, rows: slice, axis: int) -> tuple[Tensor, Tensor, tuple[slice, ...]]:
    """Of a strip of rows: the next voxels along an axis, the voxels that have one, and where these lie."""
    if axis == 0:
        stop = min(rows.stop, len(image) - 1)
        return image[rows.start + 1 : stop + 1], image[rows.start : stop], (slice(0, stop - rows.start),)
    strip = image[rows]
    size = strip.shape[axis] - 1
    return strip.narrow(axis, 1, size), strip.narrow(axis, 0, size), (slice(None),) * axis + (slice(0, size),)
