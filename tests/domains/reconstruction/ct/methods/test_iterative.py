"""SIRT and CGLS against dense solutions, their history, and rays that do not count."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medidiff.domains.reconstruction.ct.methods.iterative import cgls, sirt
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Grid, ParallelBeam

GRID = Grid(16, 19, 2.0, 1.7)
BEAM = ParallelBeam.sparse(40, grid=GRID)
FAN = FanBeam.of_angles([9.0 * k for k in range(40)], detectors=40, field_mm=48, source_to_isocentre_mm=90)


def dense(projector: Projector) -> np.ndarray:
    eye = torch.eye(GRID.pixels, dtype=torch.float64).reshape(1, 1, GRID.pixels, *GRID.shape)
    return projector(eye)[0, 0].reshape(GRID.pixels, -1).numpy().T


def image(slices: int = 2) -> torch.Tensor:
    return torch.rand(slices, *GRID.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("beam", [BEAM, FAN])
def test_cgls_is_the_weighted_least_squares_solution(beam: ParallelBeam | FanBeam) -> None:
    """Its residual is the least there is; weights of 1e6 say that the noise is never reached."""
    projector = Projector(beam, GRID, torch.float64)
    noise = 0.01 * torch.randn(2, beam.views, beam.detectors, generator=torch.Generator().manual_seed(1))
    y = projector(image()[None, None])[0, 0] + noise.double()
    weights = 1e6 * (0.5 + torch.rand(y.shape, generator=torch.Generator().manual_seed(2)).double())
    before = weights.clone()
    found = cgls(y, projector, weights=weights, iterations=200)
    a, root = dense(projector), weights.sqrt().reshape(2, -1).numpy()
    least = 0.0
    for r, one in zip(root, y.reshape(2, -1).numpy(), strict=True):
        least += np.linalg.lstsq(r[:, None] * a, r * one, rcond=None)[1][0]
    assert found.residuals[-1] == pytest.approx(np.sqrt(least / y.numel()), rel=1e-3)
    assert np.all(np.diff(found.residuals) <= 1e-9)
    assert torch.equal(weights, before)


def test_cgls_stops_at_the_noise_slice_by_slice() -> None:
    """|W^(1/2) r| <= sqrt(rays): a noisier slice stops earlier and is then left alone."""
    projector = Projector(BEAM, GRID, torch.float64)
    noise = torch.tensor([0.02, 0.001], dtype=torch.float64)[:, None, None]
    clean = projector(image()[None, None])[0, 0]
    y = clean + noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(1)).double()
    weights = (noise**-2).expand_as(y).contiguous()
    both, alone = cgls(y, projector, weights=weights), cgls(y[:1], projector, weights=weights[:1])
    torch.testing.assert_close(both.image[0], alone.image[0])
    assert alone.iterations < both.iterations
    assert both.converged
    assert alone.residuals[-1] <= 1 < alone.residuals[-2]


def test_sirt_follows_its_equation() -> None:
    projector = Projector(BEAM, GRID, torch.float64)
    a, y = dense(projector), projector(image(1)[None, None])[0, 0] - 0.01
    x, b = np.zeros(GRID.pixels), y.numpy().ravel()
    rows, columns = a.sum(1), a.sum(0)
    for _ in range(7):
        step = np.divide(b - a @ x, rows, out=np.zeros_like(b), where=rows > 0)
        x = np.maximum(x + (a.T @ step) / columns, 0)
    found = sirt(y, projector, iterations=7)
    assert found.image[0].numpy().ravel() == pytest.approx(x, abs=1e-10)
    assert found.iterations == 7
    assert found.residuals[-1] == pytest.approx(np.sqrt(np.mean((a @ x - b) ** 2)))


@pytest.mark.parametrize("method", [sirt, cgls])
def test_rays_without_weight_do_not_matter(method: object) -> None:
    projector = Projector(BEAM, GRID, torch.float64)
    y = projector(image(1)[None, None])[0, 0]
    weights = torch.full_like(y, 1e6)
    weights[0, 3, 10:20] = 0
    spoiled = y.clone()
    spoiled[0, 3, 10:20] = 50
    one, other = (method(data, projector, weights=weights, iterations=5) for data in (y, spoiled))  # type: ignore[operator]  # either function
    torch.testing.assert_close(one.image, other.image)
    assert one.residuals == pytest.approx(other.residuals)


@pytest.mark.parametrize("method", [sirt, cgls])
def test_a_start_is_where_it_begins(method: object) -> None:
    projector = Projector(BEAM, GRID, torch.float64)
    truth = image(1)
    y = projector(truth[None, None])[0, 0]
    found = method(y, projector, start=truth, iterations=2)  # type: ignore[operator]  # either function
    torch.testing.assert_close(found.image, truth)
    assert found.residuals[0] < 1e-12
