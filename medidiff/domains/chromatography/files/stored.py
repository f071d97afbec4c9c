"""medidiff's own JSON of one trace: axis, units, peaks, every number to its last bit.

    {"schema": "medidiff.chromatogram/1", "axis": "time_s", "signal_unit": "pA", "detector": "FID",
     "vendor_peaks": [{"retention_s": ..., ...}], "notes": [...],
     "x": [...], "signal": [...], "components": {...}}

`metadata` stands there only where the reader of the original was asked to keep it.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import TIME, Chromatogram, VendorPeak
from medidiff.domains.chromatography.files.content import Content, check_text
from medidiff.errors import InputError

SCHEMA = "medidiff.chromatogram/1"
_NUMBERS = {field.name for field in fields(VendorPeak)} - {"name"}


def to_stored(chromatogram: Chromatogram) -> str:
    """The JSON text of a trace."""
    trace = {
        "schema": SCHEMA,
        "axis": chromatogram.axis,
        "signal_unit": chromatogram.signal_unit,
        "detector": chromatogram.detector,
        "vendor_peaks": [asdict(peak) for peak in chromatogram.vendor_peaks],
        "notes": list(chromatogram.notes),
        **({"metadata": dict(chromatogram.metadata)} if chromatogram.metadata else {}),
        "x": chromatogram.x.tolist(),
        "signal": chromatogram.signal.tolist(),
        "components": {name: values.tolist() for name, values in chromatogram.components.items()},
    }
    # One key a line: indented lists would put each number on a line of its own.
    lines = (
        f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for key, value in trace.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_stored(content: Content, *, keep_metadata: bool) -> Chromatogram:
    """A trace from medidiff's JSON; InputError for other JSON, a damaged file, or values of another kind."""
    check_text(content.data)
    try:
        found = json.loads(content.data.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _bad("complete JSON", "damaged or truncated text") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise _bad(f"schema {SCHEMA}", "other JSON")
    components = _typed(found, "components", dict, {})
    metadata = _typed(found, "metadata", dict, {})
    return Chromatogram(
        _array(found.get("x"), "x"),
        _array(found.get("signal"), "signal"),
        signal_unit=_typed(found, "signal_unit", str, ""),
        detector=_typed(found, "detector", str, ""),
        axis=_axis(_typed(found, "axis", str, TIME)),
        components={name: _array(values, "components") for name, values in components.items()},
        vendor_peaks=tuple(_peak(peak) for peak in _typed(found, "vendor_peaks", list, [])),
        metadata={key: str(value) for key, value in metadata.items()} if keep_metadata else {},
        origin=content.origin,
        notes=tuple(str(note) for note in _typed(found, "notes", list, [])),
    )


def _typed(found: dict[str, Any], key: str, kind: type, default: Any) -> Any:
    value = found.get(key, default)
    if not isinstance(value, kind):
        raise _bad(f"{key} of another kind", type(value).__name__)
    return value


def _axis(name: str) -> str:
    if name != TIME and not (name.startswith("x_") and name.isidentifier()):
        raise _bad(f"axis {TIME} or x_<unit>", "another")
    return name


def _array(values: Any, name: str) -> NDArray[np.float64]:
    if not isinstance(values, list):
        raise _bad(f"{name}, a list of numbers", "none")
    return np.array([_number(value, name) for value in values], np.float64)


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _bad(f"numbers in {name}", "something else")
    try:
        return float(value)
    except OverflowError:
        raise _bad(f"finite numbers in {name}", "one that is not") from None


def _peak(found: Any) -> VendorPeak:
    if not isinstance(found, dict) or not isinstance(found.get("name", ""), str):
        raise _bad("vendor_peaks that are objects", "others")
    numbers = {key: _number(found[key], "vendor_peaks") for key in _NUMBERS if found.get(key) is not None}
    if "retention_s" not in numbers or not all(map(math.isfinite, numbers.values())):
        raise _bad("vendor_peaks with a retention_s and finite numbers", "others")
    return VendorPeak(**numbers, name=found.get("name", ""))


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} in JSON")


def _bad(expected: str, got: str) -> InputError:
    return InputError(
        "JSON file", expected=expected, got=got, fix="Export it again with 'convert --to json'."
    )
