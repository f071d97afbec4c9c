"""Traces as files of a run folder: CSV, ANDI or JSON, one a trace, and the list where there are several.

    chromatogram.csv, chromatogram_002.csv ..., traces.json;  spectrum.csv where the axis is no time

CSV and JSON hold every number to its last bit, ANDI 32-bit floats. CSV has no place for units of the
signal, the file's own peaks or metadata: JSON has, and `traces.json` and the report say the units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from medidiff.atomic import writing_file
from medidiff.domains.chromatography.chromatogram import TIME, Chromatogram
from medidiff.domains.chromatography.files.andi.exporting import check_andi, rounding_note, write_andi
from medidiff.domains.chromatography.files.stored import to_stored
from medidiff.errors import InputError
from medidiff.runs.plain import write_json
from medidiff.runs.result import Writable

Format = Literal["csv", "andi", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)
TRACES = "traces.json"
_SUFFIXES = {"csv": ".csv", "andi": ".cdf", "json": ".json"}


@dataclass(frozen=True)
class AndiFile:
    """A trace that writes itself as ANDI."""

    chromatogram: Chromatogram

    def write(self, path: Path) -> None:
        """Write the file whole or not at all."""
        write_andi(self.chromatogram, path)


@dataclass(frozen=True)
class JsonFile:
    """A trace that writes itself as medidiff's JSON."""

    chromatogram: Chromatogram

    def write(self, path: Path) -> None:
        """Write the file whole or not at all."""
        with writing_file(path) as temporary:
            temporary.write_text(to_stored(self.chromatogram), encoding="utf-8")


@dataclass(frozen=True)
class TraceList:
    """`traces.json`: which file holds which trace."""

    rows: tuple[dict[str, Any], ...]

    def write(self, path: Path) -> None:
        """Write the list whole or not at all."""
        write_json(path, {"traces": list(self.rows)})


def trace_outputs(traces: Sequence[Chromatogram], to: Format = "csv") -> dict[str, Writable]:
    """File name -> what writes itself there, and `traces.json` where there are several.

    Raises InputError for a format that is none of csv, andi, json, and for traces that ANDI cannot hold.
    """
    if to not in FORMATS:
        fix = "Choose one of these."
        raise InputError("format", expected=", ".join(FORMATS), got=repr(to)[:40], fix=fix, argument=True)
    names = trace_names(traces, to)
    outputs: dict[str, Writable] = {}
    for name, trace in zip(names, traces, strict=True):
        if to == "andi":
            check_andi(trace)
            outputs[name] = AndiFile(trace)
        else:
            outputs[name] = JsonFile(trace) if to == "json" else trace
    if len(traces) > 1:
        rows = zip(names, traces, strict=True)
        outputs[TRACES] = TraceList(tuple({"file": name, **trace_facts(trace)} for name, trace in rows))
    return outputs


def trace_names(traces: Sequence[Chromatogram], to: Format) -> list[str]:
    """`chromatogram.csv`, `chromatogram_002.csv` ...; `spectrum` where the axis is no time."""
    return [
        ("chromatogram" if trace.axis == TIME else "spectrum")
        + (f"_{number:03d}" if number > 1 else "")
        + _SUFFIXES[to]
        for number, trace in enumerate(traces, 1)
    ]


def trace_facts(trace: Chromatogram) -> dict[str, Any]:
    """What a list or a report says of a trace; metadata only where they were kept."""
    return {
        "detector": trace.detector,
        "axis": trace.axis,
        "units": trace.signal_unit,
        "points": trace.points,
        "interval_s" if trace.axis == TIME else "interval": trace.interval,
        "first": float(trace.x[0]),
        "last": float(trace.x[-1]),
        "uniform": trace.uniform,
        "vendor_peaks": len(trace.vendor_peaks),
        **({"metadata": dict(trace.metadata)} if trace.metadata else {}),
    }


def losses(trace: Chromatogram, to: Format) -> list[str]:
    """What a format does not keep of a trace, as sentences."""
    lost = []
    if to == "andi":
        if note := rounding_note(trace):
            lost.append(note)
        if trace.components:
            lost.append("ANDI holds one signal: the components were left out.")
    if to == "csv" and trace.vendor_peaks:
        count = len(trace.vendor_peaks)
        lost.append(f"CSV has no place for the file's own {count} peaks; --to json keeps them.")
    if trace.axis != TIME:
        lost.append(f"The axis is {trace.axis}, no time: the file is called spectrum, not chromatogram.")

    return lost
