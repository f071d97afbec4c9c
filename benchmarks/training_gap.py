"""Does the prior know its training people by heart? Fast mode on single slices of them and of others.

    python benchmarks/training_gap.py SNAPSHOT ... --data DIR --out benchmarks/results/training-gap.json

A snapshot is `ema.safetensors` and `state.json` of a checkpoint. One slice of 512 pixels a person, measured
on its own grid, 24 views, no noise, reconstructed at 256 with the defaults: the gain over the loop's start in
the body, mean over slices, for people of the split "train" and of "val". A gain that grows on the first alone
is memory. Rows that the file holds already are kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from training_curve import denoiser, missing, rows_of

from medidiff.domains.reconstruction.ct import simulate_ct
from medidiff.domains.reconstruction.ct.methods.baselines import tv_image
from medidiff.domains.reconstruction.ct.methods.defaults import defaults_for
from medidiff.domains.reconstruction.ct.methods.fast import Scaling, reconstruct_fast, scaled_problem
from medidiff.domains.reconstruction.ct.scan.attenuation import water_to_hu
from medidiff.domains.reconstruction.ct.training.data import read_split
from medidiff.io.volume import Volume
from medidiff.metrics import body_mask
from medidiff.priors import find
from medidiff.runs.plain import write_json

PEOPLE, SIDE, FAR_MM = 24, 512, 1e6


def main() -> None:
    """Measure the snapshots that the file lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("snapshots", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--errors-of", default="ct-white", help="prior whose card gives r(sigma)")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rows = rows_of(arguments.out)
    splits = {split: Slices(arguments.data, split) for split in ("train", "val")}
    error = find(arguments.errors_of).card.error_at
    for folder, state, settings in missing(arguments.snapshots, rows):
        net = denoiser(folder, settings)
        scaling = Scaling(float(settings.data["offset_hu"]), float(settings.data["scale_hu"]))
        role = "tuned" if settings.objective["kind"] == "iterates" else "white"
        row: dict[str, Any] = {"name": settings.name, "steps": state["step"]}
        for split, slices in splits.items():
            row[f"gain_db_{split}"] = round(slices.gain(net, scaling, error, role), 3)
            row[f"slices_{split}"] = len(slices.mask)
        print(row, flush=True)
        rows[settings.name, state["step"]] = row
        write_json(arguments.out, {"rows": [rows[key] for key in sorted(rows)]})


class Slices:
    """One slice a person, stacked as if far apart, with their measurement and the loop's start."""

    def __init__(self, data: Path, split: str) -> None:
        people = read_split(data, split, must_ship=split == "train").people
        wide = [p for p in people if p.slices[0].shape == (SIDE, SIDE)][:PEOPLE]
        array = torch.stack([person.slices[0] for person in wide]).numpy()
        pixel = float(np.median([person.spacing_mm[0] for person in wide]))
        volume = Volume.from_array(array, spacing_mm=(FAR_MM, pixel, pixel), units="HU")
        self.measurement, self.reference = simulate_ct(volume, views=24, matrix=SIDE // 2)
        self.mask = body_mask(self.reference.array)
        defaults = defaults_for(24, 180.0, None)
        self.start = tv_image(self.measurement, defaults.tv_weight).image

    def gain(self, net: Any, scaling: Scaling, error: Any, role: str) -> float:
        """DB over the start, mean over slices."""
        problem = scaled_problem(self.measurement, scaling, torch.device("cpu"))
        settings = defaults_for(24, 180.0, None, role).fast
        image = reconstruct_fast(problem, net, net.kernel, scaling, error, self.start, FAR_MM, settings)
        before, after = (self._mean_square(i) for i in (self.start, image))
        return float(np.mean(10 * np.log10(before / after)))

    def _mean_square(self, water: torch.Tensor) -> Any:
        wrong = (water_to_hu(water.numpy()) - self.reference.array) ** 2 * self.mask
        return wrong.sum((1, 2)) / self.mask.sum((1, 2))


if __name__ == "__main__":
    main()
