"""A folder of runs: one table, %RSD, pass and fail."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medidiff.domains.chromatography.analysis import Method, batch_peaks
from medidiff.domains.chromatography.analysis.naming import match_runs
from medidiff.domains.chromatography.analysis.rows import RSD
from medidiff.domains.chromatography.analysis.suitability import rsd_percent
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files import read_chromatogram
from medidiff.domains.chromatography.peaks.models import EMG
from medidiff.domains.chromatography.peaks.table import Peak
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


def test_without_names_peaks_of_the_runs_are_matched_by_time(tmp_path: Path) -> None:
    """As many rows as with names, the same spread, and names that are times in minutes."""
    folder = folder_of_runs(tmp_path)
    rows = table(batch_peaks(folder), tmp_path)
    assert len(rows) == 8
    assert {row["suitability"] for row in rows} == {""}
    spread = [row for row in rows if row["file"] == RSD]
    assert [row["runs"] for row in spread] == ["3", "3"]
    assert spread[0]["name"].endswith(" min")
    assert 60 * float(spread[0]["name"].removesuffix(" min")) == pytest.approx(151, abs=1)
    named = table(batch_peaks(folder, method=method()), tmp_path)
    assert [row["area"] for row in spread] == [row["area"] for row in named if row["file"] == RSD]


def peak(at_s: float, fwhm_s: float = 2.0, **more: object) -> Peak:
    return Peak(at_s, 1.0, 1.0, at_s - 3, at_s + 3, fwhm_s=fwhm_s, **more)


def test_matching_is_within_one_width_and_the_nearest_first() -> None:
    """The second run has most peaks; 101.5 lies within 2 s of 100 and of 103, and is nearer to the former."""
    runs = [[peak(101.5)], [peak(100.0), peak(103.0), peak(200.0)], [peak(103.4), peak(202.1)]]
    names = [[found.name for found in run] for run in match_runs(runs)]
    assert names == [["1.667 min"], ["1.667 min", "1.717 min", ""], ["1.717 min", ""]]


def test_a_peak_that_is_negative_or_of_unknown_width_is_not_matched() -> None:
    shoulder, dip = peak(100.0, float("nan")), peak(150.0, flags=("negative",))
    assert [found.name for run in match_runs([[shoulder, dip]] * 2) for found in run] == [""] * 4
    assert match_runs([[], []]) == [[], []]


def test_a_file_that_cannot_be_read_is_left_out_and_fails_nothing(tmp_path: Path) -> None:
    folder = folder_of_runs(tmp_path)
    (folder / "broken.cdf").write_bytes(b"PK\x03\x04junk")
    (folder / "notes.txt").write_text("the column was changed on Monday\n", encoding="utf-8")
    result = batch_peaks(folder, method=method(most_tailing_usp=3.0))
    rows = table(result, tmp_path)
    left_out = [row for row in rows if row["suitability"] == "left out"]
    assert [row["file"] for row in left_out] == ["broken.cdf", "notes.txt"]
    assert "zip" in left_out[0]["missed"]
    assert left_out[0]["area"] == ""
    assert result.report["left_out"] == 2
    assert result.report["suitability"] == {"passed": True, "failed_rows": 0}
    assert result.report["methods"]["peaks"]["files"] == 3
    assert any(warning.startswith("broken.cdf was left out") for warning in result.warnings)


def test_a_blank_is_subtracted_from_each_run_and_is_none_itself(tmp_path: Path) -> None:
    folder = folder_of_runs(tmp_path)
    hump = Chromatogram(T, EMG(30, 240, 3, 1)(T))
    for path in folder.iterdir():
        run = read_chromatogram(path)
        Chromatogram(T, run.signal + hump.signal).write(path)
    hump.write(folder / "blank.csv")
    blank = read_chromatogram(folder / "blank.csv")
    assert any(abs(float(row["retention_time_s"]) - 241) < 2 for row in table(batch_peaks(folder), tmp_path))
    result = batch_peaks(folder, blank=blank)
    rows = table(result, tmp_path)
    assert rows[0]["missed"] == "it is the blank"
    assert result.report["left_out"] == 1
    assert {round(float(row["retention_time_s"])) for row in rows[1:7]} == {151, 163}
    assert result.provenance["inputs"]["blank"] == blank.origin
    result.outputs["method.yaml"].write(tmp_path / "m.yaml")
    with pytest.raises(InputError, match="--blank") as error:
        batch_peaks(folder, method=tmp_path / "m.yaml")
    assert error.value.argument


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"t0_s": 50.0}, "t0_s: expected seconds"),
        ({"integration": {"manual": [{"start_s": 155, "end_s": 160}]}}, "manual bounds: expected windows"),
        ({"baseline": {"method": "points", "points_s": [130, 180]}}, "baseline points_s: expected times"),
        ({"baseline": {"method": "snip", "window_s": 30}}, "baseline window_s: expected"),
    ],
)
def test_a_run_that_ended_too_early_is_left_out_alone(
    asked: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    folder = folder_of_runs(tmp_path)
    run = read_chromatogram(next(iter(sorted(folder.iterdir()))))
    early = run.x < 45
    Chromatogram(run.x[early], run.signal[early]).write(folder / "aborted.csv")
    result = batch_peaks(folder, method=Method.model_validate(asked))
    assert result.report["left_out"] == 1
    (row,) = (row for row in table(result, tmp_path) if row["suitability"] == "left out")
    assert row["file"] == "aborted.csv"
    assert row["missed"].startswith(reason)


def test_the_picture_holds_twelve_runs_of_many(tmp_path: Path) -> None:
    folder = folder_of_runs(tmp_path)
    run = (folder / "run0.csv").read_bytes()
    for number in range(3, 14):
        (folder / f"run{number:02d}.csv").write_bytes(run)
    result = batch_peaks(folder, method=method())
    figure = result.figure()
    words = [text.get_text() for text in figure.texts]
    assert "14 runs" in words
    assert any("The first 12 of 14 are shown." in text for text in words)
    over, stacked = figure.axes
    labels = [text.get_text() for text in over.texts]
    assert labels == ["first", "second"]
    assert stacked.get_xlabel() == "time, min"
    assert stacked.get_xlim()[1] == pytest.approx(T[-1] / 60)
    assert len(stacked.texts) == 12
    dots = [line for line in stacked.lines if line.get_marker() == "o"]
    assert dots[0].get_xdata() == pytest.approx([151 / 60, 163 / 60], abs=0.02)
    result.save(tmp_path / "out")
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000


def test_a_single_run_without_any_signal_has_a_picture(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    Chromatogram(T, np.zeros(T.size)).write(tmp_path / "runs" / "flat.csv")
    figure = batch_peaks(tmp_path / "runs").figure()
    assert "1 run" in [text.get_text() for text in figure.texts]
    assert [text.get_text() for text in figure.axes[1].texts] == ["flat.csv"]


def test_folders_below_are_named_and_not_read(tmp_path: Path) -> None:
    folder = folder_of_runs(tmp_path)
    (folder / "older").mkdir()
    (folder / "run0.csv").rename(folder / "older" / "run0.csv")
    result = batch_peaks(folder)
    assert result.report["methods"]["peaks"]["files"] == 2
    assert "folders below it were not looked into: older" in result.warnings
    with pytest.raises(InputError) as error:
        batch_peaks(tmp_path)
    assert error.value.got == "0 beside the folders runs"


def test_the_power_of_ten_of_the_signal_stands_upon_no_name(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    for number in range(2):
        noise = np.random.default_rng(number).normal(0, 1e-3, T.size)
        Chromatogram(T, 1e8 * (EMG(20, 3, 0.8, 0.5)(T) + noise)).write(folder / f"run{number}.csv")
    figure = batch_peaks(folder).figure()
    figure.draw_without_rendering()
    over = figure.axes[0]
    power = over.yaxis.get_offset_text()
    assert power.get_text() == "1e8"
    assert over.texts
    assert not any(power.get_window_extent().overlaps(name.get_window_extent()) for name in over.texts)


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
