"""Read JCAMP-DX: curves in XYDATA or XYPOINTS, peak tables, and the TIC of a GC-MS variant.

    x_i = FIRSTX + i (LASTX - FIRSTX) / (NPOINTS - 1),   y_i = YFACTOR * ordinate_i      (JCAMP-DX 4.24, 5.01)

The abscissae of the lines are rounded and serve as a check only. A block must hold NPOINTS ordinates and
end in ##END=, or it is refused as truncated. A label is compared without case, blanks, "-", "/" and "_";
what follows "$$" is a comment; LINK blocks hold others.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import TIME, Chromatogram, VendorPeak
from medidiff.domains.chromatography.files.content import Content
from medidiff.domains.chromatography.files.jcamp.asdf import Line, decode_ordinates
from medidiff.domains.chromatography.files.text.decoding import decode
from medidiff.domains.chromatography.files.units import axis_name, label, rising, seconds_in
from medidiff.errors import InputError

_RECORD = re.compile(r"\s*##([^=]*)=(.*)", re.DOTALL)
_CURVES, _PAIRS, _PEAKS = "XYDATA", "XYPOINTS", "PEAKTABLE"
_NUMBER = r"[+-]?+(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?\d++)?+"  # possessive: linear in a long line
_PAIR = re.compile(rf"({_NUMBER})(?: ?, ?| )({_NUMBER})[ ,;]*")
_KEPT = (
    "TITLE",
    "ORIGIN",
    "OWNER",
    "DATE",
    "TIME",
    "LONGDATE",
    "SAMPLEDESCRIPTION",
    "SPECTROMETERDATASYSTEM",
)
_SCAN_TIME = "RETENTION[ _]?TIME"
_MOST_POINTS = 10_000_000  # a count may ask for any number of repeats
_SCALE = 1e-3  # FIRSTY is printed with at least three digits


@dataclass
class _Block:
    """One ##TITLE= ... ##END=: its records, and the lines of its data."""

    records: dict[str, str] = field(default_factory=dict)
    data: dict[str, list[Line]] = field(default_factory=dict)
    ended: bool = False
    inner: bool = False

    def number(self, name: str, default: float | None = None) -> float:
        try:
            value = float(self.records[name])
        except (KeyError, ValueError):
            value = math.nan if default is None or name in self.records else default
        if not math.isfinite(value):
            raise _bad(f"a number in ##{name}=", "none")
        return value


def read_jcamp(content: Content, *, keep_metadata: bool) -> tuple[Chromatogram, ...]:
    """Every curve and peak table of a JCAMP-DX file.

    Raises InputError for a truncated or damaged block, a failed Y-check, and a file without any of them.
    """
    text = decode(content.data)
    if re.search(rf"^##{_SCAN_TIME}[ \t]*=", text, re.MULTILINE | re.IGNORECASE):
        return (_scans(text, content.origin),)
    blocks = _blocks(text)
    traces = [
        _trace(block, name, content.origin, keep_metadata)
        for block in blocks
        for name in (_CURVES, _PAIRS, _PEAKS)
        if name in block.data
    ]
    if not traces:
        raise _bad("##XYDATA=, ##XYPOINTS= or ##PEAK TABLE=", "none of them")
    return tuple(traces)


def _blocks(text: str) -> list[_Block]:
    """The blocks that are no mere LINK, in the order of the file."""
    open_blocks: list[_Block] = []
    blocks: list[_Block] = []
    lines: list[Line] | None = None
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.partition("$$")[0]
        record = _RECORD.match(line)
        if record is None:
            if lines is not None and line.strip():
                lines.append((number, line))
            continue
        name, value = re.sub(r"[\s\-/_]", "", record[1]).upper(), record[2].strip()
        lines = None
        if name == "TITLE":
            open_blocks.append(_Block())
            blocks.append(open_blocks[-1])
        if not open_blocks:
            raise _bad("##TITLE= first", f"another record in line {number}")
        if name == "END":
            open_blocks.pop().ended = True
        elif name in (_CURVES, _PAIRS, _PEAKS):
            lines = open_blocks[-1].data.setdefault(name, [])
            open_blocks[-1].records[name] = value
        else:
            open_blocks[-1].records.setdefault(name, value)
    if not all(block.ended for block in blocks):
        raise _bad("##END= after each block", "a file that ends before it")
    return [block for block in blocks if block.records.get("DATATYPE", "").upper() != "LINK"]


