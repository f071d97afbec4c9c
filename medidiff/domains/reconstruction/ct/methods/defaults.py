"""The numbers that a reconstruction uses when nobody names others, by views, arc and dose.

`benchmarks/make_ct_defaults.py` makes `defaults.json` from validation people alone. It holds a base by number
of views, and factors by arc and by photons, each interpolated in the logarithm between its knots:

    value(views, arc, photons) = base(views) * arc_factor(arc) * dose_factor(photons per bin)

Outside the knots the nearest end is used and a warning says so. The model error is a share of the pixel size.
How slices are coupled is the same in all cases.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from medidiff.domains.reconstruction.ct.methods.fast import NOISY_COUPLINGS, FastSettings
from medidiff.domains.reconstruction.ct.scan.geometry import Geometry, Grid
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement

_SCALED = ("tv_weight", "first_hu", "last_hu", "prox_factor", "evaluations")


@dataclass(frozen=True)
class Defaults:
    """tv_weight (mm, for absolute weights normalised as `tv` says), and the settings of fast mode."""

    tv_weight: float
    fast: FastSettings
    notes: tuple[str, ...]


def defaults_for(
    views: int, arc_deg: float, photons: float | None, role: str = "tuned", coupling: str = "none"
) -> Defaults:
    """The defaults of a case for a prior of that role ("white" or "tuned").

    `views` and `arc_deg` count directions modulo 180. A coupling of noise re-noises with the table's kappa,
    as DDS does, because noise can only be coupled where there is some; else kappa is 0.
    """
    table = _table()
    notes: list[str] = []
    values = {}
    for name in _SCALED:
        part = table["tv"] if name == "tv_weight" else table[role]
        value = _interpolate(part["by_views"], name, views, "views", notes)
        value *= _interpolate(part["by_arc_deg"], name, arc_deg, "degrees of arc", notes)
        if photons is not None:
            value *= _interpolate(part["by_photons"], name, photons, "photons per bin", notes)
        values[name] = value
    fast, coupled = table[role], table["coupling"]
    return Defaults(
        tv_weight=values["tv_weight"],
        fast=FastSettings(
            first_hu=values["first_hu"],
            last_hu=values["last_hu"],
            prox_factor=values["prox_factor"],
            evaluations=max(round(values["evaluations"]), 1),
            cg_iterations=int(fast["cg_iterations"]),
            flips=int(fast["flips"]),
            shift=int(fast["shift"]),
            kappa=float(coupled["kappa"]) if coupling in NOISY_COUPLINGS else 0.0,
            eta=float(coupled["eta"]),
            coupling=coupling,
            noise_length_mm=float(coupled["noise_length_mm"]),
            z_weight=float(coupled["z_weight"]),
        ),
        notes=tuple(dict.fromkeys(notes)),
    )


def defaults_of(measurement: CTMeasurement, role: str = "tuned", coupling: str = "none") -> Defaults:
    """The defaults of a measurement, whatever its geometry.

    The table was made with rays as wide as a pixel that each measure a line of their own. Where `shared` rays
    measure such a line, they are one ray of so many times the photons, and the data term counts it so often.
    """
    geometry, shared = measurement.geometry, rays_per_line(measurement.grid, measurement.geometry)
    photons = None if measurement.photons is None else measurement.photons * shared
    found = defaults_for(geometry.directions(), geometry.covered_deg(), photons, role, coupling)
    return replace(found, tv_weight=found.tv_weight * shared)


def model_error(grid: Grid, geometry: Geometry) -> float:
    """s_model of a projector on this grid: rms of A x - y where one ray measures a line, dimensionless.

    It is an error of the pixels, which several rays of one line share: together they weigh as one.
    """
    error = float(_table()["model_error_per_mm"]) * grid.pixel_mm
    return error * math.sqrt(rays_per_line(grid, geometry))


def rays_per_line(grid: Grid, geometry: Geometry) -> float:
    """How many rays measure what one ray as wide as a pixel would; 1 of default parallel rays over 180
    degrees.

    Narrower bins, and views that look along the same lines from the other side: a full turn of a fan measures
    every line twice.
    """
    bins = min(grid.dx_mm, grid.dy_mm) / geometry.isocentre_spacing_mm
    return bins * geometry.views / geometry.directions()


@functools.cache
def _table() -> dict[str, Any]:
    return dict(json.loads(files(__package__).joinpath("defaults.json").read_text(encoding="utf-8")))


def _interpolate(
    knots: Sequence[Mapping[str, float]], name: str, at: float, what: str, notes: list[str]
) -> float:
    points = sorted((knot["at"], knot[name]) for knot in knots)
    low, high = points[0][0], points[-1][0]
    if not low <= at <= high:
        notes.append(f"{at:g} {what} lie outside the tuned range of {low:g} to {high:g}: its end is used")
    at = min(max(at, low), high)
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if at <= x1:
            share = math.log(at / x0) / math.log(x1 / x0)
            return float(y0 * (y1 / y0) ** share)
    return points[-1][1]
