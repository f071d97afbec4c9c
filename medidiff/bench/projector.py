"""Speed and exactness of the projectors, against astra-toolbox where it is installed.

One thread each, float32, the same geometry, the best of as many runs. Ours are the operator's calls as a
reconstruction makes them, from and to images (z, y, x); `*_packed` is the product alone, in the layout that
the matrix works in. astra's CPU projectors work slice by slice; the fastest of them for each direction is the
rival. The large cases are those that are not held as a matrix: equal steps, folded by symmetry, against the
fastest of astra's; irregular angles and a fan, made view by view, against astra's strips, which have the same
footprint. A view costs them the same whatever the number of views, so that fewer are timed.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

from medidiff.bench.report import BenchResult, Row
from medidiff.domains.reconstruction.ct.projection.projector import PackedProjector, Projector
from medidiff.domains.reconstruction.ct.projection.symmetry import build_symmetric, sector
from medidiff.domains.reconstruction.ct.projection.system import System, forget_systems
from medidiff.domains.reconstruction.ct.projection.system_matrix import build_matrix
from medidiff.domains.reconstruction.ct.projection.tiles import Tiles
from medidiff.domains.reconstruction.ct.projection.view_by_view import ViewByView
from medidiff.domains.reconstruction.ct.scan.geometry import FanBeam, Geometry, Grid, ParallelBeam
from medidiff.progress import Progress, Report, silent
from medidiff.runs.clock import Clock, peak_memory_mb

_RUNS = 3
_RIVALS = ("linear", "line", "strip")
_TRIAL_SLICES = 4  # on which the fastest of the rivals is found, and on which a large case is timed
_DIRECTIONS = ("forward", "back")
_GATE = {"forward": 8.0, "back": 10.0}
_AIM = 20.0
_ADJOINT_GATE = {torch.float64: 1e-10, torch.float32: 1e-5}
_LARGE_SLICES, _LARGE_VIEWS, _FREE_VIEWS = 16, 180, 60
_LARGE_GATE, _LARGE_AIM = 4.0, 8.0
_MOST_MIB = 10**9 / 2**20
_AGREEMENT_GATE = 1e-5
_AGREEMENT_SIZE, _AGREEMENT_VIEWS = 128, 24  # a matrix of it is small


def run(
    *,
    size: int = 256,
    slices: int = 64,
    views: Sequence[int] = (24, 180),
    large: int = 512,
    progress: Report = silent,
) -> BenchResult:
    """Measure `slices` slices of `size` x `size` pixels, once for every number of views.

    `large` is the side of the cases that are not held as a matrix; 0 leaves them out.
    """
    rows: list[Row] = []
    skipped: list[str] = []
    astra, reason = _astra()
    with _one_thread():
        if large:  # first, so that the peak of the memory is theirs
            progress(Progress("projector", 0, len(views) + 1, "large"))
            more, less = _large(astra, reason, large)
            rows += more
            skipped += less
        for done, count in enumerate(views, 1):
            progress(Progress("projector", done, len(views) + 1, f"{count} views"))
            case = f"{size}x{size}x{slices}, {count} views"
            grid = Grid(size, size, 1.0, 1.0)
            beam = ParallelBeam.sparse(count, grid=grid)
            ours, times = _ours(beam, grid, slices, case)
            rows += ours
            if astra is None:
                skipped += [f"{d}_speedup_vs_astra, {case}: {reason}" for d in _DIRECTIONS]
            else:
                rows += _against(astra, beam, grid, slices, times, case)
            rows += [_adjoint_error(beam, grid, dtype, case) for dtype in _ADJOINT_GATE]
    progress(Progress("projector", len(views) + 1, len(views) + 1))
    return BenchResult("projector", tuple(rows), tuple(skipped), notes={"threads": 1})


def _astra() -> tuple[Any, str]:
    try:
        return importlib.import_module("astra"), ""
    except ImportError as error:
        return None, "astra-toolbox is not installed" if error.name == "astra" else f"astra: {error}"


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _seconds(work: Callable[[], object], runs: int) -> float:
    """The best of several runs, after one that warms up."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _ours(beam: ParallelBeam, grid: Grid, slices: int, case: str) -> tuple[list[Row], dict[str, float]]:
    forget_systems()
    start = time.perf_counter()
    projector = Projector(beam, grid)
    build = time.perf_counter() - start
    image = torch.rand(1, 1, slices, *grid.shape, generator=torch.Generator().manual_seed(0))
    rays = projector(image)
    tiles = projector.tiles(slices)
    packed, packed_rays = tiles.pack(image[0, 0]), tiles.pack_rays(rays[0, 0])
    times = {
        "forward": _seconds(lambda: projector(image), _RUNS),
        "back": _seconds(lambda: projector.adjoint(rays), _RUNS),
        "forward_packed": _seconds(lambda: projector.system.forward(packed), _RUNS),
        "back_packed": _seconds(lambda: projector.system.back(packed_rays), _RUNS),
        "build": build,
    }
    rows = [Row(case, f"seconds.{what}", value, "s", better="lower") for what, value in times.items()]
    rows.append(Row(case, "matrix_megabytes", projector.system.bytes / 2**20, "MiB", better="lower"))
    forget_systems()
    return rows, times


