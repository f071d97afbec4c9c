"""What a bench measured: rows that other programs read, as JSON and as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medidiff.atomic import writing_folder
from medidiff.runs.plain import to_plain, write_json
from medidiff.runs.provenance import machine, versions

SCHEMA = "medidiff.bench/1"


@dataclass(frozen=True, slots=True)
class Row:
    """One number: `case` says on what, `gate` what it must reach and `aim` what it should.

    `better` is None where neither direction is: a signed bias, a ratio whose best value is 1.
    """

    case: str
    metric: str
    value: float
    unit: str
    gate: float | None = None
    aim: float | None = None
    better: Literal["higher", "lower"] | None = "higher"

    @property
    def ok(self) -> bool | None:
        """Whether the value reaches its gate; None without one."""
        if self.gate is None:
            return None
        return self.value >= self.gate if self.better == "higher" else self.value <= self.gate

    def to_plain(self) -> dict[str, Any]:
        """The row of bench.json."""
        return {
            "case": self.case,
            "metric": self.metric,
            "value": self.value,
            "unit": self.unit,
            "gate": self.gate,
            "aim": self.aim,
            "better": self.better,
            "ok": self.ok,
        }


@dataclass(frozen=True)
class BenchResult:
    """The rows of one bench; `skipped` names what could not be measured here, and why.

    `remarks` are sentences for the reader of the table: protocol, settings, what the rival was allowed.
    """

    name: str
    rows: tuple[Row, ...]
    skipped: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=versions)
    machine: dict[str, Any] = field(default_factory=machine)
    notes: dict[str, Any] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """The content of bench.json."""
        plain = {
            "schema": SCHEMA,
            "name": self.name,
            "versions": self.versions,
            "machine": self.machine,
            "rows": [row.to_plain() for row in self.rows],
            "skipped": list(self.skipped),
            "remarks": list(self.remarks),
            **self.notes,
        }
        return dict(to_plain(plain))

    def table(self) -> str:
        """A Markdown table of the rows, then remarks, what was skipped and how many gates were missed."""
        lines = ["| case | metric | value | gate | aim | |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {row.case} | {row.metric} | {row.value:.4g} {row.unit} | {_number(row.gate)} "
            f"| {_number(row.aim)} | {_verdict(row)} |"
            for row in self.rows
        ]
        for words in (self.remarks, tuple(f"Skipped: {what}." for what in self.skipped)):
            lines += ["", "\n".join(words)] if words else []
        missed = [row for row in self.rows if row.ok is False]
        lines += ["", f"{len(missed)} of {len(self.rows)} rows miss their gate."] if missed else []
        return "\n".join(lines)

    def write(self, path: Path, *, overwrite: bool = False) -> None:
        """Write bench.json and table.md into a folder, whole or not at all; OutputError otherwise."""
        with writing_folder(path, overwrite=overwrite) as folder:
            (folder / "table.md").write_text(self.table() + "\n", encoding="utf-8")
            write_json(folder / "bench.json", self.to_plain())


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _verdict(row: Row) -> str:
    return {None: "", True: "ok", False: "missed"}[row.ok]
