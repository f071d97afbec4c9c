"""The tables of a cohort: `cohort.json` for programs, `cohort.csv` for statistics. Neither names a file.

A row's number tells which scan it is: its place in the folder or in the list; `input_sha256` proves it.
"""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medidiff.atomic import writing_file
from medidiff.runs.cohort.folder import COHORT_SCHEMA, CSV, JSON
from medidiff.runs.cohort.item import Row, Work, item_name
from medidiff.runs.plain import to_plain, write_json
from medidiff.runs.provenance import without_paths
from medidiff.runs.report import NOTICE

_COLUMNS = ("item", "status", "kept", "attempts", "seconds", "input_sha256", "warnings", "reason", "threads")


@dataclass(frozen=True)
class Summary:
    """A cohort so far: a row an item in the order of their numbers, and what was asked."""

    work: Work
    rows: tuple[Row, ...]
    cluster: Mapping[str, Any]
    wall_seconds: float
    finished: bool
    warnings: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[int, ...]:
        """The numbers of the items that failed."""
        return tuple(row.item for row in self.rows if row.status == "failed")

    def methods(self) -> dict[str, Any]:
        """Method -> items, mean seconds and metrics over the items that are done, and standard deviations.

        Shaped as `methods` of a report; a metric that some items lack is over those that have it.
        """
        done = [row for row in self.rows if row.status == "done"]
        names = dict.fromkeys(name for row in done for name in row.methods)
        return {name: _means([row.methods[name] for row in done if name in row.methods]) for name in names}

    def data(self) -> dict[str, Any]:
        """`cohort.json`."""
        return {
            "schema": COHORT_SCHEMA,
            "notice": NOTICE,
            **asked(self.work),
            "count": len(self.rows),
            "finished": self.finished,
            "failed": list(self.failed),
            "cluster": dict(self.cluster),
            "methods": self.methods(),
            "items": [_plain(row) for row in self.rows],
            "warnings": list(self.warnings),
            "wall_seconds": round(self.wall_seconds, 3),
        }

    def write(self, out: Path) -> None:
        """Write both tables into `out`, each whole or not at all; OutputError when that fails."""
        write_json(out / JSON, to_plain(self.data()))
        with writing_file(out / CSV) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(self._lines())

    def _lines(self) -> Iterator[list[Any]]:
        numbers = [{".".join(place): value for place, value in _leaves(row.methods)} for row in self.rows]
        columns = list(dict.fromkeys(name for found in numbers for name in found))
        yield [*_COLUMNS, *columns]
        for row, found in zip(self.rows, numbers, strict=True):
            facts = {**vars(row), "kept": int(row.kept)}
            yield [
                *("" if facts[name] is None else facts[name] for name in _COLUMNS),
                *(found.get(name, "") for name in columns),
            ]


def asked(work: Work) -> dict[str, Any]:
    """What `cohort.json` keeps of the work, without the path that an option may hold."""
    found: dict[str, Any] = without_paths(
        to_plain({"verb": work.verb, "reading": dict(work.reading), "options": dict(work.options)})
    )
    return found


def _plain(row: Row) -> dict[str, Any]:
    facts = {k: v for k, v in vars(row).items() if k != "notes"}
    return {**facts, "folder": item_name(row.item) if row.status == "done" else None}


def _means(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    seconds = [float(row["seconds"]) for row in found if "seconds" in row]
    metrics = [row.get("metrics") or {} for row in found]
    return {
        "items": len(found),
        "seconds": statistics.fmean(seconds) if seconds else None,
        "metrics": _over(metrics, statistics.fmean),
        "metrics_sd": _over(metrics, lambda values: statistics.stdev(values) if len(values) > 1 else 0.0),
    }


def _over(found: Iterable[Mapping[str, Any]], statistic: Callable[[list[float]], float]) -> dict[str, Any]:
    """One nested dictionary of many: `statistic` of the numbers in each place."""
    gathered: dict[tuple[str, ...], list[float]] = {}
    for metrics in found:
        for place, value in _leaves(metrics):
            gathered.setdefault(place, []).append(value)
    nested: dict[str, Any] = {}
    for (*above, last), values in gathered.items():
        inner = nested
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = statistic(values)
    return nested


def _leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every finite number of a nested dictionary with its place: ("tv", "axial", "psnr_db").

    `metrics` is left out of the place: columns of a table are long enough.
    """
    for key, value in tree.items():
        place = above if key == "metrics" else (*above, key)
        if isinstance(value, Mapping):
            yield from _leaves(value, place)
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield place, float(value)
