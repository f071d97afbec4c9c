"""Exponentially modified Gaussians of found peaks: which come back, and which must be flagged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.files import read_chromatograms
from medidiff.domains.chromatography.peaks import Integration, measure_peaks
from medidiff.domains.chromatography.peaks.baselines import BaselineChoice
from medidiff.domains.chromatography.peaks.models import EMG
from medidiff.domains.chromatography.peaks.table import Peak

T = np.arange(0.0, 300.0, 0.2)


def measured(signal: np.ndarray) -> list[Peak]:
    noise = np.random.default_rng(0).normal(0, 2e-4, T.size)
    return list(measure_peaks(T, signal + noise, Integration(BaselineChoice("constant"))).peaks)


def test_a_pair_whose_valley_hides_both_widths_comes_back() -> None:
    """The valley lies above half of both heights: no FWHM is known, and the fit starts all the same."""
    truth = EMG(10, 100, 2, 2.5), EMG(9, 107, 2.2, 2)
    first, second = measured(truth[0](T) + truth[1](T))
    assert np.isnan(first.fwhm_s)
    assert np.isnan(second.fwhm_s)
    for peak, exact in zip((first, second), truth, strict=True):
        assert peak.area_fitted == pytest.approx(exact.area, rel=0.02)
        assert peak.emg_tau_s == pytest.approx(exact.tau_s, rel=0.1)
        assert "emg failed" not in peak.flags


def test_a_neighbour_that_is_no_emg_does_not_spoil_a_peak() -> None:
    """On the tail of a peak something rectangular: it is flagged, the peak keeps its curve and its area."""
    tall = EMG(20, 100, 2, 4)
    lump = np.where((T > 122) & (T < 134), 0.1, 0.0)
    first, *others = measured(tall(T) + lump)
    assert first.flags == ()
    assert first.baseline == "BV"
    assert first.area_fitted == pytest.approx(20, rel=0.02)
    assert any("emg failed" in peak.flags for peak in others)


def test_a_dip_beside_a_peak_leaves_it_without_a_curve() -> None:
    """Half of it is gone: a curve with 5 % of its height as residual describes something else."""
    peak = EMG(10, 100, 3, 2)(T)
    signal = np.where(T > 103, -0.2 * peak, peak)
    found = [one for one in measured(signal) if abs(one.retention_time_s - 102) < 3]
    assert ["emg failed" in one.flags for one in found] == [True]


def test_the_main_peaks_of_a_recorded_trace_have_their_curves(chromatography_data: Path) -> None:
    """In a run of four one peak is 46 times as high as two others, and a pair has no width of its own."""
    run = read_chromatograms(chromatography_data / "andi" / "Varian" / "VARIAN1.CDF")[0]
    tall = [peak for peak in measure_peaks(run.time_s, run.signal).peaks if peak.height > 0.02]
    assert [round(peak.retention_time_s) for peak in tall] == [118, 164, 203, 208, 267, 327, 342]
    for peak in tall:
        assert "emg failed" not in peak.flags
        assert peak.emg_residual < 0.005
    lone = tall[0], tall[4]
    assert [peak.area_fitted / peak.area for peak in lone] == pytest.approx([1, 1], abs=0.06)


def test_a_curve_that_is_highest_elsewhere_is_not_the_peak(chromatography_data: Path) -> None:
    """A shoulder of four samples, where a broad curve leaves 4 % and has nine times its area."""
    run = read_chromatograms(chromatography_data / "andi" / "CAL_3.CDF")[0]
    shoulders = [
        peak
        for peak in measure_peaks(run.time_s, run.signal).peaks
        if abs(peak.retention_time_s - 104.2) < 0.5
    ]
    assert [("emg failed" in peak.flags, peak.area_fitted == peak.area_fitted) for peak in shoulders] == [
        (True, False)
    ]
