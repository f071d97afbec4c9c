"""Parallel rays: a synchrotron's beam, or a fan that was rebinned.

    ray (theta, s):  x cos(theta) + y sin(theta) = s,   theta counter-clockwise from +x

Degrees at the doors, radians inside. p(theta + 180, -s) = p(theta, s), so directions are modulo 180.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.reconstruction.ct.scan import coverage
from medidiff.domains.reconstruction.ct.scan.detector import (
    DetectorRow,
    PlainReader,
    check_detector,
    equal_steps,
)
from medidiff.domains.reconstruction.ct.scan.grid import Grid


@dataclass(frozen=True, slots=True)
class ParallelBeam(DetectorRow):
    """Parallel rays: view angles in degrees, and detector bins of `spacing_mm` centred on `offset_mm`."""

    kind: ClassVar[str] = "parallel"

    def __post_init__(self) -> None:
        check_detector(self.angles_deg, self.detectors, self.spacing_mm, self.offset_mm)

    @classmethod
    def sparse(
        cls, views: int, arc_deg: float = 180.0, *, grid: Grid, start_deg: float = 0.0
    ) -> ParallelBeam:
        """`views` equal steps over `arc_deg` (its end excluded), on a detector that sees all of `grid`."""
        return cls.of_angles(equal_steps(views, arc_deg, start_deg), grid=grid)

    @classmethod
    def of_angles(cls, angles_deg: Sequence[float], *, grid: Grid) -> ParallelBeam:
        """Any list of views, on the default detector: bins of a pixel, the diagonal covered.

        The number of bins is the smallest multiple of 8 above the diagonal and two bins.
        """
        spacing = min(grid.dx_mm, grid.dy_mm)
        detectors = 8 * math.ceil(round(grid.diagonal_mm / spacing + 2, 9) / 8)
        return cls(tuple(float(a) for a in angles_deg), detectors, spacing)

    @property
    def isocentre_spacing_mm(self) -> float:
        """The width of a bin where the rotation axis is."""
        return self.spacing_mm

    def field_radius_mm(self) -> float:
        """Radius of the circle about the axis that every view sees whole."""
        return self.detectors * self.spacing_mm / 2 - abs(self.offset_mm)

    def view_weights_rad(self) -> NDArray[Any]:
        """The arc that each view stands for, in radians, (views,): the quadrature of back-projection.

        Equal steps over 180 give pi/views, over an arc arc/views, over 360 pi/views.
        """
        weights: NDArray[Any] = np.deg2rad(coverage.view_weights_deg(self.angles_deg, coverage.HALF_TURN))
        return weights

    def missing_deg(self) -> list[tuple[float, float]]:
        """Arcs of directions (from, to) modulo 180 that no view measured.

        An edge whose normal lies in such an arc, counter-clockwise from +x, is not determined by the data.
        """
        return coverage.missing_deg(self.angles_deg)

    def arc_deg(self) -> float | None:
        """The arc of the scan in degrees; None of views at one angle (`coverage.arc_deg`)."""
        return coverage.arc_deg(self.angles_deg)

    def covered_deg(self) -> float:
        """The directions modulo 180 that the views stand for together, in degrees: at most 180."""
        return coverage.covered_deg(self.angles_deg)

    def directions(self) -> int:
        """How many views look in directions of their own, modulo 180: half of an even number over 360."""
        return coverage.directions(self.angles_deg)

    def repeated_views(self) -> int:
        """How many views measure rays that another one measured."""
        return self.views - self.directions()

    def missing_words(self) -> str:
        """`missing_deg` as one sentence for a report; empty when every direction was measured."""
        return coverage.missing_words(self.angles_deg)

    def to_plain(self) -> dict[str, Any]:
        """Numbers and strings only: for HDF5, JSON and MetaTensor (`geometry.from_plain` reads it)."""
        return {
            "geometry": self.kind,
            "angles_deg": list(self.angles_deg),
            "detectors": self.detectors,
            "detector_spacing_mm": self.spacing_mm,
            "detector_offset_mm": self.offset_mm,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ParallelBeam:
        """The inverse of `to_plain`; raises InputError for another geometry or a missing entry."""
        read = PlainReader(plain, (cls.kind,))
        return cls(
            read.angles(),
            read.whole("detectors"),
            read.number("detector_spacing_mm"),
            read.number("detector_offset_mm", 0.0),
        )
