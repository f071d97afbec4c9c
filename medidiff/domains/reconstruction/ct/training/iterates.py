"""Training on the loop's own iterates: the denoiser learns the errors that reconstruction really feeds it.

What fast mode hands to the denoiser is not white noise but streaks and what the data step left of them. So
training runs the loop: a few groups of slices, each with a measurement of its own (views, arc, dose, pixel
size), go down their levels; at every step the network sees slices of each group at the level where the
group stands, the loss compares its estimate with the truth, and when all slices of a group were seen, the
data step moves the group on. The states are those of the network as it is now (on-policy): a fixed set of old
iterates does not serve, because the new network leaves them after a few steps.

    loss = mean over slices of |m (D(x_k, s_k) - x)|^2 / (|m (x_k - x)|^2 + floor^2)
           + white_weight * (loss on white noise)

m is the body mask with a small weight outside. Measurements are simulated as for a test, on a finer grid than
the loop's. Every group is a pure function of (seed, number), and its state is part of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Estimate
from medidiff.core.denoisers.network import NetDenoiser
from medidiff.core.posterior.proximal import ProximalData
from medidiff.core.process.kernels import Kernel
from medidiff.core.process.noise import NoiseStreams
from medidiff.core.training.objectives import NoiseLevels, white_loss
from medidiff.core.training.randomness import generator
from medidiff.domains.reconstruction.ct.methods.baselines import tv_image
from medidiff.domains.reconstruction.ct.methods.fast import (
    FastSettings,
    ScaledProblem,
    Scaling,
    level_grid,
    scaled_problem,
)
from medidiff.domains.reconstruction.ct.scan.attenuation import hu_to_water
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
from medidiff.domains.reconstruction.ct.simulate import simulate_ct
from medidiff.domains.reconstruction.ct.training.data import Dataset, Patches, draw_slice, halve
from medidiff.domains.reconstruction.ct.training.warp import OUTSIDE_HU, WarpSettings, warp
from medidiff.errors import InputError
from medidiff.io.volume import Volume
from medidiff.metrics import body_mask

_FAR_MM = 1e6  # slices of different people must not be coupled
_SIDE = 256
_DOSE, _DOSE_POWER = 1e5, 0.25  # levels at other doses: times (1e5 / photons)^(1/4)


class IterateSettings(BaseModel):
    """How groups are drawn and trained on; levels in HU."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["iterates"]
    groups: int = Field(4, ge=1, description="groups under way at once; each gives one slice a step")
    slices: int = Field(16, ge=1, description="slices in a group")
    native_share: float = Field(
        0.85, ge=0, le=1, description="groups of 512 pixels measured on their own grid"
    )
    views: list[int] = Field([8, 12, 16, 20, 24, 24, 24, 24, 24, 32, 40, 60], min_length=1)
    arc_share: float = Field(0.15, ge=0, le=1, description="share of limited arcs (90 to 150 degrees)")
    dose_share: float = Field(0.5, ge=0, le=1, description="share with photon noise")
    photons: tuple[float, float] = Field((3e4, 1e6), description="range, drawn in the logarithm")
    spacing_mm: tuple[float, float] = Field((1.1, 1.9), description="pixel sizes, drawn evenly")
    warp: WarpSettings = WarpSettings()
    grain_share: float = Field(0.0, ge=0, le=1, description="share of slices given a sharp kernel's noise")
    grain_hu: tuple[float, float] = Field((20.0, 90.0), description="its standard deviation at 512 pixels")
    shift: float = Field(0.06, ge=0, le=0.5, description="of a slice, as a share of its side, either way")
    first_hu: tuple[float, float] = Field((160.0, 260.0))
    last_hu: tuple[float, float] = Field((12.0, 25.0))
    first_hu_dose: tuple[float, float] = Field((220.0, 340.0), description="at 1e5 photons")
    last_hu_dose: tuple[float, float] = Field((28.0, 45.0), description="at 1e5 photons")
    evaluations: tuple[int, int] = Field((6, 10))
    prox_factor: tuple[float, float] = Field((3.0, 12.0), description="without noise")
    prox_factor_dose: tuple[float, float] = Field((2.0, 5.0), description="with photon noise")
    cg_iterations: int = Field(6, ge=1)
    tv_weight: float = Field(5e-4, gt=0)
    tv_iterations: int = Field(60, ge=1)
    floor_hu: float = Field(15.0, gt=0)
    outside: float = Field(0.1, ge=0, le=1, description="weight of a pixel outside the body")
    white_weight: float = Field(0.3, ge=0)
    white_levels: NoiseLevels = NoiseLevels()


