"""The one sampling loop.

    for each level but the last:    estimate = D(x, t);   x = step(x, t, next t, estimate)
    at the last level:              the result is D(x, t).x0, never a noisy x

So a one-evaluation sampler costs exactly len(grid) evaluations. A grid may hold time maps in place of times,
so that slices stand at levels of their own: one that is known rests at t_min, one that waits stays where it
is (vectorised times, Liu et al. 2024, arXiv 2410.03160). Whatever is special about a method is in
its kernel, its sampler, its denoiser or the wrappers around that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from medidiff.core.process.kernels import Kernel
from medidiff.core.process.samplers import Sampler
from medidiff.errors import InputError, MedidiffError
from medidiff.progress import Progress, Report, silent

if TYPE_CHECKING:  # the denoisers import this package, so only their names may come here
    from medidiff.core.denoisers.estimate import Context, Denoiser, Estimate

Watch = Callable[[int, Tensor, "Estimate"], None]
_AXES = 3  # (K, C, and one of space)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    kernel: Kernel,
    sampler: Sampler,
    grid: Tensor,
    *,
    start: Tensor,
    context: Context,
    progress: Report = silent,
    stage: str = "diffusion",
    watch: Watch | None = None,
) -> Tensor:
    """Run `denoiser` down `grid` from the state `start` (K, C, *space); the last estimate of x0.

    `grid` (N,) holds decreasing times; or (N, ...) maps that broadcast to the state, in which a time may also
    stay, though not all at once. `progress` hears of every level; it, or `watch(step, x, estimate)`
    (read only), may raise to cancel. Raises InputError before the first evaluation for a state or a grid
    that cannot be used, and MedidiffError when a value is no longer finite.
    """
    _check(start, grid, kernel)
    x, levels = start, len(grid)
    for step, t in enumerate(grid):
        context = replace(context, step=step)
        estimate = denoiser.denoise(x, t, context)
        _guard(estimate.x0, start, kernel, t, step, levels)
        if watch is not None:
            watch(step, x, estimate)
        progress(Progress(stage, step + 1, levels, f"sigma {_highest(kernel, t):.3g}"))
        if step + 1 < levels:
            u = grid[step + 1]
            x, carry = sampler.step(kernel, x, t, u, estimate, context, denoiser.denoise)
            _guard(x, start, kernel, u, step, levels)
            context = context.keeping(carry)
    return estimate.x0


def _check(start: Tensor, grid: Tensor, kernel: Kernel) -> None:
    if start.ndim < _AXES or not start.is_floating_point() or start.numel() == 0:
        raise InputError(
            "state",
            expected="a real tensor (K, C, *space) with voxels in it",
            got=f"{start.dtype} of shape {tuple(start.shape)}",
            fix="Put complex images into two channels.",
        )
    shapes = zip(grid.shape[1:], start.shape, strict=False)
    broadcasts = grid.ndim == start.ndim + 1 and all(n in (1, size) for n, size in shapes)
    if grid.numel() == 0 or not (grid.ndim == 1 or broadcasts):
        raise InputError(
            "grid",
            expected=f"times (N,), or maps of shape (N, ...) that broadcast to {tuple(start.shape)}",
            got=f"shape {tuple(grid.shape)}",
            fix="One time a slice of a volume is (N, 1, 1, slices, 1, 1).",
        )
    levels = grid.reshape(len(grid), -1)
    steps = levels.diff(dim=0)
    inside = kernel.t_min <= float(levels.min()) <= float(levels.max()) <= kernel.t_max
    if not inside or not bool((steps <= 0).all() and (steps < 0).any(1).all()):
        raise InputError(
            "grid",
            expected=f"decreasing times between {kernel.t_max:g} and {kernel.t_min:g}",
            got=f"{grid.tolist()}" if grid.ndim == 1 else "a map that rises, rests as a whole or goes beyond",
            fix="Make it with logsnr_grid().",
        )


def _highest(kernel: Kernel, t: Tensor) -> float:
    return float(kernel.sigma(t).max())


def _guard(x: Tensor, start: Tensor, kernel: Kernel, t: Tensor, step: int, levels: int) -> None:
    """Stop at the first value that is not finite, and say where; nothing is repaired."""
    finite = torch.isfinite(x)
    if x.shape == start.shape and bool(finite.all()):
        return
    what = f"diffusion step {step + 1} of {levels} at sigma {_highest(kernel, t):.3g}"
    if x.shape != start.shape:
        raise InputError(
            what,
            expected=f"an estimate of shape {tuple(start.shape)}",
            got=str(tuple(x.shape)),
            fix="A denoiser keeps the shape of its state.",
        )
    good = x[finite]
    span = f"the others from {good.min():.3g} to {good.max():.3g}" if good.numel() else "none finite"
    raise MedidiffError(
        what,
        expected="finite values",
        got=f"{x.numel() - good.numel()} of {x.numel()} NaN or infinite, {span}",
        fix="Run the network in float32; if it stays, check the scaling and weights of the data.",
    )
