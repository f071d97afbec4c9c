"""Strips against closed forms; the layout, the cache and the adjoint."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medidiff.domains.reconstruction.ct.projection import system
from medidiff.domains.reconstruction.ct.projection import system_matrix as module
from medidiff.domains.reconstruction.ct.projection.projector import Projector, Tiles
from medidiff.domains.reconstruction.ct.projection.system_matrix import (
    build_matrix,
    forecast_bytes,
)
from medidiff.domains.reconstruction.ct.projection.tiles import tiled_pixels
from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam
from medidiff.errors import MissingError
from medidiff.runs import clock

GRIDS = [Grid(32, 32, 1.0, 1.0), Grid(21, 34, 1.3, 0.8), Grid(33, 17, 0.7, 1.9)]
SPECIAL = ParallelBeam((0.0, 45.0, 90.0, 135.0, 180.0, 37.3, -12.5), 61, 0.9, 0.3)


def disc(grid: Grid, x0: float, y0: float, radius: float, fine: int = 8) -> np.ndarray:
    """The share of every pixel inside a disc, by fine sampling."""
    dense = grid.finer(fine)
    inside = (dense.x_mm()[None] - x0) ** 2 + (dense.y_mm()[:, None] - y0) ** 2 < radius**2
    return inside.reshape(grid.ny, fine, grid.nx, fine).mean((1, 3))


@pytest.mark.parametrize("grid", GRIDS)
def test_what_a_pixel_casts_sums_to_its_area_over_the_bin(grid: Grid) -> None:
    """F runs from 0 to 1, so each view of a pixel sums to mu_w dx dy / du, up to rounding of dropped ends."""
    beam = ParallelBeam.sparse(7, grid=grid)
    matrix = build_matrix(beam, grid, torch.float64)
    sums = matrix.back(torch.ones(matrix.ray_count, 1, dtype=torch.float64))[:, 0]
    each_view = sums[sums > 0] / beam.views

    assert len(each_view) == grid.pixels
    expected = MU_WATER * grid.dx_mm * grid.dy_mm / beam.spacing_mm
    torch.testing.assert_close(each_view, torch.full_like(each_view, expected), rtol=1e-12, atol=0)


def test_one_pixel_against_the_integral_of_its_chords() -> None:
    """A strip entry is the mean chord over the bin; 4000 rays a bin leave about 1e-3 of the largest."""
    grid, angle = Grid(16, 16, 1.5, 0.8), 33.0
    beam = ParallelBeam((angle,), 25, 1.1, 0.2)
    image = torch.zeros(1, 1, 1, 16, 16, dtype=torch.float64)
    image[..., 5, 11] = 1 / MU_WATER
    x0, y0 = grid.x_mm()[11], grid.y_mm()[5]
    rays = (np.arange(25 * 4000) + 0.5) / 4000 * 1.1 - 25 / 2 * 1.1 + 0.2
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    offset = rays - (x0 * cos + y0 * sin)  # ray: the point offset (cos, sin) plus l (-sin, cos)
    ends_x = np.sort([(offset * cos - w * 0.4) / sin for w in (-1, 1)], axis=0)
    ends_y = np.sort([(w * 0.75 - offset * sin) / cos for w in (-1, 1)], axis=0)
    chord = np.maximum(np.minimum(ends_x[1], ends_y[1]) - np.maximum(ends_x[0], ends_y[0]), 0)

    found = Projector(beam, grid, torch.float64)(image)[0, 0, 0, 0].numpy()

    np.testing.assert_allclose(found, chord.reshape(25, 4000).mean(1), atol=1e-3)


def test_a_disc_off_centre_against_its_chords() -> None:
    """P = 2 mu_w sqrt(r^2 - (s - t)^2); pixels and bins of a fiftieth of the radius blur its edge to 1 %."""
    grid = Grid(96, 96, 1.0, 1.0)
    beam = ParallelBeam.sparse(9, grid=grid)
    x0, y0, radius = 11.0, -17.0, 24.0
    image = torch.from_numpy(disc(grid, x0, y0, radius))[None, None, None].float()
    theta = beam.angles_rad()[:, None]
    s = beam.bins_mm()[None] - (x0 * np.cos(theta) + y0 * np.sin(theta))
    chord = 2 * MU_WATER * np.sqrt(np.maximum(radius**2 - s**2, 0))

    found = Projector(beam, grid)(image)[0, 0, 0].numpy()

    assert np.sqrt(np.mean((found - chord) ** 2)) < 0.01 * chord.max()
    assert found.sum() == pytest.approx(chord.sum(), rel=2e-3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 1e-6)])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("slices", [1, 5, 35])
def test_the_adjoint_is_exact(grid: Grid, slices: int, dtype: torch.dtype, tolerance: float) -> None:
    projector = Projector(SPECIAL, grid, dtype)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 1, slices, *grid.shape, generator=generator, dtype=dtype)
    y = torch.randn(2, 1, slices, SPECIAL.views, SPECIAL.detectors, generator=generator, dtype=dtype)
    ax, aty = projector(x), projector.adjoint(y)

    gap = torch.sum(ax.double() * y) - torch.sum(x.double() * aty)

    assert abs(gap) / (ax.norm() * y.norm()) < tolerance
    torch.testing.assert_close(projector.normal(x), projector.adjoint(ax))


@pytest.mark.parametrize("slices", [1, 3, 13, 40])
def test_every_product_is_the_same(slices: int) -> None:
    """Narrow, wide and blocked columns take different routines; all agree with float64 to its rounding."""
    grid = GRIDS[1]
    x = torch.rand(1, 1, slices, *grid.shape, generator=torch.Generator().manual_seed(1))

    single, double = Projector(SPECIAL, grid)(x), Projector(SPECIAL, grid, torch.float64)(x.double())

    torch.testing.assert_close(single.double(), double, rtol=0, atol=3e-6 * float(double.max()))


@pytest.mark.parametrize("slices", [1, 24, 33, 65])
def test_packing_is_undone_and_pads_with_zeros(slices: int) -> None:
    grid = Grid(19, 26, 1.0, 1.0)
    tiles = Tiles(grid, (3, 10), slices)
    image, rays = torch.rand(slices, 19, 26), torch.rand(slices, 3, 10)

    packed, packed_rays = tiles.pack(image), tiles.pack_rays(rays)

    assert packed.shape == (tiles.blocks, tiled_pixels(grid), tiles.width)
    assert tiles.width <= 32
    assert tiles.blocks * tiles.width - slices < tiles.blocks
    torch.testing.assert_close(packed.sum(), image.sum())
    assert torch.equal(tiles.unpack(packed), image)
    assert torch.equal(tiles.unpack_rays(packed_rays), rays)


def test_opposite_views_are_mirrored() -> None:
    """p(theta + 180, -s) = p(theta, s): the sign conventions hold together."""
    grid = GRIDS[1]
    x = torch.rand(1, 1, 1, *grid.shape, dtype=torch.float64)

    both = Projector(ParallelBeam((25.0, 205.0), 60, 0.9), grid, torch.float64)(x)[0, 0, 0]

    torch.testing.assert_close(both[0], both[1].flip(0))


def test_autograd_is_the_adjoint() -> None:
    projector = Projector(SPECIAL, GRIDS[1])
    x = torch.rand(1, 1, 2, *GRIDS[1].shape, requires_grad=True)
    y = torch.rand(1, 1, 2, SPECIAL.views, SPECIAL.detectors)

    (projector(x) * y).sum().backward()

    assert x.grad is not None
    torch.testing.assert_close(x.grad, projector.adjoint(y))


def test_a_matrix_is_built_once_and_the_oldest_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    system.forget_systems()
    beams = [ParallelBeam.sparse(views, grid=GRIDS[0]) for views in (3, 4, 5)]
    built = [system.system_of(beam, GRIDS[0]) for beam in beams[:2]]
    assert system.system_of(beams[0], GRIDS[0]) is built[0]
    monkeypatch.setattr(system, "CACHE_BYTES", built[0].bytes + 1)

    third = system.system_of(beams[2], GRIDS[0])

    assert system.system_of(beams[2], GRIDS[0]) is third
    assert system.system_of(beams[0], GRIDS[0]) is not built[0]
    system.forget_systems()


@pytest.mark.parametrize("grid", GRIDS)
def test_the_forecast_covers_what_is_built(grid: Grid) -> None:
    beam = ParallelBeam.sparse(12, grid=grid)

    assert 1.0 <= forecast_bytes(beam, grid) / build_matrix(beam, grid).bytes < 1.3


def test_a_matrix_of_too_many_entries_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Places are 32-bit numbers: beyond 2^31 they would wrap. 4096 views of 1024^2 pixels have 10^10."""
    monkeypatch.setattr(module, "require_memory", lambda *_, **__: None)
    monkeypatch.setattr(module, "_pixel_rows", lambda *_: pytest.fail("begun"))
    grid = Grid(1024, 1024, 1.0, 1.0)

    with pytest.raises(MissingError) as error:
        build_matrix(ParallelBeam.sparse(4096, grid=grid), grid)

    assert "2147483648 entries" in error.value.expected


def test_a_matrix_beyond_memory_is_refused_before_it_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "available_memory_mb", lambda: 0)

    with pytest.raises(MissingError) as error:
        build_matrix(SPECIAL, GRIDS[0])

    assert "views" in error.value.fix
