"""Closed form and Fourier engine against mpmath, each other, cumulants, and differences of themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import ncx2

from medidiff.domains.chromatography.engines.closed import closed_curves
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.engines.fft_plan import fft_plan
from medidiff.domains.chromatography.engines.transport import Transport, moments
from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Injection,
    Rectangle,
    SampledInjection,
    TailedRectangle,
)
from medidiff.errors import InputError

# N, kd, t0 of the cases C1 to C5.
CASES = [(5, 1, 10), (200, 5, 60), (3000, 30, 85.75), (1e5, 1e3, 85.75), (5e6, 1e4, 85.75)]
COLUMN = ("ln_k", "ln_kd", "t0_s")
Array = NDArray[np.float64]


def column(N: float, kd: float, t0: float, peclet: float = np.inf, boundary: str = "danckwerts") -> Transport:
    return Transport(("a",), t0, N / kd / t0, kd, peclet, boundary)  # type: ignore[arg-type]  # scalars are widened


def sigma(transport: Transport) -> float:
    return float(transport.variance_s2[0] ** 0.5)


def injections(width: float) -> list[Injection]:
    """One of each kind, with edges inside, at and outside of a peak of standard deviation `width`."""
    return [
        Rectangle(0.0, 0.4),
        Rectangle(0.3 * width),
        Rectangle(3 * width, -1.0),
        Rectangle(25 * width),
        TailedRectangle(width, 2 * width),
        TailedRectangle(0.0, 0.5 * width, 0.1),
        GaussianInjection(5 * width, width),
        SampledInjection(np.arange(10) * width / 4, np.hanning(10)),
    ]


def around(transport: Transport, injection: Injection, points: int = 1200) -> Array:
    """From 10 standard deviations before the peak to well behind it; not before the hold-up time's spike."""
    mean, variance, _ = (float(moment[0]) for moment in moments(transport, injection))
    begin = max(mean - 10 * variance**0.5, transport.t0_s + min(injection.begin_s, 0))
    return np.linspace(begin, mean + 14 * variance**0.5 + 40 / float(transport.kd_per_s[0]), points)


