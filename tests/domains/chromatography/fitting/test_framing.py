"""What stands beside the analytes, a solvent above all, does not spoil their fit, and is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.fitting.result import fit_chromatogram
from medidiff.domains.chromatography.model.system import System
from medidiff.domains.chromatography.simulate import simulate
from medidiff.errors import InputError
from medidiff.runs.result import Result

_HOLD_UP_S, _SOLVENT_S = 128.47, 128.4
_FIVE = ["benzene@206.6", "toluene@295", "ethylbenzene@466.7", "p-xylene@496.2", "o-xylene@565.3"]


@pytest.fixture(scope="session")
def recorded(btex: System) -> Callable[..., Chromatogram]:
    """`recorded((time, height), ...)`: btex from 0 to 600 s with other peaks, heights over the tallest."""

    def make(*others: tuple[float, float], limit: float = np.inf, sigma: float = 1.5) -> Chromatogram:
        found = simulate(replace(btex, start_s=0.0, end_s=600.0, interval_s=0.15))
        time, top = found.time_s, float(found.signal.max())
        signal = found.signal + 0.003 * top * np.random.default_rng(0).standard_normal(time.size)
        for at, height in others:
            signal = signal + height * top * np.exp(-((time - at) ** 2) / (2 * sigma**2))
        return Chromatogram(time, np.minimum(signal, limit * top))

    return make


def _window(result: Result) -> tuple[float, float]:
    first, last = result.report["protocol"]["window_s"]
    return first, last


def _areas(result: Result) -> list[float]:
    return [row["area"]["value"] for row in result.outputs["fit.json"].plain["analytes"].values()]


@pytest.mark.parametrize("how", ["unnamed", "named", "system"])
def test_a_solvent_4000_times_as_tall_is_left_out_and_said(
    how: str, btex: System, recorded: Callable[..., Chromatogram]
) -> None:
    trace = recorded((_SOLVENT_S, 4000.0))
    known = {
        "unnamed": {"t0_s": _HOLD_UP_S},
        "named": {"t0_s": _HOLD_UP_S, "analytes": _FIVE},
        "system": {"system": btex},
    }
    width = {} if how == "system" else {"injection_width_s": 0.5}
    result = fit_chromatogram(trace, **known[how], **width)
    assert result.outputs["fit.json"].plain["converged"]
    assert _areas(result) == pytest.approx([1.0] * 5, rel=0.05)
    first, last = _window(result)
    assert _SOLVENT_S + 4 * 1.5 < first < 200
    assert last == pytest.approx(trace.time_s[-1])
    (said,) = (text for text in result.warnings if "no analyte" in text)
    assert re.match(r"a peak at 128\.[34]\d* s, (39|40)\d\d times as tall", said)
    assert "--window-s decides" in said
    assert said in result.outputs["fit.json"].plain["warnings"]


def test_a_saturated_solvent_does_no_harm(recorded: Callable[..., Chromatogram]) -> None:
    trace = recorded((_SOLVENT_S, 4000.0), limit=500.0)
    result = fit_chromatogram(trace, t0_s=_HOLD_UP_S, analytes=_FIVE, injection_width_s=0.5)
    assert _areas(result) == pytest.approx([1.0] * 5, rel=0.05)


def test_a_window_that_was_given_is_kept(recorded: Callable[..., Chromatogram]) -> None:
    trace = recorded((_SOLVENT_S, 4000.0))
    result = fit_chromatogram(trace, t0_s=_HOLD_UP_S, analytes=_FIVE, window_s=(100.0, 600.0))
    assert _window(result)[0] == pytest.approx(100, abs=0.2)
    assert not any("no analyte" in text for text in result.warnings)


def test_tall_peaks_behind_and_between_are_told_apart(recorded: Callable[..., Chromatogram]) -> None:
    """Behind the last analyte it is left out; between two it cannot be, and the advice is to name it."""
    trace = recorded((350.0, 0.5), (400.0, 2.0))
    behind = fit_chromatogram(trace, t0_s=_HOLD_UP_S, analytes=_FIVE[:2], injection_width_s=0.5)
    assert _areas(behind) == pytest.approx([1.0] * 2, rel=0.05)
    assert 295 + 5 < _window(behind)[1] < 350
    (said,) = (text for text in behind.warnings if "no analyte" in text)
    assert re.match(r"peaks at 350\S*, 400\S*, 46[67]\S* and 2 more s, up to 2\.\d times as tall", said)
    between = fit_chromatogram(trace, t0_s=_HOLD_UP_S, analytes=_FIVE, injection_width_s=0.5)
    assert _window(between) == pytest.approx((0, 600), abs=0.2)
    (said,) = (text for text in between.warnings if "no analyte" in text)
    assert "name all with --analytes" in said


def test_a_peak_that_overlaps_with_an_analyte_is_cut_in_the_valley(
    recorded: Callable[..., Chromatogram],
) -> None:
    result = fit_chromatogram(recorded((200.5, 3.0)), t0_s=_HOLD_UP_S, analytes=_FIVE)
    assert 200.5 < _window(result)[0] < 206.6


def test_where_hardly_a_sample_is_left_nothing_is_cut(recorded: Callable[..., Chromatogram]) -> None:
    trace = recorded((205.1, 1.5), (208.0, 1.5), sigma=0.4)
    result = fit_chromatogram(trace, t0_s=_HOLD_UP_S, analytes=_FIVE[:1], injection_width_s=0.5)
    assert _window(result) == pytest.approx((0, 600), abs=0.4)
    assert any("name all with --analytes" in text for text in result.warnings)


def test_small_strangers_stay(recorded: Callable[..., Chromatogram]) -> None:
    result = fit_chromatogram(recorded((150.0, 0.03)), t0_s=_HOLD_UP_S, analytes=_FIVE)
    assert _window(result) == pytest.approx((0, 600), abs=0.2)
    assert not any("no analyte" in text for text in result.warnings)


def test_what_comes_well_before_the_hold_up_time_is_still_refused(
    recorded: Callable[..., Chromatogram],
) -> None:
    with pytest.raises(InputError) as error:
        fit_chromatogram(recorded((60.0, 4000.0)), t0_s=_HOLD_UP_S)
    assert error.value.expected.startswith("no tall peak before the hold-up time")
