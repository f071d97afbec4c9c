"""The shapes that a fit adds up: one column an analyte, of unit area, and how each depends on its parameters.

    y(t) = sum_i area_i c_i(t; ln k_i, ln kd_i, shared) + baseline + noise

The kinetic shape is a column's response to the injection (an engine's), a function of ln k and ln kd of its
own analyte; t0, the injection's width or tail and the detector's time constant are shared, each as its
logarithm. Where dispersion follows Golay, the Peclet number depends on k: it is evaluated at the current k,
while the gradient leaves it fixed. k is known to 1e-4 or better, so that neither the minimum nor an interval
moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.engines.closed import closed_curves
from medidiff.domains.chromatography.engines.fft import fft_curves
from medidiff.domains.chromatography.engines.transport import Boundary, Curves, Transport
from medidiff.domains.chromatography.model.injection import Injection, Rectangle, TailedRectangle
from medidiff.errors import InputError

Array = NDArray[np.float64]

SHARED = {
    "t0_s": "t0_s",
    "injection_width_s": "width_s",
    "injection_tail_s": "tail_s",
    "detector_s": "detector_s",
}
"""Name of a shared parameter -> the engine's name of its gradient."""

_OF_INJECTION = {"injection_width_s", "injection_tail_s"}
_MOST_UNITS = 5e7  # transfer units: beyond, kinetics adds no width
_FEWEST_UNITS, _FEWEST_LAGGED = 0.1, 45.0  # below, there is no peak; with a detector, the engine asks for 40
_FASTEST = 0.02  # of a sample: a kinetic standard deviation below it cannot be seen
_LEAST_K = 1e-4  # of a trace that begins before the hold-up time
_REACH = 20.0  # the factor by which a shared parameter may leave its start
_LONGEST_SHIFT = 1.5  # standard deviations that a peak may move in one step


@dataclass(frozen=True, eq=False)
class Shapes:
    """columns: (n, points), in 1/s. own: (kinds, n, points), each column's slope by its own parameters.

    shared: (m, n, points), each column's slope by the shared ones.
    """

    columns: Array
    own: Array
    shared: Array


