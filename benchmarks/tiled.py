"""Can tiles be seen? Gaussian fields, whose truth is known, and a real slice of 512 pixels.

    python benchmarks/tiled.py --data DATA/ct --out benchmarks/results/tiled.json

Fields: x0 ~ N(0, exp(-|i - j| / 6)), tiles of 64, Heun on log-SNR levels from 20 to 0.002. The seam statistic
is the mean step across the borders of the last level's tiles over the mean step of the same run everywhere,
averaged over runs with tiles at other places; fixed tiles (independent halves) stand at 2.55. Passes: voxels
that the network was given over those of the image, a level.

Slice: `test/t002_s1_native512` at its 512 pixels, 24 views; the prior was trained on slices of 256. Fast mode
with tiles of 256 beside fast mode without, otherwise by its defaults: PSNR, and steps across the last
borders, tiled over untiled, because a slice has edges of its own there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from medidiff.bench.bar import mean_psnr
from medidiff.bench.report import BenchResult, Row
from medidiff.core.denoisers import Context, Denoiser, Estimate, GaussianField, Tiled
from medidiff.core.process import EDM, Heun, NoiseStreams, logsnr_grid, sample
from medidiff.domains.reconstruction.ct import reconstruct, reconstruct_ct, simulate_ct
from medidiff.domains.reconstruction.ct.methods.fast import FastSettings
from medidiff.io import read_volume
from medidiff.metrics import score_volume
from medidiff.runs.plain import write_json

KERNEL, LENGTH, TILE = EDM(sigma_max=20.0), 6.0, 64
TRUE_STEP = float(np.sqrt(2 * (1 - np.exp(-1 / LENGTH))) * np.sqrt(2 / np.pi))


@dataclass
class Counted:
    """A denoiser that counts the voxels it was given and the calls of a level."""

    inner: Denoiser
    voxels: int = 0

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """The inner estimate."""
        self.voxels += x.numel()
        return self.inner.denoise(x, t, context)


@dataclass
class Seams:
    """Steps across borders of the last level and everywhere, gathered over runs."""

    across: list[float] = field(default_factory=list)
    everywhere: list[float] = field(default_factory=list)
    places: list[Tensor] = field(default_factory=list)

    def add(self, x: Tensor, borders: list[int]) -> None:
        """Of one run (..., columns)."""
        steps = x.diff(dim=-1).abs().flatten(0, -2).double().mean(0)
        self.across.append(float(steps[[border - 1 for border in borders]].mean()))
        self.everywhere.append(float(steps.mean()))
        self.places.append(steps / steps.mean())

    def statistic(self) -> float:
        """The mean over runs of the ratio."""
        return float(np.mean(np.array(self.across) / np.array(self.everywhere)))

    def error(self) -> float:
        """Its standard error over runs."""
        ratios = np.array(self.across) / np.array(self.everywhere)
        return float(ratios.std(ddof=1) / len(ratios) ** 0.5)


def main() -> None:
    """Fields, then the slice; rows to a JSON and a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the CT files")
    parser.add_argument("--prior", default="ct-tuned")
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    rows = [*profiles(arguments.runs), *fields(arguments.runs), *slice_rows(arguments.data, arguments.prior)]
    result = BenchResult("tiled", tuple(rows), notes={"tile": TILE, "correlation": LENGTH})
    write_json(arguments.out, result.to_plain())
    print(result.table())


def profiles(runs: int) -> list[Row]:
    """Profiles of 192 voxels, 1000 a run."""
    found = []
    for levels in (24, 60):
        for name, make in MODES.items():
            found += field_rows(f"profiles, {levels} levels", name, make, levels, (1, 192), 1000, runs)
    return found


def fields(runs: int) -> list[Row]:
    """Fields of 192 x 160 voxels, 2 a run."""
    found = []
    for name, make in MODES.items():
        found += field_rows("fields, 60 levels", name, make, 60, (192, 160), 2, runs)
    return found


MODES: dict[str, Callable[[Denoiser], Any]] = {
    "untiled": lambda inner: inner,
    "offset": lambda inner: Tiled(inner, tile=TILE, chunk=10**6),
    "overlap16": lambda inner: Tiled(inner, tile=TILE, mode="overlap", overlap=16, chunk=10**6),
    "overlap32": lambda inner: Tiled(inner, tile=TILE, mode="overlap", overlap=32, chunk=10**6),
}


