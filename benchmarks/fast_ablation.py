"""Which variant of fast mode, and why? One change at a time from the default, on validation people.

    python benchmarks/fast_ablation.py --data DIR --prior NAME --out benchmarks/results/NAME.json [--clean]

24 views over 180 degrees, without noise and at 1e5 photons (with `--clean` without noise alone); the first
three people of `make_ct_defaults.py`, four slices each. Each row gives the mean PSNR over three planes and
people, its difference from the default's, and a ratio of seconds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from make_ct_defaults import Case, validation_volumes

from medidiff.domains.reconstruction.ct.methods.baselines import fbp_image
from medidiff.domains.reconstruction.ct.methods.defaults import defaults_for
from medidiff.domains.reconstruction.ct.methods.fast import Scaling, reconstruct_fast
from medidiff.priors import find, load
from medidiff.runs.plain import write_json
from medidiff.runs.provenance import machine, versions

PEOPLE, SHORT = 3, 60
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "as it is: no flips, not moved": {"flips": 0, "shift": 1},
    "two flips a level": {"flips": 2},
    "4 levels": {"evaluations": 4},
    "8 levels": {"evaluations": 8},
    "12 levels": {"evaluations": 12},
    "16 levels": {"evaluations": 16},
    "24 levels": {"evaluations": 24},
    "not moved": {"shift": 1},
    "6 CG steps": {"cg_iterations": 6},
    "20 CG steps": {"cg_iterations": 20},
    "proximal factor / 3": {"prox": 1 / 3},
    "proximal factor x 3": {"prox": 3.0},
    "kappa 0.3": {"kappa": 0.3},
    "kappa 1": {"kappa": 1.0},
    "kappa 1, noise 7 mm": {"kappa": 1.0, "coupling": "noise"},
    "z-TV": {"coupling": "tv"},
    "kappa 1, both": {"kappa": 1.0, "coupling": "both"},
    "start FBP, 500 HU": {"start": "fbp", "first_hu": 500.0},
    "start TV, 60 iterations": {"start": "short tv"},
}


def main() -> None:
    """Run every variant on both doses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prior", required=True)
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    prior = load(find(arguments.prior))
    scaling = Scaling(prior.card.scaling.offset, prior.card.scaling.scale)
    volumes = validation_volumes(arguments.data)[:PEOPLE]
    rows: list[dict[str, Any]] = []
    for photons in (None,) if arguments.clean else (None, 1e5):
        defaults = defaults_for(24, 180.0, photons, prior.card.role)
        cases = [Case(volume, scaling, views=24, photons=photons) for volume in volumes]
        starts = {name: [] for name in ("default", "short tv", "fbp")}
        for case in cases:
            starts["default"].append(case.tv(defaults.tv_weight))
            starts["short tv"].append(case.tv(defaults.tv_weight, iterations=SHORT, tolerance=0.0))
            starts["fbp"].append(fbp_image(case.measurement))
        base: dict[str, float] = {}
        for name, change in VARIANTS.items():
            change = dict(change)
            start, prox = change.pop("start", "default"), change.pop("prox", 1.0)
            settings = replace(defaults.fast, **change)
            settings = replace(settings, prox_factor=prox * settings.prox_factor)
            begin_s, scores = time.perf_counter(), []
            for case, image in zip(cases, starts[start], strict=True):
                dz = case.measurement.slice_spacing_mm
                net = prior.denoiser
                out = reconstruct_fast(
                    case.problem, net, net.kernel, scaling, prior.card.error_at, image, dz, settings
                )
                scores.append(case.score(out))
            row = {"photons": photons, "variant": name, "psnr_db": float(np.mean(scores))}
            row["seconds"] = time.perf_counter() - begin_s
            base = base or row
            row["gain_db"] = row["psnr_db"] - base["psnr_db"]
            row["time_ratio"] = row["seconds"] / base["seconds"]
            rows.append(
                {k: round(v, 3) if isinstance(v, float) and k != "photons" else v for k, v in row.items()}
            )
            print(rows[-1], flush=True)
    record = {"prior": prior.name, "people": len(volumes), "rows": rows}
    write_json(
        arguments.out,
        {**record, "threads": torch.get_num_threads(), "versions": versions(), "machine": machine()},
    )


if __name__ == "__main__":
    main()
