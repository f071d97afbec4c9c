"""Tune the defaults of CT reconstruction on validation people, and write `defaults.json`.

    python benchmarks/make_ct_defaults.py --data DIR --prior ct-tuned --out .../ct/defaults.json

DIR holds `manifest.csv` and the files of split "val". Five of its people are volumes; a block of up to twelve
slices of each is used. For every knot the grids below are searched one after the other, and the value with
the best mean PSNR (three planes, five people) is kept; the whole search goes to
`benchmarks/results/ct-defaults.json`.
Total variation runs to convergence. The test people and the demo are never opened.
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

VIEWS = (8, 16, 24, 60)
ARCS = (90.0, 120.0)  # with 60 views; 180 is the base
PHOTONS = (1e4, 1e5, 1e6)  # with 24 views
LAMBDAS = (2e-3, 1e-3, 5e-4, 2e-4, 1e-4)
FIRST_HU = (100.0, 150.0, 200.0, 300.0)
LAST_HU = (8.0, 12.0, 20.0, 30.0)
PROX = (2.0, 4.0, 8.0, 16.0)
SLICES, START_ITERATIONS = 12, 60
FIXED = {
    "tuned": {"evaluations": 8, "cg_iterations": 6, "mirror": True},
    "white": {"evaluations": 20, "cg_iterations": 6, "mirror": False},
}


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


def best(values: tuple[float, ...], score: Any, what: str, log: list[dict[str, Any]]) -> float:
    """The value with the best score; every try goes to `log` and the terminal."""
    scores = []
    for value in values:
        scores.append(score(value))
        log.append({"what": what, "value": value, "psnr_db": round(scores[-1], 3)})
        print(log[-1], flush=True)
    return values[int(np.argmax(scores))]


def tune(
    cases: list[Case], prior: Any, base: FastSettings, name: str, log: list[dict[str, Any]]
) -> dict[str, float]:
    """lambda, then first level, last level and proximal factor of one knot."""
    weight = best(LAMBDAS, lambda v: np.mean([c.score(c.tv(v)) for c in cases]), f"{name} tv_weight", log)
    for case in cases:
        case.start = case.tv(weight, iterations=START_ITERATIONS, tolerance=0.0)
    for field, grid in (("prox_factor", PROX), ("first_hu", FIRST_HU), ("last_hu", LAST_HU)):

        def score(value: float, field: str = field, base: FastSettings = base) -> float:
            return float(np.mean([c.fast(prior, replace(base, **{field: value})) for c in cases]))

        base = replace(base, **{field: best(grid, score, f"{name} {field}", log)})
    return {
        "tv_weight": weight,
        "first_hu": base.first_hu,
        "last_hu": base.last_hu,
        "prox_factor": base.prox_factor,
    }


def main() -> None:
    """Search and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prior", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--log", type=Path, default=Path("benchmarks/results/ct-defaults.json"))
    arguments = parser.parse_args()
    prior = load(find(arguments.prior))
    role = prior.card.role
    scaling = Scaling(prior.card.scaling.offset, prior.card.scaling.scale)
    volumes = validation_volumes(arguments.data)
    log: list[dict[str, Any]] = []
    base = FastSettings(first_hu=200.0, last_hu=12.0, prox_factor=6.0, **FIXED[role])
    table = json.loads(arguments.out.read_text(encoding="utf-8"))
    table["model_error_per_mm"] = error = model_error_per_mm(volumes)

    def knot(name: str, **scan: Any) -> dict[str, float]:
        cases = [Case(v, scaling, model_error=error * pixel_mm(v), **scan) for v in volumes]
        return tune(cases, prior, base, name, log)

    by_views = {views: knot(f"{views} views", views=views) for views in VIEWS}
    by_arc = {arc: ratio(knot(f"arc {arc:g}", views=60, arc_deg=arc), by_views[60]) for arc in ARCS}
    by_photons = {p: ratio(knot(f"{p:g} photons", views=24, photons=p), by_views[24]) for p in PHOTONS}
    by_arc[180.0] = dict.fromkeys(by_views[24], 1.0)
    for section, fields in ((role, ("first_hu", "last_hu", "prox_factor")), ("tv", ("tv_weight",))):
        for key, knots in (("by_views", by_views), ("by_arc_deg", by_arc), ("by_photons", by_photons)):
            table.setdefault(section, {})[key] = [
                {"at": at, **{f: round(values[f], 6) for f in fields}} for at, values in sorted(knots.items())
            ]
    table[role] |= FIXED[role]
    table["tv"]["start_iterations"] = START_ITERATIONS
    arguments.out.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    arguments.log.write_text(
        json.dumps({"people": len(volumes), "search": log}, indent=1) + "\n", encoding="utf-8"
    )


def ratio(values: dict[str, float], base: dict[str, float]) -> dict[str, float]:
    """Factors over the base knot."""
    return {name: value / base[name] for name, value in values.items()}


def validation_volumes(folder: Path) -> list[Any]:
    """The middle block of every validation series of at least eleven slices."""
    out = []
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = [r for r in csv.DictReader(stream) if r["split"] == "val" and int(r["slices"]) >= 11]
    for row in rows:
        count = int(row["slices"])
        first = max((count - SLICES) // 2, 0)
        out.append(read_volume(folder / row["file"], slices=(first, min(first + SLICES, count))))
    return out


def model_error_per_mm(volumes: list[Any]) -> float:
    """s_model over the pixel size: the median over people of the rms of A x - y, 24 views, no noise."""
    shares = []
    for volume in volumes:
        measurement, reference = simulate_ct(volume, views=24, model_error=1.0)
        shares.append(model_error(measurement, reference) / measurement.grid.dx_mm)
    return round(float(np.median(shares)), 6)


def pixel_mm(volume: Any) -> float:
    """The in-plane pixel of a volume of 256."""
    return float(volume.spacing_mm[2])


if __name__ == "__main__":
    main()
