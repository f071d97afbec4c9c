"""The exponentially modified Gaussian: mpmath's values, gradients, fits that must come back."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.peaks.models import EMG, _gradients, _natural, fit_emg
from medidiff.errors import InputError

T = np.linspace(0, 30, 301)


def test_values_of_mpmath(chromatography_data: Path) -> None:
    """From tau = s/500 to 10 s, and down to 3e-196, without overflow: 1e-13 relative."""
    text = (chromatography_data / "expected" / "oracles_metrics.json").read_text(encoding="utf-8")
    for row in json.loads(text)["emg"]:
        emg = EMG(float(row["area"]), float(row["m"]), float(row["s"]), float(row["tau"]))
        assert emg(np.array([float(row["t"])]))[0] == pytest.approx(float(row["f"]), rel=1e-13)


@pytest.mark.parametrize("tau", [1e-6, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("sign", [-1, 1])
def test_no_overflow_and_the_area_is_the_area(tau: float, sign: int) -> None:
    """Far in both tails, for a Gaussian and for a bare exponential, every value is finite."""
    wide = np.linspace(-20_000, 20_000, 400_001)
    values = EMG(2.0, 0.0, 1.0, sign * tau)(wide)
    assert np.isfinite(values).all()
    assert np.trapezoid(values, wide) == pytest.approx(2.0, rel=1e-3)


def test_a_fronting_peak_is_the_mirror_image() -> None:
    assert EMG(1, 10, 1, -2)(T) == pytest.approx(EMG(1, -10, 1, 2)(-T), rel=1e-14)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_gradients_are_those_of_differences(sign: float, ratio: float) -> None:
    at = np.array([12.0, math.log(0.8), ratio, 3.0])

    def value(p: np.ndarray) -> np.ndarray:
        m, s, tau = _natural(sign, *p[:3])
        return EMG(p[3], m, s, sign * tau)(T)

    for i, column in enumerate(_gradients(T, sign, *at)):
        step = 1e-6 * np.eye(4)[i]
        numeric = (value(at + step) - value(at - step)) / 2e-6
        assert column == pytest.approx(numeric, abs=1e-6 * np.abs(column).max())


def test_three_fused_peaks_come_back() -> None:
    truth = (EMG(3, 12, 0.8, 1.5), EMG(1, 16, 0.9, 0.4), EMG(2, 22, 0.7, -1.0))
    starts = [(12.7, 0.9, 2.2, 1.8), (16.2, 0.4, 2.2, math.nan), (21.5, 0.8, 2.0, 0.6)]
    fit = fit_emg(T, sum(peak(T) for peak in truth), starts)
    assert fit.converged
    assert fit.warnings == ()
    for found, exact in zip(fit.peaks, truth, strict=True):
        assert vars(found) == pytest.approx(vars(exact), rel=1e-5)


def test_a_gaussian_is_fitted_by_a_small_tau() -> None:
    """The moments are determined, tau is not: the fit must end all the same."""
    fit = fit_emg(T, 5 * np.exp(-((T - 15) ** 2) / 2), [(15, 5, 2.35, 1.0)])
    assert fit.converged
    assert fit.peaks[0].area == pytest.approx(5 * math.sqrt(2 * math.pi), rel=1e-5)
    assert abs(fit.peaks[0].tau_s) < 0.1


def test_two_peaks_upon_each_other_are_told() -> None:
    fit = fit_emg(T, EMG(1, 15, 1, 0.5)(T), [(15.2, 0.2, 2.5, 1.2), (15.4, 0.2, 2.5, 1.2)])
    assert fit.warnings or min(p.area for p in fit.peaks) < 1e-3


def test_too_few_samples_are_refused_and_few_are_told() -> None:
    with pytest.raises(InputError) as error:
        fit_emg(T[:4], np.ones(4), [(0.1, 1, 0.3, 1)])
    assert error.value.expected == "more than 4 samples and at least one peak"
    for start in ((5.0, 0.0, 1.0, 1.0), (5.0, 1.0, 0.0, 1.0), (5.0, 1.0, math.nan, 1.0)):
        with pytest.raises(InputError) as error:
            fit_emg(T, np.ones(T.size), [start])
        assert error.value.expected == "starts with a height and a FWHM above 0"
    coarse = np.arange(0, 30, 1.0)
    fit = fit_emg(coarse, EMG(1, 15, 1, 0.5)(coarse), [(15.3, 0.35, 2.5, 1.2)])
    assert fit.warnings == ("fewer than 8 samples across a FWHM",)


@pytest.mark.parametrize("wrong", [(1, 0, 0, 1), (1, 0, 1, 0), (math.nan, 0, 1, 1)])
def test_parameters_that_are_no_peak_are_refused(wrong: tuple[float, ...]) -> None:
    with pytest.raises(InputError):
        EMG(*wrong)
