"""Injections: their transform, moments and gradients are those of their rate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Injection,
    Rectangle,
    SampledInjection,
    TailedRectangle,
)
from medidiff.errors import InputError

SHAPES: list[Injection] = [
    Rectangle(1.3, -0.4),
    TailedRectangle(1.3, 0.7, 0.2),
    TailedRectangle(0.0, 0.7, 0.2),
    TailedRectangle(2.0, 1e-3),
    GaussianInjection(2.0, 0.6),
    SampledInjection(0.5 + 0.25 * np.arange(9), np.array([0, 1, 4, 3, 2, 2, 1, 0.5, 0.2])),
]
ids = [f"{type(shape).__name__}{row}" for row, shape in enumerate(SHAPES)]


def integral(shape: Injection, weigh: Any) -> Any:
    """Integral of rate x weigh by Gauss-Legendre, piece by piece."""
    x, w = np.polynomial.legendre.leggauss(12)
    total = 0.0
    for begin, end in shape.pieces:
        edges = np.linspace(begin, end, 1 + max(20, min(2000, int((end - begin) / shape.scale_s) * 4)))
        half = np.diff(edges)[:, None] / 2
        t = edges[:-1, None] + half * (x + 1)
        total = total + (shape.rate(t) * weigh(t) * half * w).sum()
    return total


@pytest.mark.parametrize("shape", SHAPES, ids=ids)
def test_moments_and_transform_are_those_of_the_rate(shape: Injection) -> None:
    mean = shape.mean_s
    assert integral(shape, np.ones_like) == pytest.approx(1, abs=1e-12)
    assert integral(shape, lambda t: t) == pytest.approx(mean, abs=1e-12)
    assert integral(shape, lambda t: (t - mean) ** 2) == pytest.approx(shape.variance_s2, abs=1e-11)
    assert integral(shape, lambda t: (t - mean) ** 3) == pytest.approx(shape.third_moment_s3, abs=1e-10)
    for s in (0.0, 0.01j, 1.7j, 0.2 + 3j, 11j):
        direct = integral(shape, lambda t, s=s: np.exp(-s * t))
        assert shape.spectrum(np.array(s)) == pytest.approx(direct, abs=1e-12)
    assert shape.rate(np.array([shape.begin_s - 1e-6, shape.end_s + 1e-6])).max() < 1e-15


@pytest.mark.parametrize(
    "shape", [*SHAPES, Rectangle(0.0, 0.3), Rectangle(1e-7, 0.3)], ids=[*ids, "impulse", "short"]
)
def test_gradients_are_differences(shape: Any) -> None:
    """Of the transform, for each parameter; a width of 0 can only grow."""
    s = np.array([0.0, 0.003j, 0.4j, 2j, 9j])
    for name in shape.parameters:
        value, h = getattr(shape, name), 1e-3
        exact = shape.shape_gradient(name, s) * np.exp(-s * shape.origin_s)
        if name == "width_s" and value < h:
            moved = [replace(shape, width_s=value + h * m) for m in (0, 1, 2, 3)]
            a, b, c, d = (one.spectrum(s) for one in moved)
            slope = (-11 * a + 18 * b - 9 * c + 2 * d) / (6 * h)
        else:
            up, down = (
                replace(shape, **{name: value + sign * h * value_scale(value)}).spectrum(s)
                for sign in (1, -1)
            )
            slope = (up - down) / (2 * h * value_scale(value))
        assert np.abs(exact - slope).max() < 3e-5, name


def value_scale(value: float) -> float:
    return min(abs(value), 1.0) or 0.1


@pytest.mark.parametrize("shape", SHAPES, ids=ids)
def test_slope_and_rate_gradients_are_differences(shape: Any) -> None:
    for begin, end in shape.pieces:
        t = np.linspace(begin, min(end, begin + 5), 9)[1:-1] + 1e-4
        h = 1e-6 * min(shape.scale_s, 1.0)
        slope = (shape.rate(t + h) - shape.rate(t - h)) / (2 * h)
        assert shape.rate_gradient("time", t) == pytest.approx(slope, abs=1e-6 / min(shape.scale_s, 1))
        for name in shape.parameters:
            value = getattr(shape, name)
            if name == "width_s" and not value:
                continue
            h = 1e-6 * value_scale(value)
            up, down = (replace(shape, **{name: value + sign * h}).rate(t) for sign in (1, -1))
            assert shape.rate_gradient(name, t) == pytest.approx((up - down) / (2 * h), abs=1e-3), name


def test_area_of_samples_does_not_matter() -> None:
    t, r = 0.1 * np.arange(5), np.array([1.0, 2, 3, 2, 1])
    assert np.array_equal(SampledInjection(t, r).samples, SampledInjection(t, 8 * r).samples)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Rectangle(-0.1), "a finite width_s of at least 0"),
        (lambda: Rectangle(1.0, float("nan")), "a finite start_s"),
        (lambda: TailedRectangle(1.0, -0.5), "a finite tail_s of at least 0"),
        (lambda: TailedRectangle(1.0, 0.0), "tail_s above 0"),
        (lambda: GaussianInjection(0.0, 0.0), "sigma_s above 0"),
        (lambda: GaussianInjection(float("inf"), 1.0), "a finite mean_s"),
        (lambda: Rectangle(0.0).rate(np.zeros(1)), "an injection that lasts"),
        (lambda: SampledInjection(np.array([0.0, 1, 3]), np.ones(3)), "samples at equal, rising steps"),
        (lambda: SampledInjection(np.array([1.0, 0]), np.ones(2)), "samples at equal, rising steps"),
        (lambda: SampledInjection(np.arange(3), np.array([1.0, -3, 1])), "an area above 0"),
        (lambda: SampledInjection(np.arange(2), np.array([1.0, np.nan])), "two or more finite samples"),
        (lambda: SampledInjection(np.arange(1), np.ones(1)), "two or more finite samples"),
    ],
)
def test_what_cannot_be_is_refused(make: Any, expected: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert error.value.expected.startswith(expected)
