"""TV: the objective by another formula, a certificate of the minimum, and its symmetries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from medidiff.domains.reconstruction.ct.methods.tv import relative_weights, tv
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam
from medidiff.errors import InputError
from medidiff.progress import Progress

GRID = Grid(19, 22, 2.0, 1.5)
BEAM = ParallelBeam.sparse(9, grid=GRID)
SPACING = (2.5, 2.0, 1.5)
LAM = 2e-3


def phantom(slices: int) -> Tensor:
    """A body with an insert that moves with z, in water units, and noise in its measurement."""
    x, y = torch.from_numpy(GRID.x_mm())[None], torch.from_numpy(GRID.y_mm())[:, None]
    image = torch.stack([((x**2 + y**2) < 14**2) + 0.5 * (((x - z) ** 2 + y**2) < 25) for z in range(slices)])
    return image.float()


def measured(slices: int, noise: float = 0.01) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    clean = Projector(BEAM, GRID)(phantom(slices)[None, None])[0, 0]
    return clean + noise * torch.randn(clean.shape, generator=generator)


def gradient(image: Tensor) -> Tensor:
    """(3, slices, ny, nx) forward differences per mm, 0 at the last index."""
    parts = []
    for axis, step in enumerate(SPACING):
        ahead = torch.diff(image.double(), dim=axis) / step
        zero = torch.zeros_like(image.double().narrow(axis, 0, 1))
        parts.append(torch.cat([ahead, zero], axis))
    return torch.stack(parts)


def divergence(p: Tensor) -> Tensor:
    """The transpose of `gradient`, by autograd."""
    image = torch.zeros(p.shape[1:], dtype=torch.float64, requires_grad=True)
    (gradient(image) * p).sum().backward()
    assert image.grad is not None
    return image.grad


def objective(image: Tensor, y: Tensor, weights: Tensor) -> float:
    data = Projector(BEAM, GRID, torch.float64)(image.double()[None, None])[0, 0] - y
    return float(0.5 * (weights * data**2).sum() + LAM * gradient(image).norm(dim=0).sum())


@pytest.mark.parametrize("slices", [1, 3, 34])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_objective_is_the_one_documented(slices: int, weighted: bool) -> None:
    """Differences do not wrap, spacing is anisotropic, weights are relative; blocks of slices join."""
    y = measured(slices)
    weights = 40 + 20 * torch.rand(y.shape) if weighted else None
    relative = torch.ones(()) if weights is None else relative_weights(weights, y)
    start = torch.rand(slices, *GRID.shape)
    result = tv(
        y, Projector(BEAM, GRID), lam=LAM, spacing_mm=SPACING, weights=weights, start=start, iterations=0
    )
    assert result.objective[0] == pytest.approx(objective(start, y, relative), rel=1e-5)
    torch.testing.assert_close(result.image, start)


@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_lower_bound_certifies_the_minimum(slices: int, weighted: bool) -> None:
    """Fenchel duality bounds the minimum from below by the solver's r and p, whatever its steps were.

        minimum >= -|r|^2 / 2 - <r, W^1/2 y> + 3 sum min(A^T W^1/2 r + grad^T p, 0)

    for images in [0, 3], any r and any |p| <= lambda.
    """
    y = measured(slices)
    generator = torch.Generator().manual_seed(5)
    weights = 0.5 + torch.rand(y.shape, generator=generator) if weighted else torch.ones_like(y)
    weights = relative_weights(weights, y)
    projector = Projector(BEAM, GRID, torch.float64)
    result = tv(
        y,
        Projector(BEAM, GRID),
        lam=LAM,
        spacing_mm=SPACING,
        weights=weights,
        iterations=4000,
        tolerance=1e-8,
    )
    r, p = result.dual
    r = projector.tiles(slices).unpack_rays(r).double()
    p = p[[2, 0, 1]].permute(0, 3, 1, 2).double()
    p = p * (LAM / p.norm(dim=0).clamp(min=LAM))
    slope = projector.adjoint((weights.sqrt() * r)[None, None])[0, 0] + divergence(p)
    bound = -0.5 * (r**2).sum() - (r * weights.sqrt() * y).sum() + 3 * slope.clamp(max=0).sum()

    found = objective(result.image, y, weights)

    assert result.image.min() >= 0
    assert result.image.max() < 3
    assert float(bound) < found
    assert found - float(bound) < 5e-3 * found
    assert result.objective[-1] == pytest.approx(found, rel=1e-5)


def test_the_objective_falls_and_the_loop_stops() -> None:
    heard: list[Progress] = []
    y = measured(3)
    result = tv(y, Projector(BEAM, GRID), lam=LAM, spacing_mm=SPACING, progress=heard.append)
    assert result.converged
    assert result.iterations < 1000
    assert result.iterations % 20 == 0
    assert len(heard) == result.iterations // 20
    assert min(result.objective) == pytest.approx(result.objective[-1], rel=1e-4)
    assert result.objective[-1] < 0.2 * result.objective[0]


def test_the_start_does_not_matter() -> None:
    """The minimiser's value is one: from air, from noise, and from a larger lambda."""
    y, projector = measured(2), Projector(BEAM, GRID)
    larger = tv(y, projector, lam=1e-2, spacing_mm=SPACING, tolerance=1e-7)
    starts = [None, torch.rand(2, *GRID.shape, generator=torch.Generator().manual_seed(0)), larger]
    ends = [tv(y, projector, lam=LAM, spacing_mm=SPACING, start=s, tolerance=1e-7) for s in starts]
    values = [end.objective[-1] for end in ends]
    assert values == pytest.approx([values[0]] * 3, rel=2e-4)


def test_slices_do_not_wrap() -> None:
    """Of three dim and three bright slices those at the step are drawn together, those at the ends not."""
    stack = torch.cat([measured(1)] * 3 + [2 * measured(1)] * 3)
    image = tv(stack, Projector(BEAM, GRID), lam=3e-3, spacing_mm=SPACING).image
    levels = image.mean((1, 2))
    assert levels[0] < levels[2] - 1e-3
    assert levels[5] > levels[3] + 1e-3


def test_a_large_lambda_leaves_a_constant() -> None:
    image = tv(measured(2), Projector(BEAM, GRID), lam=1e3, spacing_mm=SPACING, iterations=2000).image
    assert float(image.std() / image.mean()) < 0.02


def test_relative_weights_have_mean_one_in_the_body() -> None:
    y = torch.tensor([0.1, 0.6, 2.0])
    torch.testing.assert_close(
        relative_weights(torch.tensor([9.0, 1.0, 3.0]), y), torch.tensor([4.5, 0.5, 1.5])
    )


@pytest.mark.parametrize("lam", [0.0, -1.0, np.inf, np.nan])
def test_a_lambda_that_cannot_be_is_an_argument(lam: float) -> None:
    with pytest.raises(InputError) as error:
        tv(measured(1), Projector(BEAM, GRID), lam=lam, spacing_mm=SPACING)
    assert error.value.argument
