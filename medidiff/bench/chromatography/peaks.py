"""Peaks against vendors' own tables: how many are found, how many are false, and whether numbers agree.

A folder of data holds `andi/` with `expected/andi_vendor_peaks.csv`, and `text/shimadzu_ladder.txt.gz` with
`expected/shimadzu_ladder_peaks.tsv`. A vendor's peak is found when one of ours, at the default threshold,
lies within max(1 %, 1.5 samples) of its retention. Files whose signals are equal are twins and count once
where false peaks are counted.

The ladder's twelve peaks after 20 minutes above a height of 10 000 are measured twice: with our own bounds
over our default baseline, and with the vendor's bounds over straight lines; peaks whose bounds touch there
share one line and a drop.
"""

from __future__ import annotations

import contextlib
import csv
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from medidiff.bench.chromatography.cases import Measured, Options
from medidiff.bench.report import Row
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files import read_chromatograms
from medidiff.domains.chromatography.peaks import BaselineChoice, Integration, measure_peaks
from medidiff.domains.chromatography.peaks.table import Peak
from medidiff.errors import InputError

FOUND_GATE, MEDIAN_GATE, POOLED_GATE = 0.95, 2.0, 3.0
AFTER_MIN, ABOVE = 20.0, 1e4
TOLERANCES = {"area": 0.015, "plates": 0.025, "tailing": 0.01}
GATES = {"area": (11.0, 10.0), "plates": (11.0, 11.0), "tailing": (11.0, 11.0)}
"""Least numbers of peaks within the tolerance: with the vendor's bounds, with our own."""

_TWIN = 1e-4  # of the range: signals of twins were rounded differently
_LADDER = {"area": "area", "plates": "plates_tangent", "tailing": "tailing_usp"}
_VENDOR = {"area": "Area", "plates": "Plate #", "tailing": "Tailing"}

Array = NDArray[np.float64]


@dataclass(frozen=True)
class VendorFile:
    """A file with a vendor's table: retention times in s, theirs and ours, and the sampling interval."""

    name: str
    signal: Array
    interval_s: float
    vendor_s: Array
    found_s: Array

    @property
    def hits(self) -> int:
        """Vendor peaks that one of ours lies near."""
        near = np.maximum(0.01 * self.vendor_s, 1.5 * self.interval_s)
        apart = np.abs(self.vendor_s[:, None] - self.found_s[None])
        return int(np.count_nonzero((apart <= near[:, None]).any(axis=1)))


def beside_vendors(options: Options) -> Measured:
    """The rows of `rows`, where there are files."""
    if options.data is None:
        return Measured(
            (), ("vendor_peaks_found, false_peaks_per_true, emg_failed_share, ladder_*: no files (--data)",)
        )
    return Measured(tuple(rows(options.data)))


def rows(data: Path) -> list[Row]:
    """Every row of this file; about six seconds."""
    return [
        *vendor_peaks_found(data),
        *false_peaks_per_true(data),
        *emg_failed_share(data),
        *ladder_area(data),
        *ladder_plates(data),
        *ladder_tailing(data),
    ]


def vendor_peaks_found(data: Path) -> list[Row]:
    """The share of the vendors' peaks that are found, twins included."""
    files = vendor_files(data)
    total, hits = sum(file.vendor_s.size for file in files), sum(file.hits for file in files)
    case = f"{total} peaks of {len(files)} ANDI files, default threshold"
    return [Row(case, "vendor_peaks_found", hits / total, "", gate=FOUND_GATE)]


def false_peaks_per_true(data: Path) -> list[Row]:
    """Reported peaks for each vendor peak: median over the files and pooled, twins once."""
    files = list(without_twins(vendor_files(data)))
    ratios = [file.found_s.size / file.vendor_s.size for file in files]
    pooled = sum(file.found_s.size for file in files) / sum(file.vendor_s.size for file in files)
    cases = (
        (f"median of {len(files)} ANDI files", float(np.median(ratios)), MEDIAN_GATE),
        (f"pooled over {len(files)} ANDI files", pooled, POOLED_GATE),
    )
    return [
        Row(case, "false_peaks_per_true", value, "reported per vendor peak", gate=gate, better="lower")
        for case, value, gate in cases
    ]


def emg_failed_share(data: Path) -> list[Row]:
    """Of the peaks of all ANDI files, twins once, those that no exponentially modified Gaussian describes."""
    runs = list(without_twins(_andi_runs(data)))
    peaks = [peak for run in runs for peak in measure_peaks(run.time_s, run.signal).peaks]
    failed = sum("emg failed" in peak.flags for peak in peaks)
    case = f"{len(peaks)} peaks of {len(runs)} ANDI files"
    return [Row(case, "emg_failed_share", failed / len(peaks), "", better=None)]


def ladder_area(data: Path) -> list[Row]:
    """Peaks of the ladder whose area lies within 1.5 % of the vendor's."""
    return _ladder_rows(data, "area")


