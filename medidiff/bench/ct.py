"""Quality of CT reconstruction against filtered back-projection, total variation and a supervised network.

The bar is an oracle (`medidiff.bench.bar`), the package's own total variation included; its HU bias and
roughness are those of the best mean PSNR. FBP is the better of two windows. The diffusion arm has
no such luxury: its numbers come from the defaults. A rival is `medidiff.bench.rival`'s. Protocol:
`medidiff.metrics`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medidiff.bench.bar import LAMBDAS, best_of, mean_psnr, search_tv
from medidiff.bench.report import BenchResult, Row
from medidiff.bench.rival import RIVALS, Rival, read_rival
from medidiff.domains.reconstruction.ct import reconstruct_ct, score, simulate_ct
from medidiff.domains.reconstruction.ct.methods.baselines import fbp_image
from medidiff.domains.reconstruction.ct.scan.attenuation import water_to_hu
from medidiff.domains.reconstruction.ct.scan.geometry import FULL_ARC_DEG
from medidiff.io import Volume, read_volume
from medidiff.io.demo import demo_volume
from medidiff.metrics import PLANES, PROTOCOL, body_mask, score_volume
from medidiff.progress import Progress, Report, silent
from medidiff.runs.clock import Clock

BIAS_HU = 5.0
METHODS = ("fbp", "tv", "diffusion")


@dataclass(frozen=True)
class Scan:
    """How a volume is measured. `arc_deg` None is the full scan, `photons` None is without noise."""

    views: int = 24
    arc_deg: float | None = None
    geometry: str = "parallel"
    photons: float | None = None

    @property
    def degrees(self) -> float:
        """The arc."""
        return FULL_ARC_DEG[self.geometry] if self.arc_deg is None else self.arc_deg

    def words(self) -> str:
        """For a reader: geometry, views, arc, noise."""
        noise = "no noise" if self.photons is None else f"{self.photons:g} photons a bin"
        return f"{self.geometry}, {self.views} views over {self.degrees:g} degrees, {noise}"


@dataclass(frozen=True)
class Gates:
    """What the mean over several volumes must reach, and should: dB over total variation in every plane.

    worst: of each volume. fbp: dB over FBP. ssim: over total variation, axial.
    """

    gain: float | None = None
    aim: float | None = None
    worst: float | None = None
    fbp: float | None = None
    ssim: float | None = None


GATES = {
    (24, 180.0, "parallel", None): Gates(3.7, 6.0, worst=2.5, fbp=9.0, ssim=0.08),
    (24, 180.0, "parallel", 1e5): Gates(2.5, 4.0, fbp=7.5),
    (60, 120.0, "parallel", None): Gates(3.0, 5.0),
}
TABLE = (
    *(Scan(views) for views in (8, 16, 24, 60)),
    *(Scan(24, photons=photons) for photons in (1e6, 1e5, 1e4)),
    *(Scan(60, arc) for arc in (150.0, 120.0, 90.0)),
    Scan(60, 120.0, photons=1e5),
    *(Scan(views, geometry=fan) for fan in ("fan-flat", "fan-curved") for views in (24, 48)),
    Scan(48, geometry="fan-flat", photons=1e5),
)
"""What `bench ct --table` measures: one thing changed at a time from 24 parallel views without noise."""


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
    arc_deg: float | None = None,
    geometry: str = "parallel",
    photons: float | None = None,
    table: bool = False,
    rival: Path | None = None,
    seed: int = 0,
    device: str = "auto",
    prior: str | None = None,
    progress: Report = silent,
) -> BenchResult:
    """Measure, reconstruct and score each volume (default: the demo's); one row a number.

    `table` measures the scans of `TABLE`, the others' options aside, and keeps the PSNR alone. `rival` is the
    training run of a supervised network. Volumes are named volume 1, 2 ... in the order given.
    """
    volumes = (
        [("demo", demo_volume())]
        if not input
        else [(f"volume {number}", read_volume(path)) for number, path in enumerate(input, 1)]
    )
    network = None if rival is None else read_rival(rival)
    arm = Arm(prior=prior, rival=network, seed=seed, device=device, progress=progress)
    if table:
        return measure_table(volumes, TABLE, arm)
    return measure(volumes, Scan(views, arc_deg, geometry, photons), arm)


@dataclass(frozen=True)
class Arm:
    """What is compared with the baselines, and how: a prior's name, a supervised network or none."""

    prior: str | None = None
    rival: Rival | None = None
    seed: int = 0
    device: str = "auto"
    progress: Report = silent


def measure(
    volumes: Sequence[tuple[str, Volume]],
    scan: Scan = Scan(),
    arm: Arm = Arm(),
    *,
    matrix: int | None = None,
) -> BenchResult:
    """One scan of volumes in memory, each under the name of its case; `matrix` as `simulate_ct` takes it.

    The gates stand on the mean over several volumes.
    """
    done = []
    for number, (case, volume) in enumerate(volumes):
        arm.progress(Progress("volumes", number, len(volumes), case))
        done.append(compare(case, volume, scan, arm, matrix=matrix))
    several = len(done) > 1
    gated = several and matrix is None
    gates = GATES.get((scan.views, scan.degrees, scan.geometry, scan.photons)) if gated else None
    rows = [row for scores in done for row in rows_of(scores.case, [scores])]
    if several:
        rows += rows_of(f"mean of {len(done)}", done, gates)
    skipped = [] if several else ["means: one volume"]
    skipped += [
        f"{plane}, {scores.case}: no slice with enough of the body"
        for scores in done
        for plane in PLANES
        if not scores.scores["diffusion"][plane]
    ]
    skipped += [] if arm.rival else ["rival: no run given (--rival)"]
    notes = {
        "protocol": PROTOCOL,
        "measurement": {
            "geometry": scan.geometry,
            "views": scan.views,
            "arc_deg": scan.degrees,
            "photons": scan.photons,
        },
        "tv_grid": {scores.case: list(scores.grid) for scores in done},
    }
    grid = [row for scores in done for row in scores.grid]
    return BenchResult(
        "ct",
        tuple(rows),
        skipped=tuple(skipped),
        remarks=remarks([scan], grid, arm.rival),
        notes=notes,
    )


def measure_table(
    volumes: Sequence[tuple[str, Volume]],
    scans: Sequence[Scan],
    arm: Arm = Arm(),
) -> BenchResult:
    """PSNR of every method over several scans: of the volume, or the means where there are several."""
    rows: list[Row] = []
    grid: list[Mapping[str, Any]] = []
    skipped: list[str] = []
    for number, scan in enumerate(scans):
        arm.progress(Progress("scans", number, len(scans), scan.words()))
        found = measure(volumes, scan, arm)
        skipped += [what for what in found.skipped if what not in skipped]
        grid += [row for search in found.notes["tv_grid"].values() for row in search]
        rows += [
            replace(row, case=f"{row.case}, {scan.words()}", gate=None, aim=None)
            for row in found.rows
            if "_db." in row.metric and (len(volumes) == 1 or row.case.startswith("mean"))
        ]
    return BenchResult(
        "ct-table",
        tuple(rows),
        skipped=tuple(skipped),
        remarks=remarks([], grid, arm.rival),
        notes={"protocol": PROTOCOL},
    )


def remarks(
    scans: Sequence[Scan], grid: Sequence[Mapping[str, Any]], rival: Rival | None = None
) -> tuple[str, ...]:
    """What a reader of the table must know; `grid` are the solves of total variation."""
    converged = sum(row["converged"] for row in grid)
    region, window, span = PROTOCOL["region"], PROTOCOL["window"], PROTOCOL["data_range"]
    return (
        *(f"{scan.words()}." for scan in scans),
        f"Region {region}, window {window} HU, data range {span} HU.",
        f"best_tv: the best of lambda = {', '.join(f'{v:g}' for v in LAMBDAS)} mm (more where an end was "
        f"best), for each volume, plane and metric; {converged} of {len(grid)} solves converged (tv_grid).",
        "hu_bias_excess: mean over volumes of |bias| beyond the larger of best_tv's and 5 HU.",
        *((rival.words(),) if rival else ()),
    )


def compare(case: str, volume: Volume, scan: Scan, arm: Arm, *, matrix: int | None = None) -> Scores:
    """All methods on one volume and one measurement of it."""
    measurement, reference = simulate_ct(
        volume,
        views=scan.views,
        arc_deg=scan.arc_deg,
        geometry=scan.geometry,
        photons=scan.photons,
        matrix=matrix,
        seed=arm.seed,
        progress=arm.progress,
    )
    reconstructed = reconstruct_ct(
        measurement, method=METHODS, prior=arm.prior, seed=arm.seed, device=arm.device, progress=arm.progress
    )
    result = score(reconstructed, reference)
    methods = result.report["methods"]
    mask = body_mask(reference.array)

    def scored(hu: Any) -> dict[str, Any]:
        return dict(score_volume(hu, reference.array, reference.spacing_mm, mask=mask))

    scores = {name: row["metrics"] for name, row in methods.items()}
    seconds = {name: row["seconds"] for name, row in methods.items()}
    windows = [scored(water_to_hu(fbp_image(measurement, w).numpy())) for w in ("hann", "ramp")]
    scores["fbp"] = max(windows, key=mean_psnr)
    tried, grid, times = search_tv(measurement.joined(), scored, arm.progress)
    scores["best_tv"] = best_of([*tried, scores["tv"]])
    seconds["best_tv"] = times[int(np.argmax([mean_psnr(found) for found in tried]))]
    seconds["best_tv_search"] = sum(times)
    if arm.rival:
        clock = Clock()
        images = arm.rival.images(measurement.joined(), reconstructed["tv.nii.gz"].array)
        both = seconds["tv"] + clock.seconds()  # one call makes both images
        for name, image in images.items():
            scores[name], seconds[name] = scored(image), both
    return Scores(case, scores, seconds, grid)


def rows_of(case: str, done: Sequence[Scores], gates: Gates | None = None) -> list[Row]:
    """Rows of the mean over volumes, their spread and worst; `gates` stand on them."""
    rows, gated = [], gates is not None
    gates = gates or Gates()
    for plane in PLANES:
        if not all(score_[plane] for s in done for score_ in s.scores.values()):
            continue
        over_tv = _over(done, "diffusion", "best_tv", plane)
        rows += [
            Row(
                case,
                f"diffusion_minus_best_tv_db.{plane}",
                mean(over_tv),
                "dB",
                gates.gain,
                gates.aim,
            ),
            Row(
                case,
                f"diffusion_minus_fbp_db.{plane}",
                mean(_over(done, "diffusion", "fbp", plane)),
                "dB",
                gates.fbp,
            ),
            Row(
                case,
                f"diffusion_minus_best_tv_ssim.{plane}",
                mean(_over(done, "diffusion", "best_tv", plane, "ssim")),
                "",
                gates.ssim if plane == "axial" else None,
            ),
        ]
        for rival in [method for method in RIVALS if method in done[0].scores]:
            for ours, theirs in ((rival, "best_tv"), ("diffusion", rival)):
                value = mean(_over(done, ours, theirs, plane))
                rows.append(Row(case, f"{ours}_minus_{theirs}_db.{plane}", value, "dB"))
        if len(done) > 1:
            what = f"diffusion_minus_best_tv_db.{plane}"
            spread = float(np.std(over_tv, ddof=1))
            rows += [
                Row(case, f"min.{what}", min(over_tv), "dB", gates.worst),
                Row(case, f"sd.{what}", spread, "dB", better="lower"),
            ]
    rows += excess_rows(case, done, gated=gated)
    for method in done[0].scores:
        rows += _method_rows(case, method, done)
    rows += [
        Row(case, f"seconds.{method}", mean(s.seconds[method] for s in done), "s", better="lower")
        for method in done[0].seconds
    ]
    return rows


def _over(done: Sequence[Scores], ours: str, theirs: str, plane: str, what: str = "psnr_db") -> list[float]:
    """By how much one method is above another, of each volume."""
    return [s.scores[ours][plane][what] - s.scores[theirs][plane][what] for s in done]


def mean(values: Iterable[float]) -> float:
    """The mean of numbers."""
    return float(np.mean(list(values)))


def _method_rows(case: str, method: str, done: Sequence[Scores]) -> list[Row]:
    """PSNR, SSIM, HU bias and roughness of one method."""
    scores, rows = [s.scores[method] for s in done], []
    for plane in PLANES:
        found = [score_[plane] for score_ in scores if score_[plane]]
        for what, unit in (("psnr_db", "dB"), ("ssim", "")) if found else ():
            rows.append(Row(case, f"{what}.{method}.{plane}", mean(v[what] for v in found), unit))
    for tissue in _tissues(done, method):
        values = [score_["hu_bias"][tissue] for score_ in scores if tissue in score_["hu_bias"]]
        rows += [
            Row(case, f"hu_bias.{method}.{tissue}", mean(values), "HU", better=None),
            Row(case, f"hu_bias_abs.{method}.{tissue}", mean(map(abs, values)), "HU", better="lower"),
        ]
    if rough := [score_["z_roughness"] for score_ in scores if "z_roughness" in score_]:
        rows.append(Row(case, f"z_roughness.{method}", mean(rough), "of reference", better=None))
    return rows


def excess_rows(case: str, done: Sequence[Scores], *, gated: bool) -> list[Row]:
    """By how much the mean |bias| of diffusion exceeds the larger of total variation's and 5 HU."""
    rows = []
    for tissue in _tissues(done, "diffusion"):
        have = [s for s in done if tissue in s.scores["diffusion"]["hu_bias"]]
        ours, bar = (
            mean(abs(s.scores[method]["hu_bias"][tissue]) for s in have)
            for method in ("diffusion", "best_tv")
        )
        gate = 0.0 if gated else None
        rows.append(
            Row(case, f"hu_bias_excess.{tissue}", ours - max(bar, BIAS_HU), "HU", gate, better="lower")
        )
    return rows


def _tissues(done: Sequence[Scores], method: str) -> list[str]:
    return list(dict.fromkeys(t for s in done for t in s.scores[method]["hu_bias"]))
