"""The registry that the contract tests walk: every kernel, noise law, sampler, operator and denoiser.

`tests/core/contracts/` runs the contract of its kind on each entry and fails when a class exists, in
the core or in a domain, that no entry names. A domain lists its own in a `CONTRACTS` of the same shape in
its `contracts.py`. This module imports the classes, never the reverse.

What `make` takes and gives, by kind:

    kernel      make() -> Kernel
    noise       make(slices) -> NoiseLaw for volumes of so many slices
    sampler     make() -> Sampler
    operator    make(dtype) -> LinearOperator, in this real dtype or its complex partner
    denoiser    make() -> Example: a denoiser, its kernel and the shape (C, *space) of a row it accepts
    wrapper     make(inner) -> the wrapper, which leaves a voxel-wise inner on (C, z, y, x) as it is
    posterior   make(inner, operator, y, sigma_y) -> the method, on a row of inner's shape
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from medidiff.core.denoisers.adapters import Predicting, SigmaDenoiser
from medidiff.core.denoisers.adapters.predicting import Prediction
from medidiff.core.denoisers.estimate import Denoiser
from medidiff.core.denoisers.gaussian_field import GaussianField
from medidiff.core.denoisers.mixture import MixtureOracle
from medidiff.core.denoisers.network import NetDenoiser
from medidiff.core.denoisers.oracle import GaussianOracle
from medidiff.core.denoisers.unet import UNet
from medidiff.core.denoisers.wrappers import Flipped, Guided, OnKernel, Sliced, Stacked, Tiled
from medidiff.core.linear.operators import (
    Adjoint,
    Composed,
    Dense,
    Diagonal,
    Identity,
    LinearOperator,
    Scaled,
    Stack,
    Sum,
    ZDifference,
    hstack,
    stack,
)
from medidiff.core.posterior.proximal import ProximalData
from medidiff.core.process.kernels import (
    EDM,
    RDDM,
    VP,
    Cosine,
    DiscreteVP,
    Interpolant,
    Kernel,
    MeanReverting,
    RectifiedFlow,
    ResShift,
)
from medidiff.core.process.noise import Gaussian, ZCorrelated
from medidiff.core.process.samplers import DDIM, Churn, Heun, Multistep, PredictorCorrector, Renoise

Kind = Literal["kernel", "noise", "sampler", "operator", "denoiser", "wrapper", "posterior"]


@dataclass(frozen=True)
class Entry:
    """A class under contract: its name in test output, how to make one, and facts that its tests use.

    Facts of kernels: `last_sigma` (s/a at t_min, where it is above 0.01).
    Facts of samplers: `closed_form` (its output has spread, and moments in closed form), `voxelwise` (a
    voxel is stepped by its own level alone), `order` (of convergence), `covariance` (the largest relative
    error of the output's covariance at 60 evaluations).
    """

    name: str
    subject: type
    make: Callable[..., Any]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Example:
    """A denoiser to test, the kernel it works on, and the shape (C, *space) of one row of its state."""

    denoiser: Denoiser
    kernel: Kernel
    shape: tuple[int, ...]


def _random(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def _complex(dtype: torch.dtype) -> LinearOperator:
    partner = torch.complex128 if dtype is torch.float64 else torch.complex64
    shape = (1, 4, 3, 5)
    return Diagonal(torch.complex(_random(shape, dtype), _random(shape, dtype).flip(-1)).to(partner))


def _dense(dtype: torch.dtype) -> LinearOperator:
    return Dense(_random((7, 12), dtype), (1, 3, 4), (1, 7))


def _oracle() -> Example:
    n = torch.arange(15, dtype=torch.float64)
    covariance = 0.5 * torch.exp(-(n[:, None] - n).abs() / 4)
    mean = torch.linspace(-1, 1, 15, dtype=torch.float64).reshape(1, 1, 3, 5)
    return Example(GaussianOracle.from_covariance(EDM(), mean, covariance), EDM(), (1, 3, 5))


def _mixture() -> Example:
    size = (1, 1, 3, 5)
    parts = tuple(
        GaussianOracle(EDM(), torch.full(size, mean).double(), torch.full((15,), sd**2).double())
        for mean, sd in ((-1.0, 0.5), (1.0, 0.2))
    )
    return Example(MixtureOracle(parts, (0.3, 0.7)), EDM(), size[1:])


def _network() -> Example:
    net = UNet(channels=(8, 16), blocks=(1, 1))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():  # the last layer starts at zero, where every network is the same Gaussian
        net.last.weight.copy_(0.05 * torch.randn(net.last.weight.shape, generator=generator))
    return Example(NetDenoiser(net.eval(), EDM(), 1.0), EDM(), (1, 31, 45))


def _predicting(kind: Prediction) -> Example:
    """A made-up network on the usual table of betas; what predicts x0 answers with the little it sees."""
    kernel = DiscreteVP.linear()

    def network(x: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
        low = (step < 1)[:, None, None, None]
        return torch.where(low & (kind == "sample"), x, 0.1 * x.tanh())

    return Example(Predicting(network, kernel, 1000, kind, multiple=8), kernel, (1, 9, 13))


def _proximal(inner: Denoiser, operator: LinearOperator, y: torch.Tensor, sigma_y: float) -> ProximalData:
    """With the r_eff of a prior of unit variance, solved to the end."""
    return ProximalData(
        inner,
        operator,
        y,
        weights=1 / sigma_y**2,
        error=lambda t: float(EDM().sigma(t) / (1 + EDM().sigma(t) ** 2).sqrt()),
        max_iterations=60,
        tol=1e-10,
    )


_PLAIN = {"closed_form": True, "voxelwise": True}

CONTRACTS: dict[Kind, tuple[Entry, ...]] = {
    "kernel": (
        Entry("vp-linear", VP, VP),
        Entry("vp-constant-beta", VP, lambda: VP(beta_min=10.0, beta_max=10.0, t_min=5e-6)),
        Entry("edm", EDM, EDM),
        Entry("edm-narrow", EDM, lambda: EDM(sigma_min=0.01, sigma_max=5.0)),
        Entry("ddpm", DiscreteVP, DiscreteVP.linear, {"last_sigma": 0.010001}),
        Entry("ddpm-scaled-linear", DiscreteVP, DiscreteVP.scaled_linear, {"last_sigma": 0.0292}),
        Entry("cosine", Cosine, Cosine),
        Entry("rectified-flow", RectifiedFlow, RectifiedFlow),
        Entry("resshift", ResShift, ResShift, {"last_sigma": 0.0401}),
        Entry("rddm", RDDM, RDDM),
        Entry("mean-reverting", MeanReverting, MeanReverting),
        Entry("interpolant", Interpolant, Interpolant, {"last_sigma": 0.0142}),
    ),
    "noise": (
        Entry("gaussian", Gaussian, lambda slices: Gaussian()),
        Entry(
            "z-correlated",
            ZCorrelated,
            lambda slices: ZCorrelated(tuple(2.5 * k for k in range(slices)), 6.0),
        ),
        Entry(
            "z-correlated-uneven",
            ZCorrelated,
            lambda slices: ZCorrelated(tuple(0.7 * k * k for k in range(slices)), 4.0),
        ),
    ),
    "sampler": (
        Entry("ddim", DDIM, DDIM, {**_PLAIN, "order": 1}),
        Entry("ancestral", DDIM, lambda: DDIM(eta=1.0), {**_PLAIN, "order": 1}),
        Entry("heun", Heun, Heun, {**_PLAIN, "order": 2, "covariance": 0.04}),
        Entry("multistep", Multistep, Multistep, {**_PLAIN, "order": 2, "covariance": 0.03}),
        Entry(
            "multistep-sde", Multistep, lambda: Multistep(eta=1.0), {**_PLAIN, "order": 2, "covariance": 0.03}
        ),
        Entry("euler-churn", Churn, lambda: Churn(DDIM()), {**_PLAIN, "order": 1}),
        Entry("heun-churn", Churn, Churn, {**_PLAIN, "order": 2}),
        Entry("pc", PredictorCorrector, PredictorCorrector, {"closed_form": True}),
        Entry("dds", Renoise, lambda: Renoise(kappa=1.0, eta=0.85), {"closed_form": True}),
        Entry("plug-and-play", Renoise, Renoise),
    ),
    "operator": (
        Entry("identity", Identity, lambda dtype: Identity((2, 3, 5), dtype)),
        Entry("diagonal", Diagonal, lambda dtype: Diagonal(_random((1, 4, 3, 5), dtype))),
        Entry("diagonal-broadcast", Diagonal, lambda dtype: Diagonal(_random((3, 1), dtype), (2, 3, 5))),
        Entry("diagonal-complex", Diagonal, _complex),
        Entry("dense", Dense, _dense),
        Entry("z-difference", ZDifference, lambda dtype: ZDifference(5, 2.5, dtype)),
        Entry("z-difference-uneven", ZDifference, lambda dtype: ZDifference(4, (1.0, 2.5, 0.5), dtype)),
        Entry("adjoint", Adjoint, lambda dtype: _dense(dtype).H),
        Entry(
            "composed",
            Composed,
            lambda dtype: _dense(dtype).H @ Diagonal(_random((1, 7), dtype)) @ _dense(dtype),
        ),
        Entry(
            "sum",
            Sum,
            lambda dtype: _dense(dtype) - _dense(dtype) * 0.3 @ Diagonal(_random((1, 3, 4), dtype)),
        ),
        Entry("scaled-complex", Scaled, lambda dtype: (0.6 - 0.8j) * _complex(dtype)),
        Entry("stack", Stack, lambda dtype: stack(_complex(dtype), 2 * _complex(dtype))),
        Entry("hstack", Stack, lambda dtype: hstack(_dense(dtype), -_dense(dtype))),
    ),
    "denoiser": (
        Entry("gaussian-oracle", GaussianOracle, _oracle),
        Entry("mixture-oracle", MixtureOracle, _mixture),
        Entry("net", NetDenoiser, _network),
        Entry("predicting-noise", Predicting, lambda: _predicting("epsilon")),
        Entry("predicting-x0", Predicting, lambda: _predicting("sample")),
        Entry("predicting-v", Predicting, lambda: _predicting("v_prediction")),
        Entry(
            "of-sigma",
            SigmaDenoiser,
            lambda: Example(
                SigmaDenoiser(lambda x, sigma: x / (1 + sigma[:, None, None, None] ** 2), EDM()),
                EDM(),
                (1, 9, 13),
            ),
        ),
        Entry("gaussian-field", GaussianField, lambda: Example(GaussianField(EDM()), EDM(), (1, 9, 13))),
    ),
    "wrapper": (
        Entry("sliced-axial", Sliced, lambda inner: Sliced(inner, axis=2, chunk=1000)),
        Entry("sliced-coronal", Sliced, lambda inner: Sliced(inner, axis=3, chunk=1)),
        Entry("sliced-sagittal", Sliced, lambda inner: Sliced(inner, axis=4, chunk=3)),
        Entry("flipped", Flipped, Flipped),
        Entry("flipped-moved", Flipped, lambda inner: Flipped(inner, each=1, shift=3)),
        Entry("guided-fully", Guided, lambda inner: Guided(inner, 1.0)),
        Entry("tiled-offset", Tiled, lambda inner: Tiled(inner, tile=4, chunk=3)),
        Entry("tiled-overlap", Tiled, lambda inner: Tiled(inner, tile=4, mode="overlap", overlap=2)),
        Entry("tiled-once", Tiled, lambda inner: Tiled(inner, tile=8)),
        Entry("stacked", Stacked, lambda inner: Stacked((inner, inner), (1, 1))),
        Entry("on-the-same-kernel", OnKernel, lambda inner: OnKernel(inner, EDM(), EDM())),
    ),
    "posterior": (Entry("proximal-data", ProximalData, _proximal),),
}
