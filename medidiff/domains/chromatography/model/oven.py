"""The oven: a temperature that is constant, or linear between corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.domains.chromatography.model import plausible
from medidiff.errors import InputError


@dataclass(frozen=True)
class Oven:
    """Corners (times_s, temperatures_k) of the programme; constant before the first and after the last.

    Raises InputError for times that do not rise from 0, and for temperatures that are not above 0 K.
    """

    times_s: tuple[float, ...]
    temperatures_k: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "times_s", tuple(map(float, self.times_s)))
        object.__setattr__(self, "temperatures_k", tuple(map(float, self.temperatures_k)))
        times = np.array(self.times_s)
        fits = len(self.times_s) == len(self.temperatures_k) > 0
        if not fits or times[0] != 0 or not (np.diff(times) > 0).all() or not np.isfinite(times).all():
            raise _bad("corners at rising times from 0 s, a temperature each", f"{self.times_s[:4]}")
        for kelvin in self.temperatures_k:
            plausible.TEMPERATURE.check(kelvin, "oven")

    @classmethod
    def isothermal(cls, temperature_k: float) -> Oven:
        """One temperature."""
        return cls((0.0,), (temperature_k,))

    @classmethod
    def programme(
        cls, start_k: float, hold_s: float, ramps: Sequence[tuple[float, float, float]] = ()
    ) -> Oven:
        """A start with its hold, then ramps (rate in K/s, end in K, hold in s), as instruments write them.

        A rate may be negative (cooling) where the end is lower.
        """
        times, temperatures = [0.0], [start_k]
        _extend(times, temperatures, hold_s, start_k)
        for rate, end, hold in ramps:
            rise = end - temperatures[-1]
            if not rate or not rise / rate > 0:
                got = f"{rate:g} K/s from {temperatures[-1]:g} to {end:g} K"
                raise _bad("a ramp that leads to its end", got)
            _extend(times, temperatures, rise / rate, end)
            _extend(times, temperatures, hold, end)
        return cls(tuple(times), tuple(temperatures))

    @property
    def is_isothermal(self) -> bool:
        """Whether the temperature never changes."""
        return len(set(self.temperatures_k)) == 1

    def temperature(self, t: ArrayLike) -> NDArray[np.float64]:
        """Temperature in K at times in s, any shape."""
        times = np.asarray(t, np.float64)
        return np.asarray(np.interp(times, self.times_s, self.temperatures_k), np.float64)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what lies outside the usual."""
        kelvins = (min(self.temperatures_k), max(self.temperatures_k))
        return tuple(note for kelvin in dict.fromkeys(kelvins) for note in _notes(kelvin))


def _notes(kelvin: float) -> tuple[str, ...]:
    return plausible.TEMPERATURE.notes(kelvin, "oven")


def _extend(times: list[float], temperatures: list[float], seconds: float, kelvin: float) -> None:
    if not 0 <= seconds < np.inf:
        raise _bad("holds of at least 0 s", f"{seconds:g}")
    if seconds:
        times.append(times[-1] + seconds)
        temperatures.append(kelvin)


def _bad(expected: str, got: str) -> InputError:
    fix = "Give start and hold, then (rate, end, hold) for each ramp."
    return InputError("oven", expected=expected, got=got, fix=fix, argument=True)
