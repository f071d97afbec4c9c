"""GAML, the Generalized Analytical Markup Language of Thermo's data systems: traces, axes, peak tables.

    experiment > trace technique="CHROM" > Xdata units= > values, Ydata units= > values, peaktable > peak

Values are base64 of FLOAT32 or FLOAT64 in INTEL byte order (or MOTOROLA); X and Y may differ in type. Peak
times (`peakXvalue`) and the ends of their baselines are in the unit of the axis; areas and heights are
parameters in the vendor's own units. The root's SHA-1 signature is not checked: it signs the whole file,
names included.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import TIME, Chromatogram, VendorPeak
from medidiff.domains.chromatography.files.content import Budget, Content
from medidiff.domains.chromatography.files.units import axis_name, label, rising, seconds_in
from medidiff.domains.chromatography.files.xml.arrays import decode_array, length
from medidiff.domains.chromatography.files.xml.markup import Element, parse
from medidiff.errors import InputError
from medidiff.io.opening import naming

ROOT = frozenset({"GAML"})
_TECHNIQUE = "CHROM"
_TYPES = {"FLOAT32": "f4", "FLOAT64": "f8"}
_ORDERS = {"INTEL": "<", "MOTOROLA": ">"}
_AREA, _HEIGHT = ("PK_AREA", "peakArea"), ("PK_HEIGHT", "peakHeight")
_UNKNOWN = "UNKNOWN"
_MOST_PARAMETERS = 200


class _Reader:
    """Collects the traces of one file."""

    def __init__(self, content: Content, keep: bool) -> None:
        self.content, self.keep, self.origin = content, keep, content.origin
        self.traces: list[Chromatogram] = []
        self.others: Counter[str] = Counter()

    def take(self, trace: Element) -> None:
        technique = trace.attributes.get("technique", "").upper()
        if technique != _TECHNIQUE:
            self.others[label(technique) or "none"] += 1
            return
        for axis in trace.all("Xdata"):
            for ordinates in axis.all("Ydata"):
                self.traces.append(self._trace(trace, axis, ordinates))

    def _trace(self, trace: Element, axis: Element, ordinates: Element) -> Chromatogram:
        what = f"trace {len(self.traces) + 1}"
        unit = label(axis.attributes.get("units", ""))
        seconds = seconds_in(unit) or 1.0
        x = _values(axis, f"{what}, Xdata", self.content.budget)
        signal = _values(ordinates, f"{what}, Ydata", self.content.budget)
        if x.shape != signal.shape:
            raise _bad(what, f"{x.size} ordinates", f"{signal.size}")
        x, signal, turned = rising(x * seconds, signal)
        signal_unit = label(ordinates.attributes.get("units", ""))
        on_time = axis_name(unit) == TIME
        with naming(what):
            return Chromatogram(
                x,
                signal,
                signal_unit="" if signal_unit == _UNKNOWN else signal_unit,
                axis=axis_name(unit),
                vendor_peaks=_peaks(ordinates, seconds) if on_time else (),
                metadata=_metadata(trace) if self.keep else {},
                origin=self.origin,
                notes=turned,
            )


def read_gaml(content: Content, *, keep_metadata: bool) -> tuple[Chromatogram, ...]:
    """The chromatograms of a GAML file; traces of other techniques are passed over.

    Raises InputError for damaged XML, base64 or lengths, a document type, and a file without chromatograms.
    """
    reader = _Reader(content, keep_metadata)
    parse(content.data, "GAML file", root=ROOT, closed={"trace": reader.take})
    if not reader.traces:
        others = ", ".join(f"{count} of {name}" for name, count in reader.others.items())
        raise _bad("GAML file", f"traces of technique {_TECHNIQUE}", others or "none")
    return tuple(reader.traces)


def _values(element: Element, what: str, budget: Budget) -> NDArray[np.float64]:
    values = element.first("values")
    if values is None:
        raise _bad(what, "values", "none")
    kind, order = (values.attributes.get(name, "").upper() for name in ("format", "byteorder"))
    if kind not in _TYPES or order not in _ORDERS:
        got = f"{label(kind) or 'no format'}, {label(order) or 'no byte order'}"
        raise _bad(what, "FLOAT32 or FLOAT64, INTEL or MOTOROLA", got)
    count = length(values.attributes.get("numvalues"), what)
    return decode_array(values.text, _ORDERS[order] + _TYPES[kind], count, what, budget)


def _peaks(ordinates: Element, seconds: float) -> tuple[VendorPeak, ...]:
    peaks = []
    for table in ordinates.all("peaktable"):
        for peak in table.all("peak"):
            at = _number(peak.first("peakXvalue"))
            if at is None:
                continue
            baseline = peak.first("baseline")
            start, end = (
                None if baseline is None else _number(baseline.first(name))
                for name in ("startXvalue", "endXvalue")
            )
            bounded = start is not None and end is not None and start < end
            peaks.append(
                VendorPeak(
                    retention_s=at * seconds,
                    start_s=start * seconds if start is not None and bounded else None,
                    end_s=end * seconds if end is not None and bounded else None,
                    area=_parameter(peak, _AREA),
                    height=_parameter(peak, _HEIGHT),
                    name=label(peak.attributes.get("name", "")),
                )
            )
    return tuple(peaks)


def _parameter(peak: Element, names: tuple[str, ...]) -> float | None:
    found = (child for child in peak.all("parameter") if child.attributes.get("name") in names)
    return _number(next(found, None))


def _number(element: Element | None) -> float | None:
    try:
        value = math.nan if element is None else float(element.text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _metadata(trace: Element) -> dict[str, str]:
    """The name and the vendor's parameters of a trace: sample, operator, dates."""
    found = {"name": trace.attributes.get("name", "")}
    for child in trace.all("parameter"):
        if len(found) < _MOST_PARAMETERS:
            found.setdefault(child.attributes.get("name", ""), child.text)
    return {label(name): label(value) for name, value in found.items() if label(name) and label(value)}


def _bad(what: str, expected: str, got: str) -> InputError:
    return InputError(what, expected=expected, got=got, fix="Copy or export the file again.")
