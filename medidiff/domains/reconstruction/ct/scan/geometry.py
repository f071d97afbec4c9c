"""Where pixels, rays and detector bins lie: the parallel beam in millimetres.

Slice index (r, c) with r = 0 on top; the rotation centre (0, 0) is the middle of the image:

    x_c = (c - (nx-1)/2) dx,   y_r = ((ny-1)/2 - r) dy                                   [mm]
    ray (theta, s):  x cos(theta) + y sin(theta) = s,   theta counter-clockwise from +x
    bin j covers [(j - n/2) du, (j+1 - n/2) du] + offset

Degrees at the doors, radians inside. p(theta + 180, -s) = p(theta, s), so directions are modulo 180.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError

SMALLEST_SIDE = 16  # pixels; below it there is nothing to reconstruct
LARGEST_ANGLE_DEG = 360.0
_SAME_DEG = 1e-3  # directions nearer than this are one
_GAP_FACTOR = 2.0  # a gap between directions so many times wider than nearly all others was not measured


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixels of one slice: (ny, nx) of dy by dx millimetres, centred on the rotation axis."""

    ny: int
    nx: int
    dy_mm: float
    dx_mm: float

    def __post_init__(self) -> None:
        if min(self.ny, self.nx) < SMALLEST_SIDE:
            raise InputError(
                "slice size",
                expected=f"at least {SMALLEST_SIDE} pixels a side",
                got=f"{self.ny} x {self.nx}",
                fix="Give whole axial slices.",
            )
        if not all(math.isfinite(d) and d > 0 for d in (self.dy_mm, self.dx_mm)):
            raise InputError(
                "pixel size",
                expected="positive millimetres",
                got=f"{self.dy_mm:g} x {self.dx_mm:g}",
                fix="Mend the spacing of the file.",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.ny, self.nx

    @property
    def pixels(self) -> int:
        """Ny nx."""
        return self.ny * self.nx

    @property
    def pixel_mm(self) -> float:
        """The longer side of a pixel."""
        return max(self.dy_mm, self.dx_mm)

    @property
    def diagonal_mm(self) -> float:
        """The longest line through the grid."""
        return math.hypot(self.ny * self.dy_mm, self.nx * self.dx_mm)

    def x_mm(self) -> NDArray[Any]:
        """Pixel centres (nx,), rising with the column."""
        return (np.arange(self.nx) - (self.nx - 1) / 2) * self.dx_mm

    def y_mm(self) -> NDArray[Any]:
        """Pixel centres (ny,), falling with the row."""
        return ((self.ny - 1) / 2 - np.arange(self.ny)) * self.dy_mm

    def finer(self, factor: int) -> Grid:
        """The same field in `factor` times as many pixels a side."""
        return Grid(self.ny * factor, self.nx * factor, self.dy_mm / factor, self.dx_mm / factor)


@dataclass(frozen=True, slots=True)
class ParallelBeam:
    """Parallel rays: view angles in degrees, and detector bins of `spacing_mm` centred on `offset_mm`."""

    angles_deg: tuple[float, ...]
    detectors: int
    spacing_mm: float
    offset_mm: float = 0.0

    def __post_init__(self) -> None:
        if not self.angles_deg:
            raise _argument("views", "at least 1 view", "0", "Give more views.")
        wrong = [a for a in self.angles_deg if not abs(a) <= LARGEST_ANGLE_DEG]
        if wrong:
            raise _argument(
                "view angles",
                f"finite degrees within +-{LARGEST_ANGLE_DEG:g}",
                f"{len(wrong)} outside it, the first {wrong[0]:g}",
                "Give the angles in degrees.",
            )
        if self.detectors < 1 or not (math.isfinite(self.spacing_mm) and self.spacing_mm > 0):
            raise _argument(
                "detector",
                "bins of a positive width",
                f"{self.detectors} bins of {self.spacing_mm:g} mm",
                "Mend the geometry.",
            )
        if not math.isfinite(self.offset_mm):
            raise _argument("detector offset", "finite mm", f"{self.offset_mm:g}", "Mend the geometry.")

    @classmethod
    def sparse(
        cls, views: int, arc_deg: float = 180.0, *, grid: Grid, start_deg: float = 0.0
    ) -> ParallelBeam:
        """`views` equal steps over `arc_deg` (its end excluded), on a detector that sees all of `grid`."""
        if views < 1:
            raise _argument("views", "at least 1", str(views), "24 is usual for sparse views.")
        if not 0 < arc_deg <= 360:
            raise _argument(
                "arc", "degrees above 0, up to 360", f"{arc_deg:g}", "180 is a full parallel scan."
            )
        return cls.of_angles([start_deg + k * arc_deg / views for k in range(views)], grid=grid)

    @classmethod
    def of_angles(cls, angles_deg: list[float] | tuple[float, ...], *, grid: Grid) -> ParallelBeam:
        """Any list of views, on the default detector: bins of a pixel, the diagonal covered.

        The number of bins is the smallest multiple of 8 above the diagonal and two bins.
        """
        spacing = min(grid.dx_mm, grid.dy_mm)
        detectors = 8 * math.ceil(round(grid.diagonal_mm / spacing + 2, 9) / 8)
        return cls(tuple(float(a) for a in angles_deg), detectors, spacing)

    @property
    def views(self) -> int:
        """Number of view angles."""
        return len(self.angles_deg)

    @property
    def rays(self) -> int:
        """Views times detector bins."""
        return self.views * self.detectors

    def angles_rad(self) -> NDArray[Any]:
        """View angles (views,) in radians."""
        return np.deg2rad(np.asarray(self.angles_deg, np.float64))

    def bins_mm(self) -> NDArray[Any]:
        """Bin centres (detectors,)."""
        return (np.arange(self.detectors) - (self.detectors - 1) / 2) * self.spacing_mm + self.offset_mm

    def finer_bins(self, factor: int) -> ParallelBeam:
        """The same views and field, each bin cut into `factor`."""
        return ParallelBeam(
            self.angles_deg, self.detectors * factor, self.spacing_mm / factor, self.offset_mm
        )

    def some_views(self, start: int, stop: int) -> ParallelBeam:
        """The same detector with views start <= k < stop only."""
        return ParallelBeam(self.angles_deg[start:stop], self.detectors, self.spacing_mm, self.offset_mm)

    def view_weights_rad(self) -> NDArray[Any]:
        """The arc that each view stands for, in radians, (views,): the quadrature of back-projection.

        Half the gap to each neighbour among directions modulo 180; a gap that was not measured counts as
        a usual step. Equal steps over 180 give pi/views, over an arc arc/views, over 360 pi/views.
        """
        weights: NDArray[Any] = np.deg2rad(self._steps_deg()[1])
        return weights

    def missing_deg(self) -> list[tuple[float, float]]:
        """Arcs of directions (from, to) modulo 180 that no view measured.

        An edge whose normal lies in such an arc, counter-clockwise from +x, is not determined by the data.
        """
        return self._steps_deg()[0]

    def arc_deg(self) -> float | None:
        """The arc of the scan in degrees: from the first angle to the last and a mean step, at most 360.

        Of equal steps it is the arc that was asked for; None of views at one angle, which span no arc.
        """
        span = max(self.angles_deg) - min(self.angles_deg)
        return round(min(span * self.views / (self.views - 1), 360.0), 6) if span > _SAME_DEG else None

    def covered_deg(self) -> float:
        """The directions modulo 180 that the views stand for together, in degrees: at most 180.

        More than the arc of the scan where the gap that it leaves is no wider than two steps.
        """
        return float(round(np.rad2deg(self.view_weights_rad().sum()), 6))

    def directions(self) -> int:
        """How many views look in directions of their own, modulo 180: half of an even number over 360."""
        return int(np.count_nonzero(self._gaps_deg()[2] > _SAME_DEG))

    def missing_words(self) -> str:
        """`missing_deg` as one sentence for a report; empty when every direction was measured."""
        if self.directions() == 1:
            return f"only edges whose normal lies at {self.angles_deg[0] % 180:.4g} degrees were measured"
        arcs = [f"{low:.4g} to {high % 180:.4g} degrees" for low, high in self.missing_deg()]
        if not arcs:
            return ""
        return f"edges whose normal lies between {' and '.join(arcs)} from the x axis were not measured"

    def _gaps_deg(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The order of the views by direction, the sorted directions, and the gap from each to the next."""
        directions = np.mod(np.asarray(self.angles_deg, np.float64), 180.0)
        order = np.argsort(directions, kind="stable")
        sorted_deg = directions[order]
        return order, sorted_deg, np.diff(np.append(sorted_deg, sorted_deg[0] + 180.0))

    def _steps_deg(self) -> tuple[list[tuple[float, float]], NDArray[Any]]:
        order, sorted_deg, gaps = self._gaps_deg()
        distinct = gaps[gaps > _SAME_DEG]
        # The largest gap is left out, so that two views of a narrow arc still show their step.
        step = float(np.quantile(np.sort(distinct)[:-1], 0.9)) if len(distinct) > 1 else float(distinct[0])
        missing = gaps > _GAP_FACTOR * step
        half = np.where(missing, step, gaps) / 2
        weights = np.empty_like(half)
        weights[order] = half + np.roll(half, 1)
        arcs = [
            (float(low + step / 2), float(low + gap - step / 2))
            for low, gap in zip(sorted_deg[missing], gaps[missing], strict=True)
        ]
        return arcs, weights

    def to_plain(self) -> dict[str, Any]:
        """Numbers and strings only: for HDF5, JSON and MetaTensor."""
        return {
            "geometry": "parallel",
            "angles_deg": list(self.angles_deg),
            "detectors": self.detectors,
            "detector_spacing_mm": self.spacing_mm,
            "detector_offset_mm": self.offset_mm,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ParallelBeam:
        """The inverse of `to_plain`; raises InputError for another geometry or a missing entry."""
        if plain.get("geometry") != "parallel":
            raise InputError(
                "geometry",
                expected="parallel",
                got=repr(plain.get("geometry")),
                fix="Rebin to parallel rays.",
            )
        try:
            return cls(
                tuple(float(a) for a in plain["angles_deg"]),
                int(plain["detectors"]),
                float(plain["detector_spacing_mm"]),
                float(plain.get("detector_offset_mm", 0.0)),
            )
        except KeyError as error:
            raise InputError(
                "geometry", expected=f"an entry {error}", got="none", fix="Write it with to_plain()."
            ) from error


def _argument(what: str, expected: str, got: str, fix: str) -> InputError:
    return InputError(what, expected=expected, got=got, fix=fix, argument=True)
