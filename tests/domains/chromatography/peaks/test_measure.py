"""A whole trace: areas in the sum, negative peaks, events, saturation, signal to noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medidiff.domains.chromatography.peaks import BaselineChoice, Integration, measure_peaks
from medidiff.domains.chromatography.peaks.models import EMG
from medidiff.domains.chromatography.peaks.table import COLUMNS, Peak, PeakTable
from medidiff.errors import InputError

T = np.arange(0, 600, 0.2)
TRUTH = (EMG(30, 100, 2, 1.5), EMG(12, 180, 2.5, 1), EMG(50, 300, 4, 3), EMG(8, 330, 4, 2))


def made(noise: float = 0.002, seed: int = 0) -> np.ndarray:
    drift = 2 + 0.002 * T
    return sum(peak(T) for peak in TRUTH) + drift + np.random.default_rng(seed).normal(0, noise, T.size)


def test_raw_and_fitted_areas_are_the_true_ones() -> None:
    """0.002 noise: about 0.1 % of each area; the overlap of the last pair costs the drop line 3 %."""
    found = measure_peaks(T, made()).peaks
    assert [peak.baseline for peak in found] == ["BB", "BB", "BV", "VB"]
    for peak, truth in zip(found, TRUTH, strict=True):
        assert peak.area == pytest.approx(truth.area, rel=0.04)
        assert peak.area_fitted == pytest.approx(truth.area, rel=0.015)
    assert found[0].area == pytest.approx(30, rel=0.01)
    assert found[2].emg_tau_s == pytest.approx(3, rel=0.1)


def test_resolution_is_to_the_peak_before() -> None:
    found = measure_peaks(T, made()).peaks
    assert math.isnan(found[0].resolution)
    widths = found[0].fwhm_s + found[1].fwhm_s
    times = found[1].retention_time_s - found[0].retention_time_s
    assert found[1].resolution == pytest.approx(1.18 * times / widths)
    assert found[3].peak_to_valley == found[2].peak_to_valley > 1


@pytest.mark.parametrize("method", ["constant", "polynomial", "valley", "groups", "arpls", "asls", "snip"])
def test_every_baseline_gives_the_area_of_a_lone_peak(method: str) -> None:
    flat = TRUTH[0](T) + 1 + np.random.default_rng(1).normal(0, 0.002, T.size)
    (peak,) = measure_peaks(T, flat, Integration(BaselineChoice(method))).peaks
    assert peak.area == pytest.approx(30, rel=0.02)


def test_negative_peaks_are_found_where_they_are_sought() -> None:
    signal = made() - EMG(20, 450, 4, 1)(T)
    assert len(measure_peaks(T, signal).peaks) == 4
    found = measure_peaks(T, signal, Integration(negative_s=[(400, 600)])).peaks
    assert len(found) == 5
    assert found[4].flags[0] == "negative"
    assert found[4].area == pytest.approx(-20, rel=0.02)
    assert found[4].height < 0
    assert len(measure_peaks(T, signal, Integration(negative_s=[(0, 400)])).peaks) == 4
    off = Integration(negative_s=[(400, 600)], off_s=[(440, 460)])
    assert len(measure_peaks(T, signal, off).peaks) == 4


def test_windows_without_integration_hold_no_peak() -> None:
    found = measure_peaks(T, made(), Integration(off_s=[(0, 150), (320, 400)])).peaks
    assert [round(peak.retention_time_s / 10) for peak in found] == [18, 30]


def test_small_peaks_are_left_out_on_request() -> None:
    assert len(measure_peaks(T, made(), Integration(minimum_area=10)).peaks) == 3
    assert len(measure_peaks(T, made(), Integration(minimum_height=3)).peaks) == 2


def test_a_bump_below_the_baseline_is_no_peak() -> None:
    hollow = 2 * (np.tanh((T - 240) / 8) - np.tanh((T - 460) / 8))
    signal = EMG(20, 120, 2, 1)(T) - hollow + EMG(8, 350, 3, 1)(T)
    signal += np.random.default_rng(0).normal(0, 0.002, T.size)
    flat = BaselineChoice("points", points_s=(0.0, 599.0))
    found = measure_peaks(T, signal, Integration(flat)).peaks
    assert [round(peak.retention_time_s) for peak in found] == [121]


def test_manual_bounds_are_kept_to_the_sample() -> None:
    settings = Integration(BaselineChoice("valley"), manual_s=[(90.0, 115.0)], minimum_area=1e9)
    (peak,) = measure_peaks(T, made(), settings).peaks
    assert (peak.start_s, peak.end_s) == pytest.approx((90, 115))
    assert "manual" in peak.flags
    part = (T >= 89.9) & (T <= 115.1)
    line = np.linspace(made()[part][0], made()[part][-1], np.count_nonzero(part))
    assert peak.area == pytest.approx(np.trapezoid(made()[part] - line, dx=0.2), rel=0.01)


def test_a_saturated_peak_is_flagged_and_warned_of_and_has_no_fit() -> None:
    found = measure_peaks(T, np.minimum(made(), 6.0))
    flat = [peak for peak in found.peaks if "saturated" in peak.flags]
    assert [round(peak.retention_time_s) for peak in flat] == pytest.approx([101, 302], abs=3)
    assert all(math.isnan(peak.area_fitted) for peak in flat)
    assert "limit" in found.warnings[0]


def test_signal_to_noise_is_twice_the_height_over_the_range() -> None:
    """The range of 500 white samples is about 6 standard deviations."""
    found = measure_peaks(T, made(0.01)).peaks[0]
    assert found.snr == pytest.approx(2 * found.height / (6 * 0.01), rel=0.4)


def test_a_blank_gives_the_noise_of_signal_to_noise() -> None:
    loud = np.random.default_rng(5).normal(0, 0.1, T.size)
    quiet, loudly = (measure_peaks(T, made(), blank=blank).peaks[0].snr for blank in (None, loud))
    assert loudly == pytest.approx(quiet / 50, rel=0.4)


def test_the_sampling_rate_does_not_change_the_numbers() -> None:
    numbers = []
    for every in (1, 2, 4):
        found = measure_peaks(T[::every], made(0.0)[::every]).peaks
        numbers.append([[p.area, p.fwhm_s, p.tailing_usp] for p in found])
    assert np.array(numbers[1]) == pytest.approx(np.array(numbers[0]), rel=0.02, nan_ok=True)
    assert np.array(numbers[2]) == pytest.approx(np.array(numbers[0]), rel=0.02, nan_ok=True)


def test_shifting_and_scaling_the_signal_changes_nothing_else() -> None:
    one, other = (measure_peaks(T, s).peaks for s in (made(), 1e6 * made() - 5e6))
    for a, b in zip(one, other, strict=True):
        assert b.area == pytest.approx(1e6 * a.area, rel=1e-3)
        assert b.tailing_usp == pytest.approx(a.tailing_usp, rel=1e-3, nan_ok=True)


@pytest.mark.parametrize("points", [2, 3, 4, 5, 10])
def test_tiny_traces_have_no_peak(points: int) -> None:
    found = measure_peaks(np.arange(points, dtype=float), np.eye(points)[points // 2])
    assert np.isfinite(found.baseline).all()
    assert len(found.peaks) <= 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0},
        {"threshold": math.nan},
        {"rider_ratio": -1},
        {"minimum_area": -1},
        {"off_s": [(5, 5)]},
        {"manual_s": [(9, 3)]},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError) as error:
        Integration(**wrong)
    assert error.value.argument


def test_manual_bounds_outside_the_trace_are_refused() -> None:
    with pytest.raises(InputError) as error:
        measure_peaks(T, made(), Integration(manual_s=[(590, 700)]))
    assert error.value.expected == "windows from 0 to 599.8 s"


def test_peaks_csv_has_the_columns_that_other_programs_read() -> None:
    text = (
        "retention_time_s,height,area,start_s,end_s,fwhm_s,plates_half,plates_tangent,plates_moment,tailing_usp,"
        "asymmetry10,resolution,snr,flags,name,area_percent,k,selectivity,hetp_mm,retention_index,amount,baseline"
    )
    assert text.split(",") == list(COLUMNS)
    row = PeakTable((Peak(1.5, 2.0, 3.0, 0.5, 2.5, flags=("a", "b")),)).rows()[0]
    assert row[:6] == ["1.5", "2.0", "3.0", "0.5", "2.5", ""]
    assert (row[13], row[-1]) == ("a;b", "BB")


def test_one_peak_is_told_of_in_the_singular() -> None:
    coarse = np.arange(0, 200, 1.0)
    signal = EMG(100, 100, 1.5, 0.5)(coarse) + np.random.default_rng(0).normal(0, 0.01, coarse.size)
    warnings = measure_peaks(coarse, signal).warnings
    assert warnings == ("1 peak has fewer than 8 samples across the FWHM",)
