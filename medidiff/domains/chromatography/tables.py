"""Tables as CSV: one header line, every number to its last bit, whole or not at all."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from medidiff.atomic import writing_file


def cell(value: object) -> str:
    """What stands in a CSV for a value; unknown (NaN, None) is empty, flags are joined by semicolons."""
    if isinstance(value, tuple):
        return ";".join(map(str, value))
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write rows of cells under one header line."""
    with writing_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
