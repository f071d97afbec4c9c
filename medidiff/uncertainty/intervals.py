"""Intervals from samples: the central one, and the shortest one.

central:          [Q((1 - level) / 2), Q((1 + level) / 2)]
highest density:  the shortest [x_(i), x_(i + m)] of m = ceil(level draws) order statistics
                  (Chen and Shao 1999, J Comput Graph Stat 8:69, for a law with one mode)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medidiff.errors import InputError
from medidiff.uncertainty.summaries import flat_samples

Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]


def central_interval(samples: ArrayLike, level: float = 0.95) -> Bounds:
    """(low, high), each (n,): as much probability below as above.

    samples: (draws, n) or (chains, draws, n). Raises InputError for samples or a level that cannot be used.
    """
    tail = (1 - checked_level(level)) / 2
    low, high = np.quantile(flat_samples(samples), [tail, 1 - tail], axis=0)
    return low, high


def highest_density_interval(samples: ArrayLike, level: float = 0.95) -> Bounds:
    """(low, high), each (n,): the shortest interval that holds `level` of the draws.

    Of a skewed law it is shorter than the central one. It says nothing useful of a law with two modes.
    """
    ordered = np.sort(flat_samples(samples), axis=0)
    draws = len(ordered)
    inside = min(int(np.ceil(checked_level(level) * draws)), draws - 1)
    best = np.argmin(ordered[inside:] - ordered[: draws - inside], axis=0)
    columns = np.arange(ordered.shape[1])
    return ordered[best, columns], ordered[best + inside, columns]


def checked_level(level: float) -> float:
    """`level` itself when it is a probability strictly between 0 and 1; InputError else."""
    if not 0 < level < 1:
        fix = "0.95 is usual; 95 % is written 0.95."
        got = f"{level:g}"
        raise InputError(
            "level", expected="a probability above 0 and below 1", got=got, fix=fix, argument=True
        )
    return level
