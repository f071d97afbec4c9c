"""Baselines against drifts that are known."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from medidiff.domains.chromatography.peaks.baselines import METHODS, BaselineChoice, baseline, lift_dips
from medidiff.domains.chromatography.peaks.noise import measure_noise
from medidiff.errors import InputError, MissingError


def trace(points: int = 1000, noise: float = 0.02) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Five Gaussians of height 100 on a line from 5 to 25, over 500 s."""
    time = np.linspace(0, 500, points)
    drift = 5 + 0.04 * time
    rng = np.random.default_rng(0)
    peaks = sum(100 * np.exp(-((time - c) ** 2) / 18) for c in (60, 150, 260, 340, 420))
    return time, drift + peaks + rng.normal(0, noise, points), drift


def rms(found: np.ndarray, drift: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found - drift) ** 2)))


@pytest.mark.parametrize(
    ("choice", "most"),
    [
        (BaselineChoice(), 0.05),
        (BaselineChoice("arpls", stiffness=1e5), 0.05),
        (BaselineChoice("asls"), 1.0),
        (BaselineChoice("snip"), 0.6),
        (BaselineChoice("polynomial", degree=1), 0.02),
        (BaselineChoice("points", points_s=(0, 100, 200, 300, 380, 500)), 0.1),
        (BaselineChoice("valley"), 2.0),
        (BaselineChoice("groups"), 2.0),
    ],
)
def test_a_sloped_line_is_found(choice: BaselineChoice, most: float) -> None:
    """The line lies in all but the curves that are rough on purpose (envelope, SNIP) to a noise or two."""
    time, signal, drift = trace()
    assert rms(baseline(time, signal, measure_noise(signal), choice), drift) < most


def test_a_constant_is_the_median_of_what_is_quiet() -> None:
    time, signal, drift = trace()
    found = baseline(time, signal - drift + 3, measure_noise(signal), BaselineChoice("constant"))
    assert found == pytest.approx(np.full(time.size, 3.0), abs=0.05)


@pytest.mark.parametrize("method", ["arpls", "asls"])
def test_the_sampling_rate_does_not_matter(method: str) -> None:
    """The penalty goes with n^4: the same drift at 500, 2000 and 20 000 points (a tenth of a peak's 100)."""
    curves = []
    for points in (500, 2000, 20000):
        time, signal, _ = trace(points, noise=0.0)
        bent = signal + 5 * np.sin(time / 80)
        curve = baseline(time, bent, measure_noise(bent), BaselineChoice(method))
        curves.append(np.interp(np.linspace(10, 490, 200), time, curve))
    assert np.abs(curves[1] - curves[0]).max() < 0.3
    assert np.abs(curves[2] - curves[0]).max() < 0.3


def test_the_penalty_goes_with_the_fourth_power_of_the_points() -> None:
    """At equal weights it is a linear smoother, so that a step is blurred alike at any rate."""
    curves = []
    for points in (400, 800, 1600):
        time = np.linspace(0, 500, points)
        step = np.tanh((time - 250) / 5)
        choice = BaselineChoice("asls", stiffness=1e5, asymmetry=0.5)
        curve = baseline(time, step, measure_noise(step), choice)
        curves.append(np.interp(np.linspace(0, 500, 300), time, curve))
    assert np.abs(curves[0]).max() > 1.01
    assert curves[1] == pytest.approx(curves[0], abs=0.01)
    assert curves[2] == pytest.approx(curves[0], abs=0.01)


@pytest.mark.parametrize("method", ["arpls", "asls"])
def test_a_short_section_does_not_lose_its_peaks_to_the_baseline(method: str) -> None:
    """Two peaks as wide as a tenth of the trace: softer by 4^4, a curve takes half of them."""
    time = np.linspace(0, 70, 1401)
    peaks = sum(h * np.exp(-((time - c) ** 2) / 18) for c, h in ((25, 10.0), (50, 6.0)))
    signal = 1 + 0.01 * time + peaks + np.random.default_rng(0).normal(0, 0.02, time.size)
    found = baseline(time, signal, measure_noise(signal), BaselineChoice(method))
    assert np.trapezoid(signal - found, time) == pytest.approx(np.trapezoid(peaks, time), rel=0.03)


def test_an_injection_dip_does_not_drag_the_baseline_down() -> None:
    time, signal, drift = trace()
    dipped = signal - 60 * np.exp(-((time - 30) ** 2) / 2)
    found = baseline(time, dipped, measure_noise(dipped), BaselineChoice())
    assert np.abs(found - drift).max() < 1.0


def test_lifting_leaves_valleys_between_peaks_alone() -> None:
    _, signal, _ = trace()
    assert lift_dips(signal, measure_noise(signal)) == pytest.approx(signal, abs=0.5)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (BaselineChoice("points"), "at least one time"),
        (BaselineChoice("points", points_s=(-5.0,)), "times from 0 to 500 s"),
        (BaselineChoice("polynomial", degree=12), "0 to 9"),
        (BaselineChoice("snip", window_s=1e6), "0.500501 to 249.75 s"),
        (BaselineChoice("magic"), f"one of {', '.join(METHODS)}"),
    ],
)
def test_settings_that_do_not_fit_are_refused(choice: BaselineChoice, expected: str) -> None:
    time, signal, _ = trace()
    with pytest.raises(InputError) as error:
        baseline(time, signal, measure_noise(signal), choice)
    assert error.value.expected == expected


def test_without_pybaselines_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def absent(name: str, *rest: Any) -> Any:
        if name == "pybaselines":
            raise ModuleNotFoundError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", absent)
    time, signal, _ = trace()
    with pytest.raises(MissingError) as error:
        baseline(time, signal, measure_noise(signal), BaselineChoice())
    assert "medidiff[chromatography]" in error.value.fix
    assert baseline(time, signal, measure_noise(signal), BaselineChoice("groups")).size == time.size


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("points", [2, 3, 7, 12])
def test_the_shortest_traces_have_a_finite_baseline(method: str, points: int) -> None:
    time = np.arange(points, dtype=float)
    signal = np.sin(time)
    choice = BaselineChoice(method, degree=1 if points > 2 else 0, points_s=(0.0,))
    assert np.isfinite(baseline(time, signal, measure_noise(signal), choice)).all()
