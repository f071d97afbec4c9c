"""Injections with edges: a rectangle, and one that an exponential smears (a dead volume, a slow valve)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medidiff.domains.chromatography.model.injection.contract import (
    Array,
    Complex,
    Edges,
    bad_injection,
    check_time,
    sinhc,
    sinhc_slope,
)

_END = 40.0  # time constants after which an exponential tail is e^-40 = 4e-18


@dataclass(frozen=True)
class Rectangle:
    """A constant rate for `width_s` from `start_s`; a width of 0 is an impulse, a negative start is legal.

    Raises InputError for a negative width and for what is not finite.
    """

    width_s: float
    start_s: float = 0.0
    parameters: ClassVar[tuple[str, ...]] = ("width_s", "start_s")

    def __post_init__(self) -> None:
        check_time("width_s", self.width_s, least=0.0)
        check_time("start_s", self.start_s)

    @property
    def origin_s(self) -> float:
        """Its middle."""
        return self.start_s + self.width_s / 2

    @property
    def mean_s(self) -> float:
        """Its middle."""
        return self.origin_s

    @property
    def variance_s2(self) -> float:
        """width^2/12."""
        return self.width_s**2 / 12

    @property
    def third_moment_s3(self) -> float:
        """0: it is symmetric."""
        return 0.0

    @property
    def begin_s(self) -> float:
        """Its start."""
        return self.start_s

    @property
    def end_s(self) -> float:
        """Its end."""
        return self.start_s + self.width_s

    @property
    def scale_s(self) -> float:
        """Infinite: the rate is constant."""
        return np.inf

    @property
    def pieces(self) -> tuple[tuple[float, float], ...]:
        """One stretch, none for an impulse."""
        return ((self.begin_s, self.end_s),) if self.width_s else ()

    def shape(self, s: Complex) -> Complex:
        """sinh(x)/x, x = s w/2."""
        return sinhc(s * (self.width_s / 2))

    def shape_gradient(self, name: str, s: Complex) -> Complex:
        """The origin moves with half the width, hence -S there beside the slope of sinh(x)/x."""
        if name == "start_s":
            return -s * self.shape(s)
        x = s * (self.width_s / 2)
        return (s / 2) * (sinhc_slope(x) - sinhc(x))

    def spectrum(self, s: Complex) -> Complex:
        """G(s), the transform; G(0) = 1."""
        return np.exp(-s * self.origin_s) * self.shape(s)

    def rate(self, t: Array) -> Array:
        """1/width inside; InputError for an impulse."""
        t = np.asarray(t, np.float64) - self.start_s
        return np.where((t >= 0) & (t <= self.width_s), 1 / self._lasting(), 0.0)

    def rate_gradient(self, name: str, t: Array) -> Array:
        """Inside, only the height changes, and with the width alone."""
        return -self.rate(t) / self.width_s if name == "width_s" else np.zeros_like(t)

    def edges(self, name: str = "time") -> Edges:
        """The two steps and how they move."""
        height = 1 / self._lasting()
        if name == "width_s":
            return ((self.end_s, height),)
        sign = 1 if name == "time" else -1
        return ((self.begin_s, sign * height), (self.end_s, -sign * height))

    def _lasting(self) -> float:
        if not self.width_s:
            raise bad_injection("an injection that lasts", "an impulse", "Give it a width.")
        return self.width_s


@dataclass(frozen=True)
class TailedRectangle:
    """A rectangle of `width_s` from `start_s`, smeared by an exponential of time constant `tail_s`.

    Raises InputError for negative lengths, for a tail of 0 (that is a `Rectangle`), and what is not finite.
    """

    width_s: float
    tail_s: float
    start_s: float = 0.0
    parameters: ClassVar[tuple[str, ...]] = ("width_s", "tail_s", "start_s")

    def __post_init__(self) -> None:
        check_time("width_s", self.width_s, least=0.0)
        check_time("tail_s", self.tail_s, least=0.0)
        check_time("start_s", self.start_s)
        if not self.tail_s:
            raise bad_injection("tail_s above 0", "0", "A rectangle without a tail is a Rectangle.")

    @property
    def rectangle(self) -> Rectangle:
        """What is smeared."""
        return Rectangle(self.width_s, self.start_s)

    @property
    def origin_s(self) -> float:
        """The rectangle's middle."""
        return self.rectangle.origin_s

    @property
    def mean_s(self) -> float:
        """A tail after the rectangle's middle."""
        return self.origin_s + self.tail_s

    @property
    def variance_s2(self) -> float:
        """width^2/12 + tail^2."""
        return self.width_s**2 / 12 + self.tail_s**2

    @property
    def third_moment_s3(self) -> float:
        """2 tail^3."""
        return 2 * self.tail_s**3

    @property
    def begin_s(self) -> float:
        """The rectangle's start."""
        return self.start_s

    @property
    def end_s(self) -> float:
        """40 tails after the rectangle."""
        return self.start_s + self.width_s + _END * self.tail_s

    @property
    def scale_s(self) -> float:
        """The tail's time constant."""
        return self.tail_s

    @property
    def pieces(self) -> tuple[tuple[float, float], ...]:
        """While the rectangle lasts, and after."""
        return (*self.rectangle.pieces, (self.rectangle.end_s, self.end_s))

    def shape(self, s: Complex) -> Complex:
        """The rectangle's over 1 + s tail."""
        return self.rectangle.shape(s) / (1 + s * self.tail_s)

    def shape_gradient(self, name: str, s: Complex) -> Complex:
        """The rectangle's over 1 + s tail, and for the tail -s S/(1 + s tail)."""
        fall = 1 + s * self.tail_s
        if name == "tail_s":
            return -s * self.rectangle.shape(s) / fall**2
        return self.rectangle.shape_gradient(name, s) / fall

    def spectrum(self, s: Complex) -> Complex:
        """G(s), the transform; G(0) = 1."""
        return np.exp(-s * self.origin_s) * self.shape(s)

    def rate(self, t: Array) -> Array:
        """Rising as 1 - e^(-t/tail) while the rectangle lasts, then falling."""
        t, tau = np.asarray(t, np.float64) - self.start_s, self.tail_s
        if not self.width_s:
            return np.where(t >= 0, np.exp(-np.maximum(t, 0) / tau) / tau, 0.0)
        risen = -np.expm1(-np.clip(t, 0, self.width_s) / tau) / self.width_s
        return risen * np.exp(-np.maximum(t - self.width_s, 0) / tau)

    def rate_gradient(self, name: str, t: Array) -> Array:
        """Slope d rate/d(name) inside the pieces; "time" gives the slope."""
        w, tau, rate = self.width_s, self.tail_s, self.rate(t)
        t = np.asarray(t, np.float64) - self.start_s
        if not w:
            half = 0.5 if name == "width_s" else -1.0 if name == "time" else 1.0
            return rate * (t / tau - 1) / tau if name == "tail_s" else half * rate / tau
        after = t > w
        late = np.exp(-np.maximum(t - w, 0) / tau)
        early = np.exp(-np.maximum(t, 0) / tau)
        if name == "tail_s":
            return (np.where(after, (t - w) * late, 0.0) - t * early) / (w * tau**2)
        if name == "width_s":
            return np.where(after, late / (w * tau), 0.0) - rate / w
        slope = np.where(after, np.expm1(-w / tau) * late, early) / (w * tau)
        return slope if name == "time" else -slope

    def edges(self, name: str = "time") -> Edges:
        """None, unless an impulse is smeared: then the step of the exponential."""
        if self.width_s or name == "tail_s":
            return ()
        weight = {"time": 1.0, "start_s": -1.0, "width_s": -0.5}[name]
        return ((self.start_s, weight / self.tail_s),)