@pytest.fixture(scope="module")
def oracles(chromatography_data: Path) -> dict[str, Any]:
    text = (chromatography_data / "expected" / "oracles_linear.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def test_closed_form_is_mpmath(oracles: dict[str, Any]) -> None:
    """Impulse response to 1e-12 of its height at z up to 1e7; gradients to 1e-11 of theirs."""
    for N, kd, t0 in CASES:
        rows = [row for row in oracles["impulse"] if float(row["N"]) == N]
        t = np.array([float(row["t"]) for row in rows])
        found = closed_curves(t, column(N, kd, t0), Rectangle(0.0), gradients=("ln_k", "ln_kd"))
        for key, values, most in (
            ("h", found.c[0], 1e-12),
            ("dh_dlnN", found.gradients["ln_k"][0], 1e-11),
            ("dh_dlnkd_fixK", found.gradients["ln_kd"][0], 1e-11),
        ):
            truth = np.array([float(row[key]) for row in rows])
            assert len(truth) >= 5
            assert np.abs(values - truth).max() <= most * np.abs(truth).max(), (N, key)


def test_fourier_engine_is_mpmath(oracles: dict[str, Any]) -> None:
    """Dispersion at open and closed ends, a rectangle, a Gaussian with a detector: 1e-12 of the height."""
    seen = set()
    for row in oracles["transform"]:
        peclet = np.inf if row["Pe"] is None else float(row["Pe"])
        transport = column(float(row["N"]), float(row["kd"]), float(row["t0"]), peclet, row["bc"])
        what = row.get("injection", "")
        injection: Injection = Rectangle(float(what.split()[1]) if what.startswith("rect") else 0.0)
        detector = 0.0
        if what.startswith("Gauss"):
            injection, detector = GaussianInjection(2.0, 0.5), 0.2
        t = float(row["t"]) + 0.11 * np.arange(-700, 701)
        c = fft_curves(t, transport, injection, detector_s=detector).c[0]
        assert abs(c[700] - float(row["c"])) <= 1e-12 * c.max(), row
        seen.add(row["case"])
    assert len(seen) == 8


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"N={case[0]:g}")
def test_the_two_engines_agree(case: tuple[float, float, float]) -> None:
    """Every injection, curve to 1e-12 of its height, every gradient to 1e-11 of its own."""
    transport = column(*case)
    for injection in injections(sigma(transport)):
        t = around(transport, injection)
        names = (*COLUMN, *injection.parameters)
        one = closed_curves(t, transport, injection, gradients=names)
        two = fft_curves(t, transport, injection, gradients=names)
        assert np.abs(one.c - two.c).max() <= 1e-12 * two.c.max(), injection
        for name in names:
            difference = np.abs(one.gradients[name] - two.gradients[name]).max()
            assert difference <= 1e-11 * np.abs(two.gradients[name]).max(), (injection, name)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.floats(1.7, 6),
    st.floats(-1, 1),
    st.floats(-1, 4),
    st.floats(-1.5, 1.5),
    st.floats(0, 1),
    st.floats(0.3, 4),
)
def test_the_two_engines_agree_anywhere(
    log_units: float, log_k: float, log_kd: float, log_width: float, shift: float, step: float
) -> None:
    """From sparse to fine sampling, with the axis beginning anywhere: also inside the peak."""
    N, k, kd = 10**log_units, 10**log_k, 10**log_kd
    transport = column(N, kd, N / k / kd)
    width = sigma(transport)
    injection = Rectangle(10**log_width * width, shift * width)
    t = transport.mean_s[0] + (shift - 0.5) * 20 * width + step * width * np.arange(60)
    one, two = closed_curves(t, transport, injection), fft_curves(t, transport, injection)
    height = min(1 / injection.width_s, 0.4 / width)
    assert np.abs(one.c - two.c).max() <= 1e-12 * height


@pytest.mark.parametrize(
    ("units", "T"), [(5, 5), (10, 50), (50, 10), (200, 190), (3000, 3040), (1e5, 100300)]
)
def test_a_long_rectangle_is_goldsteins_step(units: float, T: float) -> None:
    """J(N, T) = e^-N + area of h up to T: the spike passes at once, the rest as a long rectangle shows."""
    width = 1e6
    t = np.array([10.0, 10.0 + T])
    c = closed_curves(t, column(units, 1.0, 10.0), Rectangle(width)).c[0, 1]
    step = c * width + np.exp(-units)
    assert step == pytest.approx(ncx2.sf(2 * units, 2, 2 * T), rel=1e-11, abs=1e-15)


@pytest.mark.parametrize("peclet", [np.inf, 2.6e5])
@pytest.mark.parametrize("case", CASES[1:], ids=lambda case: f"N={case[0]:g}")
def test_moments_of_the_fourier_engine(case: tuple[float, float, float], peclet: float) -> None:
    """Area to 1e-12, mean and variance to 1e-10, third central moment to 1e-10 sigma^3.

    Twenty samples a standard deviation: the trapezoid rule is exact for such a curve.
    """
    transport = column(*case, peclet)
    injection = TailedRectangle(sigma(transport), 0.3 * sigma(transport))
    check_moments(transport, injection, fft_curves, 0.2 * sigma(transport))


@pytest.mark.parametrize("case", CASES[1:], ids=lambda case: f"N={case[0]:g}")
def test_moments_of_the_closed_form(case: tuple[float, float, float]) -> None:
    """As those of the Fourier engine."""
    check_moments(column(*case), Rectangle(sigma(column(*case))), closed_curves, 0.0)


