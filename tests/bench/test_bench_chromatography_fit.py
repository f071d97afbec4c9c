"""The bench of the fit on a few draws: its rows, their names and errors."""

from __future__ import annotations

import pytest

from medidiff.bench.chromatography.cases import FIVE, Options
from medidiff.bench.chromatography.fit import btex_coverage, overlap


def test_coverage_rows() -> None:
    """Of 100 draws the ten parameters' pooled coverage errs by 0.008: three of these on either side."""
    found = btex_coverage(Options(draws=100))
    rows = {row.metric: row for row in found.rows}
    names = {f"coverage95.{what}.{name}" for what in ("k", "kd_per_s", "area") for name in FIVE}
    assert set(rows) == names | {"coverage95.pooled", "coverage95_excess.pooled", "coverage95_error.pooled"}
    assert all(row.case.startswith("btex") for row in found.rows)
    assert 0.925 < rows["coverage95.pooled"].value < 0.975
    assert rows["coverage95.k.benzene"].unit == "± 0.0218"
    assert rows["coverage95.pooled"].gate == pytest.approx(0.93)


def test_overlap_rows_bear_another_case() -> None:
    rows = overlap(Options(draws=2)).rows
    assert [row.case.split(", ")[2] for row in rows] == ["covariance", "profile"]
    assert not any(row.case.startswith("btex") for row in rows)
