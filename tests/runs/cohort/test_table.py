"""The tables of a cohort against numbers done by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from medidiff.runs.cohort import Row, Summary, Work


def _metrics(psnr: float, **more: float) -> dict[str, object]:
    return {"seconds": psnr / 10, "metrics": {"axial": {"psnr_db": psnr}, "hu_bias": more, "coronal": {}}}


@pytest.fixture
def summary(work: Work) -> Summary:
    rows = (
        Row(1, "done", attempts=1, seconds=2.5, methods={"tv": _metrics(20.0, lung=1.0)}),
        Row(2, "failed", attempts=3, reason='expected "a, b", got less'),
        Row(3, "done", kept=True, seconds=0.1, methods={"tv": _metrics(26.0), "fbp": _metrics(10.0)}),
        Row(4),
    )
    return Summary(work, rows, {"kind": "local"}, 1.23456, True, ("a warning",))


def test_means_and_spread_are_over_the_items_that_have_the_number(summary: Summary) -> None:
    """20 and 26: mean 23, standard deviation 3 sqrt(2); a single number spreads by nothing."""
    tv = summary.methods()["tv"]
    assert tv["items"] == 2
    assert tv["seconds"] == pytest.approx(2.3)
    assert tv["metrics"] == {"axial": {"psnr_db": 23.0}, "hu_bias": {"lung": 1.0}}
    assert tv["metrics_sd"]["axial"]["psnr_db"] == pytest.approx(3 * 2**0.5)
    assert tv["metrics_sd"]["hu_bias"]["lung"] == 0
    assert summary.methods()["fbp"]["items"] == 1


def test_the_csv_has_one_header_and_a_line_an_item(summary: Summary, tmp_path: Path) -> None:
    summary.write(tmp_path)
    with (tmp_path / "cohort.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["item"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["status"] for row in rows] == ["done", "failed", "done", "waiting"]
    assert [row["tv.axial.psnr_db"] for row in rows] == ["20.0", "", "26.0", ""]
    assert [row["fbp.seconds"] for row in rows] == ["", "", "1.0", ""]
    assert [row["kept"] for row in rows] == ["0", "0", "1", "0"]
    assert rows[1]["reason"] == 'expected "a, b", got less'
    assert set(rows[0]) >= {"attempts", "seconds", "input_sha256", "warnings", "threads"}


def test_the_json_says_what_was_asked_and_which_failed(summary: Summary, tmp_path: Path) -> None:
    summary.write(tmp_path)
    found = json.loads((tmp_path / "cohort.json").read_text())
    assert found["schema"] == "medidiff.cohort/1"
    assert (found["count"], found["failed"], found["finished"]) == (4, [2], True)
    assert (found["options"], found["reading"]) == ({"factor": 2.0}, {"units": "hu"})
    assert [item["folder"] for item in found["items"]] == ["item_001", None, "item_003", None]
    assert "notes" not in found["items"][0]