def check_moments(transport: Transport, injection: Injection, engine: Any, detector: float) -> None:
    mean, variance, third = (float(moment[0]) for moment in moments(transport, injection, detector))
    step = 2.0 ** np.round(np.log2(variance**0.5 / 20))  # so that the axis holds no rounding of its own
    x = step * np.arange(-600, 1000)
    middle = step * np.round(mean / step)
    options = {"detector_s": detector} if detector else {}
    c = engine(middle + x, transport, injection, **options).c[0]
    area = c.sum() * step
    assert area == pytest.approx(1.0, abs=1e-12)
    found = (c * x).sum() * step / area
    assert middle + found == pytest.approx(mean, rel=1e-10)
    assert found == pytest.approx(mean - middle, abs=1e-10 * variance**0.5)
    assert (c * (x - found) ** 2).sum() * step == pytest.approx(variance, rel=1e-10)
    assert (c * (x - found) ** 3).sum() * step == pytest.approx(third, abs=1e-10 * variance**1.5)


@pytest.mark.parametrize("N", [1e7, 1e8, 1e12])
def test_nothing_overflows(N: float) -> None:
    """Bessel arguments of 2e7 and more: finite, positive, the height of a Gaussian, in both engines."""
    transport = column(N, 1e4, 85.75)
    t = transport.mean_s[0] + sigma(transport) * np.linspace(-8, 8, 401)
    for engine in (closed_curves, fft_curves):
        found = engine(t, transport, Rectangle(0.0), gradients=COLUMN)
        assert np.isfinite(found.c).all()
        assert found.c.max() == pytest.approx(0.398942 / sigma(transport), rel=1e-3)
        assert all(np.isfinite(gradient).all() for gradient in found.gradients.values())


DISPERSED = [(20, 1, 10, 50), (3000, 30, 85.75, 2000), (5e5, 5e3, 128.0, 3e5)]


@pytest.mark.parametrize("boundary", ["open", "danckwerts"])
@pytest.mark.parametrize("case", DISPERSED, ids=lambda case: f"Pe={case[3]:g}")
def test_gradients_with_dispersion(case: tuple[float, float, float, float], boundary: str) -> None:
    """Every gradient is the difference quotient (twice Richardson) to 1e-6 of its height."""
    N, kd, t0, peclet = case
    k = N / kd / t0
    base = {"ln_k": 0.0, "ln_kd": 0.0, "t0_s": 0.0, "detector_s": 0.0}
    wide = sigma(column(N, kd, t0, peclet))
    for shape in (TailedRectangle(wide, 0.5 * wide, 0.1), GaussianInjection(1.0, wide)):
        names = (*base, *shape.parameters)
        t = around(column(N, kd, t0, peclet), shape, 600)

        def curves(name: str, h: float, shape: Any = shape, t: Array = t) -> Array:
            move = {**base, **dict.fromkeys(shape.parameters, 0.0), name: h}
            transport = Transport(
                ("a",),
                t0 + move["t0_s"],
                np.array([k * np.exp(move["ln_k"])]),
                np.array([kd * np.exp(move["ln_kd"])]),
                np.array([peclet]),
                boundary,  # type: ignore[arg-type]  # a parameter of the test
            )
            moved = replace(shape, **{p: getattr(shape, p) + move[p] for p in shape.parameters})
            return fft_curves(t, transport, moved, detector_s=0.3 * wide + move["detector_s"]).c

        exact = fft_curves(
            t, column(N, kd, t0, peclet, boundary), shape, detector_s=0.3 * wide, gradients=names
        )
        steps = {"ln_k": 0.02 * wide / (k * t0), "ln_kd": 0.02}
        for name in names:
            h = steps.get(name, 0.02 * wide)
            quotients = [(curves(name, h / m) - curves(name, -h / m)) * m / (2 * h) for m in (1, 2, 4)]
            once = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(quotients)]
            truth = (16 * once[1] - once[0]) / 15
            assert np.abs(exact.gradients[name] - truth).max() <= 1e-6 * np.abs(truth).max(), (name, shape)


