"""Injections without steps: a Gaussian, and one that was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from medidiff.domains.chromatography.model.injection.contract import (
    Array,
    Complex,
    Edges,
    bad_injection,
    check_time,
    sinhc,
)

_GAUSS = 9.0  # standard deviations after which a Gaussian is 3e-18
_ROUNDING = 4e-15
_JITTER = 1e-3  # of a step: below, samples are equally spaced


@dataclass(frozen=True)
class GaussianInjection:
    """A Gaussian about `mean_s` with standard deviation `sigma_s` above 0; else InputError."""

    mean_s: float
    sigma_s: float
    parameters: ClassVar[tuple[str, ...]] = ("mean_s", "sigma_s")

    def __post_init__(self) -> None:
        check_time("mean_s", self.mean_s)
        check_time("sigma_s", self.sigma_s, least=0.0)
        if not self.sigma_s:
            raise bad_injection("sigma_s above 0", "0", "An impulse is Rectangle(0).")

    @property
    def origin_s(self) -> float:
        """The mean."""
        return self.mean_s

    @property
    def variance_s2(self) -> float:
        """sigma^2."""
        return self.sigma_s**2

    @property
    def third_moment_s3(self) -> float:
        """0: it is symmetric."""
        return 0.0

    @property
    def begin_s(self) -> float:
        """9 standard deviations before the mean."""
        return self.mean_s - _GAUSS * self.sigma_s

    @property
    def end_s(self) -> float:
        """9 standard deviations after the mean."""
        return self.mean_s + _GAUSS * self.sigma_s

    @property
    def scale_s(self) -> float:
        """The standard deviation."""
        return self.sigma_s

    @property
    def pieces(self) -> tuple[tuple[float, float], ...]:
        """One stretch."""
        return ((self.begin_s, self.end_s),)

    def shape(self, s: Complex) -> Complex:
        """exp(s^2 sigma^2/2)."""
        return np.exp((s * self.sigma_s) ** 2 / 2)

    def shape_gradient(self, name: str, s: Complex) -> Complex:
        """-s S by the mean, s^2 sigma S by the standard deviation."""
        return (-s if name == "mean_s" else s**2 * self.sigma_s) * self.shape(s)

    def spectrum(self, s: Complex) -> Complex:
        """G(s), the transform; G(0) = 1."""
        return np.exp(-s * self.origin_s) * self.shape(s)

    def rate(self, t: Array) -> Array:
        """The Gaussian."""
        x = (np.asarray(t, np.float64) - self.mean_s) / self.sigma_s
        return np.asarray(np.exp(-(x**2) / 2) / (self.sigma_s * np.sqrt(2 * np.pi)), np.float64)

    def rate_gradient(self, name: str, t: Array) -> Array:
        """Slope d rate/d(name); "time" gives the slope."""
        x = (np.asarray(t, np.float64) - self.mean_s) / self.sigma_s
        factor = {"time": -x, "mean_s": x, "sigma_s": x**2 - 1}[name]
        return factor / self.sigma_s * self.rate(t)

    def edges(self, name: str = "time") -> Edges:
        """None: it is smooth."""
        return ()


@dataclass(frozen=True, eq=False)
class SampledInjection:
    """A recorded injection: `rate` linear between samples at equal steps, 0 one step beyond both ends.

    time_s, samples: (n,), n >= 2; any scale and unit of the samples: the area is made 1. Raises InputError
    for steps that differ, for what is not finite, and for an area that is not above 0.
    """

    time_s: Array
    samples: Array
    parameters: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        t, r = np.asarray(self.time_s, np.float64), np.asarray(self.samples, np.float64)
        if t.ndim != 1 or t.shape != r.shape or t.size < 2 or not (np.isfinite(t) & np.isfinite(r)).all():
            raise bad_injection(
                "two or more finite samples, one a time", f"{t.shape} and {r.shape}", "Mend them."
            )
        step = (t[-1] - t[0]) / (t.size - 1)
        if step <= 0 or np.abs(t - t[0] - step * np.arange(t.size)).max() > _JITTER * step:
            raise bad_injection(
                "samples at equal, rising steps", "steps that differ", "Resample the injection."
            )
        area = step * r.sum()
        if not area > 0:
            raise bad_injection("an area above 0", f"{area:g}", "Subtract what lies below the injection.")
        grid = t[0] + step * np.arange(t.size)
        # What is equally spaced and of area 1 stays to the bit, so that plain data comes back as it was.
        even = np.abs(t - grid).max() <= _ROUNDING * np.abs(t).max()
        object.__setattr__(self, "time_s", t if even else grid)
        object.__setattr__(self, "samples", r if abs(area - 1) <= _ROUNDING * t.size else r / area)

    @property
    def step_s(self) -> float:
        """Between two samples."""
        return float((self.time_s[-1] - self.time_s[0]) / (self.time_s.size - 1))

    @property
    def origin_s(self) -> float:
        """The mean."""
        return self.mean_s

    @property
    def mean_s(self) -> float:
        """First moment."""
        return float(self.step_s * (self.samples @ self.time_s))

    @property
    def variance_s2(self) -> float:
        """Of the samples, and step^2/6 of the straight lines between them."""
        return float(self.step_s * (self.samples @ (self.time_s - self.mean_s) ** 2)) + self.step_s**2 / 6

    @property
    def third_moment_s3(self) -> float:
        """Of the samples; the lines between them are symmetric about each."""
        return float(self.step_s * (self.samples @ (self.time_s - self.mean_s) ** 3))

    @property
    def begin_s(self) -> float:
        """A step before the first sample."""
        return float(self.time_s[0]) - self.step_s

    @property
    def end_s(self) -> float:
        """A step after the last sample."""
        return float(self.time_s[-1]) + self.step_s

    @property
    def scale_s(self) -> float:
        """Infinite: straight lines."""
        return np.inf

    @property
    def pieces(self) -> tuple[tuple[float, float], ...]:
        """From sample to sample."""
        ends = np.concatenate(([self.begin_s], self.time_s, [self.end_s])).tolist()
        return tuple(pairwise(ends))

    def shape(self, s: Complex) -> Complex:
        """A sum of triangles; any shape of `s`."""
        s = np.asarray(s, np.complex128)
        waves = np.exp(-s[..., None] * (self.time_s - self.origin_s))
        return self.step_s * (waves @ self.samples) * sinhc(s * (self.step_s / 2)) ** 2

    def shape_gradient(self, name: str, s: Complex) -> Complex:
        """None: it has no parameters."""
        raise bad_injection("a parameter", name, "A sampled injection has none.")

    def spectrum(self, s: Complex) -> Complex:
        """G(s), the transform; G(0) = 1."""
        return np.exp(-s * self.origin_s) * self.shape(s)

    def rate(self, t: Array) -> Array:
        """Linear between the samples."""
        ends = np.concatenate(([self.begin_s], self.time_s, [self.end_s]))
        return np.interp(t, ends, np.pad(self.samples, 1), left=0.0, right=0.0)

    def rate_gradient(self, name: str, t: Array) -> Array:
        """The slope ("time"), constant between samples."""
        if name != "time":
            raise bad_injection("a parameter", name, "A sampled injection has none.")
        slopes: Array = np.diff(np.pad(self.samples, (2, 2))) / self.step_s
        index = np.floor((np.asarray(t) - self.begin_s) / self.step_s).astype(int) + 1
        return np.asarray(slopes[np.clip(index, 0, slopes.size - 1)], np.float64)

    def edges(self, name: str = "time") -> Edges:
        """None: it has no step."""
        return ()
