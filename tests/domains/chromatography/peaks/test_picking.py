"""Picking: places that are known, no false ones from noise, shoulders, parabolas."""

from __future__ import annotations

import numpy as np
import pytest

from medidiff.domains.chromatography.peaks.noise import measure_noise
from medidiff.domains.chromatography.peaks.picking import Pick, pick_peaks, valleys
from medidiff.domains.chromatography.peaks.shoulders import with_shoulders
from medidiff.domains.chromatography.samples import vertex


def gauss(at: np.ndarray, centre: float, sigma: float, height: float = 1.0) -> np.ndarray:
    return height * np.exp(-((at - centre) ** 2) / (2 * sigma**2))


AT = np.arange(3000.0)


def picks(signal: np.ndarray, *, threshold: float = 10.0) -> list[Pick]:
    noise = measure_noise(signal)
    found = pick_peaks(signal, noise, threshold=threshold)
    return with_shoulders(signal, noise, found, threshold=threshold)


def test_peaks_are_found_where_they_are() -> None:
    centres = (300, 700, 1200, 1500, 2400)
    signal = sum(gauss(AT, c, 12, h) for c, h in zip(centres, (1, 0.3, 0.05, 2, 0.6), strict=True))
    found = picks(signal + np.random.default_rng(0).normal(0, 0.001, AT.size))
    assert [pick.index for pick in found] == pytest.approx(centres, abs=3)
    assert not any(pick.shoulder for pick in found)


def test_small_peaks_are_found_beside_a_solvent() -> None:
    """20 000 times as tall: within 2e-4 of such a range all else is equal, and was one plateau."""
    centres = (600, 900, 1200, 1500, 2400)
    solvent = gauss(AT, 200, 12, 4e4)
    small = sum(gauss(AT, c, 12, 2.0) for c in centres)
    bent = gauss(AT, 1500 + 2.4 * 12, 12, 1.0)  # on the flank of the fourth: a shoulder
    noise = np.random.default_rng(0).normal(0, 0.001, AT.size)
    found = picks(solvent + small + noise)
    assert [pick.index for pick in found] == pytest.approx([200, *centres], abs=3)
    assert [pick.shoulder for pick in picks(solvent + small + bent + noise)] == [False] * 5 + [True, False]


@pytest.mark.parametrize("kind", ["white", "filtered", "drift", "steps", "coarse steps"])
def test_noise_alone_has_no_peak(kind: str) -> None:
    """Ten draws of 3000 samples: at 10 noises none may appear, filtered over 15, drifting or rounded."""
    for seed in range(10):
        noise = np.random.default_rng(seed).normal(0, 1, AT.size + 14)
        if kind == "filtered":
            noise = np.convolve(noise, np.ones(15) / 15, "same")
        signal = noise[: AT.size] + (AT / 30 if kind in ("drift", "coarse steps") else 0)
        signal = {"steps": np.round(2 * signal), "coarse steps": np.round(signal / 10)}.get(kind, signal)
        assert picks(signal) == []


def test_a_trace_without_noise_has_its_peaks_and_no_more() -> None:
    """Smoothing undershoots beside narrow peaks: the flat stretch between two must not stand out."""
    centres = (300, 900, 1500, 2100, 2700)
    signal = sum(gauss(AT, c, s) for c, s in zip(centres, (3, 3, 30, 30, 30), strict=True))
    signal += np.random.default_rng(0).normal(0, 1e-13, AT.size)
    assert [pick.index for pick in picks(signal)] == list(centres)


def test_noise_beside_peaks_adds_none() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        noise = np.convolve(rng.normal(0, 0.01, AT.size + 14), np.ones(15) / 15, "valid")
        signal = sum(gauss(AT, c, 15) for c in (500, 1500, 2300)) + noise
        assert len(picks(signal)) == 3


