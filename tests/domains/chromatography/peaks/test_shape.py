"""Shapes against the exact metrics of the kinetic peak (mpmath) and of a Gaussian."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import i1e

from medidiff.domains.chromatography.peaks.shape import (
    Shape,
    measure_shape,
    moments,
    resolution_half,
    resolution_tangent,
)


def kinetic(truth: dict[str, str], points_a_width: int) -> tuple[np.ndarray, np.ndarray]:
    """The exact linear peak of an impulse (Lapidus and Amundson), sampled so many times a FWHM."""
    n, kd, t0 = (float(truth[key]) for key in ("N", "kd", "t0"))
    mean, sigma = float(truth["mean"]), float(truth["sigma"])
    step = float(truth["W50"]) / points_a_width
    time = np.arange(max(t0 + 1e-6, mean - 12 * sigma), mean + 25 * sigma, step)
    scaled = kd * (time - t0)
    bell = np.exp(-((np.sqrt(n) - np.sqrt(scaled)) ** 2)) * i1e(2 * np.sqrt(n * scaled))
    return time, kd * np.sqrt(n / scaled) * bell


@pytest.fixture
def oracles(chromatography_data: Path) -> dict[str, Any]:
    text = (chromatography_data / "expected" / "oracles_metrics.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


@pytest.mark.parametrize(("points", "tolerance"), [(10, 5e-4), (20, 4e-5), (40, 5e-6)])
def test_exact_metrics_of_the_kinetic_peak(oracles: dict[str, Any], points: int, tolerance: float) -> None:
    """A cubic spline's error falls with the third to fourth power of the step."""
    for truth in oracles["kinetic_peaks"]:
        time, signal = kinetic(truth, points)
        found = measure_shape(time, signal, int(np.argmax(signal)))
        exact = {key: float(value) for key, value in truth.items()}
        got = {
            "apex_h": found.height,
            "W50": found.fwhm_s,
            "W05": found.width_5_s,
            "tailing_usp": found.tailing_usp,
            "asymmetry10": found.asymmetry10,
            "W_tangent": found.width_tangent_s,
            "plates_half": found.plates_half,
            "plates_tangent": found.plates_tangent,
        }
        for key, value in got.items():
            assert value == pytest.approx(exact[key], rel=tolerance), key
        assert found.retention_s == pytest.approx(exact["apex_t"], abs=tolerance * exact["W50"])
        assert found.plates_moment == pytest.approx(exact["plates_moment"], rel=1e-6)


def test_a_gaussian_has_the_textbook_numbers() -> None:
    """W50 = 2.3548 s, W = 4 s, N = (t/s)^2; 5.54 stands for 8 ln 2 = 5.5452."""
    time = np.arange(50, 150, 0.25)
    found = measure_shape(time, np.exp(-((time - 100) ** 2) / 18), int(np.argmin(np.abs(time - 100))))
    assert found.fwhm_s == pytest.approx(3 * 2.354820045, rel=1e-6)
    assert found.width_tangent_s == pytest.approx(12, rel=1e-5)
    assert (found.tailing_usp, found.asymmetry10) == pytest.approx((1, 1), abs=1e-6)
    assert found.plates_half == pytest.approx((100 / 3) ** 2 * 5.54 / (8 * math.log(2)), rel=1e-6)
    assert (found.plates_tangent, found.plates_moment) == pytest.approx(((100 / 3) ** 2,) * 2, rel=3e-5)


def test_noise_is_smoothed_away_before_widths_are_taken() -> None:
    time = np.arange(50, 150, 0.1)
    clean = np.exp(-((time - 100) ** 2) / 18)
    widths = []
    for seed in range(20):
        noisy = clean + np.random.default_rng(seed).normal(0, 0.02, time.size)
        widths.append(measure_shape(time, noisy, int(np.argmax(noisy)), white=0.02).fwhm_s)
    assert np.mean(widths) == pytest.approx(3 * 2.3548, rel=0.01)
    assert np.std(widths) < 0.2


def test_a_width_that_the_bounds_cut_off_is_unknown() -> None:
    time = np.arange(98, 103, 0.05)
    found = measure_shape(time, np.exp(-((time - 100) ** 2) / 8), int(np.argmin(np.abs(time - 100))))
    assert math.isnan(found.fwhm_s)
    assert math.isnan(found.tailing_usp)
    assert found.height == pytest.approx(1)


def test_three_samples_have_an_apex_and_nothing_else() -> None:
    found = measure_shape(np.arange(3.0), np.array([0.0, 1.0, 0.5]), 1)
    assert found.retention_s == pytest.approx(1 + 1 / 6)
    assert math.isnan(found.fwhm_s)
    assert math.isnan(found.plates_half)


def test_moments_without_an_area_are_unknown() -> None:
    assert all(math.isnan(value) for value in moments(np.arange(5.0), np.zeros(5)))


def test_both_resolutions_of_gaussians_agree() -> None:
    """1.18 (t2 - t1)/(W1 + W2) at half height is 2 (t2 - t1)/(W1 + W2) at the feet: 1.18/2.3548 = 2/4."""
    one = Shape(100, 1, fwhm_s=2.354820045, width_tangent_s=4)
    two = Shape(106, 1, fwhm_s=2 * 2.354820045, width_tangent_s=8)
    assert resolution_tangent(one, two) == pytest.approx(1.0)
    assert resolution_half(one, two) == pytest.approx(1.0, rel=3e-3)
