"""A fan of rays from a turning source, on a flat or a curved row of bins: what clinical scanners measure.

The source at angle beta, R from the axis, and the detector D from the source, behind the axis:

    source (R sin beta, -R cos beta),   central ray d = (-sin beta, cos beta),   bins e = (cos beta, sin beta)
    flat:    v = D tan(gamma)     v along the bins in mm, gamma the angle from the central ray
    curved:  v = D gamma          bins on a circle about the source

The ray (beta, gamma) is the parallel ray theta = beta - gamma, s = R sin(gamma). (With the fan turned the
other way, as in many books, it is beta + gamma.) A point X lies at L = R + X.d along and E = X.e across, so
that tan(gamma) = E / L. The same line is seen again from beta + 180 - 2 gamma, at -gamma: a full turn
measures every ray twice, 180 degrees and the fan angle every one at least once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.reconstruction.ct.scan import coverage
from medidiff.domains.reconstruction.ct.scan.detector import (
    DetectorRow,
    PlainReader,
    argument_error,
    check_detector,
    equal_steps,
)

FLAT, CURVED = "fan-flat", "fan-curved"
SOURCE_TO_ISOCENTRE_MM, SOURCE_TO_DETECTOR_MM = 595.0, 1086.0  # a usual clinical gantry
DETECTORS, FIELD_MM = 736, 500.0


@dataclass(frozen=True, slots=True)
class FanBeam(DetectorRow):
    """A fan beam: source angles in degrees, bins of `spacing_mm` at the detector centred on `offset_mm`."""

    source_to_isocentre_mm: float = SOURCE_TO_ISOCENTRE_MM
    source_to_detector_mm: float = SOURCE_TO_DETECTOR_MM
    curved: bool = True

    def __post_init__(self) -> None:
        check_detector(self.angles_deg, self.detectors, self.spacing_mm, self.offset_mm)
        near, far = self.source_to_isocentre_mm, self.source_to_detector_mm
        if not (0 < near <= far < math.inf):
            raise argument_error(
                "source distances",
                "the isocentre between source and detector",
                f"{near:g} mm to the isocentre, {far:g} mm to the detector",
                "Give source_to_isocentre_mm and source_to_detector_mm, both from the source.",
            )
        if max(abs(gamma) for gamma in self._edges_rad()) >= math.pi / 2:
            raise argument_error(
                "detector", "a fan of less than 180 degrees", "more", "Mend spacing or distances."
            )

    @classmethod
    def sparse(
        cls, views: int, arc_deg: float = 360.0, *, curved: bool = True, start_deg: float = 0.0
    ) -> FanBeam:
        """`views` equal steps over `arc_deg` (its end excluded) on the default gantry."""
        return cls.of_angles(equal_steps(views, arc_deg, start_deg), curved=curved)

    @classmethod
    def of_angles(
        cls,
        angles_deg: Sequence[float],
        *,
        curved: bool = True,
        detectors: int = DETECTORS,
        field_mm: float = FIELD_MM,
        source_to_isocentre_mm: float = SOURCE_TO_ISOCENTRE_MM,
        source_to_detector_mm: float = SOURCE_TO_DETECTOR_MM,
    ) -> FanBeam:
        """Any list of views; `detectors` bins, centred, over the circle of diameter `field_mm`."""
        ratio = field_mm / 2 / source_to_isocentre_mm
        if not 0 < ratio < 1:
            raise argument_error(
                "field", "a circle that the source turns around", f"{field_mm:g} mm", "Make it smaller."
            )
        gamma = math.asin(ratio)
        half = source_to_detector_mm * (gamma if curved else math.tan(gamma))
        return cls(
            tuple(float(a) for a in angles_deg),
            detectors,
            2 * half / detectors,
            0.0,
            source_to_isocentre_mm,
            source_to_detector_mm,
            curved,
        )

    @property
    def kind(self) -> str:
        """What files and the command line call it."""
        return CURVED if self.curved else FLAT

    @property
    def isocentre_spacing_mm(self) -> float:
        """The width of a bin where the rotation axis is."""
        return self.spacing_mm * self.source_to_isocentre_mm / self.source_to_detector_mm

    def fan_angles_rad(self) -> NDArray[Any]:
        """Gamma of every bin centre (detectors,)."""
        along = self.bins_mm() / self.source_to_detector_mm
        return along if self.curved else np.arctan(along)

    def field_radius_mm(self) -> float:
        """Radius of the circle about the axis that is seen whole; 0 where the axis is not seen.

        By every view, or, of a displaced detector and a full turn, by one view or the other.
        """
        left, right = self._edges_rad()
        reach = min(-left, right) if self.short_end() is None else max(-left, right)
        return max(self.source_to_isocentre_mm * math.sin(reach), 0.0)

    def short_end(self) -> int | None:
        """Which end of a displaced detector, 0 or 1, stops short of lines that the other end sees.

        None where both reach equally far to a bin, where the axis is not seen, and of less than a full turn.
        """
        left, right = self._edges_rad()
        width = (right - left) / self.detectors
        if abs(left + right) < width or min(-left, right) <= 0 or self._missing():
            return None
        return 0 if -left < right else 1

    def view_weights_rad(self) -> NDArray[Any]:
        """The arc of the source's turn that each view stands for, in radians, (views,)."""
        weights: NDArray[Any] = np.deg2rad(coverage.view_weights_deg(self.angles_deg, coverage.TURN))
        return weights

    def redundancy(self) -> NDArray[Any]:
        """How a line that was measured twice is shared, (views, detectors): the two members sum to 1.

            w = q(beta, gamma) / (q(beta, gamma) + q(beta + 180 - 2 gamma, -gamma))

        q is sin^2 over each arc that was scanned, times, of a displaced detector, sin^2 from 0 at its short
        end to 1 as far beyond the axis, and 0 where there is no detector: smooth where one measurement
        becomes two (Noo et al. 2002, Phys Med Biol 47:2525, with a transition as long as the arc; Wang 2002,
        Med Phys 29:1634). 1 where there is no other, 1/2 in a full turn of a centred detector.
        """
        beta, gamma = np.asarray(self.angles_deg)[:, None], self.fan_angles_rad()[None]
        own = self._taper(beta) * self._reach(gamma)
        other = self._taper(beta + 180 - 2 * np.rad2deg(gamma)) * self._reach(-gamma)
        weights: NDArray[Any] = own / (own + other)
        return weights

    def scanned_deg(self) -> float:
        """The part of the source's turn that the views stand for."""
        return float(np.rad2deg(self.view_weights_rad().sum()))

    def short_of_deg(self, radius_mm: float) -> float:
        """Degrees by which the turn misses 180 and the fan angle of a circle of this radius; 0 if none."""
        fan = 2 * math.asin(min(radius_mm / self.source_to_isocentre_mm, 1.0))
        missing = coverage.HALF_TURN + math.degrees(fan) - self.scanned_deg()
        return round(max(missing, 0.0), 3)

    def arc_deg(self) -> float | None:
        """The arc of the source in degrees; None of views at one angle (`coverage.arc_deg`)."""
        return coverage.arc_deg(self.angles_deg)

    def covered_deg(self) -> float:
        """The directions modulo 180 in which rays cross the isocentre, in degrees: at most 180."""
        return coverage.covered_deg(self.angles_deg)

    def directions(self) -> int:
        """How many rays of different directions cross the isocentre: half of an even number of views over
        360. Elsewhere a full turn has up to twice as many, at uneven steps; the middle of the image has the
        fewest.
        """
        return coverage.directions(self.angles_deg)

    def repeated_views(self) -> int:
        """How many views measure rays that another one measured: those at the same angle."""
        return self.views - len(
            {round(angle % coverage.TURN, 3) % coverage.TURN for angle in self.angles_deg}
        )

    def missing_words(self) -> str:
        """The directions that no ray through the isocentre has, as one sentence; empty when there are all."""
        words = coverage.missing_words(self.angles_deg)
        return f"at the isocentre, {words}" if words else ""

    def to_plain(self) -> dict[str, Any]:
        """Numbers and strings only: for HDF5, JSON and MetaTensor (`geometry.from_plain` reads it)."""
        return {
            "geometry": self.kind,
            "angles_deg": list(self.angles_deg),
            "detectors": self.detectors,
            "detector_spacing_mm": self.spacing_mm,
            "detector_offset_mm": self.offset_mm,
            "source_to_isocentre_mm": self.source_to_isocentre_mm,
            "source_to_detector_mm": self.source_to_detector_mm,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> FanBeam:
        """The inverse of `to_plain`; raises InputError for another geometry or a missing entry."""
        read = PlainReader(plain, (FLAT, CURVED))
        return cls(
            read.angles(),
            read.whole("detectors"),
            read.number("detector_spacing_mm"),
            read.number("detector_offset_mm", 0.0),
            read.number("source_to_isocentre_mm"),
            read.number("source_to_detector_mm"),
            curved=plain["geometry"] == CURVED,
        )

    def _edges_rad(self) -> tuple[float, float]:
        """Gamma of the two ends of the detector."""
        half = self.detectors * self.spacing_mm / 2
        ends = ((self.offset_mm + side) / self.source_to_detector_mm for side in (-half, half))
        left, right = ends if self.curved else map(math.atan, ends)
        return left, right

    def _missing(self) -> list[tuple[float, float]]:
        """The arcs of the source's turn that were not scanned, in degrees."""
        return coverage.missing_deg(self.angles_deg, coverage.TURN)

    def _reach(self, gamma: NDArray[Any]) -> NDArray[Any]:
        """Q of `redundancy` along the detector, of a bin centre or its mirror: 0 beyond the detector."""
        left, right = self._edges_rad()
        reach, short = min(-left, right), self.short_end()
        if short is None:
            return np.where((gamma > left) & (gamma < right), 1.0, 0.0)
        inwards = gamma if short == 0 else -gamma  # from the short end on
        return np.sin(np.pi / 4 * (np.clip(inwards / reach, -1, 1) + 1)) ** 2

    def _taper(self, beta_deg: NDArray[Any]) -> NDArray[Any]:
        """Q of `redundancy` at any angle: 0 outside of the arcs that were scanned."""
        missing = self._missing()
        out = np.zeros(beta_deg.shape) if missing else np.ones(beta_deg.shape)
        for number, (_, start) in enumerate(missing):
            stop = missing[(number + 1) % len(missing)][0]
            arc = (stop - start) % coverage.TURN
            place = np.mod(beta_deg - start, coverage.TURN)
            out += np.where(place < arc, np.sin(np.pi * place / arc) ** 2, 0)
        return out
