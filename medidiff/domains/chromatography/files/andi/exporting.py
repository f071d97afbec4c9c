"""Write ANDI chromatography, C1 and C2 of the template ASTM E1947, with what is known and without names.

The template stores 32-bit floats, and so does this: times and signals are rounded to 24 bits. A uniform
axis becomes delay and interval, each with its double beside it as an attribute, so that medidiff reads the
axis back without rounding; any other axis becomes `raw_data_retention`. Global attributes that the template
demands are written even where nothing is known of them: readers fail without them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.atomic import writing_file
from medidiff.domains.chromatography.chromatogram import TIME, Chromatogram, VendorPeak
from medidiff.domains.chromatography.files.andi.importing import UNROUNDED
from medidiff.errors import InputError

_ABSENT = -9999.0
_JITTER = 1e-6  # of a step: an axis is as uniform as that, or its times are listed
_STRINGS = (2, 4, 8, 12, 16, 32, 64, 128, 255)
_UNKNOWN_DATE = "19000101000000+0000"
_DEFAULTS = {
    "dataset_completeness": "C1+C2",
    "aia_template_revision": "1.0.1",
    "netcdf_revision": "3",
    "languages": "English",
    "administrative_comments": "none",
    "dataset_origin": "medidiff",
    "dataset_owner": "none",
    "dataset_date_time_stamp": _UNKNOWN_DATE,
    "injection_date_time_stamp": _UNKNOWN_DATE,
    "experiment_title": "none",
    "operator_name": "none",
    "separation_experiment_type": "none",
    "company_method_name": "none",
    "company_method_id": "none",
    "pre_experiment_program_name": "none",
    "post_experiment_program_name": "none",
    "source_file_reference": "none",
    "sample_id_comments": "none",
    "sample_id": "none",
    "sample_name": "none",
    "sample_type": "none",
    "detection_method_table_name": "none",
    "detector_method_comments": "none",
    "detection_method_name": "none",
    "peak_processing_results_table_name": "none",
    "peak_processing_results_comments": "none",
    "peak_processing_method_name": "none",
    "peak_processing_date_time_stamp": _UNKNOWN_DATE,
    "peak_amount_unit": "none",
}
"""What stands in a template's attribute where nothing is known; metadata that were kept replace it."""


def write_andi(chromatogram: Chromatogram, path: Path) -> None:
    """Write a trace over time as ANDI.

    Raises InputError for an axis that is no time and for numbers beyond 32-bit floats, OutputError when the
    place cannot be written.
    """
    from scipy.io import netcdf_file

    check_andi(chromatogram)
    with writing_file(path) as temporary, netcdf_file(temporary, "w", mmap=False) as file:
        # Without peaks their dimension is the unlimited one, with no record yet: scipy wants that one first.
        file.createDimension("peak_number", len(chromatogram.vendor_peaks) or None)
        for length in _STRINGS:
            file.createDimension(f"_{length}_byte_string", length)
        file.createDimension("point_number", chromatogram.points)
        file.createDimension("error_number", 1)
        file._attributes.update(_attributes(chromatogram))
        file.createVariable("error_log", "c", ("error_number", "_64_byte_string"))[:] = np.zeros(
            (1, 64), "S1"
        )
        for name, value in _scalars(chromatogram).items():
            variable = file.createVariable(name, "f", ())
            variable[...] = np.float32(value)
            variable._attributes[UNROUNDED] = np.float64(value)
        _write_signal(file, chromatogram)
        _write_peaks(file, chromatogram.vendor_peaks)


def _write_signal(file: Any, chromatogram: Chromatogram) -> None:
    ordinates = file.createVariable("ordinate_values", "f", ("point_number",))
    ordinates[:] = _float32(chromatogram.signal, "signal")
    uniform = _is_uniform(chromatogram.x)
    ordinates._attributes["uniform_sampling_flag"] = b"Y" if uniform else b"N"
    ordinates._attributes["autosampler_position"] = b"none"
    if not uniform:
        times = file.createVariable("raw_data_retention", "f", ("point_number",))
        times[:] = _float32(chromatogram.x, "axis")


