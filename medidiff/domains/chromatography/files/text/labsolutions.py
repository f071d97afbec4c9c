"""The ASCII export of Shimadzu's LabSolutions: sections in brackets, several detectors, peak tables.

    signal_i = Intensity * Intensity Multiplier   in Intensity Units
    t_i      = offset + i Interval                where every printed time is that one, rounded

Printed times have five decimals of a minute, 0.6 ms: at 40 ms a sample that is a jitter of 1.5 %, so that the
interval in the header says more. Peak tables are in minutes, their areas and heights in counts before the
multiplier.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import Chromatogram, VendorPeak
from medidiff.domains.chromatography.files.text.numbers import Rows, find_delimiter, read_columns, split
from medidiff.domains.chromatography.files.units import label, seconds_in
from medidiff.errors import InputError

_SECTION = re.compile(r"\[([^\[\]]+)\]\s*")
_TRACE = re.compile(r"(?:\S+ )*(?:Chromatogram|Status Trace)\s*(?:\((.+)\))?")
_PEAKS = re.compile(r"Peak Table\s*\((.+)\)")
_HEADER = "R.Time"
_KEPT = (
    "Sample Information",
    "File Information",
    "Header",
    "Original Files",
    "Configuration",
    "File Description",
)
_DECIMALS = 6  # of the first time: a microsecond is far below what was printed
_ROUNDING = 0.5  # of the last printed digit


@dataclass
class _Section:
    """Keys above its table, the table's header, and its rows with their line numbers."""

    name: str
    keys: dict[str, list[str]] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def key(self, name: str) -> str:
        return next(iter(self.keys.get(name, [])), "").strip()

    def number(self, name: str) -> float | None:
        try:
            return float(self.key(name).replace(",", "."))
        except ValueError:
            return None


def is_labsolutions(lines: list[str]) -> bool:
    """Whether a text has sections in brackets, one of them a trace."""
    return any(line.startswith("[") and _is(_TRACE, line) for line in lines)


def read_labsolutions(lines: list[str], origin: str, *, keep_metadata: bool) -> tuple[Chromatogram, ...]:
    """Every chromatogram and status trace of the export.

    Raises InputError for a section with more or fewer points than it declares, and for broken rows, by line.
    """
    delimiter = find_delimiter(lines) or "\t"
    sections = _sections(lines, delimiter)
    metadata = _metadata(sections) if keep_metadata else {}
    tables = {found[1]: section for section in sections if (found := _PEAKS.fullmatch(section.name))}
    traces = []
    for section in sections:
        found = _TRACE.fullmatch(section.name)
        if found and (section.lines or section.number("# of Points") != 0):
            name = found[1] or ""
            peaks = _peaks(_table_of(name, tables))
            traces.append(_trace(section, label(name), delimiter, peaks, metadata, origin))
    if not traces:
        raise _bad("a section with a trace", "sections without points")
    return tuple(traces)


def _is(pattern: re.Pattern[str], line: str) -> bool:
    section = _SECTION.fullmatch(line)
    return section is not None and pattern.fullmatch(section[1]) is not None


def _sections(lines: list[str], delimiter: str) -> list[_Section]:
    """All sections; the lines of a table begin after its header, `R.Time (min) Intensity` or `Peak# ...`."""
    sections: list[_Section] = []
    for number, line in enumerate(lines, 1):
        if line.startswith("[") and (found := _SECTION.fullmatch(line)):
            sections.append(_Section(found[1].strip()))
        elif not sections or not line or line.isspace():
            continue
        elif sections[-1].columns:
            sections[-1].lines.append(line)
            sections[-1].numbers.append(number)
        elif line.startswith((_HEADER, "Peak#")):
            sections[-1].columns = split(line, delimiter)
        else:
            key, *values = split(line, delimiter)
            sections[-1].keys.setdefault(key, values)
    return sections


def _trace(
    section: _Section,
    detector: str,
    delimiter: str,
    peaks: tuple[VendorPeak, ...],
    metadata: dict[str, str],
    origin: str,
) -> Chromatogram:
    declared = section.number("# of Points")
    if declared != len(section.lines) or not section.columns:
        got = f"{len(section.lines)}: truncated or damaged"
        raise _bad(f"# of Points = {declared or 0:.0f} rows of {detector}", got)
    seconds = seconds_in(section.columns[0])
    if seconds is None:
        raise _bad("a time in min or s", "another unit, or none")
    table = read_columns(Rows(section.lines, section.numbers, delimiter), (0, 1))
    time, notes = _regular(table[:, 0] * seconds, section, seconds)
    multiplier = section.number("Intensity Multiplier")
    return Chromatogram(
        time,
        table[:, 1] * (1.0 if multiplier is None else multiplier),
        signal_unit=label(section.key("Intensity Units")),
        detector=detector,
        vendor_peaks=peaks,
        metadata=metadata,
        origin=origin,
        notes=notes,
    )


def _regular(
    time: NDArray[np.float64], section: _Section, seconds: float
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The axis by the interval of the header, where every printed time is that axis rounded."""
    interval = section.number("Interval(msec)")
    if not interval or not interval > 0:
        return time, ()
    decimals = len(split(section.lines[0], "\t")[0].replace(",", ".").partition(".")[2])
    steps = np.arange(time.size, dtype=np.float64) * (interval * 1e-3)
    apart = time - steps
    if apart.max() - apart.min() > 2.02 * _ROUNDING * 10.0**-decimals * seconds:
        return time, ("Times as printed: they do not fit the interval in the header.",)
    return round(float(apart.max() + apart.min()) / 2, _DECIMALS) + steps, (
        f"Times by the interval in the header, {interval:g} ms: the printed ones are rounded.",
    )


def _table_of(name: str, tables: dict[str, _Section]) -> _Section | None:
    """The peak table of a channel; "Detector B" is the table of "Detector B-Ch1"."""
    return tables.get(name) or tables.get(re.sub(r"-Ch1$", "", name))


def _peaks(section: _Section | None) -> tuple[VendorPeak, ...]:
    if section is None or not {"R.Time", "I.Time", "F.Time", "Area", "Height"} <= set(section.columns):
        return ()
    peaks = []
    for line in section.lines:
        row = dict(zip(section.columns, split(line, "\t" if "\t" in line else ","), strict=False))
        try:
            at, start, end, area, height = (
                float(row[name].replace(",", "."))
                for name in ("R.Time", "I.Time", "F.Time", "Area", "Height")
            )
        except (KeyError, ValueError):
            raise _bad("rows of numbers in the peak table", "another row") from None
        peaks.append(VendorPeak(60 * at, 60 * start, 60 * end, area, height, label(row.get("Name", ""))))
    return tuple(peaks)


def _metadata(sections: list[_Section]) -> dict[str, str]:
    found = {}
    for section in sections:
        if section.name in _KEPT:
            found.update({label(key): label(" ".join(values)) for key, values in section.keys.items()})
    return {key: value for key, value in found.items() if key and value}


def _bad(expected: str, got: str) -> InputError:
    return InputError("LabSolutions text", expected=expected, got=got, fix="Export the file again.")
