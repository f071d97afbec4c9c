"""A folder of runs: one table, %RSD, pass and fail."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.analysis import Method, batch_peaks
from medidiff.domains.chromatography.analysis.batch import RSD
from medidiff.domains.chromatography.analysis.suitability import rsd_percent
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.peaks.models import EMG
from medidiff.errors import InputError

T = np.arange(0, 300, 0.2)
SCALES = (1.0, 1.1, 0.9)


def folder_of_runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    for i, scale in enumerate(SCALES):
        noise = np.random.default_rng(i).normal(0, 1e-3, T.size)
        signal = EMG(20 * scale, 150, 2, 1)(T) + EMG(10, 162, 2, 1)(T) + noise
        Chromatogram(T, signal).write(folder / f"run{i}.csv")
    return folder


def method(**limits: float) -> Method:
    return Method.model_validate(
        {
            "peaks": [
                {"name": "first", "at_s": 151.0, "window_s": 4.0},
                {"name": "second", "at_s": 163.0, "window_s": 4.0},
            ],
            "suitability": [{"name": "first", **limits}],
        }
    )


def table(result: object, tmp_path: Path) -> list[dict[str, str]]:
    result.outputs["batch.csv"].write(tmp_path / "batch.csv")
    with (tmp_path / "batch.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_rows_are_keyed_by_the_base_name_and_close_with_rsd(tmp_path: Path) -> None:
    rows = table(batch_peaks(folder_of_runs(tmp_path), method=method()), tmp_path)
    assert [(row["file"], row["name"]) for row in rows] == [
        (f"run{i}.csv", name) for i in range(3) for name in ("first", "second")
    ] + [(RSD, "first"), (RSD, "second")]
    areas = [float(row["area"]) for row in rows if row["name"] == "first" and row["file"] != RSD]
    assert areas == pytest.approx([20, 22, 18], rel=0.03)
    assert float(rows[-2]["area"]) == pytest.approx(rsd_percent(areas))
    assert float(rows[-2]["area"]) == pytest.approx(10, rel=0.1)


def test_pass_and_fail_say_why(tmp_path: Path) -> None:
    folder = folder_of_runs(tmp_path)
    result = batch_peaks(folder, method=method(most_tailing_usp=3.0, most_area_rsd_percent=50.0))
    rows = table(result, tmp_path)
    assert {row["suitability"] for row in rows if row["name"] == "first"} == {"pass"}
    assert result.report["suitability"] == {"passed": True, "failed_rows": 0}
    result = batch_peaks(folder, method=method(least_plates_half=1e9, most_area_rsd_percent=2.0))
    rows = table(result, tmp_path)
    assert {row["suitability"] for row in rows if row["name"] == "first"} == {"fail"}
    assert rows[0]["missed"].startswith("plates_half")
    assert rows[-2]["missed"].startswith("area %RSD")
    assert result.report["suitability"]["passed"] is False


def test_resolution_is_that_to_the_worse_neighbour(tmp_path: Path) -> None:
    """The first peak of a trace has one neighbour, the one after it."""
    folder = folder_of_runs(tmp_path)
    for least, passed in ((0.5, "pass"), (50.0, "fail")):
        rows = table(batch_peaks(folder, method=method(least_resolution=least)), tmp_path)
        first = [row for row in rows if row["name"] == "first" and row["file"] != RSD]
        assert {row["suitability"] for row in first} == {passed}
    second = next(row for row in rows if row["name"] == "second")
    assert f"resolution {float(second['resolution']):.4g} below 50" in first[0]["missed"]


def test_a_peak_that_is_absent_fails(tmp_path: Path) -> None:
    chosen = Method.model_validate(
        {
            "peaks": [{"name": "ghost", "at_s": 250.0, "window_s": 2.0}],
            "suitability": [{"name": "ghost", "least_snr": 3.0}],
        }
    )
    rows = table(batch_peaks(folder_of_runs(tmp_path), method=chosen), tmp_path)
    assert [row["missed"] for row in rows[:3]] == ["not found"] * 3
    assert rows[0]["area"] == ""


def test_without_names_every_peak_is_a_row(tmp_path: Path) -> None:
    rows = table(batch_peaks(folder_of_runs(tmp_path)), tmp_path)
    assert len(rows) == 6
    assert {row["suitability"] for row in rows} == {""}


def test_a_file_that_cannot_be_read_ends_nothing(tmp_path: Path) -> None:
    folder = folder_of_runs(tmp_path)
    (folder / "broken.cdf").write_bytes(b"PK\x03\x04junk")
    result = batch_peaks(folder, method=method())
    rows = table(result, tmp_path)
    assert rows[0]["file"] == "broken.cdf"
    assert rows[0]["suitability"] == "fail"
    assert "zip" in rows[0]["missed"]
    assert any(warning.startswith("broken.cdf was left out") for warning in result.warnings)


def test_folders_without_runs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        batch_peaks(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError) as error:
        batch_peaks(tmp_path / "empty")
    assert error.value.expected == "1 to 5000 files"
    (tmp_path / "empty" / "x.txt").write_bytes(b"")
    with pytest.raises(InputError) as error:
        batch_peaks(tmp_path / "empty")
    assert error.value.expected == "at least one file with a trace"


@pytest.mark.parametrize(("values", "rsd"), [([1, 2, 3], 50.0), ([5, 5], 0.0), ([-1, -3], 70.7106781)])
def test_rsd_is_the_sample_standard_deviation_over_the_mean(values: list[float], rsd: float) -> None:
    assert rsd_percent(values) == pytest.approx(rsd)
    assert rsd_percent([*values, float("nan")]) == pytest.approx(rsd)
    assert np.isnan(rsd_percent(values[:1]))
