"""What does more training buy? Denoising and reconstruction of validation people against training steps.

    python benchmarks/training_curve.py SNAPSHOT [SNAPSHOT ...] --data DIR --out benchmarks/results/NAME.json

A snapshot is `ema.safetensors` and `state.json` of a checkpoint. Denoising: PSNR (data range 2000 HU, body)
at 50, 100 and 200 HU of white noise, one slice a person, mean over people. Reconstruction: fast mode with the
defaults, 24 views, no noise, mean over three planes of the validation volumes, the start beside.
Rows that the file holds already are kept, so that a curve grows while a training runs.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from make_ct_defaults import Case, validation_volumes
from safetensors.torch import load_file

from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.device import precision
from medidiff.core.process.kernels import EDM
from medidiff.core.training.settings import TrainSettings
from medidiff.domains.reconstruction.ct.methods.defaults import defaults_for
from medidiff.domains.reconstruction.ct.methods.fast import Scaling, reconstruct_fast
from medidiff.domains.reconstruction.ct.training.data import read_split
from medidiff.domains.reconstruction.ct.training.task import DataSettings, validation_slices
from medidiff.metrics import body_mask
from medidiff.priors import find
from medidiff.runs.plain import write_json

NOISE_HU, RANGE_HU, VOLUMES = (50.0, 100.0, 200.0), 2000.0, 3


def main() -> None:
    """Measure the snapshots that the file lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("snapshots", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--errors-of", default="ct-white", help="prior whose card gives r(sigma)")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rows = rows_of(arguments.out)
    slices = validation_slices(read_split(arguments.data, "val", must_ship=False))
    volumes = validation_volumes(arguments.data)[:VOLUMES]
    error, cases = find(arguments.errors_of).card.error_at, None
    for folder, state, settings in missing(arguments.snapshots, rows):
        shape, net = DataSettings.model_validate(settings.data), denoiser(folder, settings)
        scaling = Scaling(shape.offset_hu, shape.scale_hu)
        cases = cases or start_cases(volumes, scaling)
        role = "tuned" if settings.objective["kind"] == "iterates" else "white"
        fast = defaults_for(24, 180.0, None, role).fast
        row = {"name": settings.name, "steps": state["step"], "minutes": round(state["seconds"] / 60, 1)}
        row |= {f"denoising_psnr_db_at_{hu:g}_hu": denoising(net, slices, shape, hu) for hu in NOISE_HU}
        scores = [
            case.score(
                reconstruct_fast(
                    case.problem,
                    net,
                    net.kernel,
                    scaling,
                    error,
                    case.start,
                    case.measurement.slice_spacing_mm,
                    fast,
                )
            )
            for case in cases
        ]
        row |= {"reconstruction_psnr_db": round(float(np.mean(scores)), 3), "evaluations": fast.passes}
        row["start_psnr_db"] = round(float(np.mean([case.score(case.start) for case in cases])), 3)
        print(row, flush=True)
        rows[settings.name, state["step"]] = row
        write_json(arguments.out, {"rows": [rows[key] for key in sorted(rows)]})


def rows_of(file: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """The rows of a result by training and step; none when there is no such file."""
    found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return {(row["name"], row["steps"]): row for row in found.get("rows", [])}


def missing(
    snapshots: list[Path], rows: dict[tuple[str, int], dict[str, Any]]
) -> Iterator[tuple[Path, dict[str, Any], TrainSettings]]:
    """The snapshots without a row, with their state and settings."""
    for folder in snapshots:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        settings = TrainSettings.model_validate(state["config"])
        if (settings.name, state["step"]) not in rows:
            yield folder, state, settings


def denoiser(folder: Path, settings: TrainSettings) -> NetDenoiser:
    """The averaged weights of a snapshot."""
    net: Any = build_network(settings.network)
    net.load_state_dict(load_file(folder / "ema.safetensors"))
    net.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    kernel = EDM(sigma_min=settings.kernel.sigma_min, sigma_max=settings.kernel.sigma_max)
    return NetDenoiser(net, kernel, settings.sigma_data, settings.mean, precision(torch.device("cpu")))


def start_cases(volumes: list[Any], scaling: Scaling) -> list[Case]:
    """The measurements of the validation volumes, with the loop's start."""
    defaults = defaults_for(24, 180.0, None)
    cases = [Case(volume, scaling, views=24) for volume in volumes]
    for case in cases:
        case.start = case.tv(defaults.tv_weight)
    return cases


def denoising(net: NetDenoiser, slices: list[torch.Tensor], shape: DataSettings, noise_hu: float) -> float:
    """Mean PSNR over people of denoising white noise."""
    values = []
    for number, image in enumerate(slices):
        clean = ((image - shape.offset_hu) / shape.scale_hu)[None, None]
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(number))
        sigma = noise_hu / shape.scale_hu
        estimate = net.denoise(clean + sigma * noise, net.kernel.at_sigma(sigma)).x0
        body = torch.from_numpy(body_mask(image.numpy()[None])[0])
        rms = float((estimate - clean)[0, 0][body].square().mean().sqrt()) * shape.scale_hu
        values.append(20 * math.log10(RANGE_HU / rms))
    return round(float(np.mean(values)), 3)


if __name__ == "__main__":
    main()
