"""An instrument's file in another format, as a run folder.

read_chromatograms -> trace_outputs -> Result
"""

from __future__ import annotations

from pathlib import Path

from medidiff.domains.chromatography.chromatogram import TIME, Chromatogram
from medidiff.domains.chromatography.figures.traces import draw_traces
from medidiff.domains.chromatography.files.reading import read_chromatogram, read_chromatograms
from medidiff.domains.chromatography.files.writing import (
    Format,
    losses,
    trace_facts,
    trace_names,
    trace_outputs,
)
from medidiff.io.limits import Limits
from medidiff.runs.clock import Clock, finish_report
from medidiff.runs.provenance import provenance
from medidiff.runs.report import start_report
from medidiff.runs.result import Result


def convert_chromatograms(
    path: str | Path,
    *,
    trace: int | None = None,
    to: Format = "csv",
    keep_metadata: bool = False,
    limits: Limits | None = None,
) -> Result:
    """Every trace of an instrument's file, or one, as CSV, ANDI or JSON.

    path: any file that `read_chromatograms` takes. trace: which one, from 1; all by default. The signal
    stays in the file's own unit. Raises InputError as the readers do, and for a trace that the format
    cannot hold.
    """
    clock = Clock()
    if trace is None:
        traces = read_chromatograms(path, keep_metadata=keep_metadata, limits=limits)
    else:
        traces = (read_chromatogram(path, trace, keep_metadata=keep_metadata, limits=limits),)
    outputs = trace_outputs(traces, to)
    report = start_report("chromatography.convert", 0, _input(traces))
    report["methods"] = {}
    report["traces"] = [
        {"file": name, **trace_facts(one)} for name, one in zip(trace_names(traces, to), traces, strict=True)
    ]
    report["warnings"] = _warnings(traces, to)
    options = {"trace": trace, "to": to, "keep_metadata": keep_metadata}
    origin = {"chromatogram": traces[0].origin}
    record = provenance("chromatography convert", options, origin, {}, seed=0, precision="float64")
    finish_report(report, clock)
    return Result(outputs, report, record, draw=lambda _: draw_traces(traces))


def _input(traces: tuple[Chromatogram, ...]) -> dict[str, object]:
    """What the report says of the input: the file's digest, and the first trace."""
    first = traces[0]
    return {
        "sha256": first.origin.removeprefix("sha256:"),
        "traces": len(traces),
        "points": first.points,
        "interval_s": first.interval if first.axis == TIME else None,
        "units": first.signal_unit,
    }


def _warnings(traces: tuple[Chromatogram, ...], to: Format) -> list[str]:
    """Notes of the reader and losses of the format, each once, with the traces it is about."""
    about: dict[str, list[int]] = {}
    for number, trace in enumerate(traces, 1):
        for note in dict.fromkeys((*trace.notes, *losses(trace, to))):
            about.setdefault(note, []).append(number)
    return [
        note if len(numbers) == len(traces) else f"Trace {', '.join(map(str, numbers))}: {note}"
        for note, numbers in about.items()
    ]