def _against(
    astra: Any, beam: ParallelBeam, grid: Grid, slices: int, ours: dict[str, float], case: str
) -> list[Row]:
    volume = np.random.default_rng(0).random((slices, *grid.shape), np.float32)
    rays = np.random.default_rng(1).random((slices, beam.views, beam.detectors), np.float32)
    rivals = [_Rival(astra, kind, beam, grid) for kind in _RIVALS]
    rows = []
    for direction, data in zip(_DIRECTIONS, (volume, rays), strict=True):
        fastest = min(
            rivals, key=partial(_Rival.seconds, direction=direction, stack=data[:_TRIAL_SLICES], runs=1)
        )
        seconds = fastest.seconds(direction, data, _RUNS)
        metric = f"{direction}_speedup_vs_astra"
        rows.append(Row(case, metric, seconds / ours[direction], "x", _GATE[direction], _AIM))
        rows.append(Row(case, f"{metric}_packed", seconds / ours[f"{direction}_packed"], "x"))
        rows.append(Row(case, f"seconds.astra_{fastest.kind}_{direction}", seconds, "s", better="lower"))
    return rows


class _Rival:
    """One of astra's CPU projectors, slice by slice."""

    def __init__(self, astra: Any, kind: str, beam: Geometry, grid: Grid) -> None:
        volume = astra.create_vol_geom(grid.ny, grid.nx)
        if isinstance(beam, ParallelBeam):
            rays = astra.create_proj_geom("parallel", beam.spacing_mm, beam.detectors, beam.angles_rad())
        else:
            behind = beam.source_to_detector_mm - beam.source_to_isocentre_mm
            rays = astra.create_proj_geom(
                "fanflat",
                beam.spacing_mm,
                beam.detectors,
                beam.angles_rad(),
                beam.source_to_isocentre_mm,
                behind,
            )
        self.kind = kind
        self.operator = astra.OpTomo(astra.create_projector(kind, rays, volume))

    def seconds(self, direction: str, stack: Any, runs: int) -> float:
        one = self.operator.FP if direction == "forward" else self.operator.BP
        return _seconds(lambda: [one(plane) for plane in stack], runs)


def _large(astra: Any, reason: str, size: int) -> tuple[list[Row], list[str]]:
    """The cases beyond a matrix, and how far the three ways to hold A' agree."""
    grid = Grid(size, size, 1.0, 1.0)
    equal = ParallelBeam.sparse(_LARGE_VIEWS, grid=grid)
    name = f"{size}x{size}x{_LARGE_SLICES}"
    clock = Clock()
    base = sector(equal, grid)
    assert base is not None  # equal steps over 180 degrees fold four times
    folded = build_symmetric(equal, grid, base)
    case = f"{name}, {_LARGE_VIEWS} equiangular views"
    rows, skipped = [Row(case, "seconds.build", clock.seconds(), "s", better="lower")], []
    tasks: list[tuple[str, Geometry, System, tuple[str, ...]]] = [(case, equal, folded, _RIVALS)]
    random = np.random.default_rng(0)
    irregular = ParallelBeam.of_angles(random.uniform(0, 180, _FREE_VIEWS).tolist(), grid=grid)
    turn = random.uniform(0, 360, _FREE_VIEWS).tolist()
    fan = FanBeam.of_angles(
        turn,
        curved=False,
        detectors=irregular.detectors,
        field_mm=grid.diagonal_mm,
        source_to_isocentre_mm=2.0 * size,
        source_to_detector_mm=3.5 * size,
    )
    cpu = torch.device("cpu")
    for beam, what, rival in ((irregular, "irregular", "strip"), (fan, "fan", "strip_fanflat")):
        free = ViewByView(beam, grid, torch.float32, cpu)
        tasks.append((f"{name}, {_FREE_VIEWS} {what} views", beam, free, (rival,)))
    for case, beam, system, rivals in tasks:
        times = _times(beam, grid, system)
        rows += [Row(case, f"seconds.{what}", value, "s", better="lower") for what, value in times.items()]
        if system is folded:
            rows.append(Row(case, "matrix_megabytes", folded.bytes / 2**20, "MiB", better="lower"))
            peak = float(peak_memory_mb())
            rows.append(Row(case, "peak_megabytes", peak, "MiB", _MOST_MIB, better="lower"))
        if astra is None:
            skipped += [f"{d}_speedup_vs_astra, {case}: {reason}" for d in _DIRECTIONS]
        else:
            rows += _large_against(astra, beam, grid, rivals, times, case, gated=system is folded)
    return [*rows, *_agreement()], skipped


