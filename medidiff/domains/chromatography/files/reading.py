"""One door for instrument files: whatever a path holds, checked traces or one clear refusal.

The kind of a file is seen from its content, never from its name: netCDF and zip from their first bytes, XML
from its root, JCAMP-DX from "##", our JSON from "{"; what is left is text. Names of samples and people, and
dates, are dropped unless asked for, and stand in no error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files.content import LIMITS, Content, read_content
from medidiff.errors import InputError
from medidiff.io.limits import Limits
from medidiff.io.opening import naming

_SNIFFED, _LISTED = 8192, 20
_REFUSED = {
    b"PK\x03\x04": ("a zip archive", "Unpack it first."),
    b"PK\x05\x06": ("an empty zip archive", "Export it again."),
    b"\x89HDF": ("HDF5 (netCDF-4)", "Convert it with nccopy -k classic."),
    b"\xd0\xcf\x11\xe0": ("an OLE compound file of a vendor", "Export it as ANDI or CSV."),
    b"%PDF": ("a PDF", "Export the trace as ANDI or CSV."),
    b"BZh": ("a bzip2 archive", "Unpack it first, with bunzip2."),
    b"\xfd7zXZ": ("an xz archive", "Unpack it first, with unxz."),
    b"\x28\xb5\x2f\xfd": ("a zstd archive", "Unpack it first, with unzstd."),
    b"7z\xbc\xaf": ("a 7z archive", "Unpack it first."),
}
_ROOT = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)")

Reader = Callable[[Content, bool], tuple[Chromatogram, ...]]


def read_chromatograms(
    path: str | Path, *, keep_metadata: bool = False, limits: Limits | None = None
) -> tuple[Chromatogram, ...]:
    """Every trace of an instrument's file, in its order: ANDI, GAML, mzML, JCAMP-DX, text, or our JSON.

    Each may be gzipped. Times are in seconds; an axis that is no time keeps its unit. keep_metadata: fill
    `metadata` with sample, operator and dates as the file has them. limits: by default at most 1 GiB,
    packed or unpacked. Raises InputError for a file that is absent, empty, truncated, damaged, of another
    kind, or that could be misread.
    """
    path, limits = Path(os.path.abspath(path)), limits or LIMITS
    with naming(path.name):
        content = read_content(path, limits)
        return _reader(content.data)(content, keep_metadata)


def read_chromatogram(
    path: str | Path, trace: int | None = None, *, keep_metadata: bool = False, limits: Limits | None = None
) -> Chromatogram:
    """One trace of an instrument's file: `trace` counts from 1 and may be left out where there is one.

    Raises InputError as `read_chromatograms`, and, with a numbered list, where several traces are to choose
    from.
    """
    name = Path(os.path.abspath(path)).name
    if trace is not None and trace < 1:
        fix = "Leave it out to see the list."
        raise InputError("trace", expected="a number from 1", got=str(trace), fix=fix, argument=True)
    traces = read_chromatograms(path, keep_metadata=keep_metadata, limits=limits)
    if trace is None and len(traces) > 1:
        fix = f"Choose one with --trace: {list_traces(traces)}."
        raise InputError(name, expected="one trace, or its number", got=f"{len(traces)} traces", fix=fix)
    if trace is not None and trace > len(traces):
        fix = f"Choose one of: {list_traces(traces)}."
        raise InputError(name, expected=f"a trace from 1 to {len(traces)}", got=str(trace), fix=fix)
    return traces[(trace or 1) - 1]


def list_traces(traces: tuple[Chromatogram, ...]) -> str:
    """A numbered list with detector, unit, points and range, in which nobody's name stands."""
    shown = [f"{number} {describe_trace(trace)}" for number, trace in enumerate(traces[:_LISTED], 1)]
    more = [f"and {len(traces) - _LISTED} more"] if len(traces) > _LISTED else []
    return "; ".join(shown + more)


def describe_trace(trace: Chromatogram) -> str:
    """Detector, unit, points and range of a trace."""
    unit = trace.axis.removeprefix("time_").removeprefix("x_")
    what = ", ".join(part for part in (trace.detector, trace.signal_unit) if part) or "no detector named"
    return f"{what} ({trace.points} points, {trace.x[0]:.6g} to {trace.x[-1]:.6g} {unit})"


def _reader(data: bytes) -> Reader:
    """The reader for the content; InputError, by its word, for a kind that none of them reads."""
    for magic, (kind, fix) in _REFUSED.items():
        if data.startswith(magic):
            raise InputError("file", expected="an instrument's trace", got=kind, fix=fix)
    if data.startswith(b"CDF"):
        return _andi
    start = data[:_SNIFFED].replace(b"\0", b"").decode("latin-1").lstrip("\xef\xbb\xbf\xff\xfe \t\r\n")
    if start.startswith("<"):
        return _markup(start)
    if start.startswith("{"):
        return _stored
    if start.startswith(("##", "$$")):
        return _jcamp
    return _text


def _markup(start: str) -> Reader:
    """GAML or mzML by the root element; with a document type, whichever it is, the parser refuses it."""
    visible = re.sub(
        r"<!--.*?(-->|$)|<\?.*?(\?>|$)|<!DOCTYPE[^>\[]*(\[.*?\]\s*>|>|$)", "", start, flags=re.DOTALL
    )
    root = _ROOT.search(visible)
    if root is None or root[1] == "GAML":
        return _gaml
    if root[1] in ("mzML", "indexedmzML"):
        return _mzml
    if root[1] != "html" and "<!DOCTYPE" in start:
        return _gaml
    known = {"mzXML": "mzXML", "mzData": "mzData", "html": "a web page", "Workbook": "a spreadsheet"}
    raise InputError(
        "file",
        expected="XML with root GAML, mzML or indexedmzML",
        got=known.get(root[1], "another root"),
        fix="Convert it to mzML with msconvert, or export the trace as ANDI or CSV.",
    )


def _andi(content: Content, keep: bool) -> tuple[Chromatogram, ...]:
    from medidiff.domains.chromatography.files.andi.importing import read_andi

    return (read_andi(content, keep_metadata=keep),)


def _gaml(content: Content, keep: bool) -> tuple[Chromatogram, ...]:
    from medidiff.domains.chromatography.files.xml.gaml import read_gaml

    return read_gaml(content, keep_metadata=keep)


def _mzml(content: Content, keep: bool) -> tuple[Chromatogram, ...]:
    from medidiff.domains.chromatography.files.xml.mzml import read_mzml

    return read_mzml(content, keep_metadata=keep)


def _jcamp(content: Content, keep: bool) -> tuple[Chromatogram, ...]:
    from medidiff.domains.chromatography.files.jcamp.importing import read_jcamp

    return read_jcamp(content, keep_metadata=keep)


def _stored(content: Content, keep: bool) -> tuple[Chromatogram, ...]:
    from medidiff.domains.chromatography.files.stored import read_stored

    return (read_stored(content, keep_metadata=keep),)


def _text(content: Content, keep: bool) -> tuple[Chromatogram, ...]:
    from medidiff.domains.chromatography.files.text.importing import read_text

    return read_text(content, keep_metadata=keep)
