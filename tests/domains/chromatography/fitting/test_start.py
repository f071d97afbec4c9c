"""Where a fit starts, and what it refuses before: maxima, moments, names, windows, plateaus."""

from __future__ import annotations

import numpy as np
import pytest

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.fitting.conditions import Conditions, wanted_analytes
from medidiff.domains.chromatography.fitting.start import locate, rough_baseline
from medidiff.domains.chromatography.fitting.trace import check_saturation, trace_of
from medidiff.domains.chromatography.model.injection import Rectangle
from medidiff.domains.chromatography.samples import plateau, white_noise
from medidiff.errors import InputError

_TIME = np.arange(0.0, 200.0, 0.1)
_KNOWN = Conditions(10.0, Rectangle(0.0), 0.0, "none", expected={"x": 50.0})


def _gauss(mean: float, sigma: float, height: float = 1.0) -> np.ndarray:
    return height * np.exp(-0.5 * ((_TIME - mean) / sigma) ** 2)


def _noise(sd: float, seed: int = 0) -> np.ndarray:
    return sd * np.random.default_rng(seed).standard_normal(_TIME.size)


def test_noise_of_white_noise_under_peaks() -> None:
    """2000 samples: the median absolute deviation errs by 2.6 %; peaks are smooth."""
    assert white_noise(_noise(0.02) + _gauss(100, 3)) == pytest.approx(0.02, rel=0.1)
    assert white_noise(_gauss(100, 3)) < 1e-4


def test_a_rough_baseline_passes_under_the_peaks() -> None:
    line = 0.3 + 0.001 * _TIME
    signal = line + _gauss(60, 3) + _gauss(130, 5, 4.0) + _noise(0.01)
    assert np.abs(rough_baseline(_TIME, signal, 1, 0.01) - line).max() < 0.01


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_lone_peak_has_its_moments(noise: float) -> None:
    rest = _gauss(60, 3) + _gauss(130, 5) + _noise(noise)
    first, second = locate(_TIME, rest, max(noise, 1e-9), None)
    assert (first.mean_s, second.mean_s) == pytest.approx((60, 130), abs=0.4)
    assert (first.variance_s2, second.variance_s2) == pytest.approx((9, 25), rel=0.4)
    assert first.points == pytest.approx(3 * 2.3548 / 0.1, rel=0.06)


def test_a_peak_is_found_beside_the_time_that_was_named() -> None:
    rest = _gauss(60, 3) + _gauss(130, 5)
    later, earlier, absent = locate(_TIME, rest, 1e-6, [131.0, 59.0, 95.0])
    assert (later.apex_s, earlier.apex_s) == pytest.approx((130, 60), abs=1e-3)
    assert later.seen
    assert not absent.seen
    assert absent.apex_s == 95


@pytest.mark.parametrize("times", [(60.0, 60.0), (59.0, 61.0), (60.0, 60.0, 60.0)])
def test_names_that_share_a_maximum_start_apart(times: tuple[float, ...]) -> None:
    """Equal starts would make the slopes of the two columns equal, and the matrix singular."""
    found = locate(_TIME, _gauss(60, 3), 1e-6, list(times))
    places = [peak.mean_s for peak in found]
    assert [peak.shares for peak in found] == [len(times)] * len(times)
    assert min(np.diff(places)) > 0.3 * 3
    assert np.mean(places) == pytest.approx(60, abs=0.1)


def test_a_plateau_is_seen_and_a_digitised_apex_is_none() -> None:
    peak = 1000 * np.exp(-0.5 * ((_TIME - 100) / 4) ** 2)

    def flat(signal: np.ndarray) -> int:
        return plateau(signal, int(np.argmax(signal)))

    assert flat(np.minimum(peak, 700) + 0) > 20
    assert flat(np.round(peak)) == 0
    assert flat(peak) == 0
    assert flat(np.round(peak / 50)) == 0
    assert flat(np.minimum(peak + _noise(3), 900)) > 10
    dip = 5000 * np.exp(-0.5 * ((_TIME - 20) / 2) ** 2)
    assert flat(np.minimum(peak - dip, 700)) > 20


def test_names_and_times() -> None:
    assert wanted_analytes(["a@12.5", ("b", 20), "x"], _KNOWN) == (("a", "b", "x"), (12.5, 20.0, 50.0))
    assert wanted_analytes(None, _KNOWN) == (("x",), (50.0,))


@pytest.mark.parametrize(
    ("analytes", "expected"),
    [
        ([], "one name each"),
        (["a@1", "a@2"], "one name each"),
        (["signal@1"], "a name of its own"),
        (["@3"], "a name of its own"),
        (["y"], "NAME@RT_s, or a name of the system"),
        (["a@-3"], "NAME@RT_s with a time in seconds"),
        (["a@soon"], "NAME@RT_s with a time in seconds"),
        (["a@nan"], "NAME@RT_s with a time in seconds"),
    ],
)
def test_names_that_cannot_be_used(analytes: list[str], expected: str) -> None:
    with pytest.raises(InputError) as error:
        wanted_analytes(analytes, _KNOWN)
    assert error.value.expected == expected or error.value.expected.startswith(expected)
    assert error.value.argument


@pytest.mark.parametrize(
    ("signal", "window", "expected"),
    [
        (np.zeros(2000), None, "a signal that changes"),
        (_gauss(60, 3), (60.0, 60.5), "at least 16 samples"),
        (_gauss(60, 3), (70.0, 50.0), "start < end"),
    ],
)
def test_traces_that_cannot_be_fitted(
    signal: np.ndarray, window: tuple[float, float] | None, expected: str
) -> None:
    with pytest.raises(InputError) as error:
        trace_of(Chromatogram(_TIME, signal), window)
    assert error.value.expected == expected


def test_a_saturated_trace_cannot_be_fitted() -> None:
    with pytest.raises(InputError) as error:
        check_saturation(trace_of(Chromatogram(_TIME, np.minimum(_gauss(60, 3), 0.6))))
    assert error.value.expected == "peaks that the detector followed"


def test_a_spectrum_is_no_trace() -> None:
    with pytest.raises(InputError) as error:
        trace_of(Chromatogram(_TIME, _gauss(60, 3), axis="x_nm"))
    assert error.value.expected == "an axis of time"


def test_a_plateau_outside_the_window_does_no_harm() -> None:
    signal = np.minimum(_gauss(60, 3, 5.0), 2.0) + _gauss(130, 5)
    trace = trace_of(Chromatogram(_TIME, signal), (100.0, 190.0))
    check_saturation(trace)
    assert trace.uniform
    assert trace.time_s[0] == pytest.approx(100.0)
