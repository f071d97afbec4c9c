"""Tune the defaults of CT reconstruction on validation people, and write `defaults.json`.

    python benchmarks/make_ct_defaults.py --data DIR --out DEFAULTS.JSON [--prior NAME [--knots K ...]]

without a prior for total variation, which comes first; then for the tuned prior; then for any other.
`--knots` searches some of the tuned prior's again, from what the table says of them, and leaves the others.

DIR holds `manifest.csv` and the files of split "val". Five of its people are volumes; the middle slices of
each are used. For every knot the settings are climbed one after the other on the grids below, from the
knot before it, to the best mean PSNR (three planes); every try goes to
`benchmarks/results/ct-defaults-*.json`. The two base knots, 24 views without noise and at 1e5 photons, use
all five people and climb the number of levels and the proximal factor too; the others use three.

Total variation runs to convergence. The tuned prior is searched at every knot, another prior at 24 views
alone: that is its only knot of views, and for arcs and doses it takes the tuned one's ratios. The test people
and the demo are never opened.
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

from medidiff.bench.bar import mean_psnr
from medidiff.domains.reconstruction.ct import simulate_ct
from medidiff.domains.reconstruction.ct.methods.baselines import tv_image
from medidiff.domains.reconstruction.ct.methods.defaults import defaults_for
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
RESULTS = Path("benchmarks/results")
BASES = ("24 views", "1e5 photons")
KNOTS: dict[str, dict[str, Any]] = {
    "24 views": {"views": 24},
    "1e5 photons": {"views": 24, "photons": 1e5},
    "16 views": {"views": 16},
    "8 views": {"views": 8},
    "60 views": {"views": 60},
    "1e6 photons": {"views": 24, "photons": 1e6},
    "1e4 photons": {"views": 24, "photons": 1e4},
    "arc 120": {"views": 60, "arc_deg": 120.0},
    "arc 90": {"views": 60, "arc_deg": 90.0},
}
BESIDE_KNOT = {  # whose settings a search starts from
    "16 views": "24 views",
    "8 views": "16 views",
    "60 views": "24 views",
    "1e6 photons": "1e5 photons",
    "1e4 photons": "1e5 photons",
    "arc 120": "60 views",
    "arc 90": "arc 120",
}
LAMBDAS = (3e-2, 1e-2, 5e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4, 5e-5, 2e-5, 1e-5)
FIRST_HU = (25.0, 35.0, 50.0, 70.0, 100.0, 140.0, 200.0, 280.0, 400.0, 560.0, 800.0, 1120.0)
LAST_HU = (4.0, 6.0, 8.0, 12.0, 17.0, 24.0, 34.0, 48.0, 68.0, 96.0, 136.0)
PROX = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
SLICES = 4
PEOPLE_BESIDE = 3  # of the knots beside the base
EVALUATIONS = (6, 8, 12, 16, 24, 30)  # more takes longer than it is worth
FIELDS = ("evaluations", "first_hu", "last_hu", "prox_factor")
GRIDS = {"evaluations": EVALUATIONS, "first_hu": FIRST_HU, "last_hu": LAST_HU, "prox_factor": PROX}
BESIDE = ("first_hu", "last_hu")  # climbed at every knot
FIXED = {"cg_iterations": 12, "flips": 1, "shift": 8}
FIRST_GUESS = FastSettings(evaluations=30, first_hu=200.0, last_hu=8.0, prox_factor=6.0)
NOISY_GUESS = FastSettings(evaluations=16, first_hu=280.0, last_hu=24.0, prox_factor=3.0)
TV_GUESS = {"tv_weight": 5e-4}


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
    """Hill climbing over grids from knot to knot; keeps every try."""

    def __init__(self, volumes: list[Any], error: float, scaling: Scaling) -> None:
        self.volumes, self.error, self.scaling = volumes, error, scaling
        self.log: list[dict[str, Any]] = []

    def cases(self, name: str) -> list[Case]:
        """The measurements of a knot."""
        chosen = self.volumes if name in BASES else self.volumes[:PEOPLE_BESIDE]
        return [Case(v, self.scaling, model_error=self.error * pixel_mm(v), **KNOTS[name]) for v in chosen]

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

    def tv(self, name: str, near: dict[str, float]) -> dict[str, float]:
        """The TV weight of one knot."""
        cases = self.cases(name)

        def score(value: float) -> float:
            return float(np.mean([case.score(case.tv(value)) for case in cases]))

        return {"tv_weight": self.climb(LAMBDAS, near["tv_weight"], score, f"{name} tv_weight")}

    def fast(self, name: str, near: dict[str, float], prior: Any, tv_weight: float) -> dict[str, float]:
        """The levels of one knot, and at a base knot their number and the proximal factor."""
        cases = self.cases(name)
        for case in cases:
            case.start = case.tv(tv_weight)
        base = replace(FastSettings(**FIXED), **near)
        scores: dict[FastSettings, float] = {}

        def score(settings: FastSettings) -> float:
            if settings not in scores:
                scores[settings] = float(np.mean([case.fast(prior, settings) for case in cases]))
            return scores[settings]

        for field in FIELDS if name in BASES else BESIDE:

            def at(value: float, field: str = field, base: FastSettings = base) -> float:
                return score(replace(base, **{field: value}))

            found = self.climb(GRIDS[field], getattr(base, field), at, f"{name} {field}")
            base = replace(base, **{field: found})
        return {f: getattr(base, f) for f in FIELDS}


def main() -> None:
    """Search and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prior", default=None, help="default: total variation")
    parser.add_argument("--knots", nargs="+", choices=list(KNOTS))
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    table = json.loads(arguments.out.read_text(encoding="utf-8"))
    volumes = validation_volumes(arguments.data)
    if arguments.prior is None:
        table["model_error_per_mm"] = model_error_per_mm(volumes)
        search = Search(volumes, table["model_error_per_mm"], Scaling(0.0, 1.0))
        found = walk(list(KNOTS), search.tv, {BASES[0]: TV_GUESS, BASES[1]: TV_GUESS})
        put(table["tv"], found)
        facts = {"tv_weights": {name: values["tv_weight"] for name, values in found.items()}}
    else:
        prior = load(find(arguments.prior))
        search = search_prior(prior, table, volumes, arguments.knots)
        facts = {"prior": prior.name, "prior_digest": prior.digest}
    arguments.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    file = RESULTS / f"ct-defaults-{arguments.prior or 'tv'}.json"
    tries = search.log
    if arguments.knots:
        before = json.loads(file.read_text(encoding="utf-8"))["search"]
        tries = [row for row in before if not row["what"].startswith(tuple(arguments.knots))] + tries
    log = {"people": len(volumes), "search": tries, **facts}
    file.write_text(json.dumps(log, indent=1) + "\n", encoding="utf-8")


