"""Windows and spectral grids of the Fourier engine, planned once for curves that differ little.

Each peak has a window of its own, about 30 standard deviations long, that starts on a sample of the axis, and
`fine` points for each sample, so many that the spectrum has fallen below 1e-16 at the end of the band. All
windows have one number of points, so that one call transforms all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import next_fast_len

from medidiff.domains.chromatography.engines.transport import Transport, check_times
from medidiff.domains.chromatography.model.injection import GaussianInjection, Injection
from medidiff.errors import InputError

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

FEW_UNITS = 40.0
"""Transfer units below which, without dispersion, the spectrum does not fall to 0."""

_SIGMAS = 9.0  # on each side of a peak: e^-40
_TAIL = 40.0  # time constants
_SKEW = 156.0  # 4 * 39: where an inverse Gaussian has fallen to e^-39, in means over Pe
_FALL = 38.0  # -ln |H| at the end of the band
_STEPS = 1.25 ** np.arange(64)  # of the search for that end, in the Gaussian's
_SLACK = 0.05  # of window and band, that a plan serves for parameters nearby
_JITTER = 1e-3  # of a step
_LONGEST = 1 << 22  # points of one transform


@dataclass(frozen=True, eq=False)
class Column:
    """A `Transport` row by row, the hold-up time too: positions along a column are rows of one.

    All (n,). closed_ends: whether the boundaries are Danckwerts'.
    """

    t0: Array
    k: Array
    kd: Array
    peclet: Array
    closed_ends: bool

    @classmethod
    def of(cls, transport: Transport) -> Column:
        """The rows of a transport."""
        t0 = np.full(len(transport.names), transport.t0_s)
        closed_ends = transport.boundary == "danckwerts"
        return cls(t0, transport.k, transport.kd_per_s, transport.peclet, closed_ends)

    def rows(self, which: NDArray[np.bool_]) -> Column:
        """Some of the rows."""
        return replace(self, t0=self.t0[which], k=self.k[which], kd=self.kd[which], peclet=self.peclet[which])

    @property
    def units(self) -> Array:
        """N, (n,)."""
        return self.k * self.kd * self.t0

    @property
    def mean(self) -> Array:
        """t0 (1 + k), (n,)."""
        return self.t0 * (1 + self.k)

    @property
    def variance(self) -> Array:
        """Variance, to the first order in 1/Pe; (n,)."""
        return 2 * self.k * self.t0 / self.kd + np.minimum(2 / self.peclet, 1.0) * self.mean**2

    def window(self, injection: Injection, detector_s: float) -> tuple[Array, Array]:
        """From when until when a peak is not 0, (n,) each."""
        spread = _SIGMAS * np.sqrt(self.variance)
        gas = self.t0 * (1 - _SIGMAS * np.sqrt(2 / self.peclet))  # what was never retained, and its width
        left = np.where(self.units < 2 * FEW_UNITS, gas, np.maximum(self.mean - spread, gas))
        right = self.mean + spread + _TAIL / self.kd + _SKEW * self.mean / self.peclet
        return np.maximum(left, 0) + injection.begin_s, right + injection.end_s + _TAIL * detector_s

    def band(self, injection: Injection) -> Array:
        """Angular frequency beyond which the spectrum is below 1e-16; inf where there is none. (n,)."""
        omega = np.sqrt(2 * _FALL / self.variance)[:, None] * _STEPS
        fall = -self._log(1j * omega)
        if isinstance(injection, GaussianInjection):
            fall += (injection.sigma_s * omega) ** 2 / 2
        fallen = fall >= _FALL
        found = np.take_along_axis(omega, fallen.argmax(axis=1)[:, None], axis=1)[:, 0]
        return np.where(fallen.any(axis=1), found, np.inf)

    def _log(self, s: Complex) -> Array:
        """Ln |H|, without the factor of the ends; (n, frequencies)."""
        t0, k, kd, over = (part[:, None] for part in (self.t0, self.k, self.kd, 1 / self.peclet))
        theta = s * t0 + (k * kd * t0) * s / (s + kd)
        return np.real(-2 * theta / (1 + np.sqrt(1 + 4 * over * theta)))


@dataclass(frozen=True, eq=False)
class FFTPlan:
    """Windows and spectral grid for n peaks over a uniform axis; serves parameters close to its own.

    first: (n,) index of the sample at which a window begins (it may lie outside the axis); fine: (n,) points
    per sample; length: points of the transforms; s: (n, frequencies) i omega; begin_s, end_s, sigma_s: (n,)
    what the windows hold, and the smallest standard deviation whose band they hold.
    """

    start_s: float
    step_s: float
    points: int
    first: NDArray[np.int64]
    fine: NDArray[np.int64]
    length: int
    s: Complex
    begin_s: Array
    end_s: Array
    sigma_s: Array

    @property
    def window_start_s(self) -> Array:
        """(n,) time of each window's first point."""
        return np.asarray(self.start_s + self.first * self.step_s, np.float64)

    def fits_axis(self, t: ArrayLike) -> bool:
        """Whether `t` has the plan's start, end and number of points."""
        t = np.asarray(t, np.float64)
        if t.shape != (self.points,):
            return False
        last = self.start_s + (self.points - 1) * self.step_s
        return bool(t[0] == self.start_s and abs(t[-1] - last) <= _JITTER * self.step_s)

    def serves(self, column: Column, injection: Injection, detector_s: float) -> bool:
        """Whether these parameters' peaks lie in the windows and their spectra in the band."""
        if len(column.k) != len(self.first):
            return False
        begin, end = column.window(injection, detector_s)
        wide = np.sqrt(column.variance) >= self.sigma_s
        return bool(((begin >= self.begin_s) & (end <= self.end_s) & wide).all())


