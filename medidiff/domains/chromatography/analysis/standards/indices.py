"""Retention indices: where a peak lies between the n-alkanes, 100 for each carbon.

    isothermal (Kovats 1958, Helv Chim Acta 41:1915), adjusted times t' = t - t0
        I = 100 [ n + (ln t'x - ln t'n) / (ln t'(n+1) - ln t'n) ]
    programmed (van den Dool and Kratz 1963, J Chromatogr A 11:463)
        I = 100 [ n + (tx - tn) / (t(n+1) - tn) ]

A step of the ladder may span several carbons. Nothing is extrapolated: outside the ladder the index is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.errors import InputError

MOST_CARBONS = 200
_MINUTE = 60.0


def retention_indices(
    times_s: ArrayLike, ladder: Mapping[int, float], *, t0_s: float | None = None
) -> NDArray[np.float64]:
    """Indices of retention times, any shape.

    ladder: carbons -> retention time in s. With `t0_s` Kovats', of adjusted times; without it those of van
    den Dool and Kratz. Raises InputError for a ladder of fewer than two alkanes or that does not rise, and
    for a hold-up time that is not before all of it.
    """
    carbons, at = _checked(ladder)
    times = np.asarray(times_s, np.float64)
    if t0_s is None:
        return _between(times, carbons, at)
    if not 0 < t0_s < at[0]:
        expected = f"a hold-up time above 0 and before the first alkane ({at[0]:g} s)"
        meant = " Are the ladder's times in minutes?" if at[0] <= t0_s < _MINUTE * at[0] else ""
        fix = f"Give both in seconds; without t0 the programmed index is taken.{meant}"
        raise _bad(expected, f"{t0_s:g} s", fix)
    adjusted = np.where(times > t0_s, times - t0_s, np.nan)
    return _between(np.log(adjusted), carbons, np.log(at - t0_s))


def minutes_note(times_s: ArrayLike, ladder: Mapping[int, float]) -> list[str]:
    """A sentence where the ladder holds few of the peaks, and would hold four times as many in minutes."""
    times, ends = np.asarray(times_s, np.float64), np.array([min(ladder.values()), max(ladder.values())])
    inside, meant = (
        int(np.count_nonzero((times >= low) & (times <= high))) for low, high in (ends, _MINUTE * ends)
    )
    if not meant or meant < 4 * inside:
        return []
    held = f"{inside} of {times.size} peaks lie in the ladder, from {ends[0]:g} to {ends[1]:g} s"
    return [f"{held}; in minutes it would hold {meant}: give its times in seconds"]


def _between(
    x: NDArray[np.float64], carbons: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 100 * np.interp(x, at, carbons, left=np.nan, right=np.nan)
    return np.where(np.isnan(x), np.nan, found)


def _checked(ladder: Mapping[int, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if len(ladder) < 2:
        raise _bad("at least two alkanes", str(len(ladder)), "Give carbons and retention times in seconds.")
    carbons = np.array(sorted(ladder), np.float64)
    at = np.array([ladder[int(n)] for n in carbons], np.float64)
    if not np.isfinite(at).all() or (at <= 0).any():
        raise _bad("finite retention times above 0", "one that is not", "Correct the ladder.")
    if (carbons < 1).any() or (carbons > MOST_CARBONS).any():
        raise _bad(f"1 to {MOST_CARBONS} carbons", f"{carbons.min():g} to {carbons.max():g}", "Correct it.")
    for (n, t), (more, later) in pairwise(zip(carbons, at, strict=True)):
        if later <= t:
            got = f"C{n:g} at {t:g} s, C{more:g} at {later:g} s"
            raise _bad("alkanes that elute in the order of their carbons", got, "Correct the ladder.")
    return carbons, at


def _bad(expected: str, got: str, fix: str) -> InputError:
    return InputError("alkane ladder", expected=expected, got=got, fix=fix, argument=True)