def _write_peaks(file: Any, peaks: tuple[VendorPeak, ...]) -> None:
    for name, column in _peak_columns(peaks).items():
        file.createVariable(f"peak_{name}", "f", ("peak_number",))[:] = column
    if peaks:
        names = file.createVariable("peak_name", "c", ("peak_number", "_255_byte_string"))
        names[:] = np.array([_characters(peak.name, 255) for peak in peaks])


def rounding_note(chromatogram: Chromatogram) -> str | None:
    """What storing the signal in 32 bits changes, as a sentence; None where it changes nothing."""
    stored = _float32(chromatogram.signal, "signal").astype(np.float64)
    worst = float(np.abs(stored - chromatogram.signal).max())
    unit = f" {chromatogram.signal_unit}" if chromatogram.signal_unit else ""
    return f"ANDI stores 32-bit floats: the signal was rounded by up to {worst:.2g}{unit}." if worst else None


def check_andi(chromatogram: Chromatogram) -> None:
    """Raise InputError for a trace that ANDI cannot hold, before anything is written."""
    if chromatogram.axis != TIME:
        raise InputError(
            "ANDI file",
            expected="a trace over time",
            got=f"an axis {chromatogram.axis}",
            fix="Convert it to csv or json.",
        )
    _float32(chromatogram.signal, "signal")
    if not np.isfinite(np.float32(chromatogram.x[[0, -1]])).all() or np.float32(chromatogram.interval) == 0:
        raise _too_large("axis")


def _float32(values: NDArray[np.float64], what: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    if not np.isfinite(rounded).all():
        raise _too_large(what)
    return rounded


def _too_large(what: str) -> InputError:
    return InputError(
        f"ANDI file, {what}",
        expected="numbers within 32-bit floats (3.4e38)",
        got="larger ones",
        fix="Convert it to csv or json.",
    )


def _is_uniform(x: NDArray[np.float64]) -> bool:
    step = (x[-1] - x[0]) / (x.size - 1)
    return bool(np.abs(x - (x[0] + step * np.arange(x.size))).max() <= _JITTER * step)


def _attributes(chromatogram: Chromatogram) -> dict[str, bytes]:
    """Bytes, because scipy writes text in ASCII only."""
    kept = {name: value for name, value in chromatogram.metadata.items() if name in _DEFAULTS and value}
    known = {
        "detector_name": chromatogram.detector or "none",
        "detector_unit": chromatogram.signal_unit or "none",
        "retention_unit": "seconds",
    }
    return {name: value.encode("utf-8") for name, value in {**_DEFAULTS, **kept, **known}.items()}


def _scalars(chromatogram: Chromatogram) -> dict[str, float]:
    x = chromatogram.x
    return {
        "detector_maximum_value": float(chromatogram.signal.max()),
        "detector_minimum_value": float(chromatogram.signal.min()),
        "actual_run_time_length": float(x[-1]),
        "actual_sampling_interval": chromatogram.interval,
        "actual_delay_time": float(x[0]),
    }


def _peak_columns(peaks: tuple[VendorPeak, ...]) -> dict[str, NDArray[np.float32]]:
    """Columns of the peak table that hold anything; -9999 where a single value is absent."""
    columns: dict[str, list[float | None]] = {
        "retention_time": [peak.retention_s for peak in peaks],
        "start_time": [peak.start_s for peak in peaks],
        "end_time": [peak.end_s for peak in peaks],
        "area": [peak.area for peak in peaks],
        "height": [peak.height for peak in peaks],
    }
    return {
        name: np.array([_ABSENT if value is None else value for value in column], np.float32)
        for name, column in columns.items()
        if any(value is not None for value in column)
    }


def _characters(name: str, length: int) -> NDArray[np.bytes_]:
    """The bytes of a name one by one, (length,), with NUL after its end."""
    encoded = name.encode("utf-8")[: length - 1].ljust(length, b"\0")
    return np.frombuffer(encoded, "S1")
