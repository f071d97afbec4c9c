"""`chromatogram_peaks`: names, k, amounts, blanks, the run folder, and bad input."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.analysis import (
    Method,
    analyse,
    chromatogram_peaks,
    index_peaks,
    subtract_blank,
)
from medidiff.domains.chromatography.analysis.naming import amounts
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.peaks.models import EMG
from medidiff.domains.chromatography.peaks.table import COLUMNS, Peak
from medidiff.errors import InputError
from medidiff.runs.result import Result

T = np.arange(0, 600, 0.2)
PEAKS = {"a": EMG(20, 150, 2, 1), "b": EMG(40, 250, 3, 1), "c": EMG(10, 420, 5, 2)}


def trace(scale: float = 1.0, *, time: np.ndarray = T, seed: int = 0) -> Chromatogram:
    rng = np.random.default_rng(seed)
    signal = sum(scale * peak(time) for peak in PEAKS.values()) + 1 + rng.normal(0, 1e-3, time.size)
    return Chromatogram(time, signal, signal_unit="mV")


def method(**more: object) -> Method:
    windows = [{"name": name, "at_s": peak.mean_s + 1.0, "window_s": 4.0} for name, peak in PEAKS.items()]
    return Method.model_validate({"peaks": windows, **more})


def test_a_single_file_is_judged_too() -> None:
    t = np.arange(0, 300, 0.2)
    run = Chromatogram(t, EMG(20, 100, 2, 1)(t) + np.random.default_rng(0).normal(0, 1e-3, t.size))
    method = Method.model_validate(
        {
            "peaks": [{"name": "one", "at_s": 101.0, "window_s": 4.0}],
            "suitability": [{"name": "one", "least_plates_half": 1e9}],
        }
    )
    found = chromatogram_peaks(run, method=method).report["suitability"]
    assert found["passed"] is False
    assert found["missed"]["one"][0].startswith("plates_half")
    assert chromatogram_peaks(run).report["suitability"] == {"passed": None, "missed": {}}


def test_names_percent_k_selectivity_and_hetp() -> None:
    peaks = analyse(trace(), method(column_length_m=30.0), t0_s=60.0).peaks
    assert [peak.name for peak in peaks] == ["a", "b", "c"]
    assert [peak.area_percent for peak in peaks] == pytest.approx([200 / 7, 400 / 7, 100 / 7], rel=0.01)
    assert peaks[0].k == pytest.approx((peaks[0].retention_time_s - 60) / 60)
    assert peaks[1].selectivity == pytest.approx(peaks[1].k / peaks[0].k)
    assert math.isnan(peaks[0].selectivity)
    assert peaks[2].hetp_mm == pytest.approx(30_000 / peaks[2].plates_half)
    assert peaks[0].plates_effective == pytest.approx(
        peaks[0].plates_half * ((peaks[0].retention_time_s - 60) / peaks[0].retention_time_s) ** 2
    )


def test_one_peak_has_one_name_and_the_rest_is_warned_of() -> None:
    windows = [
        {"name": "near", "at_s": 151.5, "window_s": 5.0},
        {"name": "far", "at_s": 148.0, "window_s": 9.0},
    ]
    found = analyse(trace(), Method.model_validate({"peaks": windows}))
    assert [peak.name for peak in found.peaks] == ["near", "", ""]
    assert "far: no peak within 9 s of 148 s" in found.warnings


def test_amounts_by_calibration_with_interval() -> None:
    points = [{"amount": x, "response": 10 * x + e} for x, e in ((1, 0.1), (2, -0.1), (4, 0.1), (8, -0.1))]
    peaks = analyse(trace(), method(calibrations={"b": {"points": points}})).peaks
    assert peaks[1].amount == pytest.approx(4, rel=0.02)
    assert peaks[1].amount_low < peaks[1].amount < peaks[1].amount_high
    assert math.isnan(peaks[0].amount)


def test_an_internal_standard_makes_the_injected_volume_cancel() -> None:
    points = [
        {"amount": x, "response": 10 * x, "internal_amount": 2, "internal_response": 20} for x in (1, 2, 4, 8)
    ]
    chosen = method(internal_standard={"name": "a", "amount": 2.0}, calibrations={"b": {"points": points}})
    amounts = [analyse(trace(scale), chosen).peaks[1].amount for scale in (1.0, 0.7, 1.3)]
    assert amounts == pytest.approx([4, 4, 4], rel=0.01)


def test_an_amount_outside_the_standards_is_warned_of() -> None:
    points = [{"amount": x, "response": 10 * x} for x in (0.1, 0.2, 0.4)]
    found = analyse(trace(), method(calibrations={"b": {"points": points}}))
    assert any(warning.startswith("b: the amount ") for warning in found.warnings)


@pytest.mark.parametrize(
    ("more", "emg", "words"),
    [
        ({}, False, "b: no amount, as its area_fitted is unknown"),
        ({"internal_standard": {"name": "a"}}, False, "b: no amount, as its area_fitted is unknown"),
        ({"internal_standard": {"name": "a"}}, True, ""),
    ],
)
def test_an_amount_that_stays_unknown_is_warned_of(more: dict[str, object], emg: bool, words: str) -> None:
    """Without EMGs there is no fitted area: the amount is empty, and the peak and the reason are named."""
    inside = {"internal_response": 20.0} if more else {}
    points = [{"amount": x, "response": 10 * x, **inside} for x in (1, 2, 4, 8)]
    chosen = method(
        integration={"emg": emg}, calibrations={"b": {"points": points, "response": "area_fitted"}}, **more
    )
    found = analyse(trace(), chosen)
    assert math.isfinite(found.peaks[1].amount) == (not words)
    assert [warning for warning in found.warnings if "amount" in warning] == [words] * bool(words)


def test_an_internal_standard_without_area_gives_no_amount() -> None:
    points = [{"amount": x, "response": 10 * x, "internal_response": 20} for x in (1, 2, 4)]
    chosen = method(internal_standard={"name": "a"}, calibrations={"b": {"points": points}})
    peaks = [Peak(151, 1, 0.0, 140, 160, name="a"), Peak(251, 1, 40.0, 240, 260, name="b")]
    found, warnings = amounts(peaks, chosen)
    assert math.isnan(found[1].amount)
    assert warnings == ["b: no amount, as the area of the internal standard a is 0"]


def test_a_ladder_in_minutes_is_asked_about() -> None:
    minutes = {10: 2.4, 11: 4.1, 12: 7.5}
    result = index_peaks(trace(), minutes)
    (warning,) = (text for text in result.warnings if "ladder" in text)
    assert "in minutes it would hold 3" in warning
    seconds = {n: 60 * at for n, at in minutes.items()}
    assert not [text for text in index_peaks(trace(), seconds).warnings if "minutes" in text]
    assert any("in minutes" in text for text in analyse(trace(), method(ladder=minutes)).warnings)
    with pytest.raises(InputError, match="ladder's times in minutes"):
        index_peaks(trace(), minutes, t0_s=100.0)


def test_a_method_with_a_blank_is_refused_without_one() -> None:
    with pytest.raises(InputError, match="--blank") as error:
        chromatogram_peaks(trace(), method=method(blank=True))
    assert error.value.argument
    assert index_peaks(trace(), {10: 150.0, 11: 250.0}, method=method(blank=True), blank=trace()).warnings


def test_indices_by_the_methods_ladder() -> None:
    ladder = {10: 150.0, 11: 250.0, 12: 500.0}
    peaks = analyse(trace(), method(ladder=ladder)).peaks
    times = [peak.retention_time_s for peak in peaks]
    assert peaks[0].retention_index == pytest.approx(1000 + times[0] - 150, abs=1e-6)
    result = index_peaks(trace(), ladder, t0_s=60.0)
    table = result.outputs["indices.csv"]
    assert table.peaks[0].retention_index == pytest.approx(
        100 * (10 + math.log((times[0] - 60) / 90) / math.log(190 / 90))
    )


def test_a_run_minus_itself_is_nothing() -> None:
    assert np.abs(subtract_blank(trace(), trace()).signal).max() == 0


def test_a_blank_takes_the_drift_away() -> None:
    drift = Chromatogram(T, 3 * np.sin(T / 60), signal_unit="mV")
    run = Chromatogram(T, trace().signal + drift.signal, signal_unit="mV")
    plain = Method.model_validate({"baseline": {"method": "constant"}})
    areas = [peak.area for peak in analyse(run, plain, blank=drift).peaks]
    assert areas == pytest.approx([20, 40, 10], rel=0.02)


@pytest.mark.parametrize(
    "blank",
    [
        Chromatogram(T[:-200], T[:-200], signal_unit="mV"),
        Chromatogram(T, T, signal_unit="uV"),
        Chromatogram(T, T, signal_unit="mV", axis="x_nm"),
    ],
)
def test_a_blank_that_does_not_fit_is_refused(blank: Chromatogram) -> None:
    with pytest.raises(InputError) as error:
        chromatogram_peaks(trace(), blank=blank)
    assert error.value.what == "blank"


def test_a_jittered_axis_is_made_uniform_and_said_so() -> None:
    rng = np.random.default_rng(1)
    uneven = np.sort(T + rng.uniform(-0.05, 0.05, T.size))
    found = analyse(trace(time=uneven), method())
    assert [peak.area for peak in found.peaks] == pytest.approx([20, 40, 10], rel=0.02)
    assert any("not uniform" in warning for warning in found.warnings)


def test_the_run_folder(tmp_path: Path) -> None:
    result = chromatogram_peaks(trace(), method=method(), t0_s=60.0)
    folder = result.save(tmp_path / "out")
    files = {path.name for path in folder.iterdir()}
    assert files == {
        "peaks.csv",
        "details.csv",
        "baseline.csv",
        "method.yaml",
        "figure.png",
        "report.json",
        "provenance.json",
    }
    with (folder / "peaks.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    assert float(rows[0]["area"]) == pytest.approx(20, rel=0.01)
    assert rows[0]["amount"] == ""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert report["task"] == "chromatography.peaks"
    assert report["input"]["points"] == 3000
    assert report["input"]["interval_s"] == pytest.approx(0.2)
    assert report["input"]["units"] == "mV"
    assert report["notice"] == "research use only"
    assert Result.load(folder).report["methods"]["peaks"]["peaks"] == 3


def test_the_same_run_twice_has_the_same_bytes(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "two"):
        folder = chromatogram_peaks(trace(), method=method(), t0_s=60.0).save(tmp_path / name)
        texts.append([(folder / f).read_bytes() for f in ("peaks.csv", "details.csv", "figure.png")])
    assert texts[0] == texts[1]


def test_no_peak_is_told() -> None:
    flat = Chromatogram(T, np.random.default_rng(0).normal(0, 1, T.size))
    result = chromatogram_peaks(flat)
    assert "no peak stands out from the noise" in result.warnings
    assert result.figure() is not None


@pytest.mark.parametrize("t0", [0.0, -3.0, math.nan, 600.0])
def test_a_hold_up_time_that_cannot_be_is_refused(t0: float) -> None:
    with pytest.raises(InputError) as error:
        chromatogram_peaks(trace(), t0_s=t0)
    assert error.value.what == "t0_s"
    assert error.value.argument == (t0 != 600.0)  # a longer trace would take that one


def test_a_spectrum_has_no_peaks_in_time() -> None:
    with pytest.raises(InputError):
        chromatogram_peaks(Chromatogram(T, T, axis="x_nm"))


@pytest.mark.parametrize("points", [2, 3, 5])
def test_the_shortest_traces_run(points: int) -> None:
    short = Chromatogram(np.arange(points, dtype=float), np.arange(points, dtype=float) ** 2)
    assert chromatogram_peaks(short).report["methods"]["peaks"]["peaks"] == 0
