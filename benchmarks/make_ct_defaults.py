"""Tune the defaults of CT reconstruction on validation people, and write `defaults.json`.

    python benchmarks/make_ct_defaults.py --data DIR --prior ct-tuned --out .../ct/methods/defaults.json

DIR holds `manifest.csv` and the files of split "val". Five of its people are volumes; the middle slices of
each are used. For every knot the settings are climbed one after the other on the grids below, from the
knot before it, to the best mean PSNR (three planes); every try goes to
`benchmarks/results/ct-defaults-PRIOR.json`. The two base knots, 24 views without noise and at 1e5 photons,
use all five people and climb their number of levels and the proximal factor too; the others use three.

All knots are searched for the tuned prior, total variation (run to convergence) with them; another prior is
searched at 24 views and takes the tuned one's ratios to its other knots, so the tuned prior comes first.
The test people and the demo are never opened.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from medidiff.bench.ct import mean_psnr
from medidiff.domains.reconstruction.ct import simulate_ct
from medidiff.domains.reconstruction.ct.methods.baselines import tv_image
from medidiff.domains.reconstruction.ct.methods.fast import (
    FastSettings,
    Scaling,
    reconstruct_fast,
    scaled_problem,
)
from medidiff.domains.reconstruction.ct.scan.attenuation import water_to_hu
from medidiff.domains.reconstruction.ct.simulate import model_error
from medidiff.io import read_volume
from medidiff.metrics import body_mask, score_volume
from medidiff.priors import find, load

BASE_VIEWS = 24
ARCS = (90.0, 120.0)  # with 60 views; 180 is the base
LAMBDAS = (3e-2, 1e-2, 5e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4, 5e-5)
FIRST_HU = (70.0, 100.0, 140.0, 200.0, 280.0, 400.0, 560.0, 800.0, 1120.0)
LAST_HU = (4.0, 6.0, 8.0, 12.0, 17.0, 24.0, 34.0, 48.0, 68.0, 96.0, 136.0)
PROX = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
SLICES, SEARCH_SLICES, START_ITERATIONS = 6, 4, 60
PEOPLE_BESIDE = 3  # of the knots beside the base
EVALUATIONS = (6, 8, 12, 16, 24)  # more than 24 takes longer than it is worth
FIELDS = ("evaluations", "first_hu", "last_hu", "prox_factor")
GRIDS = {"evaluations": EVALUATIONS, "first_hu": FIRST_HU, "last_hu": LAST_HU, "prox_factor": PROX}
BESIDE = ("first_hu", "last_hu")  # climbed at every knot
BASES = ("24 views", "1e+05 photons")
FIXED = {"cg_iterations": 6, "flips": 1}
FIRST_GUESS = FastSettings(evaluations=24, first_hu=200.0, last_hu=17.0, prox_factor=6.0)
NOISY_GUESS = FastSettings(evaluations=8, first_hu=280.0, last_hu=34.0, prox_factor=3.0)


class Case:
    """One measurement of one validation person, with what the search needs of it."""

    def __init__(self, volume: Any, scaling: Scaling, **scan: Any) -> None:
        self.measurement, reference = simulate_ct(volume, **scan)
        self.reference, self.mask = reference, body_mask(reference.array)
        self.problem = scaled_problem(self.measurement, scaling, torch.device("cpu"))
        self.scaling = scaling
        self.start = torch.empty(0)

    def score(self, water: torch.Tensor) -> float:
        """Mean PSNR of the planes."""
        hu = water_to_hu(water.numpy())
        return mean_psnr(score_volume(hu, self.reference.array, self.reference.spacing_mm, mask=self.mask))

    def tv(self, weight: float, **options: Any) -> torch.Tensor:
        """Total variation in water units."""
        return tv_image(self.measurement, weight, **options).image

    def fast(self, prior: Any, settings: FastSettings) -> float:
        """PSNR of fast mode from the case's start."""
        dz = self.measurement.slice_spacing_mm
        net = prior.denoiser
        image = reconstruct_fast(
            self.problem, net, net.kernel, self.scaling, prior.card.error_at, self.start, dz, settings
        )
        return self.score(image)


class Search:
    """Hill climbing over grids; keeps every try."""

    def __init__(self, prior: Any, tv_weights: dict[str, float]) -> None:
        self.prior, self.tv_weights = prior, tv_weights
        self.log: list[dict[str, Any]] = []

    def climb(self, grid: tuple[float, ...], start: float, score: Any, what: str) -> float:
        """The value of the grid from which neither neighbour is better, from the nearest to `start`."""
        tried: dict[int, float] = {}

        def at(index: int) -> float:
            if index not in tried:
                tried[index] = score(grid[index])
                self.log.append({"what": what, "value": grid[index], "psnr_db": round(tried[index], 3)})
                print(self.log[-1], flush=True)
            return tried[index]

        here = int(np.argmin([abs(np.log(v / start)) for v in grid]))
        while True:
            around = [k for k in (here - 1, here, here + 1) if 0 <= k < len(grid)]
            best = max(around, key=at)
            if best == here:
                self.log[-1]["at_edge"] = here in (0, len(grid) - 1)  # then the grid should be longer
                return grid[here]
            here = best

    def knot(self, name: str, cases: list[Case], base: FastSettings, weight: float) -> dict[str, float]:
        """lambda, then proximal factor, first level and last level of one knot."""
        if name not in self.tv_weights:

            def tv_score(value: float) -> float:
                return float(np.mean([case.score(case.tv(value)) for case in cases]))

            self.tv_weights[name] = self.climb(LAMBDAS, weight, tv_score, f"{name} tv_weight")
        for case in cases:
            case.start = case.tv(self.tv_weights[name], iterations=START_ITERATIONS, tolerance=0.0)
        base = replace(base, **FIXED)
        scores: dict[FastSettings, float] = {}

        def score(settings: FastSettings) -> float:
            if settings not in scores:
                scores[settings] = float(np.mean([case.fast(self.prior, settings) for case in cases]))
            return scores[settings]

        for field in FIELDS if name in BASES else BESIDE:

            def at(value: float, field: str = field, base: FastSettings = base) -> float:
                return score(replace(base, **{field: value}))

            found = self.climb(GRIDS[field], getattr(base, field), at, f"{name} {field}")
            base = replace(base, **{field: found})
        return {"tv_weight": self.tv_weights[name]} | {f: getattr(base, f) for f in FIELDS}


