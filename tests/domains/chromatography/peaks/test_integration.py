"""Bounds, codes and areas: drops and tangents against areas that are known."""

from __future__ import annotations

import numpy as np
import pytest

from medidiff.domains.chromatography.peaks.integration import (
    Extent,
    find_extents,
    groups,
    line_baseline,
    manual_extents,
    raw_area,
    saturated,
    skim_riders,
    with_manual,
)
from medidiff.domains.chromatography.peaks.noise import Noise, measure_noise
from medidiff.domains.chromatography.peaks.picking import Pick, pick_peaks

T = np.arange(0, 600, 0.2)
AREA = np.sqrt(2 * np.pi)


def gauss(centre: float, sigma: float, height: float = 1.0) -> np.ndarray:
    return height * np.exp(-((T - centre) ** 2) / (2 * sigma**2))


def extents(signal: np.ndarray, base: np.ndarray | None = None) -> tuple[list[Extent], Noise]:
    noise = measure_noise(signal)
    zero = np.zeros_like(signal) if base is None else base
    return find_extents(signal, zero, noise, pick_peaks(signal, noise)), noise


def noisy(signal: np.ndarray, sd: float = 1e-5) -> np.ndarray:
    return signal + np.random.default_rng(0).normal(0, sd, signal.size)


def test_resolved_peaks_are_bb_with_their_whole_area() -> None:
    signal = noisy(gauss(100, 3) + gauss(200, 5, 0.5) + gauss(400, 8, 2))
    found, _ = extents(signal)
    assert [extent.code for extent in found] == ["BB"] * 3
    areas = [raw_area(T, signal, extent) for extent in found]
    assert areas == pytest.approx([3 * AREA, 2.5 * AREA, 16 * AREA], rel=2e-3)


def test_fused_peaks_are_dropped_at_the_valley() -> None:
    """Equal peaks 4 sigma apart: by symmetry the drop gives each its own area exactly."""
    signal = noisy(gauss(200, 5) + gauss(220, 5) + gauss(240, 5))
    found, _ = extents(signal)
    assert [extent.code for extent in found] == ["BV", "VV", "VB"]
    assert found[0].end == found[1].start
    assert T[found[0].end] == pytest.approx(210, abs=0.5)
    areas = [raw_area(T, signal, extent) for extent in found]
    assert areas[1] == pytest.approx(5 * AREA, rel=2e-2)
    assert sum(areas) == pytest.approx(15 * AREA, rel=1e-3)
    assert [len(run) for run in groups(found)] == [3]


def test_a_rider_is_cut_off_by_the_tangent() -> None:
    """A small peak on an exponential tail: drop would give it 2.3 times its area, the tangent 13 % less."""
    tail = np.where(T > 100, np.exp(-np.maximum(T - 100, 0) / 30), 0) * 100
    tail = np.convolve(np.pad(tail, 50, mode="edge"), np.ones(25) / 25, "same")[50:-50]
    signal = noisy(tail + gauss(200, 3, 3), 1e-4)
    found, _ = extents(signal)
    assert len(found) == 2
    skimmed = skim_riders(T, signal, found)
    assert [extent.rider for extent in skimmed] == [False, True]
    assert raw_area(T, signal, skimmed[1]) == pytest.approx(9 * AREA, rel=0.2)
    assert raw_area(T, signal, found[1]) > 2 * 9 * AREA
    whole = sum(raw_area(T, signal, extent) for extent in skimmed)
    end = skimmed[1].end
    assert whole == pytest.approx(np.trapezoid(signal[found[0].start : end + 1], dx=0.2), rel=1e-9)


def test_no_rider_without_a_parent_ten_times_as_high() -> None:
    signal = noisy(gauss(200, 5) + gauss(221, 5, 0.3))
    found, _ = extents(signal)
    assert not any(extent.rider for extent in skim_riders(T, signal, found))


def test_lines_under_groups_and_under_each() -> None:
    """On a slope, a line under the group gives the whole area; one under each loses what is below."""
    signal = noisy(gauss(200, 5) + gauss(222, 5) + 0.01 * T)
    base = 0.01 * T
    found, noise = extents(signal, base)
    curve, parted = line_baseline(T, signal, noise, found, each=False)
    whole = sum(raw_area(T, signal - curve, extent) for extent in parted)
    assert whole == pytest.approx(10 * AREA, rel=5e-3)
    curve, parted = line_baseline(T, signal, noise, found, each=True)
    assert sum(raw_area(T, signal - curve, extent) for extent in parted) < 0.9 * 10 * AREA


def test_a_valley_below_the_line_parts_a_group() -> None:
    signal = gauss(200, 5) + gauss(222, 5) - gauss(211, 2, 0.5)
    noise = measure_noise(noisy(signal))
    run = [Extent(Pick(1000), 900, 1055, "BV"), Extent(Pick(1110), 1055, 1210, "VB")]
    curve, parted = line_baseline(T, signal, noise, run, each=False)
    assert [extent.code for extent in parted] == ["BB", "BB"]
    assert curve[1055] == pytest.approx(signal[1055], abs=1e-3)


def test_manual_bounds_replace_what_they_hold_and_cut_their_neighbours() -> None:
    signal = noisy(gauss(200, 5) + gauss(222, 5))
    found, _ = extents(signal)
    own = manual_extents(T, signal, [(205.0, 240.0)])
    assert (T[own[0].start], T[own[0].end]) == pytest.approx((205, 240))
    both = with_manual(found, own)
    assert [extent.manual for extent in both] == [False, True]
    assert both[0].end == own[0].start


def test_a_neighbour_that_manual_bounds_cut_shares_a_drop_with_them() -> None:
    """The codes follow the contact; what lies beyond the bounds is no rider's tangent of the manual peak."""
    signal = gauss(200, 5, 20.0) + gauss(222, 5, 1.0)
    found = [Extent(Pick(1110), 1000, 1200)]
    both = with_manual(found, manual_extents(T, signal, [(180.0, 212.0)]))
    assert [(extent.code, extent.start, extent.end) for extent in both] == [
        ("BV", 900, 1060),
        ("VB", 1060, 1200),
    ]
    assert skim_riders(T, signal, both) == both


def test_manual_bounds_that_touch_share_a_drop() -> None:
    found = manual_extents(T, gauss(200, 5) + gauss(222, 5), [(211.0, 240.0), (180.0, 211.0)])
    assert [extent.code for extent in found] == ["BV", "VB"]


def test_a_flat_top_at_the_limit_is_saturated() -> None:
    signal = noisy(gauss(200, 10, 2) + gauss(400, 10), 1e-4)
    found, _ = extents(np.minimum(signal, 1.5))
    flags = [saturated(np.minimum(signal, 1.5), extent) for extent in found]
    assert flags == [True, False]
    assert not any(saturated(signal, extent) for extent in found)


def test_a_trace_that_ends_within_a_peak_says_so() -> None:
    signal = noisy(gauss(0, 20) + gauss(300, 5) + gauss(595, 10))
    found, _ = extents(signal)
    assert [extent.at_edge for extent in found][-2:] == [False, True]