def _trace(block: _Block, name: str, origin: str, keep: bool) -> Chromatogram:
    form = re.sub(r"\s", "", block.records[name]).upper()
    notes: list[str] = []
    if name != _PEAKS and form.startswith("(X++(Y..Y))"):
        x, signal = _curve(block, block.data[name], notes)
    elif form.startswith("(XY..XY)"):
        x, signal = _pairs(block, block.data[name])
    else:
        raise _bad("data in (X++(Y..Y)) or (XY..XY)", "another form")
    unit = label(block.records.get("XUNITS", ""))
    seconds = seconds_in(unit)
    x, signal, turned = rising(x * (seconds or 1.0), signal)
    peaks: tuple[VendorPeak, ...] = ()
    if name == _PEAKS:
        notes.append(f"A peak table: heights at {x.size} places, no sampled curve.")
        if axis_name(unit) == TIME:
            peaks = tuple(
                VendorPeak(at, height=tall) for at, tall in zip(x.tolist(), signal.tolist(), strict=True)
            )
    return Chromatogram(
        x,
        signal,
        signal_unit=label(block.records.get("YUNITS", "")),
        detector=label(block.records.get("DATATYPE", "")).lower(),
        axis=axis_name(unit),
        vendor_peaks=peaks,
        metadata={k: block.records[k] for k in _KEPT if block.records.get(k)} if keep else {},
        origin=origin,
        notes=(*notes, *turned),
    )


def _curve(
    block: _Block, lines: list[Line], notes: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    declared = block.number("NPOINTS")
    if declared != int(declared) or not 0 < declared <= _MOST_POINTS:
        raise _bad(f"NPOINTS from 1 to {_MOST_POINTS}", f"{declared:g}")
    ordinates, places = decode_ordinates(lines, int(declared))
    if ordinates.size != declared:
        raise _bad(f"NPOINTS = {declared:.0f} ordinates", f"{ordinates.size}: truncated or damaged")
    signal = ordinates * block.number("YFACTOR", 1.0)
    first, last = block.number("FIRSTX"), block.number("LASTX")
    x = np.linspace(first, last, signal.size)
    _check_places(places * (block.number("XFACTOR", 1.0), 1.0), x, notes)
    if "FIRSTY" in block.records and signal.size:
        stated = block.number("FIRSTY")
        if abs(signal[0] - stated) > _SCALE * max(abs(stated), abs(signal[0])):
            notes.append(
                f"The first ordinate is {signal[0]:.6g}, but FIRSTY says {stated:.6g}: YFACTOR may be wrong."
            )
    return x, signal


def _check_places(places: NDArray[np.float64], x: NDArray[np.float64], notes: list[str]) -> None:
    """The lines' own abscissae, printed with few digits, must lie within a step of the axis."""
    inside = places[(places[:, 1] >= 0) & (places[:, 1] < x.size)]
    if x.size < 2 or not inside.size:
        return
    apart = np.abs(inside[:, 0] - x[inside[:, 1].astype(int)])
    if (apart > 1.5 * abs(x[1] - x[0]) + _SCALE * np.abs(inside[:, 0])).any():
        notes.append("Abscissae printed in the lines differ from FIRSTX ... LASTX by more than a step.")


def _pairs(block: _Block, lines: list[Line]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pairs: list[tuple[float, float]] = []
    for number, line in lines:
        at, line = 0, " ".join(line.split())
        while at < len(line):
            pair = _PAIR.match(line, at)
            if pair is None:
                raise _bad("pairs x,y", f"something else in line {number}")
            pairs.append((float(pair[1]), float(pair[2])))
            at = pair.end()
    if "NPOINTS" in block.records and block.number("NPOINTS") != len(pairs):
        raise _bad(f"NPOINTS = {block.number('NPOINTS'):.0f} pairs", f"{len(pairs)}: truncated or damaged")
    table = np.array(pairs, np.float64).reshape(-1, 2)
    return table[:, 0] * block.number("XFACTOR", 1.0), table[:, 1] * block.number("YFACTOR", 1.0)


def _scans(text: str, origin: str) -> Chromatogram:
    """The total ion current of the GC-MS variant: ##RETENTION_TIME= and ##TIC= before each mass spectrum.

    The unit is nowhere written; the run's ##FIRST= and ##LAST= are in minutes, 60 times smaller.
    """
    found = {
        name: [
            float(value)
            for value in re.findall(
                rf"^##{name}[ \t]*=[ \t]*({_NUMBER})[ \t]*$", text, re.MULTILINE | re.IGNORECASE
            )
        ]
        for name in (_SCAN_TIME, "TIC", "NPOINTS")
    }
    time, tic, points = found.values()
    last = text.rpartition("##")[2].split("\n")[1:]
    rows = sum(bool(_PAIR.fullmatch(" ".join(line.split()))) for line in last)
    if not time or not len(time) == len(tic) == len(points) or rows != points[-1]:
        raise _bad("a time, a TIC and NPOINTS peaks of each scan", "a scan without: truncated or damaged")
    return Chromatogram(
        np.array(time),
        np.array(tic),
        detector="total ion current",
        origin=origin,
        notes=(
            "A mass spectrometer's file: the trace is the TIC of its scans.",
            "The file names no unit of time: retention times taken as seconds.",
        ),
    )


def _bad(expected: str, got: str) -> InputError:
    return InputError("JCAMP-DX file", expected=expected, got=got, fix="Export or copy the file again.")
