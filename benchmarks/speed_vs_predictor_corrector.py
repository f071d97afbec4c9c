"""Does fast mode earn its name? Same prior and data, against 1000 evaluations of predictor-corrector.

    python benchmarks/speed_vs_predictor_corrector.py --out benchmarks/results/speed-vs-pc.json

Four slices of the demo, 24 views, no noise. The slow arm starts at pure noise and takes 500 predictor and 500
corrector steps (Song et al. 2021) with one conjugate-gradient step of the data after every evaluation, as
DiffusionMBIR does; the fast arm is `reconstruct_ct`, its start included. One run, one machine, a ratio.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from medidiff.bench.bar import mean_psnr
from medidiff.bench.report import BenchResult, Row
from medidiff.core.denoisers.estimate import Context
from medidiff.core.denoisers.wrappers import Sliced
from medidiff.core.posterior.proximal import ProximalData
from medidiff.core.process.grids import logsnr_grid
from medidiff.core.process.loop import sample
from medidiff.core.process.noise import NoiseStreams
from medidiff.core.process.samplers import PredictorCorrector
from medidiff.domains.reconstruction.ct import reconstruct_ct, simulate_ct
from medidiff.domains.reconstruction.ct.methods.fast import Scaling, scaled_problem
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.scan.attenuation import water_to_hu
from medidiff.io.demo import demo_volume
from medidiff.metrics import score_volume
from medidiff.priors import choose, load
from medidiff.progress import print_progress
from medidiff.runs.plain import write_json

SLICES, EVALUATIONS = (10, 14), 1000


def main() -> None:
    """Time both arms, score both, write the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prior", default=None)
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    measurement, reference = simulate_ct(demo_volume(slices=SLICES))
    Projector(measurement.geometry, measurement.grid)  # both arms find the matrix built
    chosen = choose(
        arguments.prior, modality="CT", spacing_mm=measurement.spacing_mm, value_range=(-1000.0, 1000.0)
    )
    prior = load(chosen)

    def score(hu: Any) -> float:
        return mean_psnr(score_volume(hu, reference.array, reference.spacing_mm))

    begin = time.perf_counter()
    fast = reconstruct_ct(measurement, prior=prior.name)
    fast_seconds = time.perf_counter() - begin
    begin = time.perf_counter()
    slow = predictor_corrector(measurement, prior, arguments.evaluations)
    slow_seconds = time.perf_counter() - begin
    fast_db, slow_db = score(fast["diffusion"].array), score(slow)
    case = f"demo, 4 slices, 24 views, {prior.name}"
    rows = (
        Row(case, "seconds_ratio.fast_over_pc", fast_seconds / slow_seconds, "", 1 / 20, 1 / 30, "lower"),
        Row(case, "psnr_db.fast_minus_pc", fast_db - slow_db, "dB", 0.0),
        Row(case, "psnr_db.fast", fast_db, "dB"),
        Row(case, "psnr_db.pc", slow_db, "dB"),
        Row(case, "seconds.fast", fast_seconds, "s", better="lower"),
        Row(case, "seconds.pc", slow_seconds, "s", better="lower"),
    )
    result = BenchResult("speed-vs-pc", rows, notes={"evaluations": arguments.evaluations})
    write_json(arguments.out, result.to_plain())
    print(result.table())


def predictor_corrector(measurement: Any, prior: Any, evaluations: int) -> Any:
    """The image in HU of predictor-corrector sampling with one CG step of the data an evaluation."""
    scaling = Scaling(prior.card.scaling.offset, prior.card.scaling.scale)
    problem = scaled_problem(measurement, scaling, torch.device("cpu"))
    kernel = prior.denoiser.kernel
    denoiser = ProximalData(
        Sliced(prior.denoiser),
        problem.operator,
        problem.y,
        problem.weights,
        max_iterations=1,
        lower=scaling.air,
    )
    context = Context(NoiseStreams(0))
    grid = logsnr_grid(kernel, evaluations // 2)
    noise = context.draw(torch.empty(1, 1, *measurement.shape), "start")
    start = kernel.start(noise, t=grid[0], mean=prior.card.mean, var=prior.card.sigma_data**2)
    sampler = PredictorCorrector()
    image = sample(denoiser, kernel, sampler, grid, start=start, context=context, progress=print_progress)
    return water_to_hu(scaling.to_water(image[0, 0]).numpy())


if __name__ == "__main__":
    main()
