"""Noise: known standard deviations, white and correlated, with and without peaks."""

from __future__ import annotations

import numpy as np
import pytest

from medidiff.domains.chromatography.peaks.noise import measure_noise, noise_range, smoothed
from medidiff.domains.chromatography.samples import white_noise


def peaks(points: int, every: int, sigma: float) -> np.ndarray:
    at = np.arange(points)
    return sum(np.exp(-((at - c) ** 2) / (2 * sigma**2)) for c in range(every, points - every // 2, every))


@pytest.mark.parametrize("every", [100, 250, 1000])
def test_white_noise_is_found_between_peaks(every: int) -> None:
    """MAD of second differences: 4000 samples leave about 2 % of scatter; peaks of sigma 8 bend little."""
    noise = np.random.default_rng(1).normal(0, 0.01, 4000)
    assert white_noise(peaks(4000, every, 8.0) + noise) == pytest.approx(0.01, rel=0.12)


def test_white_noise_at_peak_width_is_that_of_the_smoothed_trace() -> None:
    """A cubic over m samples leaves sqrt(9 / 4m) of white noise in the middle (Savitzky and Golay)."""
    signal = 3 * peaks(6000, 300, 12.0) + np.random.default_rng(2).normal(0, 0.01, 6000)
    found = measure_noise(signal)
    assert found.width == pytest.approx(12 * 2.3548, rel=0.1)
    assert found.sd == pytest.approx(0.01 * np.sqrt(9 / (2 * found.width)), rel=0.2)


def test_correlated_noise_is_told_from_white() -> None:
    """A filter of 20 samples leaves little in second differences, all of it at peak width."""
    rng = np.random.default_rng(3)
    wander = np.convolve(rng.normal(0, 1, 6020), np.ones(20) / 20, "valid")[:6000]
    wander *= 0.01 / wander.std()
    found = measure_noise(3 * peaks(6000, 300, 12.0) + wander)
    assert found.white < 0.0025
    assert 0.005 < found.sd < 0.015


def test_widths_are_those_of_small_peaks_also_beside_a_solvent() -> None:
    """Narrow bumps on a solvent's tail are more than a thousandth of the trace's range; the peaks are not."""
    at = np.arange(20000.0)
    rng = np.random.default_rng(5)
    wander = np.convolve(rng.normal(0, 1, 20100), np.hanning(101), "valid")[:20000]
    small = sum(np.exp(-((at - c) ** 2) / (2 * 30.0**2)) for c in range(3000, 20000, 1000))
    tail = np.where(at > 500, 3e4 * np.exp(-(at - 500) / 60), 0)
    bumps = sum(300 * np.exp(-((at - c) ** 2) / (2 * 4.0**2)) for c in (600, 650, 700))
    found = measure_noise(small + tail + bumps + 0.003 * wander / wander.std())
    assert found.width == pytest.approx(30 * 2.3548, rel=0.05)


@pytest.mark.parametrize("scatter", [0.01, 0.1, 0.2])
def test_steps_that_hide_the_noise_leave_rounding(scatter: float) -> None:
    """What rounding to whole numbers takes away has an rms of 1 / sqrt 12; smoothing does not lower it."""
    drift = 10 * np.exp(-np.arange(6000) / 3000)
    rough = 1000 * peaks(6000, 300, 12.0) + drift + np.random.default_rng(6).normal(0, scatter, 6000)
    found = measure_noise(np.round(rough))
    assert found.white == pytest.approx(12**-0.5)
    assert found.sd >= found.white


def test_quiet_samples_hold_no_peak() -> None:
    signal = peaks(3000, 500, 10.0) + np.random.default_rng(4).normal(0, 0.001, 3000)
    quiet = measure_noise(signal).quiet
    assert 0.3 < quiet.mean() < 0.95
    assert peaks(3000, 500, 10.0)[quiet].max() < 0.05


@pytest.mark.parametrize("points", [2, 3, 5, 8, 20])
def test_short_and_constant_traces_have_no_noise(points: int) -> None:
    found = measure_noise(np.full(points, 7.0))
    assert (found.white, found.sd) == (0, 0)


def test_noise_range_takes_the_still_samples_near_the_place() -> None:
    time = np.arange(1000.0)
    rest = np.where(time < 500, np.sin(time), 10 * np.sin(time))
    still = (time % 100) > 50
    assert noise_range(time, rest, still, at_s=250, width_s=300) == pytest.approx(2, abs=0.01)
    assert noise_range(time, rest, still, at_s=750, width_s=300) == pytest.approx(20, abs=0.1)
    assert np.isnan(noise_range(time, rest, np.zeros(1000, bool), at_s=5, width_s=20))


@pytest.mark.parametrize("derivative", [0, 1, 2])
def test_smoothing_keeps_a_cubic(derivative: int) -> None:
    at = np.linspace(-1, 1, 101)
    cubic = np.polynomial.Polynomial([0.3, -1, 2, 0.7])
    exact = (cubic.deriv(derivative) if derivative else cubic)(at) * (at[1] - at[0]) ** derivative
    assert smoothed(cubic(at), 21, derivative=derivative)[15:-15] == pytest.approx(exact[15:-15], abs=1e-10)