def _times(beam: Geometry, grid: Grid, system: System) -> dict[str, float]:
    tiles = Tiles(grid, (beam.views, beam.detectors), _LARGE_SLICES)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(_LARGE_SLICES, *grid.shape, generator=generator)
    rays = torch.rand(_LARGE_SLICES, *tiles.rays, generator=generator)
    return {
        "forward": _seconds(lambda: tiles.unpack_rays(system.forward(tiles.pack(image))), 1),
        "back": _seconds(lambda: tiles.unpack(system.back(tiles.pack_rays(rays))), 1),
    }


def _large_against(
    astra: Any,
    beam: Geometry,
    grid: Grid,
    kinds: tuple[str, ...],
    ours: dict[str, float],
    case: str,
    *,
    gated: bool,
) -> list[Row]:
    """The fastest of the rivals, timed on a few slices; gates on each direction, or on both together."""
    random = np.random.default_rng(0)
    stacks = {
        "forward": random.random((_TRIAL_SLICES, *grid.shape), np.float32),
        "back": random.random((_TRIAL_SLICES, beam.views, beam.detectors), np.float32),
    }
    rivals = [_Rival(astra, kind, beam, grid) for kind in kinds]
    rows, total = [], 0.0
    for direction, stack in stacks.items():
        times = {rival.kind: rival.seconds(direction, stack, 1) for rival in rivals}
        kind = min(times, key=times.__getitem__)
        seconds = times[kind] * _LARGE_SLICES / _TRIAL_SLICES
        total += seconds
        gate, aim = (_LARGE_GATE, _LARGE_AIM) if gated else (None, None)
        speedup = seconds / ours[direction]
        rows.append(Row(case, f"{direction}_speedup_vs_astra", speedup, "x", gate, aim))
        rows.append(Row(case, f"seconds.astra_{kind}_{direction}", seconds, "s", better="lower"))
    both = total / (ours["forward"] + ours["back"])
    rows.append(Row(case, "forward_and_back_speedup_vs_astra", both, "x", None if gated else 1.0))
    return rows


def _agreement() -> list[Row]:
    """The largest difference of folded and view-by-view from the matrix, of the largest value, in float32."""
    grid = Grid(_AGREEMENT_SIZE, _AGREEMENT_SIZE, 1.0, 1.0)
    rows = []
    fan = FanBeam.sparse(_AGREEMENT_VIEWS)
    for name, beam in (("parallel", ParallelBeam.sparse(_AGREEMENT_VIEWS, grid=grid)), ("fan", fan)):
        matrix, base = build_matrix(beam, grid), sector(beam, grid)
        assert base is not None  # equal steps
        others: dict[str, System] = {
            "folded": build_symmetric(beam, grid, base),
            "view_by_view": ViewByView(beam, grid, torch.float32, torch.device("cpu")),
        }
        x = torch.rand(matrix.pixel_count, 16, generator=torch.Generator().manual_seed(0))
        y = torch.rand(matrix.ray_count, 16, generator=torch.Generator().manual_seed(1))
        for way, other in others.items():
            gaps = [_gap(other.forward(x), matrix.forward(x)), _gap(other.back(y), matrix.back(y))]
            case = f"{_AGREEMENT_SIZE}x{_AGREEMENT_SIZE}x16, {_AGREEMENT_VIEWS} {name} views"
            rows.append(
                Row(case, f"{way}_minus_matrix", max(gaps), "of largest", _AGREEMENT_GATE, better="lower")
            )
    return rows


def _gap(found: torch.Tensor, expected: torch.Tensor) -> float:
    gap = float((found - expected).abs().max() / expected.abs().max())
    return gap if math.isfinite(gap) else math.inf


def _adjoint_error(beam: ParallelBeam, grid: Grid, dtype: torch.dtype, case: str) -> Row:
    """|<A x, y> - <x, A^T y>| / (|A x| |y|) on random slices, summed in float64."""
    operator = PackedProjector(build_matrix(beam, grid, dtype))
    generator = torch.Generator().manual_seed(0)
    sizes = (operator.system.pixel_count, operator.system.ray_count)
    x, y = (torch.randn(1, 1, n, 16, generator=generator, dtype=dtype) for n in sizes)
    ax, aty = operator(x).double(), operator.adjoint(y).double()
    gap = abs(float((ax * y).sum() - (x * aty).sum())) / float(ax.norm() * y.double().norm())
    name = str(dtype).removeprefix("torch.")
    return Row(case, f"adjoint_error_{name}", gap, "", _ADJOINT_GATE[dtype], better="lower")