def test_area_of_few_transfer_units_lacks_the_spike() -> None:
    """For N = 2 a share e^-2 is never retained: the curve holds the rest, in both engines."""
    transport = column(2, 1, 10)
    t = 10 + 0.05 * np.arange(1200)
    wide = fft_curves(t, transport, GaussianInjection(5.0, 0.5), gradients=("ln_k",))
    assert wide.spike[0] == pytest.approx(np.exp(-2))
    assert wide.c.sum() * 0.05 == pytest.approx(1 - np.exp(-2), abs=1e-12)
    assert wide.gradients["ln_k"].sum() * 0.05 == pytest.approx(2 * np.exp(-2), abs=1e-12)
    narrow = closed_curves(t, transport, Rectangle(0.0)).c[0]
    assert narrow[0] == pytest.approx(2 * np.exp(-2))  # kd N e^-N
    assert (closed_curves(t - 10, transport, Rectangle(0.0)).c[0, :199] == 0).all()


def test_with_dispersion_the_unretained_part_is_in_the_curve() -> None:
    transport = column(2, 1, 10, 400)
    t = 0.02 * np.arange(5000)
    found = fft_curves(t, transport, Rectangle(0.0))
    assert found.spike[0] == 0
    assert found.c.sum() * 0.02 == pytest.approx(1, abs=1e-12)


def test_a_detector_after_few_transfer_units() -> None:
    """The closed form takes it as a tail; where it cannot, it says so."""
    transport, t = column(5, 1, 10), 10 + 0.1 * np.arange(600)
    found = fft_curves(t, transport, Rectangle(1.0), detector_s=0.7, gradients=("detector_s",))
    tail = closed_curves(t, transport, TailedRectangle(1.0, 0.7), gradients=("tail_s",))
    assert np.array_equal(found.c, tail.c)
    assert np.array_equal(found.gradients["detector_s"], tail.gradients["tail_s"])
    with pytest.raises(InputError) as error:
        fft_curves(t, transport, TailedRectangle(1.0, 0.5), detector_s=0.7)
    assert error.value.fix == "Give a dispersion, or leave the detector out."


def test_few_and_many_transfer_units_together() -> None:
    both = Transport(("a", "b"), 10.0, np.array([0.5, 8.0]), np.array([1.0, 50.0]))
    t = 10 + 0.05 * np.arange(4000)
    found = fft_curves(t, both, Rectangle(1.0), gradients=("ln_k", "width_s"))
    truth = closed_curves(t, both, Rectangle(1.0), gradients=("ln_k", "width_s"))
    assert np.abs(found.c - truth.c).max() <= 1e-12 * truth.c.max()
    assert np.abs(found.gradients["ln_k"] - truth.gradients["ln_k"]).max() < 1e-11


@pytest.mark.parametrize("peclet", [np.inf, 1e5])
def test_a_plan_serves_what_is_near_and_steps_aside_elsewhere(peclet: float) -> None:
    t = 60 + 0.2 * np.arange(1500)
    first = column(3000, 30, 85.75, peclet)
    plan = fft_plan(t, first, Rectangle(1.0))
    for ln_k, ln_kd in ((0.0, 0.0), (0.003, 0.02), (-0.003, -0.02), (0.5, 0.0), (0.0, 2.0), (0.0, -2.0)):
        near = replace(first, k=first.k * np.exp(ln_k), kd_per_s=first.kd_per_s * np.exp(ln_kd))
        planned = fft_curves(t, near, Rectangle(1.0), plan=plan, gradients=COLUMN)
        fresh = fft_curves(t, near, Rectangle(1.0), gradients=COLUMN)
        assert np.abs(planned.c - fresh.c).max() <= 1e-12 * fresh.c.max()
        for name in COLUMN:
            least = 1e-11 * np.abs(fresh.gradients[name]).max()
            assert np.abs(planned.gradients[name] - fresh.gradients[name]).max() <= least
    other = fft_curves(t[::2], first, Rectangle(1.0), plan=plan).c  # an axis that is not the plan's
    assert np.abs(other - fft_curves(t[::2], first, Rectangle(1.0)).c).max() < 1e-13


