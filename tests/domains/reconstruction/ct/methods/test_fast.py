"""Fast mode against a Gaussian problem solved directly, and its parts against their equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Estimate
from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.process.kernels import EDM
from medidiff.domains.reconstruction.ct.methods.fast import (
    FastSettings,
    Scaling,
    level_grid,
    reconstruct_fast,
    scaled_problem,
)
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
from medidiff.domains.reconstruction.ct.simulate import simulate_ct
from medidiff.io.volume import Volume

CPU = torch.device("cpu")
GRID = Grid(16, 17, 8.0, 7.0)
BEAM = ParallelBeam.sparse(5, grid=GRID)
KERNEL = EDM(sigma_min=1e-3, sigma_max=100.0)
WATER = Scaling(offset=0.0, scale=1000.0)
SD = 0.1  # of the prior N(0, SD^2), in water units about water: air is ten of it away


def gaussian() -> NetDenoiser:
    """The exact denoiser of the prior: an untrained network is one."""
    return NetDenoiser(build_network({"kind": "unet", "channels": [4], "blocks": [1]}), KERNEL, SD)


def exact_error(sigma: float) -> float:
    return sigma * SD / (sigma**2 + SD**2) ** 0.5


def measured(slices: int = 2, noise: float = 0.02, weight: float = 2500.0) -> CTMeasurement:
    """Line integrals of a draw of the prior, with noise of the weights' size."""
    rng = np.random.default_rng(3)
    truth = torch.from_numpy(rng.normal(1, SD, (1, 1, slices, *GRID.shape)).astype(np.float32))
    clean = Projector(BEAM, GRID)(truth)[0, 0].numpy()
    sinogram = (clean + noise * rng.normal(size=clean.shape)).astype(np.float32)
    weights = np.full_like(sinogram, weight)
    weights[:, :, :3] = 0  # and bins that saw nothing
    return CTMeasurement(sinogram, BEAM, GRID, np.diag([-7, -8, 2.5, 1.0]), weights)


def posterior_mean(m: CTMeasurement) -> Tensor:
    """(A^T W A + 1/sd^2)^-1 (A^T W (y - A 1)) + 1 by a dense solve, slice by slice, float64."""
    projector = Projector(BEAM, GRID, torch.float64)
    unit = torch.eye(GRID.pixels, dtype=torch.float64).reshape(1, 1, -1, *GRID.shape)
    A = projector(unit)[0, 0].reshape(GRID.pixels, -1).T
    out = []
    for y, w in zip(m.sinogram, m.weights, strict=True):
        y, w = (torch.from_numpy(v).double().flatten() for v in (y, w))
        system = A.T @ (w[:, None] * A) + torch.eye(GRID.pixels, dtype=torch.float64) / SD**2
        out.append(torch.linalg.solve(system, A.T @ (w * (y - A.sum(1)))).reshape(GRID.shape) + 1)
    return torch.stack(out)


def run(
    m: CTMeasurement, settings: FastSettings, net: object = None, seed: int = 0, **options: int
) -> Tensor:
    start = torch.ones(len(m.sinogram), *GRID.shape) + 0.5  # nowhere near
    problem = scaled_problem(m, WATER, CPU)
    net = net or gaussian()
    return reconstruct_fast(
        problem, net, KERNEL, WATER, exact_error, start, 2.5, settings, seed=seed, **options
    )


EXACT = FastSettings(
    first_hu=3000.0, last_hu=100.0, evaluations=5, prox_factor=1.0, cg_iterations=200, flips=0
)


@pytest.mark.parametrize("flips", [0, 1, 2])
def test_with_the_exact_denoiser_it_finds_the_posterior_mean(flips: int) -> None:
    """With r the posterior deviation of one pixel, D and the data step make a proximal step on the posterior.

    g x0 = x / sigma^2 + m / sd^2, so z minimises data + |z - m|^2 / 2 sd^2 + |z - x|^2 / 2 sigma^2: from any
    start the first steps (sigma of 30 sd) go to the mean. What is left is CG's tolerance of 1e-3.
    """
    m = measured()
    mean = posterior_mean(m).float()
    away = (mean - 1).square().mean().sqrt()
    error = (run(m, replace(EXACT, flips=flips)) - mean).square().mean().sqrt()
    assert away > 0.02
    assert error < 0.01 * away


def test_a_proximal_factor_moves_it_towards_the_data() -> None:
    m = measured()
    mean, moved = posterior_mean(m).float(), run(m, replace(EXACT, prox_factor=3.0))
    projector, W = Projector(BEAM, GRID), torch.from_numpy(m.weights)

    def residual(image: Tensor) -> float:
        return float((W * (projector(image[None, None])[0, 0] - torch.from_numpy(m.sinogram)) ** 2).sum())

    assert residual(moved) < 0.8 * residual(mean)