def fft_plan(t: ArrayLike, transport: Transport, injection: Injection, *, detector_s: float = 0.0) -> FFTPlan:
    """A plan for `fft_curves` over the uniform axis `t`; give it there again while parameters move little.

    Raises InputError for an axis that is not uniform, and for peaks so narrow in so long a window that one
    transform would hold more than 4 million points.
    """
    return make_plan(uniform_axis(t), Column.of(transport), injection, detector_s)


def uniform_axis(t: ArrayLike) -> Array:
    """`t` when it is uniform and has two points at least; else InputError."""
    times = check_times(t)
    if times.size > 1:
        step = (times[-1] - times[0]) / (times.size - 1)
        if np.abs(times - (times[0] + step * np.arange(times.size))).max() <= _JITTER * step:
            return times
    raise InputError(
        "time axis",
        expected="two or more times at equal steps",
        got="one time" if times.size == 1 else "steps that differ",
        fix="Resample the axis, or take engine closed.",
        argument=True,
    )


def transform_points(times: Array, column: Column, injection: Injection) -> float:
    """What the rows of a column ask for: points of a transform, times rows."""
    begin, end = column.window(injection, 0.0)
    step = float((times[-1] - times[0]) / (times.size - 1))
    fine = np.maximum(np.ceil(step * (1 + _SLACK) * column.band(injection) / np.pi), 1)
    return float(((end - begin) * fine / step).max() * len(column.k))


def make_plan(
    times: Array, column: Column, injection: Injection, detector_s: float, wider: int = 0
) -> FFTPlan:
    """The plan for rows of a column; `wider` doubles each window so often."""
    step = float((times[-1] - times[0]) / (times.size - 1))
    begin, end = column.window(injection, detector_s)
    slack = ((1 + _SLACK) * 2**wider - 1) * (end - begin)
    begin, end = begin - slack / 2, end + slack / 2
    first = np.floor((begin - times[0]) / step)
    need = end - (times[0] + first * step)
    band = (1 + _SLACK) * column.band(injection)
    fine = np.maximum(np.ceil(step * band / np.pi), 1)
    longest = float((need * fine / step).max())
    if not longest < _LONGEST:
        raise InputError(
            "engine fft",
            expected=f"transforms of at most {_LONGEST} points",
            got=f"{longest:.3g}",
            fix="A Peclet number this high is none: take dispersion none.",
            argument=True,
        )
    length = int(next_fast_len(max(int(np.ceil(longest)) + 1, 16), real=True))
    omega = 2 * np.pi / (length * step) * fine[:, None]
    kept = min(length // 2 + 1, int(np.ceil((band / omega[:, 0]).max())) + 1)
    return FFTPlan(
        start_s=float(times[0]),
        step_s=step,
        points=times.size,
        first=first.astype(np.int64),
        fine=fine.astype(np.int64),
        length=length,
        s=np.asarray(1j * omega * np.arange(kept), np.complex128),
        begin_s=begin,
        end_s=end,
        sigma_s=np.sqrt(column.variance) / (1 + _SLACK),
    )
