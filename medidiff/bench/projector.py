"""Speed and exactness of the parallel-beam projector, against astra-toolbox where it is installed.

One thread each, float32, the same geometry, the best of as many runs. Ours are the operator's calls as a
reconstruction makes them, from and to images (z, y, x); `*_packed` is the product alone, in the layout that
the matrix works in. astra's CPU projectors work slice by slice; the fastest of them for each direction is the
rival.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

from medidiff.bench.report import BenchResult, Row
from medidiff.domains.reconstruction.ct.projection.projector import PackedProjector, Projector
from medidiff.domains.reconstruction.ct.projection.system import forget_systems
from medidiff.domains.reconstruction.ct.projection.system_matrix import build_matrix
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam
from medidiff.progress import Progress, Report, silent

_RUNS = 3
_RIVALS = ("linear", "line", "strip")
_TRIAL_SLICES = 4  # on which the fastest of the rivals is found
_DIRECTIONS = ("forward", "back")
_GATE = {"forward": 8.0, "back": 10.0}
_AIM = 20.0
_ADJOINT_GATE = {torch.float64: 1e-10, torch.float32: 1e-5}


def run(
    *, size: int = 256, slices: int = 64, views: Sequence[int] = (24, 180), progress: Report = silent
) -> BenchResult:
    """Measure `slices` slices of `size` x `size` pixels, once for every number of views."""
    rows: list[Row] = []
    skipped: list[str] = []
    astra, reason = _astra()
    with _one_thread():
        for done, count in enumerate(views):
            progress(Progress("projector", done, len(views), f"{count} views"))
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
    progress(Progress("projector", len(views), len(views)))
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

    def __init__(self, astra: Any, kind: str, beam: ParallelBeam, grid: Grid) -> None:
        volume = astra.create_vol_geom(grid.ny, grid.nx)
        rays = astra.create_proj_geom("parallel", beam.spacing_mm, beam.detectors, beam.angles_rad())
        self.kind = kind
        self.operator = astra.OpTomo(astra.create_projector(kind, rays, volume))

    def seconds(self, direction: str, stack: Any, runs: int) -> float:
        one = self.operator.FP if direction == "forward" else self.operator.BP
        return _seconds(lambda: [one(plane) for plane in stack], runs)


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