def test_the_scaled_problem_is_the_physical_one() -> None:
    """A' u + A 1 (1 + offset/1000) = A w for any scaling; float32, values of about 100 water mm."""
    m = measured()
    scaling = Scaling(offset=-400.0, scale=480.0)
    water = torch.rand(1, 1, 2, *GRID.shape) * 1.5
    problem, projector = scaled_problem(m, scaling, CPU), Projector(BEAM, GRID)
    torch.testing.assert_close(scaling.to_water(scaling.to_scaled(water)), water, rtol=0, atol=1e-6)
    ours = problem.operator(scaling.to_scaled(water)) - problem.y
    theirs = projector(water) - torch.from_numpy(m.sinogram)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5 * float(projector(water).max()))
    assert torch.equal(problem.weights[0, 0], torch.from_numpy(m.weights))
    assert scaling.to_water(torch.tensor(scaling.air)) == pytest.approx(0, abs=1e-7)


def test_levels_go_from_the_first_to_the_last() -> None:
    settings = FastSettings(first_hu=200.0, last_hu=10.0, evaluations=4)
    grid = level_grid(KERNEL, settings, Scaling(-400.0, 480.0))
    hu = [480 * float(KERNEL.sigma(t)) for t in grid]
    assert hu[0] == pytest.approx(200)
    assert hu[3:] == pytest.approx([10])
    assert (grid.diff() < 0).all()
    one = level_grid(KERNEL, FastSettings(evaluations=1), WATER)
    assert len(one) == 1


@dataclass
class Counting:
    inner: NetDenoiser
    slices: list[int] = field(default_factory=list)

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        self.slices.append(len(x))
        return self.inner.denoise(x, t, context)


@pytest.mark.parametrize("flips", [0, 1, 2])
def test_evaluations_are_what_the_settings_say(flips: int) -> None:
    counting = Counting(gaussian())
    settings = replace(EXACT, flips=flips, cg_iterations=1)
    run(measured(slices=3), settings, counting, chunk=2)
    assert sum(counting.slices) == 3 * settings.passes
    assert max(counting.slices) == 2


def test_the_chunk_changes_nothing_but_rounding() -> None:
    m = measured(slices=3)
    torch.testing.assert_close(run(m, EXACT, chunk=1), run(m, EXACT, chunk=3), rtol=0, atol=1e-5)


def roughness(image: Tensor) -> float:
    return float(image.diff(dim=0).abs().mean())


def test_total_variation_down_z_smooths_z_and_a_weight_of_zero_does_nothing() -> None:
    m = measured(slices=4)
    plain = run(m, EXACT)
    tied = run(m, replace(EXACT, coupling="tv", z_weight=0.5))
    free = run(m, replace(EXACT, coupling="tv", z_weight=0.0))
    assert roughness(tied) < 0.8 * roughness(plain)
    # One ADMM step a level has its own path to the same point: a twentieth of what the coupling does.
    assert (free - plain).abs().mean() < 0.05 * (tied - plain).abs().mean()


def test_noise_needs_kappa_and_follows_the_seed() -> None:
    m = measured(slices=3)
    noisy = replace(EXACT, kappa=1.0, eta=0.85, last_hu=50.0)
    assert torch.equal(run(m, EXACT, seed=0), run(m, EXACT, seed=1))
    assert torch.equal(run(m, noisy, seed=0), run(m, noisy, seed=0))
    assert not torch.equal(run(m, noisy, seed=0), run(m, noisy, seed=1))


def test_coupled_noise_makes_neighbours_alike() -> None:
    """Of a draw, the part that the data leave free follows the noise: long lengths make slices alike."""
    m = measured(slices=4)
    noisy = replace(EXACT, kappa=1.0, eta=0.85, last_hu=50.0, coupling="noise")
    mean = run(m, EXACT)
    rough = [roughness(run(m, replace(noisy, noise_length_mm=length)) - mean) for length in (0.1, 50.0)]
    assert rough[1] < 0.6 * rough[0]
    both = run(m, replace(noisy, coupling="both", z_weight=0.5, noise_length_mm=50.0))
    assert roughness(both) < roughness(run(m, replace(noisy, noise_length_mm=50.0)))


def test_air_bounds_the_image_from_below(body: Callable[..., Volume]) -> None:
    m, _ = simulate_ct(body(1, 32, 32, 8.0, 8.0), views=6)
    start = torch.zeros(1, 32, 32)
    net = gaussian()
    image = reconstruct_fast(
        scaled_problem(m, WATER, CPU), net, KERNEL, WATER, lambda s: 10.0, start, 2.5, EXACT
    )
    assert image.min() >= -1e-6


def test_a_shift_without_an_orientation_to_move_is_refused() -> None:
    with pytest.raises(ValueError, match="flips is 0"):
        replace(EXACT, shift=8)
