"""bench.json and table.md as other programs read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medidiff.bench.report import BenchResult, Row
from medidiff.errors import OutputError

ROWS = (
    Row("a", "speed", 9.8, "x", gate=8.0, aim=20.0),
    Row("a", "error", 2e-3, "", gate=1e-3, better="lower"),
    Row("a", "seconds", 1.5, "s", better="lower"),
)


def test_remarks_stand_under_the_table() -> None:
    result = BenchResult("ct", ROWS, ("rival: none",), ("24 views.", "Converged."))
    assert "24 views.\nConverged.\n\nSkipped: rival: none." in result.table()
    assert result.to_plain()["remarks"] == ["24 views.", "Converged."]


def test_the_gate_is_read_in_its_direction() -> None:
    assert [row.ok for row in ROWS] == [True, False, None]


def test_files_are_those_of_the_contract(tmp_path: Path) -> None:
    BenchResult("projector", ROWS, ("astra: not installed",)).write(tmp_path / "out")
    plain = json.loads((tmp_path / "out" / "bench.json").read_text(encoding="utf-8"))
    assert plain["schema"] == "medidiff.bench/1"
    assert plain["name"] == "projector"
    assert plain["skipped"] == ["astra: not installed"]
    assert plain["machine"]["cores"] >= 1
    assert plain["versions"]
    first = plain["rows"][0]
    assert first == {
        "case": "a",
        "metric": "speed",
        "value": 9.8,
        "unit": "x",
        "gate": 8.0,
        "aim": 20.0,
        "better": "higher",
        "ok": True,
    }
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "| a | speed | 9.8 x | 8 | 20 | ok |" in table
    assert "Skipped: astra: not installed." in table
    assert "1 of 3 rows miss their gate." in table


def test_an_occupied_folder_is_refused(tmp_path: Path) -> None:
    result, out = BenchResult("projector", ROWS), tmp_path / "out"
    result.write(out)
    with pytest.raises(OutputError):
        result.write(out)
    result.write(out, overwrite=True)
    (tmp_path / "note.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError):
        result.write(tmp_path, overwrite=True)
    assert (tmp_path / "note.txt").exists()