def main() -> None:
    """Search and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prior", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    prior = load(find(arguments.prior))
    role = prior.card.role
    scaling = Scaling(prior.card.scaling.offset, prior.card.scaling.scale)
    volumes = validation_volumes(arguments.data, SEARCH_SLICES)
    table = json.loads(arguments.out.read_text(encoding="utf-8"))
    results = Path("benchmarks/results")
    known = {} if role == "tuned" else json.loads((results / "ct-defaults-ct-tuned.json").read_text())
    search = Search(prior, known.get("tv_weights", {}))
    table["model_error_per_mm"] = error = model_error_per_mm(volumes)

    def knot(name: str, near: dict[str, float], **scan: Any) -> dict[str, float]:
        chosen = volumes if name in BASES else volumes[:PEOPLE_BESIDE]
        cases = [Case(v, scaling, model_error=error * pixel_mm(v), **scan) for v in chosen]
        base = replace(FastSettings(), **{f: near[f] for f in FIELDS})
        return search.knot(name, cases, base, near.get("tv_weight", 5e-4))

    clean, noisy = ({f: getattr(guess, f) for f in FIELDS} for guess in (FIRST_GUESS, NOISY_GUESS))
    base = knot(BASES[0], clean, views=24)
    if role == "tuned":
        write_tuned(table, base, noisy, knot)
    else:
        tuned = table["tuned"]
        to_own = ratio(base, next(row for row in tuned["by_views"] if row["at"] == BASE_VIEWS))
        table[role] = tuned | {"by_views": [scaled(row, to_own) for row in tuned["by_views"]]}
    table[role] |= FIXED
    arguments.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    log = {"people": len(volumes), "tv_weights": search.tv_weights, "search": search.log}
    (results / f"ct-defaults-{arguments.prior}.json").write_text(
        json.dumps(log, indent=1) + "\n", encoding="utf-8"
    )


def write_tuned(table: dict[str, Any], base: dict[str, float], noisy: dict[str, float], knot: Any) -> None:
    """Search every knot but the base, and put all of them into the table's parts `tuned` and `tv`."""
    by_photons = {1e5: knot(BASES[1], noisy, views=24, photons=1e5)}
    by_views = {BASE_VIEWS: base}
    for views, near in ((16, 24), (8, 16), (60, 24)):
        by_views[views] = knot(f"{views} views", by_views[near], views=views)
    for photons in (1e6, 1e4):
        by_photons[photons] = knot(f"{photons:g} photons", by_photons[1e5], views=24, photons=photons)
    by_arc = {arc: knot(f"arc {arc:g}", by_views[60], views=60, arc_deg=arc) for arc in ARCS}
    by_photons = {p: ratio(values, base) for p, values in by_photons.items()}
    by_arc = {arc: ratio(values, by_views[60]) for arc, values in by_arc.items()}
    by_arc[180.0] = dict.fromkeys(base, 1.0)
    for part, fields in (("tuned", FIELDS), ("tv", ("tv_weight",))):
        for key, knots in (("by_views", by_views), ("by_arc_deg", by_arc), ("by_photons", by_photons)):
            table[part][key] = [
                {"at": at, **{f: round(values[f], 6) for f in fields}} for at, values in sorted(knots.items())
            ]
    table["tv"]["start_iterations"] = START_ITERATIONS


def scaled(row: dict[str, float], factors: dict[str, float]) -> dict[str, float]:
    """A knot times factors."""
    return {"at": row["at"]} | {name: round(row[name] * factors[name], 6) for name in FIELDS}


def ratio(values: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    """Factors over the base knot."""
    return {name: value / base[name] for name, value in values.items() if name in base}


def validation_volumes(folder: Path, slices: int = SLICES) -> list[Any]:
    """The middle block of every validation series of at least eleven slices."""
    out = []
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = [r for r in csv.DictReader(stream) if r["split"] == "val" and int(r["slices"]) >= 11]
    for row in rows:
        count = int(row["slices"])
        first = (count - slices) // 2
        out.append(read_volume(folder / row["file"], slices=(first, first + slices)))
    return out


def model_error_per_mm(volumes: list[Any]) -> float:
    """s_model over the pixel size: the median over people of the rms of A x - y, 24 views, no noise."""
    shares = []
    for volume in volumes:
        measurement, reference = simulate_ct(volume, views=24, model_error=1.0)
        shares.append(model_error(measurement, reference) / measurement.grid.pixel_mm)
    return round(float(np.median(shares)), 6)


def pixel_mm(volume: Any) -> float:
    """The in-plane pixel of a volume of 256."""
    return float(volume.spacing_mm[2])


if __name__ == "__main__":
    main()
