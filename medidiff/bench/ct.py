"""Quality of CT reconstruction against filtered back-projection and the best-tuned total variation.

The bar is an oracle: for each volume, the total variation that scores best on that very volume, over a grid
of lambda run to convergence along a descending path, with and without weights. The diffusion arm has no such
luxury: its numbers come from the defaults. Protocol: `medidiff.metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medidiff.bench.report import BenchResult, Row
from medidiff.domains.reconstruction.ct import CTMeasurement, reconstruct_ct, score, simulate_ct
from medidiff.domains.reconstruction.ct.methods.baselines import fbp_image, tv_image
from medidiff.domains.reconstruction.ct.scan.attenuation import water_to_hu
from medidiff.io import Volume, read_volume
from medidiff.io.demo import demo_volume
from medidiff.metrics import PLANES, PROTOCOL, body_mask, score_volume
from medidiff.progress import Progress, Report, silent
from medidiff.runs.clock import Clock

LAMBDAS = (3e-3, 1e-3, 5e-4, 2e-4, 1e-4)
TV_ITERATIONS = 2000
GATES = {None: 3.7, 1e5: 2.5}
AIMS = {None: 6.0, 1e5: 4.0}
FBP_GATES = {None: 9.0, 1e5: 7.5}
SSIM_GATE = 0.08
BIAS_HU = 5.0
_GATED_VIEWS, _GATED_ARC = 24, 180.0


@dataclass(frozen=True)
class Scores:
    """One volume: method -> its score, method -> seconds; `grid` is the search for the bar."""

    case: str
    scores: Mapping[str, Mapping[str, Any]]
    seconds: Mapping[str, float]
    grid: Sequence[Mapping[str, Any]]


def run(
    *,
    input: Sequence[Path] | None = None,
    views: int = 24,
    arc_deg: float = 180.0,
    photons: float | None = None,
    seed: int = 0,
    device: str = "auto",
    prior: str | None = None,
    progress: Report = silent,
) -> BenchResult:
    """Measure, reconstruct and score each volume (default: the demo's); one row a number.

    The gates of the issue that asked for the bench stand on the mean over several volumes, for 24 views over
    180 degrees without noise and at 1e5 photons. Volumes are named volume 1, 2 ... in the order given.
    """
    volumes = (
        [("demo", demo_volume())]
        if not input
        else [(f"volume {number}", read_volume(path)) for number, path in enumerate(input, 1)]
    )
    done = []
    for number, (case, volume) in enumerate(volumes):
        progress(Progress("volumes", number, len(volumes), case))
        done.append(
            compare(
                case,
                volume,
                views=views,
                arc_deg=arc_deg,
                photons=photons,
                seed=seed,
                device=device,
                prior=prior,
                progress=progress,
            )
        )
    gated = views == _GATED_VIEWS and arc_deg == _GATED_ARC and len(done) > 1
    rows = [row for scores in done for row in rows_of(scores.case, [scores], photons, gated=False)]
    if len(done) > 1:
        rows += rows_of(f"mean of {len(done)}", done, photons, gated=gated)
    notes = {
        "protocol": PROTOCOL,
        "measurement": {"views": views, "arc_deg": arc_deg, "photons": photons},
        "tv_grid": {scores.case: list(scores.grid) for scores in done},
    }
    return BenchResult(
        "ct", tuple(rows), skipped=() if len(done) > 1 else ("means: one volume",), notes=notes
    )


def compare(
    case: str,
    volume: Volume,
    *,
    views: int,
    arc_deg: float,
    photons: float | None,
    seed: int,
    device: str,
    prior: str | None,
    matrix: int | None = None,
    progress: Report = silent,
) -> Scores:
    """All methods on one volume and one measurement of it."""
    measurement, reference = simulate_ct(
        volume, views=views, arc_deg=arc_deg, photons=photons, matrix=matrix, seed=seed, progress=progress
    )
    result = score(
        reconstruct_ct(measurement, method="all", prior=prior, seed=seed, device=device, progress=progress),
        reference,
    )
    methods = result.report["methods"]
    mask = body_mask(reference.array)

    def scored(water: Any) -> dict[str, Any]:
        return dict(
            score_volume(water_to_hu(water.numpy()), reference.array, reference.spacing_mm, mask=mask)
        )

    scores = {name: row["metrics"] for name, row in methods.items()}
    seconds = {name: row["seconds"] for name, row in methods.items()}
    ramp = scored(fbp_image(measurement, "ramp"))
    scores["fbp"] = max(scores["fbp"], ramp, key=mean_psnr)
    scores["best_tv"], grid, seconds["best_tv"] = best_tv(measurement, scored, progress)
    return Scores(case, scores, seconds, grid)


def best_tv(
    measurement: CTMeasurement, scored: Any, progress: Report
) -> tuple[dict[str, Any], list[dict[str, Any]], float]:
    """The best score over lambda and weighting, the whole grid, and the seconds of the whole search."""
    clock, grid, best = Clock(), [], None
    for weighted in (False, True) if measurement.photons is not None else (False,):
        start = None
        for weight in LAMBDAS:
            start = tv_image(
                measurement,
                weight,
                iterations=TV_ITERATIONS,
                weighted=weighted,
                start=start,
                progress=progress,
            )
            found = scored(start.image)
            grid.append(
                {
                    "lambda_mm": weight,
                    "weighted": weighted,
                    "iterations": start.iterations,
                    "converged": start.converged,
                    "mean_psnr_db": round(mean_psnr(found), 3),
                }
            )
            best = found if best is None else max(best, found, key=mean_psnr)
    assert best is not None  # the grid is not empty
    return best, grid, clock.seconds()


def mean_psnr(score_: Mapping[str, Any]) -> float:
    """The mean of the planes' PSNR, dB."""
    return float(np.mean([score_[plane]["psnr_db"] for plane in PLANES if score_[plane]]))


def rows_of(case: str, done: Sequence[Scores], photons: float | None, *, gated: bool) -> list[Row]:
    """Rows of the mean over volumes; `gated` puts the issue's gates on them."""

    def mean(method: str, plane: str, what: str) -> float | None:
        values = [s.scores[method][plane][what] for s in done if s.scores[method][plane]]
        return float(np.mean(values)) if values else None

    rows = []
    for plane in PLANES:
        ours, bar, fbp = (mean(method, plane, "psnr_db") for method in ("diffusion", "best_tv", "fbp"))
        ssim, bar_ssim = (mean(method, plane, "ssim") for method in ("diffusion", "best_tv"))
        if ours is None or bar is None or fbp is None or ssim is None or bar_ssim is None:
            continue
        gate, aim, fbp_gate = (table.get(photons) if gated else None for table in (GATES, AIMS, FBP_GATES))
        ssim_gate = SSIM_GATE if gated and photons is None and plane == "axial" else None
        rows += [
            Row(case, f"diffusion_minus_best_tv_db.{plane}", ours - bar, "dB", gate, aim),
            Row(case, f"diffusion_minus_fbp_db.{plane}", ours - fbp, "dB", fbp_gate),
            Row(case, f"diffusion_minus_best_tv_ssim.{plane}", ssim - bar_ssim, "", ssim_gate),
        ]
    rows += _excess_rows(case, done, gated=gated)
    for method in done[0].scores:
        for plane in PLANES:
            for what, unit in (("psnr_db", "dB"), ("ssim", "")):
                value = mean(method, plane, what)
                if value is not None:
                    rows.append(Row(case, f"{what}.{method}.{plane}", value, unit))
        rows += _bias_rows(case, done, method)
        roughness = [s.scores[method]["z_roughness"] for s in done if "z_roughness" in s.scores[method]]
        if roughness:
            rows.append(Row(case, f"z_roughness.{method}", float(np.mean(roughness)), "of reference"))
        rows.append(
            Row(
                case,
                f"seconds.{method}",
                float(np.mean([s.seconds[method] for s in done])),
                "s",
                better="lower",
            )
        )
    return rows


def _excess_rows(case: str, done: Sequence[Scores], *, gated: bool) -> list[Row]:
    """By how much the mean bias of diffusion exceeds the larger of total variation's and 5 HU."""
    ours, bar = (
        {r.metric.rpartition(".")[2]: abs(r.value) for r in _bias_rows(case, done, m)}
        for m in ("diffusion", "best_tv")
    )
    gate = 0.0 if gated else None
    return [
        Row(
            case,
            f"hu_bias_excess.{tissue}",
            ours[tissue] - max(bar[tissue], BIAS_HU),
            "HU",
            gate,
            better="lower",
        )
        for tissue in ours
    ]


def _bias_rows(case: str, done: Sequence[Scores], method: str) -> list[Row]:
    tissues = dict.fromkeys(t for s in done for t in s.scores[method]["hu_bias"])
    return [
        Row(
            case,
            f"hu_bias.{method}.{tissue}",
            float(
                np.mean(
                    [
                        s.scores[method]["hu_bias"][tissue]
                        for s in done
                        if tissue in s.scores[method]["hu_bias"]
                    ]
                )
            ),
            "HU",
            better="lower",
        )
        for tissue in tissues
    ]