class PeakModel(Protocol):
    """A family of shapes; its parameters are (kinds, n) raveled, then the m shared ones."""

    @property
    def analytes(self) -> int:
        """How many columns."""

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for every parameter."""

    def shapes(self, p: Array) -> Shapes:
        """The columns at p, with slopes."""

    def limits(self, p: Array) -> tuple[Array, Array]:
        """The least and the largest value of every parameter, around a start."""

    def longest(self, p: Array) -> Array:
        """How far each parameter may go in one step."""


@dataclass(frozen=True, eq=False)
class KineticModel:
    """Responses of a column to one injection, on the samples `time_s` (points,).

    names: (n,). t0_s, injection, detector_s: those that are not fitted, and the others' starts. peclet: k
    (n,) -> (n,), or None without dispersion. shared: which of `SHARED` are fitted. uniform: whether the
    samples are equally spaced; else the closed form serves, or with dispersion or a detector the Fourier
    engine on a grid of its own, from which splines lead to the samples.
    """

    names: tuple[str, ...]
    time_s: Array
    t0_s: float
    injection: Injection
    detector_s: float = 0.0
    peclet: Callable[[Array], Array] | None = None
    boundary: Boundary = "danckwerts"
    shared: tuple[str, ...] = ()
    uniform: bool = True

    def __post_init__(self) -> None:
        if wrong := [name for name in self.shared if name not in SHARED]:
            raise _bad(f"among {', '.join(SHARED)}", wrong[0], "Choose some of these.")
        shaped = [name for name in self.shared if name.startswith("injection")]
        if shaped and not isinstance(self.injection, Rectangle | TailedRectangle):
            fix = f"Fit no {shaped[0]}, or give --injection-width-s."
            raise _bad(
                "a rectangular injection where its shape is fitted", type(self.injection).__name__, fix
            )

    @property
    def analytes(self) -> int:
        """How many columns."""
        return len(self.names)

    @property
    def labels(self) -> tuple[str, ...]:
        """`ln k NAME` of all, `ln kd NAME` of all, `ln NAME` of the shared."""
        own = [f"{kind} {name}" for kind in ("ln k", "ln kd") for name in self.names]
        return (*own, *(f"ln {name}" for name in self.shared))

    def values(self, p: Array) -> tuple[Array, Array, dict[str, float]]:
        """K (n,), kd in 1/s (n,), and the shared parameters, fitted or not."""
        k, kd = np.exp(p[: 2 * self.analytes].reshape(2, -1))
        shared = {"t0_s": self.t0_s, "detector_s": self.detector_s}
        shared |= {
            name: float(np.exp(value)) for name, value in zip(self.shared, p[2 * len(k) :], strict=True)
        }
        return k, kd, shared

    def transport(self, p: Array) -> Transport:
        """The column at p."""
        k, kd, shared = self.values(p)
        peclet = np.full(len(k), np.inf) if self.peclet is None else self.peclet(k)
        return Transport(self.names, shared["t0_s"], k, kd, peclet, self.boundary)

    def injected(self, p: Array) -> Injection:
        """The injection at p."""
        old, shared = self.injection, self.values(p)[2]
        if not isinstance(old, Rectangle | TailedRectangle) or not set(shared) & _OF_INJECTION:
            return old
        width = shared.get("injection_width_s", old.width_s)
        tail = shared.get("injection_tail_s", getattr(old, "tail_s", 0.0))
        return TailedRectangle(width, tail, old.start_s) if tail else Rectangle(width, old.start_s)

    def variances(self, p: Array) -> tuple[Array, Array]:
        """Of the recorded peaks: the kinetic part, and all of it; s^2, (n,) each."""
        column, shared = self.transport(p), self.values(p)[2]
        outside = self.injected(p).variance_s2 + shared["detector_s"] ** 2
        return column.kinetic_variance_s2, column.variance_s2 + outside

    def centres(self, p: Array) -> Array:
        """Mean times of the recorded peaks, (n,)."""
        return self.transport(p).mean_s + self.injected(p).mean_s + self.values(p)[2]["detector_s"]

    def shapes(self, p: Array) -> Shapes:
        """The columns at p, with slopes."""
        names = ("ln_k", "ln_kd", *(SHARED[name] for name in self.shared))
        curves = self._curves(p, names)
        own = np.stack([curves.gradients["ln_k"], curves.gradients["ln_kd"]])
        shared = np.zeros((len(self.shared), *curves.c.shape))
        for index, (name, value) in enumerate(zip(self.shared, np.exp(p[2 * self.analytes :]), strict=True)):
            shared[index] = value * curves.gradients[SHARED[name]]
        return Shapes(curves.c, own, shared)

    def limits(self, p: Array) -> tuple[Array, Array]:
        """Peaks stay in the trace, kinetics between visible and possible, the shared within a factor 20."""
        k, _, shared = self.values(p)
        n, t0 = self.analytes, shared["t0_s"]
        span, step = np.ptp(self.time_s), np.ptp(self.time_s) / (self.time_s.size - 1)
        latest = max((self.time_s[-1] - t0) / t0, k.max() * 1.01)
        earliest = (self.time_s[0] - t0) / t0
        least = np.minimum(earliest, k / 1.01) if earliest > _LEAST_K else np.minimum(_LEAST_K, k / 2)
        fewest = _FEWEST_LAGGED if shared["detector_s"] else _FEWEST_UNITS
        slowest = np.maximum(2 * k * t0 / (span / 2) ** 2, fewest / (k * t0))
        fastest = np.minimum(2 * k * t0 / (_FASTEST * step) ** 2, _MOST_UNITS / (k * t0))
        near = np.log(_REACH)
        low = np.concatenate([np.log(least), np.log(slowest), p[2 * n :] - near])
        high = np.concatenate(
            [np.full(n, np.log(latest)), np.log(np.maximum(fastest, 2 * slowest)), p[2 * n :] + near]
        )
        return low, high

    def longest(self, p: Array) -> Array:
        """A peak moves by at most 1.5 standard deviations, a rate by a factor e, the shared by a fifth."""
        k, _, shared = self.values(p)
        sigma = np.sqrt(self.variances(p)[1])
        shift = _LONGEST_SHIFT * sigma / (shared["t0_s"] * k)
        return np.concatenate([shift, np.ones(len(k)), np.full(len(self.shared), 0.2)])

    def _curves(self, p: Array, gradients: Sequence[str]) -> Curves:
        column, injection, shared = self.transport(p), self.injected(p), self.values(p)[2]
        detector = shared["detector_s"]
        if self.uniform:
            return fft_curves(self.time_s, column, injection, detector_s=detector, gradients=gradients)
        if self.peclet is None and not detector:
            return closed_curves(self.time_s, column, injection, gradients=gradients)
        grid = _grid(self.time_s, float(np.sqrt(self.variances(p)[1].min())))
        found = fft_curves(grid, column, injection, detector_s=detector, gradients=gradients)
        return _resampled(found, grid, self.time_s)


def _grid(time_s: Array, sigma: float) -> Array:
    """Equal steps over uneven samples, fine enough for splines (error 1e-6 of the peak at sigma/20)."""
    step = min(float(np.median(np.diff(time_s))), sigma / 20)
    return np.asarray(time_s[0] + step * np.arange(int(np.ceil(np.ptp(time_s) / step)) + 1))


def _resampled(curves: Curves, grid: Array, time_s: Array) -> Curves:
    from scipy.interpolate import CubicSpline

    def at(values: Array) -> Array:
        return np.asarray(CubicSpline(grid, values, axis=-1)(time_s))

    gradients = {name: at(values) for name, values in curves.gradients.items()}
    return replace(curves, c=at(curves.c), gradients=gradients)


def _bad(expected: str, got: str, fix: str) -> InputError:
    return InputError("shared parameters", expected=expected, got=got, fix=fix, argument=True)
