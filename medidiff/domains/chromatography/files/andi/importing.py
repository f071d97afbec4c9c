"""Read ANDI chromatography and the total ion current of ANDI mass spectrometry.

    t_i = actual_delay_time + i actual_sampling_interval           (ASTM E1947: ordinate_values, uniform)
    t_i = raw_data_retention_i                                     (where that variable exists)

What real files do, and what is done here: times are in seconds unless `retention_unit` says minutes; an
absent unit is taken as seconds, with a note. The interval is never rebuilt from the run length, which
several vendors write wrongly. `uniform_sampling_flag` is ignored: it stands as 'N', or as non_uniform 'Y',
on uniform data. A peak's start and end may be sample numbers. Areas and heights stay in the vendor's own
units; -1, 0, -9999 and what is not finite mean absent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import Chromatogram, VendorPeak
from medidiff.domains.chromatography.files.andi.container import NetCDF, read_netcdf, text
from medidiff.domains.chromatography.files.content import Content
from medidiff.domains.chromatography.files.units import label, rising, seconds_in
from medidiff.errors import InputError

UNROUNDED = "unrounded"
"""Attribute of a scalar that medidiff writes: the same number in double precision."""

_MISSING = -9999.0
_ABSENT = (-1.0, 0.0, _MISSING)
_FILL = 9e36  # netCDF's own fill values are 9.97e36
_NOT_KEPT = {"netcdf_revision", "languages", "dataset_completeness", "retention_unit", "detector_unit"}


@dataclass(frozen=True)
class _Clock:
    """Seconds in a unit of the file, first time and step in seconds; step 0 where times are listed."""

    seconds: float
    delay_s: float
    step_s: float


def read_andi(content: Content, *, keep_metadata: bool) -> Chromatogram:
    """The trace of an ANDI file, or the total ion current of an ANDI/MS file.

    Raises InputError for a damaged file, a library of mass spectra, missing values, or other netCDF.
    """
    file = read_netcdf(content.data)
    if "ordinate_values" in file.variables:
        trace = _chromatography(file)
    elif "scan_acquisition_time" in file.variables or "ms_template_revision" in file.attributes:
        trace = _total_ion_current(file)
    else:
        raise _bad(
            "ordinate_values or total_intensity", "netCDF of another kind", "Export it as ANDI or CSV."
        )
    x, signal, turned = rising(trace["x"], trace["signal"])
    return Chromatogram(
        x,
        signal,
        signal_unit=trace["unit"],
        detector=trace["detector"],
        vendor_peaks=trace["peaks"],
        metadata=_metadata(file) if keep_metadata else {},
        origin=content.origin,
        notes=(*trace["notes"], *turned),
    )


def _chromatography(file: NetCDF) -> dict[str, Any]:
    signal = _numbers(file, "ordinate_values")
    notes: list[str] = []
    seconds = _retention_seconds(file, notes)
    if "raw_data_retention" in file.variables:
        x: NDArray[np.float64] = _numbers(file, "raw_data_retention") * seconds
        clock = _Clock(seconds, float(x[0]) if x.size else 0.0, 0.0)
    else:
        clock = _uniform_clock(file, seconds, notes)
        x = np.asarray(clock.delay_s + clock.step_s * np.arange(signal.size), np.float64)
    return {
        "x": x,
        "signal": signal,
        "unit": _word(file, "detector_unit", "detector_units"),
        "detector": _word(file, "detector_name"),
        "peaks": _vendor_peaks(file, clock, x, notes),
        "notes": notes,
    }


def _retention_seconds(file: NetCDF, notes: list[str]) -> float:
    unit = _word(file, "retention_unit", "retention_units")
    seconds = seconds_in(unit)
    if seconds is None and unit:
        raise _bad("a retention unit of time", "another unit", "Export it with times in seconds.")
    if seconds is None:
        notes.append("The file names no unit of time: seconds, as the ANDI template has it.")
    return seconds or 1.0


def _uniform_clock(file: NetCDF, seconds: float, notes: list[str]) -> _Clock:
    step = _scalar(file, "actual_sampling_interval")
    if step is None or not 0 < step < math.inf:
        got = "none" if step is None else f"{step:g}"
        raise _bad("an actual_sampling_interval above 0", got, "Export it again, or as CSV with times.")
    delay = _scalar(file, "actual_delay_time")
    if delay is None:
        notes.append("The file gives no delay of the first sample: taken as 0 s.")
    return _Clock(seconds, (delay or 0.0) * seconds, step * seconds)


def _total_ion_current(file: NetCDF) -> dict[str, Any]:
    if "library" in _word(file, "experiment_type").lower():
        raise _bad("a run over time", "a library of mass spectra", "It holds no chromatogram.")
    x, signal = (_numbers(file, name) for name in ("scan_acquisition_time", "total_intensity"))
    if (x == _MISSING).any() or (signal == _MISSING).any():
        raise _bad("a time and a total intensity of each scan", "missing values (-9999)", "Export it again.")
    about = file.variable_attributes.get("total_intensity", {})
    notes = ["A mass spectrometer's file: the trace is the total intensity of its scans."]
    unit = label(text(about.get("units", "")))
    return {
        "x": x,
        "signal": signal,
        "unit": unit,
        "detector": "total ion current",
        "peaks": (),
        "notes": notes,
    }


def _numbers(file: NetCDF, name: str) -> NDArray[np.float64]:
    """A variable of numbers as float64, (n,), with scale and offset where it names them."""
    values = file.variables.get(name)
    if values is None or values.ndim != 1 or values.dtype.kind not in "iuf":
        got = "none" if values is None else f"an array of another kind, shape {values.shape}"
        raise _bad(f"{name}, a list of numbers", got, "Export the file again.")
    about = file.variable_attributes.get(name, {})
    scale, offset = about.get("scale_factor", 1.0), about.get("add_offset", 0.0)
    if not isinstance(scale, int | float) or not isinstance(offset, int | float):
        raise _bad(f"{name} with one scale and offset", "something else", "Export the file again.")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused with its row
        return values.astype(np.float64) * scale + offset


def _scalar(file: NetCDF, name: str) -> float | None:
    values = file.variables.get(name)
    found: Any = file.attributes.get(name) if values is None else None
    if values is not None and values.size == 1 and values.dtype.kind in "iuf":
        found = float(values.reshape(-1)[0])
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < _FILL:
        return None
    exact = file.variable_attributes.get(name, {}).get(UNROUNDED)
    # Believed only where it is what was rounded: another program may have changed the number since.
    if isinstance(exact, float) and math.isfinite(exact) and np.float32(exact) == np.float32(found):
        return exact
    return None if found == _MISSING else float(found)


def _word(file: NetCDF, *names: str) -> str:
    found = (file.attributes.get(name) for name in names)
    words = (label(value) for value in found if isinstance(value, str))
    return next((word for word in words if word and word.lower() != "none"), "")


def _vendor_peaks(
    file: NetCDF, clock: _Clock, x: NDArray[np.float64], notes: list[str]
) -> tuple[VendorPeak, ...]:
    times = file.variables.get("peak_retention_time")
    if times is None or times.ndim != 1:
        return ()
    count = times.size
    start, end = (_column(file, f"peak_{side}_time", count) for side in ("start", "end"))
    if clock.step_s and _are_sample_numbers(start, end, x.size, clock):
        notes.append("The starts and ends of the file's own peaks are sample numbers there.")
        start, end = (clock.delay_s + clock.step_s * edge for edge in (start, end))
    else:
        start, end = start * clock.seconds, end * clock.seconds
    area, height = (_column(file, f"peak_{name}", count) for name in ("area", "height"))
    names = _names(file, count)
    rows = zip(
        _column(file, "peak_retention_time", count) * clock.seconds,
        start,
        end,
        area,
        height,
        names,
        strict=True,
    )
    return tuple(
        VendorPeak(
            retention_s=float(at),
            start_s=float(a) if a < b else None,  # False where one is absent
            end_s=float(b) if a < b else None,
            area=_present(size),
            height=_present(tall),
            name=name,
        )
        for at, a, b, size, tall, name in rows
        if not math.isnan(at)
    )


def _are_sample_numbers(
    start: NDArray[np.float64], end: NDArray[np.float64], points: int, clock: _Clock
) -> bool:
    """Whether peaks end after the run but at a whole number below that of the samples (Shimadzu CLASS-VP)."""
    edges = np.concatenate([start, end])
    edges = edges[np.isfinite(edges)]
    if not edges.size or not (edges == np.round(edges)).all():
        return False
    run_end = (clock.delay_s + points * clock.step_s) / clock.seconds
    return bool(run_end < edges.max() <= points)


def _column(file: NetCDF, name: str, count: int) -> NDArray[np.float64]:
    """A column of the peak table; NaN where a value, or the whole column, is absent."""
    values = file.variables.get(name)
    if values is None or values.shape != (count,) or values.dtype.kind not in "iuf":
        return np.full(count, np.nan)
    with np.errstate(invalid="ignore"):
        column = values.astype(np.float64)
    column[~(np.abs(column) < _FILL) | (column == _MISSING)] = np.nan
    return column


def _present(value: float) -> float | None:
    return None if math.isnan(value) or value in _ABSENT else float(value)


def _names(file: NetCDF, count: int) -> list[str]:
    names = file.variables.get("peak_name")
    if names is None or names.ndim != 2 or names.shape[0] != count or names.dtype.kind != "S":
        return [""] * count
    return [label(text(row)) for row in names]


def _metadata(file: NetCDF) -> dict[str, str]:
    """The texts and numbers among the global attributes that say something of sample, method and dates."""
    kept = {name: file.attributes[name] for name in file.attributes if name not in _NOT_KEPT}
    return {
        name: str(value)
        for name, value in kept.items()
        if isinstance(value, str | int | float) and value != ""
    }


def _bad(expected: str, got: str, fix: str) -> InputError:
    return InputError("ANDI file", expected=expected, got=got, fix=fix)