def field_rows(
    case: str,
    name: str,
    make: Callable[[Denoiser], Any],
    levels: int,
    size: tuple[int, int],
    count: int,
    runs: int,
) -> list[Row]:
    """Seam statistic, steps over the truth, spread, and passes a level of one mode."""
    counted = Counted(GaussianField(KERNEL, LENGTH))
    denoiser, grid, seams = make(counted), logsnr_grid(KERNEL, levels), Seams()
    square = 0.0
    for seed in range(runs):
        context = Context(NoiseStreams(seed))
        noise = context.draw(torch.empty(1, 1, count, size[0] * size[1]), "start").reshape(count, 1, *size)
        x = sample(denoiser, KERNEL, Heun(), grid, start=KERNEL.start(noise, t=grid[0]), context=context)
        last = Context(context.streams, step=levels - 1)
        tiles = denoiser if isinstance(denoiser, Tiled) else Tiled(counted, tile=TILE)
        seams.add(x, [end for _, end in tiles.spans(*size, last)[1][:-1]])
        square += float(x.square().mean()) / runs
    given = counted.voxels / (runs * (2 * levels - 1) * count * size[0] * size[1])
    gate = 1.02 if name == "offset" else None
    return [
        Row(case, f"seam.{name}", seams.statistic(), "", gate, better="lower"),
        Row(case, f"seam_standard_error.{name}", seams.error(), "", better="lower"),
        Row(case, f"worst_place.{name}", float(torch.stack(seams.places).mean(0).max()), "", better="lower"),
        Row(case, f"step_over_truth.{name}", float(np.mean(seams.everywhere)) / TRUE_STEP, ""),
        Row(case, f"spread_over_truth.{name}", square**0.5, ""),
        Row(case, f"passes_a_level.{name}", given, "", 1.0 if name == "offset" else None, better="lower"),
    ]


def slice_rows(data: Path, name: str) -> list[Row]:
    """A slice of 512 pixels by fast mode, tiled and not."""
    volume = read_volume(data / "test" / "t002_s1_native512.nii.gz", slices=(11, 12))
    measurement, reference = simulate_ct(volume, matrix=512)
    images, passes, steps = {}, {}, 0
    arms: dict[str, Callable[[Denoiser], Any]] = {
        "untiled": lambda net: net,
        "offset": lambda net: Tiled(net, tile=256, multiple=8),
    }
    for arm, make in arms.items():
        images[arm], passes[arm], steps = fast_image(measurement, name, make)
    spans = Tiled(GaussianField(KERNEL), tile=256, multiple=8).spans(
        512, 512, Context(NoiseStreams(0), step=steps - 1)
    )
    case = f"t002, one slice of 512 pixels, 24 views, {name}, tiles of 256"
    rows = []
    for arm, image in images.items():
        rows += [
            Row(case, f"psnr_db.{arm}", psnr(image, reference), "dB"),
            Row(case, f"seam_hu.{arm}", step_hu(image, spans), "HU", better="lower"),
            # Above 1 by the edge that fast mode mirrors when it moves the image, whoever sees it then.
            Row(case, f"passes_a_level.{arm}", passes[arm], "", better="lower"),
        ]
    more = passes["offset"] / passes["untiled"]
    rows.append(Row(case, "passes.offset_over_untiled", more, "", 1.0, better="lower"))
    rows.append(Row(case, "seam_hu.reference", step_hu(reference.array, spans), "HU", better="lower"))
    ratio = step_hu(images["offset"], spans) / step_hu(images["untiled"], spans)
    gap = float(np.sqrt(np.mean((images["offset"] - images["untiled"]) ** 2)))
    return [
        *rows,
        Row(case, "seam.offset_over_untiled", ratio, "", 1.02, better="lower"),
        Row(case, "rms_hu.offset_minus_untiled", gap, "HU", better="lower"),
    ]


def fast_image(measurement: Any, name: str, make: Callable[[Denoiser], Any]) -> tuple[Any, float, int]:
    """Fast mode with its network wrapped by `make`: the image in HU, passes a level, and levels."""
    plain = reconstruct.reconstruct_fast
    seen: list[tuple[Counted, FastSettings]] = []

    def wrapped(problem: Any, net: Denoiser, *rest: Any, **options: Any) -> Tensor:
        seen.append((Counted(net), rest[-1]))
        return plain(problem, make(seen[-1][0]), *rest, **options)

    with mock.patch.object(reconstruct, "reconstruct_fast", wrapped):
        image = reconstruct_ct(measurement, prior=name)["diffusion"].array
    ((counted, settings),) = seen
    return image, counted.voxels / (settings.passes * image.size), settings.evaluations


def psnr(hu: Any, reference: Any) -> float:
    """Mean over the planes, by the suite's protocol."""
    return mean_psnr(score_volume(hu, reference.array, reference.spacing_mm))


def step_hu(image: Any, spans: tuple[list[tuple[int, int]], list[tuple[int, int]]]) -> float:
    """The mean step across the borders of the last level, in HU."""
    down, along = ([end for _, end in axis[:-1]] for axis in spans)
    steps = [np.abs(image[:, y] - image[:, y - 1]).mean() for y in down]
    steps += [np.abs(image[:, :, x] - image[:, :, x - 1]).mean() for x in along]
    return float(np.mean(steps))


if __name__ == "__main__":
    main()