def test_a_peak_outside_the_axis_is_zero() -> None:
    for start in (0.0, 500.0):
        t = start + 0.1 * np.arange(300)
        for engine in (closed_curves, fft_curves):
            assert (engine(t, column(3000, 30, 85.75), Rectangle(1.0)).c == 0).all()


def test_many_peaks_are_each_on_its_own() -> None:
    """A batch equals its rows, whatever their widths."""
    rng = np.random.default_rng(3)
    k, kd, peclet = rng.uniform(0.3, 8, 40), 10 ** rng.uniform(0.5, 4, 40), 10 ** rng.uniform(3, 6, 40)
    names = tuple(map(str, range(40)))
    t = 0.25 * np.arange(4000)
    together = fft_curves(t, Transport(names, 100.0, k, kd, peclet), Rectangle(2.0)).c
    for row in range(0, 40, 7):
        alone = fft_curves(t, column(k[row] * kd[row] * 100, kd[row], 100.0, peclet[row]), Rectangle(2.0)).c
        assert np.abs(together[row] - alone[0]).max() <= 1e-12 * alone.max()


def test_cumulants_of_the_transport() -> None:
    """Third central moment of Danckwerts' column, by series where Pe is small: both meet at the border."""
    below, above = (column(3000, 30, 85.75, pe) for pe in (0.0299999, 0.0300001))
    assert below.variance_s2 == pytest.approx(above.variance_s2, rel=1e-5)
    assert below.third_moment_s3 == pytest.approx(above.third_moment_s3, rel=1e-5)
    mixed = column(
        1e12, 1e12, 1.0, 1e-6
    )  # so little Pe is a stirred tank: exponential, kappa_n = (n-1)! mean^n
    assert mixed.variance_s2[0] == pytest.approx(mixed.mean_s[0] ** 2, rel=1e-5)
    assert mixed.third_moment_s3[0] == pytest.approx(2 * mixed.mean_s[0] ** 3, rel=1e-5)


BAD: list[tuple[Any, str]] = [
    (lambda: closed_curves([1.0, 2.0], column(9, 1, 1, 1e4), Rectangle(1)), "a column without dispersion"),
    (lambda: fft_curves([1.0, 2.0, 4.0], column(9, 1, 1), Rectangle(1)), "two or more times at equal steps"),
    (lambda: fft_curves([1.0], column(9, 1, 1), Rectangle(1)), "two or more times at equal steps"),
    (lambda: closed_curves([2.0, 1.0], column(9, 1, 1), Rectangle(1)), "rising times"),
    (lambda: closed_curves([1.0, np.nan], column(9, 1, 1), Rectangle(1)), "finite times in one row"),
    (lambda: closed_curves([], column(9, 1, 1), Rectangle(1)), "finite times in one row"),
    (
        lambda: fft_curves([1.0, 2.0], column(9, 1, 1), Rectangle(1), detector_s=-1),
        "a time constant of at least",
    ),
    (
        lambda: fft_curves([1.0, 2.0], column(9, 1, 1), Rectangle(1), gradients=("k",)),
        "gradients of ln_k, ln_kd",
    ),
    (lambda: closed_curves([1.0], column(9, 1, 1), Rectangle(1), gradients=("tail_s",)), "gradients of ln_k"),
    (lambda: fft_curves([1.0, 2.0], column(9, 1, 1, 1e19), Rectangle(1)), "transforms of at most"),
    (lambda: column(-1, 1, 1), "k above 0"),
    (lambda: column(1, np.nan, 1), "k above 0"),
    (lambda: Transport(("a",), 0.0, 1.0, 1.0), "analytes and a hold-up time"),  # type: ignore[arg-type]  # numbers are widened
    (lambda: Transport(("a", "b"), 1.0, np.ones(3), np.ones(2)), "k of 2 analytes"),
    (lambda: column(1, 1, 1, 10, "closed"), "boundary open or danckwerts"),
]


@pytest.mark.parametrize(("call", "expected"), BAD)
def test_bad_input_is_refused(call: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        call()
    assert error.value.expected.startswith(expected)
    assert error.value.argument