def test_a_higher_threshold_finds_fewer() -> None:
    signal = gauss(AT, 800, 12) + gauss(AT, 1800, 12, 0.01)
    signal += np.random.default_rng(1).normal(0, 0.001, AT.size)
    assert [len(picks(signal, threshold=t)) for t in (10.0, 1000.0)] == [2, 1]


@pytest.mark.parametrize("side", [-1, 1])
def test_a_shoulder_is_flagged(side: int) -> None:
    """Two Gaussians at 2.2 sigma of heights 1 and 0.4 have one maximum."""
    signal = gauss(AT, 1500, 20) + gauss(AT, 1500 + side * 44, 20, 0.4)
    assert np.count_nonzero(np.diff(np.sign(np.diff(signal))) < 0) == 1
    signal += np.random.default_rng(2).normal(0, 1e-4, AT.size)
    shoulders = [pick for pick in picks(signal) if pick.shoulder]
    assert len(shoulders) == 1
    assert shoulders[0].index == pytest.approx(1500 + side * 44, abs=12)
    (apex_alone,) = pick_peaks(signal, measure_noise(signal))
    assert apex_alone.index == pytest.approx(1500, abs=6)


def test_a_dent_in_a_wide_peak_is_no_shoulder() -> None:
    """A dent of a twelfth of the width, as a recorder leaves: narrow peaks set no scale for a wide one."""
    signal = gauss(AT, 2000, 100) + sum(gauss(AT, c, 8) for c in (300, 500, 700, 900))
    signal -= gauss(AT, 2165, 8, 0.03)
    signal += np.random.default_rng(3).normal(0, 1e-4, AT.size)
    assert not any(pick.shoulder for pick in picks(signal))


def test_narrow_peaks_do_not_hide_the_shoulder_of_a_wide_one() -> None:
    """Looked at in its own width, not in the usual one of the trace, which is an eighth of it."""
    signal = gauss(AT, 1800, 60) + gauss(AT, 1800 + 132, 60, 0.4)
    signal += sum(gauss(AT, c, 8) for c in (300, 500, 700, 900))
    signal += np.random.default_rng(3).normal(0, 1e-4, AT.size)
    assert [pick.index for pick in picks(signal) if pick.shoulder] == [pytest.approx(1932, abs=36)]


def test_tailing_peaks_have_no_shoulder() -> None:
    from medidiff.domains.chromatography.peaks.models import EMG

    for tau in (2.0, 10.0, 30.0):
        signal = EMG(100.0, 800.0, 10.0, tau)(AT) + np.random.default_rng(3).normal(0, 1e-4, AT.size)
        assert [pick.shoulder for pick in picks(signal)] == [False]


@pytest.mark.parametrize("step", [(1.0, 1.0), (0.5, 1.5), (2.0, 0.25)])
def test_the_apex_of_a_parabola_is_exact_on_any_axis(step: tuple[float, float]) -> None:
    time = np.array([-step[0], 0.0, step[1]])
    assert vertex(time, 3 - 2 * (time - 0.1) ** 2, 1) == pytest.approx((0.1, 3.0), abs=1e-12)


def test_the_apex_at_an_end_and_on_a_plateau_is_the_sample() -> None:
    time = np.arange(3.0)
    assert vertex(time, np.array([3.0, 2.0, 1.0]), 0) == (0.0, 3.0)
    assert vertex(time, np.ones(3), 1) == (1.0, 1.0)


def test_a_valley_is_the_lowest_sample_between() -> None:
    signal = gauss(AT, 1000, 20) + gauss(AT, 1090, 20, 0.5)
    found = picks(signal + np.random.default_rng(4).normal(0, 1e-6, AT.size))
    low = valleys(signal, measure_noise(signal), found)
    assert low == [1000 + int(np.argmin(signal[1000:1090]))]


@pytest.mark.parametrize("signal", [np.zeros(100), np.arange(100.0), np.array([0.0, 1.0, 0.0, 1.0])])
def test_flat_straight_and_tiny_traces_have_no_peak(signal: np.ndarray) -> None:
    assert picks(signal) == []
