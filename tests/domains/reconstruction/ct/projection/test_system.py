"""The three ways to hold A' are one operator, and bytes choose between them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from medidiff.domains.reconstruction.ct.projection import system as module
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.projection.symmetry import SymmetricMatrix, build_symmetric, sector
from medidiff.domains.reconstruction.ct.projection.system_matrix import (
    SystemMatrix,
    build_matrix,
    forecast_bytes,
)
from medidiff.domains.reconstruction.ct.projection.tiles import Tiles
from medidiff.domains.reconstruction.ct.projection.view_by_view import ViewByView
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Geometry, Grid, ParallelBeam
from medidiff.errors import InputError

SQUARE, OBLONG = Grid(33, 33, 1.3, 1.3), Grid(24, 40, 1.0, 0.7)
FAN = FanBeam.of_angles(
    [10.0 * k for k in range(36)],
    curved=False,
    detectors=61,
    field_mm=60,
    source_to_isocentre_mm=100,
    source_to_detector_mm=180,
)


def scan(kind: str, grid: Grid) -> Geometry:
    return {
        "half": ParallelBeam.sparse(36, grid=grid),
        "turn": ParallelBeam.sparse(36, 360, grid=grid),
        "off": replace(ParallelBeam.sparse(36, grid=grid), offset_mm=0.4),
        "fan": FAN,
        "curved": replace(FAN, curved=True),
        "fan-off": replace(FAN, offset_mm=0.7),
    }[kind]


def agree(one: object, other: object, geometry: Geometry, grid: Grid, slices: int) -> None:
    """Forward and back on random packed data in float64, to its rounding."""
    tiles = Tiles(grid, (geometry.views, geometry.detectors), slices)
    generator = torch.Generator().manual_seed(0)
    x = tiles.pack(torch.rand(slices, *grid.shape, generator=generator, dtype=torch.float64))
    y = tiles.pack_rays(torch.rand(slices, *tiles.rays, generator=generator, dtype=torch.float64))
    for name, data in (("forward", x), ("back", y)):
        found, expected = getattr(one, name)(data), getattr(other, name)(data)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12 * float(expected.max()))


@pytest.mark.parametrize(
    ("kind", "grid", "views", "turned"),
    [
        ("half", SQUARE, 10, 4),  # 0, 5 ... 45 degrees
        ("turn", SQUARE, 5, 8),
        ("off", SQUARE, 10, 4),
        ("half", OBLONG, 19, 2),
        ("turn", OBLONG, 10, 4),
        ("fan", SQUARE, 5, 8),
        ("curved", SQUARE, 5, 8),
        ("fan-off", SQUARE, 9, 4),  # mirrors would need a centred detector
        ("fan-off", OBLONG, 18, 2),
    ],
)
def test_folded_is_the_matrix(kind: str, grid: Grid, views: int, turned: int) -> None:
    geometry = scan(kind, grid)
    base = sector(geometry, grid)
    assert base is not None
    folded = build_symmetric(geometry, grid, base, torch.float64)
    assert (base.views, len(folded.turned)) == (views, turned)
    agree(folded, build_matrix(geometry, grid, torch.float64), geometry, grid, 35)


def test_views_without_symmetry_are_not_folded() -> None:
    assert sector(ParallelBeam.of_angles([0.0, 11.0, 23.0, 71.0], grid=SQUARE), SQUARE) is None
    assert sector(ParallelBeam.sparse(17, 61, grid=SQUARE), SQUARE) is None


@pytest.mark.parametrize("grid", [SQUARE, OBLONG])
@pytest.mark.parametrize("kind", ["off", "fan", "curved"])
def test_view_by_view_is_the_matrix(kind: str, grid: Grid) -> None:
    geometry = scan(kind, grid).some_views(3, 16)
    free = ViewByView(geometry, grid, torch.float64, torch.device("cpu"))
    agree(free, build_matrix(geometry, grid, torch.float64), geometry, grid, 35)


def test_bytes_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """All, a sector, nothing: as much as fits under the limit."""
    beam = scan("turn", SQUARE)
    whole, folded = forecast_bytes(beam, SQUARE), forecast_bytes(beam.some_views(0, 5), SQUARE)
    kinds = []
    for limit in (whole, whole - 1, folded // 2):
        module.forget_systems()
        monkeypatch.setattr(module, "MOST_BYTES", limit)
        system = module.system_of(beam, SQUARE)
        kinds.append(type(system))
        assert system.bytes <= module.system_bytes(beam, SQUARE) * 1.6  # orders of pixels beside the entries
    module.forget_systems()
    assert kinds == [SystemMatrix, SymmetricMatrix, ViewByView]


@pytest.mark.parametrize("limit", [0, 10**5])
def test_the_operator_is_the_same_and_its_own_transpose(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float32 the ways agree to 1e-5; each pair is adjoint to rounding."""
    beam = scan("turn", SQUARE)
    x, y = torch.rand(1, 1, 3, 33, 33), torch.rand(1, 1, 3, beam.views, beam.detectors)
    expected = Projector(beam, SQUARE)(x)
    monkeypatch.setattr(module, "MOST_BYTES", limit)
    module.forget_systems()
    projector = Projector(beam, SQUARE)
    found = projector(x)
    module.forget_systems()
    assert not isinstance(projector.system, SystemMatrix)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.max()))
    gap = torch.sum(found.double() * y) - torch.sum(x.double() * projector.adjoint(y))
    assert abs(gap) / (found.norm() * y.norm()) < 1e-6


def test_a_source_inside_of_the_grid_has_no_projector() -> None:
    inside = replace(FAN, source_to_isocentre_mm=29.0)
    with pytest.raises(InputError, match="outside of the image"):
        Projector(inside, SQUARE)
