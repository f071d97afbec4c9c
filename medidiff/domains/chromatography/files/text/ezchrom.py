"""The ASCII export of EZChrom: no time column, channels one after the other, a multiplier for each.

t_i = i / Sampling Rate,   signal_i = count_i * Y Axis Multiplier   in the unit that Y Axis Title names
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files.text.numbers import bad_line
from medidiff.domains.chromatography.files.units import label
from medidiff.errors import InputError

_RATE, _POINTS = "Sampling Rate:", "Total Data Points:"
_UNIT, _SCALE = "Y Axis Title:", "Y Axis Multiplier:"
_HERTZ = "Hz"
_HEADER = 40  # lines


def is_ezchrom(lines: list[str]) -> bool:
    """Whether the first lines hold a rate, points and a multiplier, each under its EZChrom name."""
    return {_RATE, _POINTS, _SCALE} <= {line.partition("\t")[0] for line in lines[:_HEADER]}


def read_ezchrom(lines: list[str], origin: str, *, keep_metadata: bool) -> tuple[Chromatogram, ...]:
    """One trace a channel; InputError for fewer or more counts than the header declares, or for none."""
    header = [line.split("\t") for line in lines[:_HEADER] if "\t" in line]
    keys = {row[0]: [cell.strip() for cell in row[1:]] for row in header}
    rates, points, scales = (_numbers(keys[name], name) for name in (_RATE, _POINTS, _SCALE))
    if keys[_RATE][-1:] != [_HERTZ]:
        raise _bad(f"a sampling rate in {_HERTZ}", "another unit, or none")
    channels = min(len(rates), len(points), len(scales))
    if not channels or min(rates) <= 0 or any(count < 0 or count % 1 for count in points):
        raise _bad("a rate above 0 and whole numbers of points", "others")
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and "\t" not in line]
    if len(rows) != sum(points):
        raise _bad(f"{sum(points):.0f} values", f"{len(rows)}: truncated or damaged")
    counts = _counts(rows)
    metadata = {key.rstrip(":"): " ".join(values) for key, values in keys.items()} if keep_metadata else {}
    units = keys.get(_UNIT, [])
    traces, start = [], 0
    for channel in range(channels):
        stop = start + int(points[channel])
        traces.append(
            Chromatogram(
                np.arange(stop - start) / rates[channel],
                counts[start:stop] * scales[channel],
                signal_unit=label(units[channel]) if channel < len(units) else "",
                detector=f"channel {channel + 1}",
                metadata=metadata,
                origin=origin,
            )
        )
        start = stop
    return tuple(traces)


def _numbers(cells: list[str], name: str) -> list[float]:
    """The numbers of a header line; what stands after them is their unit."""
    found: list[float] = []
    for cell in cells:
        try:
            found.append(float(cell.replace(",", ".")))
        except ValueError:
            break
    if not found or not np.isfinite(found).all():
        raise _bad(f"numbers after {name}", "none")
    return found


def _counts(rows: list[tuple[int, str]]) -> NDArray[np.float64]:
    counts = np.empty(len(rows))
    for row, (number, line) in enumerate(rows):
        try:
            counts[row] = float(line)
        except ValueError:
            raise bad_line(number, "a count", "something else") from None
    return counts


def _bad(expected: str, got: str) -> InputError:
    return InputError("EZChrom text", expected=expected, got=got, fix="Export the file again.")
