"""Words for time in instrument files, and the name of an axis that is no time.

Vendors write seconds as "seconds", "SECONDS", "time in seconds", "Time-Sec", "(s)"; minutes as "Minutes",
"MIN", "R.Time (min)", "time_min".
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.chromatogram import TIME

_SECONDS = {
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "min": 60.0,
    "mins": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "ms": 1e-3,
    "msec": 1e-3,
    "millisecond": 1e-3,
    "milliseconds": 1e-3,
    "h": 3600.0,
    "hr": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
}
_LONGEST_LABEL = 60


def seconds_in(unit: str) -> float | None:
    """Seconds in one of the units that a text names; None where it names none, or two that differ."""
    found = {_SECONDS[word] for word in re.findall(r"[a-z]+", unit.lower()) if word in _SECONDS}
    return found.pop() if len(found) == 1 else None


def axis_name(unit: str) -> str:
    """The column of an axis in `unit`: "1/CM" is "x_1_cm", an absent one "x_unknown"."""
    if seconds_in(unit) is not None:
        return TIME
    slug = re.sub(r"[^a-z0-9]+", "_", unit.lower()).strip("_")[:_LONGEST_LABEL]
    return f"x_{slug or 'unknown'}"


def label(text: str) -> str:
    """One printable line of at most 60 characters, blanks at its ends and control characters left out."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(clean.split())[:_LONGEST_LABEL]


def rising(
    x: NDArray[np.float64], signal: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, ...]]:
    """An axis that falls all the way is turned round, with a note; any other stays as it is."""
    if x.size > 1 and bool((np.diff(x) < 0).all()):
        return x[::-1].copy(), signal[::-1].copy(), ("The axis falls in the file; it was turned round.",)
    return x, signal, ()
