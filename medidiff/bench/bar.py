"""The bar of the CT bench: total variation with an oracle's choice of its weight.

For each volume, each plane and each metric on its own, the total variation that scores best on that very
volume, over a grid of lambda run to convergence along a descending path, with and without weights; where the
best lambda ends the grid, the grid grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medidiff.domains.reconstruction.ct import CTMeasurement
from medidiff.domains.reconstruction.ct.methods.baselines import tv_image
from medidiff.domains.reconstruction.ct.methods.tv import TVResult
from medidiff.domains.reconstruction.ct.scan.attenuation import water_to_hu
from medidiff.metrics import PLANES
from medidiff.progress import Report
from medidiff.runs.clock import Clock

LAMBDAS = (3e-3, 1e-3, 5e-4, 2e-4, 1e-4)  # mm; then outwards from an end that is best:
ABOVE, BELOW = (1e-2, 3e-2), (5e-5, 2e-5)
TV_ITERATIONS = 2000


def search_tv(
    measurement: CTMeasurement, scored: Any, progress: Report
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[float]]:
    """The score of every lambda and weighting tried, its row in the grid, and its seconds."""
    tried: list[dict[str, Any]] = []
    grid: list[dict[str, Any]] = []
    times: list[float] = []

    def solve(weight: float, weighted: bool, start: TVResult | None) -> tuple[float, TVResult]:
        clock = Clock()
        found = tv_image(
            measurement, weight, iterations=TV_ITERATIONS, weighted=weighted, start=start, progress=progress
        )
        times.append(clock.seconds())
        tried.append(scored(water_to_hu(found.image.numpy())))
        row = {"lambda_mm": weight, "weighted": weighted, "iterations": found.iterations}
        value = mean_psnr(tried[-1])
        grid.append(row | {"converged": found.converged, "mean_psnr_db": round(value, 3)})
        return value, found

    for weighted in (False, True) if measurement.photons is not None else (False,):
        start, first, values = None, None, []
        for weight in LAMBDAS:
            value, start = solve(weight, weighted, start)
            first = first or start
            values.append(value)
        best = int(np.argmax(values))
        top, outwards = values[best], {0: ABOVE, len(LAMBDAS) - 1: BELOW}.get(best, ())
        start = first if best == 0 else start
        for weight in outwards:
            value, start = solve(weight, weighted, start)
            if value <= top:
                break
            top = value
    return tried, grid, times


def best_of(scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The score of the best mean PSNR, with each plane's PSNR and SSIM the best of all."""
    best = dict(scores[int(np.argmax([mean_psnr(found) for found in scores]))])
    for plane in PLANES:
        if best[plane]:
            best[plane] = {what: max(s[plane][what] for s in scores) for what in ("psnr_db", "ssim")}
    return best


def mean_psnr(score_: Mapping[str, Any]) -> float:
    """The mean of the planes' PSNR, dB."""
    return float(np.mean([score_[plane]["psnr_db"] for plane in PLANES if score_[plane]]))
