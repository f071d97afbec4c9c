"""How much of a volume is computed at once: all of it, or slabs of slices that fit into memory.

Slabs overlap by `OVERLAP` slices, of which each keeps the inner half.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from medidiff.domains.reconstruction.ct.projection.system import system_bytes
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement, bins_a_pixel
from medidiff.progress import Report
from medidiff.runs.clock import available_memory_mb, require_memory

SLAB_VOXELS = 24 << 20
OVERLAP = 8
# The most that is alive at once, measured with a network of next to no memory.
_FLOATS_PER_VOXEL = {"fbp": 6, "sirt": 10, "cgls": 12, "tv": 16, "diffusion": 36}
_FLOATS_PER_RAY = 24  # of FBP, whose Fourier transform is padded
_MIB = 1 << 20


def slab_slices(measurement: CTMeasurement, methods: Sequence[str]) -> int:
    """Slices to compute at once: all, or as many as `SLAB_VOXELS` and the free memory allow.

    Raises MissingError where the memory does not even hold the smallest slab.
    """
    geometry, pixels, slices = measurement.geometry, measurement.grid.pixels, len(measurement.sinogram)
    least = min(slices, 2 * OVERLAP + 1)
    each = 4 * (max(_FLOATS_PER_VOXEL[m] for m in methods) * pixels + _FLOATS_PER_RAY * geometry.rays)
    whole = 4 * slices * ((len(methods) + 1) * pixels + 2 * geometry.rays)
    wide = geometry.wider_bins(bins_a_pixel(geometry, measurement.grid))
    whole += int(1.5 * system_bytes(wide, measurement.grid))
    require_memory(
        (whole + least * each) / _MIB,
        "memory for the reconstruction",
        fix="Take fewer --slices, or a smaller --matrix.",
    )
    most = max(SLAB_VOXELS // pixels, least)
    available = available_memory_mb()
    if available is not None:
        most = min(most, max((available * _MIB - whole) // each, least))
    return min(most, slices)


def slab_ranges(slices: int, most: int, overlap: int) -> Iterator[tuple[int, int, int, int]]:
    """Slabs (low, high, first, last) of at most `most` slices.

    Of each, compute low <= z < high and keep first <= z < last.
    Slabs overlap by up to `overlap` slices, whose inner half each keeps; together they keep every slice once.
    A slab has at least 2 overlap + 1 slices, where there are so many.
    """
    most = max(most, 2 * overlap + 1)
    if slices <= most:
        yield 0, slices, 0, slices
        return
    count = math.ceil(slices / (most - overlap))
    edges = [round(k * slices / count) for k in range(count + 1)]
    for first, last in itertools.pairwise(edges):
        yield max(first - overlap // 2, 0), min(last + overlap // 2, slices), first, last


def numbered(progress: Report, number: int, count: int) -> Report:
    """The same report, its note saying which slab of how many; one slab is left unsaid."""
    if count == 1:
        return progress
    return lambda p: progress(replace(p, note=f"slab {number} of {count} {p.note}".strip()))
