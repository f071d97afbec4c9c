"""A row of detector bins and the angles at which it looked: what every geometry has.

bin j covers [(j - n/2) p, (j+1 - n/2) p] + offset                                   [mm]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError

LARGEST_ANGLE_DEG = 360.0


@dataclass(frozen=True, slots=True)
class DetectorRow:
    """View angles in degrees, and bins of `spacing_mm` along the detector centred on `offset_mm`.

    The part that all geometries share; alone it does not say where the rays run.
    """

    angles_deg: tuple[float, ...]
    detectors: int
    spacing_mm: float
    offset_mm: float = 0.0

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
        """Bin centres (detectors,) along the detector."""
        return (np.arange(self.detectors) - (self.detectors - 1) / 2) * self.spacing_mm + self.offset_mm

    def finer_bins(self, factor: int) -> Self:
        """The same views and field, each bin cut into `factor`."""
        return replace(self, detectors=self.detectors * factor, spacing_mm=self.spacing_mm / factor)

    def wider_bins(self, factor: int) -> Self:
        """The same views, each `factor` bins one; the last is filled up beyond the detector's end."""
        more = -self.detectors % factor
        return replace(
            self,
            detectors=(self.detectors + more) // factor,
            spacing_mm=self.spacing_mm * factor,
            offset_mm=self.offset_mm + more * self.spacing_mm / 2,
        )

    def some_views(self, start: int, stop: int) -> Self:
        """The same detector with views start <= k < stop only."""
        return replace(self, angles_deg=self.angles_deg[start:stop])


def equal_steps(views: int, arc_deg: float, start_deg: float) -> list[float]:
    """`views` equal steps over `arc_deg`, its end excluded; InputError for a scan that cannot be."""
    if not isinstance(views, int | np.integer) or views < 1:
        fix = "24 is usual for sparse views."
        raise argument_error("views", "a whole number of at least 1", repr(views), fix)
    if not 0 < arc_deg <= LARGEST_ANGLE_DEG:
        raise argument_error(
            "arc", "degrees above 0, up to 360", f"{arc_deg:g}", "180 is a full parallel scan."
        )
    return [start_deg + k * arc_deg / views for k in range(views)]


def check_detector(angles_deg: Sequence[float], detectors: int, spacing_mm: float, offset_mm: float) -> None:
    """Raise InputError for angles or bins that cannot be."""
    if not angles_deg:
        raise argument_error("views", "at least 1 view", "0", "Give more views.")
    wrong = [a for a in angles_deg if not abs(a) <= LARGEST_ANGLE_DEG]
    if wrong:
        raise argument_error(
            "view angles",
            f"finite degrees within +-{LARGEST_ANGLE_DEG:g}",
            f"{len(wrong)} outside it, the first {wrong[0]:g}",
            "Give the angles in degrees.",
        )
    if detectors < 1 or not (math.isfinite(spacing_mm) and spacing_mm > 0):
        raise argument_error(
            "detector",
            "bins of a positive width",
            f"{detectors} bins of {spacing_mm:g} mm",
            "Mend the geometry.",
        )
    if not math.isfinite(offset_mm):
        raise argument_error("detector offset", "finite mm", f"{offset_mm:g}", "Mend the geometry.")


@dataclass(frozen=True)
class PlainReader:
    """Checked entries of a geometry in plain data; every way to be wrong is one InputError."""

    plain: Mapping[str, Any]
    kinds: tuple[str, ...]

    def __post_init__(self) -> None:
        kind = self.plain.get("geometry") if isinstance(self.plain, Mapping) else self.plain
        if kind not in self.kinds:
            raise InputError(
                "geometry",
                expected=" or ".join(self.kinds),
                got=repr(kind)[:40],
                fix="Rebin the rays to one of these.",
            )

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number; `default` where there is none."""
        if default is not None and name not in self.plain:
            return default
        try:
            value = float(self.plain[name])
        except KeyError:
            raise self._wrong(name, "none") from None
        except (TypeError, ValueError, OverflowError):
            raise self._wrong(name, "something that is no number") from None
        if not math.isfinite(value):
            raise self._wrong(name, f"{value:g}")
        return value

    def whole(self, name: str) -> int:
        """A whole number."""
        value = self.number(name)
        if value != round(value):
            raise self._wrong(name, f"{value:g}")
        return int(value)

    def angles(self) -> tuple[float, ...]:
        """The view angles in degrees."""
        try:
            return tuple(float(angle) for angle in self.plain["angles_deg"])
        except KeyError:
            raise self._wrong("angles_deg", "none") from None
        except (TypeError, ValueError, OverflowError):
            raise self._wrong("angles_deg", "something that is no list of numbers") from None

    def _wrong(self, name: str, got: str) -> InputError:
        return InputError(
            "geometry", expected=f"a usable entry {name}", got=got, fix="Write it with to_plain()."
        )


def argument_error(what: str, expected: str, got: str, fix: str) -> InputError:
    """An InputError for a value that is wrong whatever the data."""
    return InputError(what, expected=expected, got=got, fix=fix, argument=True)
