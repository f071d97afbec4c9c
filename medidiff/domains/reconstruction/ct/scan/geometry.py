"""Every geometry that the suite knows, and what is alike in all: the one place to import them from.

`Grid` says where the pixels lie (`grid`), `ParallelBeam` and `FanBeam` where the rays do (`parallel`, `fan`).
All have `to_plain`, numbers and strings only, and `from_plain` reads any of them: HDF5 files, a MetaTensor's
meta and a provenance hold the same entries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medidiff.domains.reconstruction.ct.scan.detector import PlainReader, equal_steps
from medidiff.domains.reconstruction.ct.scan.fan import CURVED, FLAT, FanBeam
from medidiff.domains.reconstruction.ct.scan.grid import SMALLEST_SIDE, Grid
from medidiff.domains.reconstruction.ct.scan.parallel import ParallelBeam
from medidiff.errors import InputError

__all__ = [
    "FULL_ARC_DEG",
    "GEOMETRIES",
    "SMALLEST_SIDE",
    "FanBeam",
    "Geometry",
    "Grid",
    "ParallelBeam",
    "check_source",
    "default_geometry",
    "from_plain",
]

Geometry = ParallelBeam | FanBeam
FULL_ARC_DEG = {ParallelBeam.kind: 180.0, FLAT: 360.0, CURVED: 360.0}
GEOMETRIES = tuple(FULL_ARC_DEG)


def default_geometry(
    kind: str,
    grid: Grid,
    *,
    views: int = 24,
    arc_deg: float | None = None,
    angles_deg: Sequence[float] | None = None,
) -> Geometry:
    """The default scanner of a kind: `angles_deg`, or `views` equal steps over `arc_deg` (None: a full scan).

    Parallel rays fit their detector to the grid; a fan is that of a usual clinical gantry. Raises InputError
    for an unknown kind, and for views and arcs that cannot be.
    """
    if kind not in GEOMETRIES:
        raise InputError(
            "geometry", expected=", ".join(GEOMETRIES), got=repr(kind), fix="Choose one.", argument=True
        )
    if angles_deg is None:
        angles_deg = equal_steps(views, FULL_ARC_DEG[kind] if arc_deg is None else arc_deg, 0.0)
    if kind == ParallelBeam.kind:
        return ParallelBeam.of_angles(angles_deg, grid=grid)
    return FanBeam.of_angles(angles_deg, curved=kind == CURVED)


def from_plain(plain: Mapping[str, Any]) -> Geometry:
    """The geometry that `to_plain` described; InputError for an unknown one or a missing entry."""
    PlainReader(plain, GEOMETRIES)
    beam: type[Geometry] = ParallelBeam if plain["geometry"] == ParallelBeam.kind else FanBeam
    return beam.from_plain(plain)


def check_source(geometry: Geometry, grid: Grid) -> None:
    """Raise InputError when the source would turn inside of the image."""
    if isinstance(geometry, FanBeam) and geometry.source_to_isocentre_mm <= grid.diagonal_mm / 2:
        raise InputError(
            "source",
            expected=f"more than {grid.diagonal_mm / 2:.4g} mm from the isocentre, outside of the image",
            got=f"{geometry.source_to_isocentre_mm:g} mm",
            fix="Give millimetres, or reconstruct a smaller field.",
        )
