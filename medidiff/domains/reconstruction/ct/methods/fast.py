"""Fast mode: a plug-and-play estimate of the posterior mean in a few network evaluations.

    start x = an image that another method made; then at levels s_0 > s_1 > ... > s_(N-1)
    x0 = D(x, s_k)                                                     the prior, slice by slice
    z  = argmin_z 1/2 |W^(1/2) (A z - y)|^2 + |z - x0|^2 / (2 r_k^2)   conjugate gradients, the volume
    x  = z + kappa s_(k+1) (sqrt(1 - eta^2) (x - x0)/s_k + eta n)      kappa = 0: no noise at all
    the result is the last z

With kappa = 1 this is DDS (Chung et al. 2024, arXiv 2303.05754) in the noise levels of EDM; with kappa = 0
half-quadratic splitting with a learned denoiser (Zhang et al. 2021, DPIR, arXiv 2008.13751), which returns
something like the posterior mean, never a sample: no spread is reported. r_k is the denoiser's error at that
level (from the prior's card) times a factor, because what the loop feeds it is not white noise.

The core sees x = (HU - offset)/scale; attenuation in water units is w = 1 + HU/1000, so that

    A' w = (scale/1000) A' x + (1 + offset/1000) A' 1
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Denoiser
from medidiff.core.denoisers.wrappers import Flipped, Sliced
from medidiff.core.linear.operators import LinearOperator, ZDifference
from medidiff.core.posterior.proximal import ProximalData, ZTotalVariation
from medidiff.core.process.grids import karras_grid
from medidiff.core.process.kernels import Kernel
from medidiff.core.process.loop import sample
from medidiff.core.process.noise import Gaussian, NoiseLaw, NoiseStreams, ZCorrelated
from medidiff.core.process.samplers import Renoise
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
from medidiff.progress import Report, silent

COUPLINGS = ("none", "tv", "noise", "both")
NOISY_COUPLINGS = ("noise", "both")  # of re-noising, so kappa must be above 0


@dataclass(frozen=True)
class FastSettings:
    """The loop's numbers, all in HU where they are levels; `defaults.json` holds those of each case.

    `prox_factor` multiplies the card's error. `flips`: orientations averaged a level, 0 for the image as it
    is; each is moved by less than `shift` pixels. `noise_length_mm` and `z_weight` (of |D_z HU|, per HU/mm)
    act with coupling noise, tv or both. Without `defaults_for` nothing is coupled.

    ValueError: `shift` above 1 with no orientation to move.
    """

    first_hu: float = 200.0
    last_hu: float = 15.0
    evaluations: int = 12
    prox_factor: float = 3.0
    cg_iterations: int = 6
    kappa: float = 0.0
    eta: float = 0.0
    flips: int = 1
    shift: int = 1
    coupling: str = "none"
    noise_length_mm: float = 0.0
    z_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.shift > 1 and not self.flips:
            raise ValueError(f"shift {self.shift} moves orientations, and flips is 0: set shift to 1")

    @property
    def passes(self) -> int:
        """Network evaluations of the whole volume."""
        return self.evaluations * max(self.flips, 1)


@dataclass(frozen=True)
class Scaling:
    """u = (HU - offset)/scale, as the prior's card fixes it."""

    offset: float
    scale: float

    def to_scaled(self, water: Tensor) -> Tensor:
        """From water units w = 1 + HU/1000."""
        return (1000 * (water - 1) - self.offset) / self.scale

    def to_water(self, scaled: Tensor) -> Tensor:
        """To water units."""
        return 1 + (self.offset + self.scale * scaled) / 1000

    @property
    def air(self) -> float:
        """Where attenuation is 0."""
        return (-1000 - self.offset) / self.scale


@dataclass(frozen=True)
class ScaledProblem:
    """min 1/2 |W^(1/2) (A x - y)|^2 on the prior's scale; W absolute, y and W (1, 1, z, views, bins)."""

    operator: LinearOperator
    y: Tensor
    weights: Tensor


def scaled_problem(measurement: CTMeasurement, scaling: Scaling, device: torch.device) -> ScaledProblem:
    """The data term of a measurement (which must have weights) in the prior's units."""
    projector = Projector(measurement.geometry, measurement.grid, device=device)
    base = torch.full((1, 1, 1, *measurement.grid.shape), 1 + scaling.offset / 1000, device=device)
    assert measurement.weights is not None  # `reconstruct` gives them to a measurement without
    return ScaledProblem(
        operator=(scaling.scale / 1000) * projector,
        y=torch.from_numpy(measurement.sinogram).to(device)[None, None] - projector(base),
        weights=torch.from_numpy(measurement.weights).to(device)[None, None],
    )


def reconstruct_fast(
    problem: ScaledProblem,
    net: Denoiser,
    kernel: Kernel,
    scaling: Scaling,
    error: Callable[[float], float],
    start: Tensor,
    slice_spacing_mm: float,
    settings: FastSettings,
    *,
    seed: int = 0,
    first_slice: int = 0,
    chunk: int = 4,
    progress: Report = silent,
) -> Tensor:
    """The image in water units (z, y, x) from `start`, an image in water units of the same shape.

    `net` denoises slices (B, 1, y, x) of the scaled image; `error` is its rms error at sigma, scaled;
    `slice_spacing_mm` and `first_slice` (of a slab in its volume) place the slices for the couplings.
    """
    sliced: Denoiser = Sliced(net, axis=2, chunk=chunk)
    denoiser = ProximalData(
        Flipped(sliced, settings.flips, settings.shift) if settings.flips else sliced,
        problem.operator,
        problem.y,
        problem.weights,
        error=lambda t: settings.prox_factor * error(float(kernel.sigma(t))),
        max_iterations=settings.cg_iterations,
        lower=scaling.air,
        coupling=_total_variation(settings, scaling, len(start), slice_spacing_mm),
    )
    law: NoiseLaw = Gaussian()
    if settings.coupling in NOISY_COUPLINGS:
        centres = tuple(z * slice_spacing_mm for z in range(first_slice + len(start)))
        law = ZCorrelated(centres, settings.noise_length_mm)
    context = Context(streams=NoiseStreams(seed, first_slice=first_slice), noise=law)
    state = scaling.to_scaled(start)[None, None]
    grid = level_grid(kernel, settings, scaling)
    if settings.kappa > 0:
        state = state + settings.kappa * kernel.sigma(grid[0]).float() * context.draw(state, "start")
    sampler = Renoise(settings.kappa, settings.eta)
    image = sample(denoiser, kernel, sampler, grid, start=state, context=context, progress=progress)
    return scaling.to_water(image[0, 0])


def level_grid(kernel: Kernel, settings: FastSettings, scaling: Scaling) -> Tensor:
    """The times of the levels, in Karras' spacing."""
    first, last = settings.first_hu / scaling.scale, settings.last_hu / scaling.scale
    return karras_grid(kernel, settings.evaluations, sigma_max=first, sigma_min=last)


def _total_variation(
    settings: FastSettings, scaling: Scaling, slices: int, slice_spacing_mm: float
) -> ZTotalVariation | None:
    if settings.coupling not in {"tv", "both"} or slices < 2:
        return None
    return ZTotalVariation(ZDifference(slices, slice_spacing_mm), settings.z_weight * scaling.scale)