@dataclass
class Group:
    """Slices on their way down the levels: truth, mask and state are (slices, 1, y, x), scaled."""

    number: int
    truth: Tensor
    mask: Tensor
    state: Tensor
    problem: ScaledProblem
    times: Tensor
    prox_factor: float
    level: int
    estimates: list[Tensor]


class Iterates:
    """The objective; see the module. `patches` gives the white-noise part of the loss."""

    def __init__(
        self,
        dataset: Dataset,
        patches: Patches,
        settings: IterateSettings,
        error: Callable[[float], float],
        kernel: Kernel,
        seed: int,
    ) -> None:
        self.dataset, self.patches, self.settings, self.seed = dataset, patches, settings, seed
        self.scaling = Scaling(patches.offset, patches.scale)
        self.error = error
        self.kernel = kernel
        self.groups: list[Group] = []
        self.next = 0

    def loss(self, denoiser: NetDenoiser, step: int) -> Tensor:
        """One slice of each group, and a batch of white noise; a group through its slices moves on.

        Groups move on before the caller's backward pass: a step that fails afterwards must be resumed from
        the checkpoint before it, as the trainer does. Groups live on the CPU, whatever the network's device.
        """
        s, device = self.settings, next(denoiser.net.parameters()).device
        while len(self.groups) < s.groups:
            group = self._new()
            # Staggered, so that a batch holds several levels from the first step on.
            group.level = len(self.groups) * len(group.times) // s.groups
            self.groups.append(group)
        picks = [len(group.estimates) for group in self.groups]
        x, truth, mask = (
            torch.stack([getattr(g, part)[k] for g, k in zip(self.groups, picks, strict=True)]).to(device)
            for part in ("state", "truth", "mask")
        )
        t = torch.stack([g.times[g.level] for g in self.groups])
        estimate = denoiser.denoise(x, t).x0
        wrong, before = (_mean_square(e - truth, mask) for e in (estimate, x))
        loss = (wrong / (before + (s.floor_hu / self.scaling.scale) ** 2)).mean()
        if s.white_weight > 0:
            clean = self.patches(step).to(device)
            loss = loss + s.white_weight * white_loss(
                denoiser, clean, s.white_levels, generator(self.seed, step, 1)
            )
        for index, (group, new) in enumerate(zip(self.groups, estimate.detach().cpu(), strict=True)):
            group.estimates.append(new)
            if len(group.estimates) == len(group.truth):
                self.groups[index] = self._advance(group)
        return loss

    def state(self) -> dict[str, Tensor]:
        """Where every group stands."""
        out = {"next": torch.tensor(self.next)}
        for index, g in enumerate(self.groups):
            out[f"{index}.state"] = g.state
            out[f"{index}.place"] = torch.tensor([g.number, g.level])
            if g.estimates:
                out[f"{index}.estimates"] = torch.stack(g.estimates)
        return out

    def restore(self, state: dict[str, Tensor]) -> None:
        """Build the groups anew from their numbers and put them where they stood."""
        self.next = int(state["next"])
        self.groups = []
        while f"{len(self.groups)}.place" in state:
            index = len(self.groups)
            number, level = (int(v) for v in state[f"{index}.place"])
            group = self._build(number)
            group.state, group.level = state[f"{index}.state"], level
            group.estimates = list(state.get(f"{index}.estimates", torch.empty(0)).unbind(0))
            self.groups.append(group)

    def _advance(self, group: Group) -> Group:
        if group.level + 1 == len(group.times):
            return self._new()
        sigma = float(self.kernel.sigma(group.times[group.level]))
        volume = torch.stack(group.estimates)[:, 0][None, None]
        data = ProximalData(
            _Given(volume),
            group.problem.operator,
            group.problem.y,
            group.problem.weights,
            error=lambda t: group.prox_factor * self.error(sigma),
            max_iterations=self.settings.cg_iterations,
            lower=self.scaling.air,
        )
        moved = data.denoise(volume, group.times[group.level], Context(NoiseStreams(0))).x0
        group.state, group.level, group.estimates = moved[0, 0][:, None], group.level + 1, []
        return group

    def _new(self) -> Group:
        group = self._build(self.next)
        self.next += 1
        return group

    def _build(self, number: int) -> Group:
        s, rng = self.settings, np.random.default_rng(np.random.SeedSequence((self.seed, number, 7)))
        volume = self._draw_volume(rng)
        measurement, reference = self._measure(volume, rng)
        start = tv_image(measurement, s.tv_weight, iterations=s.tv_iterations, tolerance=0.0).image
        first, last, factors = s.first_hu, s.last_hu, s.prox_factor
        dose = 1.0
        if measurement.photons is not None:
            # Noise has levels of its own, so that the level tells the network how noisy the data are.
            first, last, factors = s.first_hu_dose, s.last_hu_dose, s.prox_factor_dose
            dose = (_DOSE / measurement.photons) ** _DOSE_POWER
        fast = FastSettings(
            first_hu=dose * _between(first, rng),
            last_hu=dose * _between(last, rng),
            evaluations=int(rng.integers(s.evaluations[0], s.evaluations[1] + 1)),
        )
        truth = torch.from_numpy(hu_to_water(reference.array))
        mask = torch.from_numpy(body_mask(reference.array)).float()
        mask = mask + s.outside * (1 - mask)
        return Group(
            number=number,
            truth=self.scaling.to_scaled(truth)[:, None],
            mask=mask[:, None],
            state=self.scaling.to_scaled(start)[:, None],
            problem=scaled_problem(measurement, self.scaling, torch.device("cpu")),
            times=level_grid(self.kernel, fast, self.scaling),
            prox_factor=_between(factors, rng),
            level=0,
            estimates=[],
        )

    def _draw_volume(self, rng: np.random.Generator) -> Volume:
        """Slices of one native size, warped, stacked as if far apart."""
        s = self.settings
        _check_sizes(self.dataset, s.native_share)
        wide = rng.random() < s.native_share
        slices = [self._draw_image(rng, wide) for _ in range(s.slices)]
        spacing = float(rng.uniform(*s.spacing_mm)) / (2 if wide else 1)
        bodies = [self._grained(self._warped(image, rng), rng) for image in slices]
        return Volume.from_array(
            torch.stack(bodies).numpy(), spacing_mm=(_FAR_MM, spacing, spacing), units="HU"
        )

    def _draw_image(self, rng: np.random.Generator, wide: bool) -> Tensor:
        while True:
            image = draw_slice(self.dataset, self.patches.settings.person_exponent, rng)
            if image.shape == (2 * _SIDE, 2 * _SIDE):
                return image if wide else halve(image)
            if image.shape == (_SIDE, _SIDE) and not wide:
                return image

    def _warped(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        side = image.shape[0]
        row, column = ((side - 1) / 2 + side * self.settings.shift * rng.uniform(-1, 1, 2)).tolist()
        return warp(image, side, (row, column), self.settings.warp, rng)

    def _grained(self, image: Tensor, rng: np.random.Generator) -> Tensor:
        """Now and then noise that is white at the pixel, as sharp kernels leave it; part of the truth.

        Few training people have such a kernel. The noise of a 512 image halves in its 2x2 mean.
        """
        s = self.settings
        if s.grain_share == 0 or rng.random() >= s.grain_share:
            return image
        deviation = _between(s.grain_hu, rng) * image.shape[0] / (2 * _SIDE)
        grain = rng.normal(0, deviation, tuple(image.shape)).astype(np.float32)
        return (image + torch.from_numpy(grain)).clamp(min=OUTSIDE_HU)

    def _measure(self, volume: Volume, rng: np.random.Generator) -> tuple[CTMeasurement, Volume]:
        s = self.settings
        views, arc = int(rng.choice(s.views)), 180.0
        if rng.random() < s.arc_share:
            arc = float(rng.uniform(90, 150))
            views = max(views, 40)
        first = 0.0 if rng.random() < 0.5 else float(rng.uniform(0, 180))
        photons = _between(s.photons, rng) if rng.random() < s.dose_share else None
        angles = [first + k * arc / views for k in range(views)]
        return simulate_ct(
            volume, angles_deg=angles, photons=photons, matrix=_SIDE, seed=int(rng.integers(2**31))
        )


def _check_sizes(dataset: Dataset, native_share: float) -> None:
    """Raise InputError when the slices that groups are made of do not exist."""
    sides = {tuple(image.shape) for person in dataset.people for image in person.slices}
    wide, narrow = (2 * _SIDE, 2 * _SIDE) in sides, (_SIDE, _SIDE) in sides
    if (native_share > 0 and not wide) or not (wide or narrow):
        raise InputError(
            "training data",
            expected=f"slices of {2 * _SIDE} or {_SIDE} pixels a side",
            got=", ".join(f"{rows} x {columns}" for rows, columns in sorted(sides)),
            fix=f"Give such slices; without any of {2 * _SIDE}, set native_share to 0.",
        )


@dataclass(frozen=True)
class _Given:
    """A denoiser whose estimate is known already."""

    estimate: Tensor

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        return Estimate(self.estimate, self.estimate)


def _between(ends: tuple[float, float], rng: np.random.Generator) -> float:
    """A number between two, even in the logarithm."""
    return float(np.exp(rng.uniform(*np.log(ends))))


def _mean_square(error: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean square of each image (B, 1, y, x): (B,)."""
    return (weight * error**2).sum((1, 2, 3)) / weight.sum((1, 2, 3))
