"""A row of detector bins and the angles at which it looked: what every geometry has.

bin j covers [(j - n/2) p, (j+1 - n/2) p] + offset                                   [mm]
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError

LARGEST_ANGLE_DEG = 360.0


def bins_mm(detectors: int, spacing_mm: float, offset_mm: float) -> NDArray[Any]:
    """Bin centres (detectors,)."""
    return (np.arange(detectors) - (detectors - 1) / 2) * spacing_mm + offset_mm


def equal_steps(views: int, arc_deg: float, start_deg: float) -> list[float]:
    """`views` equal steps over `arc_deg`, its end excluded; InputError for a scan that cannot be."""
    if views < 1:
        raise argument_error("views", "at least 1", str(views), "24 is usual for sparse views.")
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
        if self.plain.get("geometry") not in self.kinds:
            raise InputError(
                "geometry",
                expected=" or ".join(self.kinds),
                got=repr(self.plain.get("geometry"))[:40],
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
