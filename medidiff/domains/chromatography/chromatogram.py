"""A chromatogram: one signal over one axis, with what its file said of it.

Everything is in seconds and in the file's own signal unit; nothing of a person or an instrument's operator is
kept unless the reader was asked for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.tables import write_csv
from medidiff.errors import InputError

TIME = "time_s"
_JITTER = 1e-3  # of a step: below, an axis is uniform


@dataclass(frozen=True)
class VendorPeak:
    """A row of the peak table in a file: times in seconds, area and height in the vendor's own units.

    What the file left out, or marked absent, is None.
    """

    retention_s: float
    start_s: float | None = None
    end_s: float | None = None
    area: float | None = None
    height: float | None = None
    name: str = ""


@dataclass(frozen=True, eq=False)
class Chromatogram:
    """A trace of at least two points.

    x: the axis, strictly rising, float64, (points,); seconds where `axis` is "time_s", else in the
    unit that `axis` names ("x_nm"). signal: float64, (points,), finite. signal_unit, detector: as written.
    components: name -> signal of one analyte, of a simulation. vendor_peaks: the file's own peak table.
    metadata: sample, operator, dates; empty unless the reader was told to keep them. origin: "sha256:..." of
    the file. notes: what a reader had to assume, as sentences. Raises InputError for arrays that do not fit.
    """

    x: NDArray[np.float64]
    signal: NDArray[np.float64]
    signal_unit: str = ""
    detector: str = ""
    axis: str = TIME
    components: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    vendor_peaks: tuple[VendorPeak, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        x = np.asarray(self.x, np.float64)
        object.__setattr__(self, "x", x)
        columns = {"signal": np.asarray(self.signal, np.float64)}
        object.__setattr__(self, "signal", columns["signal"])
        components = {name: np.asarray(values, np.float64) for name, values in self.components.items()}
        object.__setattr__(self, "components", components)
        if x.ndim != 1 or x.size < 2:
            raise _bad("an axis of at least 2 points", f"shape {x.shape}", "One point is no trace.")
        _check_axis(x)
        for name, values in (columns | components).items():
            if values.shape != x.shape:
                raise _bad(f"a {name} of {x.size} points", f"shape {values.shape}", "Give one a point.")
            if wrong := int(np.count_nonzero(~np.isfinite(values))):
                first = int(np.flatnonzero(~np.isfinite(values))[0])
                fix = f"Mend or cut them; the first is row {first + 1}."
                raise _bad(f"a finite {name}", f"{wrong} values that are not", fix)

    @property
    def time_s(self) -> NDArray[np.float64]:
        """The axis in seconds; InputError where it is no time."""
        if self.axis != TIME:
            raise _bad("an axis of time", self.axis, "This is a spectrum; choose another trace.")
        return self.x

    @property
    def points(self) -> int:
        """How many samples."""
        return int(self.x.size)

    @property
    def interval(self) -> float:
        """The mean step of the axis."""
        return float((self.x[-1] - self.x[0]) / (self.points - 1))

    @property
    def uniform(self) -> bool:
        """Whether no sample lies further than a thousandth of a step from a uniform axis."""
        ideal = self.x[0] + self.interval * np.arange(self.points)
        return bool(np.abs(self.x - ideal).max() <= _JITTER * self.interval)

    def digest(self) -> str:
        """Axis and signal as "sha256:..."."""
        data = hashlib.sha256(self.axis.encode())
        for values in (self.x, self.signal):
            data.update(np.ascontiguousarray(values, "<f8").tobytes())
        return f"sha256:{data.hexdigest()}"

    def write(self, path: Path) -> None:
        """Write CSV: `time_s,signal` and one column a component, every number to its last bit."""
        names = [self.axis, "signal", *self.components]
        rows = np.stack([self.x, self.signal, *self.components.values()], axis=1).tolist()
        write_csv(path, names, ([repr(value) for value in row] for row in rows))


def _check_axis(x: NDArray[np.float64]) -> None:
    if not np.isfinite(x).all():
        raise _bad("a finite axis", "values that are not", "Mend or cut them.")
    if (np.diff(x) > 0).all():
        return
    row = int(np.flatnonzero(np.diff(x) <= 0)[0]) + 2
    kind = "a repeated value" if x[row - 1] == x[row - 2] else "one that falls"
    raise _bad("a rising axis", f"{kind} at row {row}", "Sort the rows, or cut what was recorded twice.")


def _bad(expected: str, got: str, fix: str) -> InputError:
    return InputError("chromatogram", expected=expected, got=got, fix=fix)
