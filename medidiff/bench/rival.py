"""The supervised rival: total variation, then one pass of a network that was trained to mend just that.

It has the size, data and number of network samples of the prior that it is compared with, and is trained
by the suite's trainer as a loop of a single level (`benchmarks/training/ct-rival.yaml`): what the network
sees is total variation, what it should give is the truth. Once as it comes, once followed by one data step,
that of fast mode. It is given the mean over four orientations of the slices, which asks nothing of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from medidiff.core.denoisers.estimate import Context
from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.denoisers.wrappers import Flipped, Sliced
from medidiff.core.process.kernels import EDM
from medidiff.core.process.noise import NoiseStreams
from medidiff.core.training.checkpoints import load_any
from medidiff.core.training.settings import TrainSettings
from medidiff.domains.reconstruction.ct import CTMeasurement
from medidiff.domains.reconstruction.ct.methods.fast import (
    FastSettings,
    Scaling,
    reconstruct_fast,
    scaled_problem,
)
from medidiff.domains.reconstruction.ct.scan.attenuation import hu_to_water, water_to_hu
from medidiff.domains.reconstruction.ct.training.iterates import IterateSettings
from medidiff.domains.reconstruction.ct.training.task import DataSettings
from medidiff.errors import InputError

RIVALS = ("rival", "rival_step")
ORIENTATIONS, CHUNK = 4, 4
STEP_HU, CG_ITERATIONS = 100.0, 12
"""The data step: how far from the network's image, and how many steps of conjugate gradients."""


@dataclass(frozen=True)
class Rival:
    """A network trained at one level, `level_hu`, and how long."""

    denoiser: NetDenoiser
    scaling: Scaling
    level_hu: float
    name: str
    steps: int
    views: tuple[int, ...]

    def images(
        self, measurement: CTMeasurement, tv_hu: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float32]]:
        """Its two images in HU (z, y, x), from the measurement's total variation in HU."""
        start = torch.from_numpy(hu_to_water(tv_hu))
        sigma = self.level_hu / self.scaling.scale
        net = Flipped(Sliced(self.denoiser, axis=2, chunk=CHUNK), ORIENTATIONS, 1)
        time = self.denoiser.kernel.at_sigma(sigma)
        state = self.scaling.to_scaled(start)[None, None]
        one = net.denoise(state, time, Context(NoiseStreams(0))).x0
        settings = FastSettings(
            first_hu=self.level_hu,
            last_hu=self.level_hu / 2,  # the grid wants two ends; one evaluation stands at the first
            evaluations=1,
            prox_factor=1.0,
            cg_iterations=CG_ITERATIONS,
            flips=ORIENTATIONS,
        )
        step = reconstruct_fast(
            scaled_problem(measurement, self.scaling, torch.device("cpu")),
            self.denoiser,
            self.denoiser.kernel,
            self.scaling,
            lambda sigma: STEP_HU / self.scaling.scale,
            start,
            measurement.slice_spacing_mm,
            settings,
            chunk=CHUNK,
        )
        water = (self.scaling.to_water(one[0, 0]), step)
        return {name: water_to_hu(image.numpy()) for name, image in zip(RIVALS, water, strict=True)}

    def words(self) -> str:
        """For a reader of the table."""
        views = ", ".join(str(v) for v in sorted(set(self.views)))
        return (
            f"rival: total variation by the defaults, then {self.name}, {self.steps} steps of training on "
            f"{views} views, mean over {ORIENTATIONS} orientations; rival_step: a data step after it."
        )


def read_rival(folder: Path) -> Rival:
    """The averaged weights of a checkpoint, or of a run's newest; InputError for one that is no rival."""
    checkpoint = load_any(folder, warn=lambda words: None)
    refusal = InputError(
        "rival",
        expected="a run or checkpoint of `medidiff train` whose loop is one level after total variation",
        got="none" if checkpoint is None else "another training, or another network than it says",
        fix="Train benchmarks/training/ct-rival.yaml and give its run folder.",
    )
    if checkpoint is None:
        raise refusal
    try:
        settings = TrainSettings.model_validate(checkpoint.config)
        shape = DataSettings.model_validate(settings.data)
        loop = IterateSettings.model_validate(settings.objective)
    except ValidationError as error:
        raise refusal from error
    if loop.evaluations != (1, 1) or loop.first_hu[0] != loop.first_hu[1]:
        raise refusal
    net: Any = build_network(settings.network)
    try:
        net.load_state_dict(checkpoint.ema)
    except RuntimeError as error:
        raise refusal from error
    net = net.to(memory_format=torch.channels_last).eval().requires_grad_(requires_grad=False)
    kernel = EDM(sigma_min=settings.kernel.sigma_min, sigma_max=settings.kernel.sigma_max)
    return Rival(
        NetDenoiser(net, kernel, settings.sigma_data, settings.mean),
        Scaling(shape.offset_hu, shape.scale_hu),
        loop.first_hu[0],
        settings.name,
        checkpoint.step,
        tuple(loop.views),
    )