def search_prior(
    prior: Any, table: dict[str, Any], volumes: list[Any], knots: list[str] | None = None
) -> Search:
    """Search the settings of fast mode for a prior into its role's part of the table; `knots` alone."""
    scaling, role = Scaling(prior.card.scaling.offset, prior.card.scaling.scale), prior.card.role
    search = Search(volumes, table["model_error_per_mm"], scaling)
    weights = json.loads((RESULTS / "ct-defaults-tv.json").read_text(encoding="utf-8"))["tv_weights"]

    def fast(knot: str, near: dict[str, float]) -> dict[str, float]:
        return search.fast(knot, near, prior, weights[knot])

    clean, noisy = ({f: getattr(guess, f) for f in FIELDS} for guess in (FIRST_GUESS, NOISY_GUESS))
    if role == "tuned" and knots:
        found = {name: present(name) for name in KNOTS}
        put(table[role], found | {name: fast(name, found[name]) for name in knots})
    elif role == "tuned":
        put(table[role], walk(list(KNOTS), fast, {BASES[0]: clean, BASES[1]: noisy}))
    else:
        table[role] = table["tuned"] | {"by_views": [{"at": BASE_VIEWS, **fast(BASES[0], clean)}]}
    table[role] |= FIXED
    return search


def present(name: str) -> dict[str, float]:
    """What the installed table says of a knot."""
    scan = {"arc_deg": 180.0, "photons": None} | KNOTS[name]
    return {f: getattr(defaults_for(**scan).fast, f) for f in FIELDS}


def walk(names: list[str], search: Any, guesses: dict[str, Any]) -> dict[str, dict[str, float]]:
    """`search(knot, settings to start from)` for every knot, each from the one beside it."""
    found: dict[str, dict[str, float]] = {}
    for name in names:
        found[name] = search(name, guesses[name] if name in guesses else found[BESIDE_KNOT[name]])
    return found


def put(part: dict[str, Any], found: dict[str, dict[str, float]]) -> None:
    """Write knots into a part of the table: by views as they are, by arc and photons as factors."""
    views = {KNOTS[name]["views"]: found[name] for name in found if set(KNOTS[name]) == {"views"}}
    arcs = {
        KNOTS[name]["arc_deg"]: ratio(found[name], views[60]) for name in found if "arc_deg" in KNOTS[name]
    }
    arcs[180.0] = dict.fromkeys(views[BASE_VIEWS], 1.0)
    doses = {
        KNOTS[name]["photons"]: ratio(found[name], views[BASE_VIEWS])
        for name in found
        if "photons" in KNOTS[name]
    }
    for key, knots in (("by_views", views), ("by_arc_deg", arcs), ("by_photons", doses)):
        part[key] = [
            {"at": at, **{f: round(v, 6) for f, v in values.items()}} for at, values in sorted(knots.items())
        ]


def ratio(values: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    """Factors over the base knot."""
    return {name: value / base[name] for name, value in values.items()}


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