def ladder_plates(data: Path) -> list[Row]:
    """Peaks of the ladder whose tangent plates lie within 2.5 % of the vendor's."""
    return _ladder_rows(data, "plates")


def ladder_tailing(data: Path) -> list[Row]:
    """Peaks of the ladder whose tailing lies within 1 % of the vendor's."""
    return _ladder_rows(data, "tailing")


@functools.lru_cache(maxsize=1)
def vendor_files(data: Path) -> tuple[VendorFile, ...]:
    """Each ANDI file that has a vendor's peak table, measured at the default threshold."""
    tables: dict[str, list[float]] = {}
    with (data / "expected" / "andi_vendor_peaks.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            tables.setdefault(row["file"], []).append(float(row["rt_s"]))
    found = []
    for name, times in sorted(tables.items()):
        run = read_chromatograms(data / name)[0]
        peaks = measure_peaks(run.time_s, run.signal, Integration(emg=False)).peaks
        ours = np.array([peak.retention_time_s for peak in peaks])
        found.append(VendorFile(name, run.signal, run.interval, np.array(times), ours))
    return tuple(found)


def _andi_runs(data: Path) -> Iterator[Chromatogram]:
    """The first trace of every ANDI file that holds one over time; a library and a zip are refused."""
    for path in sorted((data / "andi").rglob("*")):
        if path.suffix.lower() == ".cdf":
            with contextlib.suppress(InputError):
                run = read_chromatograms(path)[0]
                if run.uniform and run.time_s.size:
                    yield run


class _Recorded(Protocol):
    @property
    def signal(self) -> Array: ...


R = TypeVar("R", bound=_Recorded)


def without_twins(files: Iterable[R]) -> Iterator[R]:
    """The files whose signal no earlier one has."""
    seen: list[Array] = []
    for file in files:
        if not any(_equal(file.signal, other) for other in seen):
            seen.append(file.signal)
            yield file


def _equal(a: Array, b: Array) -> bool:
    return a.size == b.size and bool(np.abs(a - b).max() <= _TWIN * np.ptp(a))


def ladder_errors(data: Path, what: str) -> tuple[Array, Array]:
    """Relative errors of "area", "plates" or "tailing" of the ladder's peaks: vendor's bounds, own bounds."""
    judged, *measured = _ladder(data)
    truth = np.array([row[_VENDOR[what]] for row in judged])
    by_bounds, own = (
        np.array([getattr(peak, _LADDER[what]) for peak in peaks]) / truth - 1 for peaks in measured
    )
    return by_bounds, own


@functools.lru_cache(maxsize=1)
def _ladder(data: Path) -> tuple[list[dict[str, float]], list[Peak], list[Peak]]:
    """The vendor's rows of the peaks that are judged, and the same peaks by its bounds and by our own.

    By the vendor's bounds one straight line lies under peaks whose bounds touch.
    """
    run = read_chromatograms(data / "text" / "shimadzu_ladder.txt.gz")[0]
    table = _ladder_table(data)
    judged = [row for row in table if row["R.Time"] > AFTER_MIN and row["Height"] > ABOVE]
    windows = [(60 * row["I.Time"], 60 * row["F.Time"]) for row in table]
    settings = Integration(BaselineChoice("groups"), manual_s=windows, rider_ratio=1e9, emg=False)
    by_bounds = [p for p in measure_peaks(run.time_s, run.signal, settings).peaks if "manual" in p.flags]
    own = measure_peaks(run.time_s, run.signal, Integration(emg=False)).peaks
    times = [60 * row["R.Time"] for row in judged]
    return judged, [_nearest(by_bounds, at) for at in times], [_nearest(own, at) for at in times]


def _ladder_rows(data: Path, what: str) -> list[Row]:
    found = []
    names = ("the vendor's bounds", "own bounds")
    for errors, bounds, gate in zip(ladder_errors(data, what), names, GATES[what], strict=True):
        good = int(np.count_nonzero(np.abs(errors) <= TOLERANCES[what]))
        case = f"alkane ladder, {bounds}, within {100 * TOLERANCES[what]:g} % (worst {_worst(errors)})"
        found.append(Row(case, f"ladder_{what}", good, f"of {errors.size} peaks", gate=gate))
    return found


def _worst(errors: Array) -> str:
    return f"{100 * float(np.nanmax(np.abs(errors))):.2f} %"


def _ladder_table(data: Path) -> list[dict[str, float]]:
    keys = ("R.Time", "I.Time", "F.Time", "Height", *_VENDOR.values())
    with (data / "expected" / "shimadzu_ladder_peaks.tsv").open(encoding="utf-8", newline="") as file:
        return [{key: float(row[key]) for key in keys} for row in csv.DictReader(file, delimiter="\t")]


def _nearest(peaks: Sequence[Peak], at_s: float) -> Peak:
    return min(peaks, key=lambda peak: abs(peak.retention_time_s - at_s))
