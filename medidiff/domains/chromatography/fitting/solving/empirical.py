"""Shapes without physics, to rank the kinetic one against: Gaussian, and exponentially modified Gaussian.

Gaussian   g = exp(-x^2/2) / (s sqrt(2 pi)),   x = (t - m)/s
EMG        f of `emg`, with f + tau df/dt = g,  df/ds = s d2f/dt2 and
df/dln tau = f (x s/tau - 1 - (s/tau)^2) + g (s/tau)^2
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medidiff.domains.chromatography.emg import emg
from medidiff.domains.chromatography.fitting.solving.shapes import Array, Shapes

_SMALLEST_TAIL, _LARGEST_TAIL = 0.02, 50.0  # of the start's standard deviation


@dataclass(frozen=True, eq=False)
class Gaussian:
    """n Gaussians on the samples `time_s`; parameters m/width of all, then ln s of all.

    Times are counted in `width_s` (n,), the widths of the start, so that a step of 1 is the same for all.
    """

    time_s: Array
    width_s: Array

    @property
    def analytes(self) -> int:
        """How many columns."""
        return len(self.width_s)

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for every parameter."""
        return tuple(f"{kind} {i + 1}" for kind in ("m", "ln s") for i in range(self.analytes))

    def shapes(self, p: Array) -> Shapes:
        """The columns at p, with slopes."""
        m, s = p.reshape(2, -1)[0] * self.width_s, np.exp(p.reshape(2, -1)[1])
        x = (self.time_s - m[:, None]) / s[:, None]
        g = np.exp(-0.5 * x**2) / (s[:, None] * np.sqrt(2 * np.pi))
        own = np.stack([g * x * (self.width_s / s)[:, None], g * (x**2 - 1)])
        return Shapes(g, own, np.zeros((0, *g.shape)))

    def limits(self, p: Array) -> tuple[Array, Array]:
        """A peak stays within five widths of its start, its width within a factor 5."""
        reach = np.repeat([5.0, np.log(5.0)], self.analytes)
        return p - reach, p + reach

    def longest(self, p: Array) -> Array:
        """A width, and a factor 1.6."""
        return np.repeat([1.0, 0.5], self.analytes)


@dataclass(frozen=True, eq=False)
class ModifiedGaussian:
    """n exponentially modified Gaussians; parameters m/width, ln s and ln tau, each of all."""

    time_s: Array
    width_s: Array

    @property
    def analytes(self) -> int:
        """How many columns."""
        return len(self.width_s)

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for every parameter."""
        return tuple(f"{kind} {i + 1}" for kind in ("m", "ln s", "ln tau") for i in range(self.analytes))

    def shapes(self, p: Array) -> Shapes:
        """The columns at p, with slopes."""
        place, ln_s, ln_tau = p.reshape(3, -1)
        m, s, tau = (place * self.width_s)[:, None], np.exp(ln_s)[:, None], np.exp(ln_tau)[:, None]
        x = (self.time_s - m) / s
        g = np.exp(-0.5 * x**2) / (s * np.sqrt(2 * np.pi))
        f = emg(x, s, tau)
        slope = (g - f) / tau
        curvature = (-x * g / s - slope) / tau
        ratio = s / tau
        tail = f * (x * ratio - 1 - ratio**2) + g * ratio**2
        own = np.stack([-slope * self.width_s[:, None], s**2 * curvature, tail])
        return Shapes(f, own, np.zeros((0, *f.shape)))

    def limits(self, p: Array) -> tuple[Array, Array]:
        """A peak stays within five widths of its start; its tail is between invisible and everything."""
        reach = np.repeat([5.0, np.log(5.0)], self.analytes)
        width = np.log(self.width_s)
        low = np.concatenate([p[: 2 * self.analytes] - reach, width + np.log(_SMALLEST_TAIL)])
        return low, np.concatenate([p[: 2 * self.analytes] + reach, width + np.log(_LARGEST_TAIL)])

    def longest(self, p: Array) -> Array:
        """A width, and factors of 1.6."""
        return np.repeat([1.0, 0.5, 0.5], self.analytes)
