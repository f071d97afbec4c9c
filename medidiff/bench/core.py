"""The moment table: what every sampler returns on every kernel, against a law that is known exactly.

The prior is a Gaussian of six independent modes; its denoiser is exact, so every error is the sampler's. The
laws are closed forms (`GaussianOracle.moments`), not averages of chains, and take no random number. Chains
of float32 are run beside them on two kernels, under names of their own and with the floor that their number
sets. Kernels between a clean and a known image y are tested with a y that is not the mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from medidiff.bench.report import BenchResult, Row
from medidiff.core.denoisers import Context, GaussianOracle
from medidiff.core.process import (
    DDIM,
    EDM,
    RDDM,
    VP,
    Churn,
    Cosine,
    DiscreteVP,
    Heun,
    Interpolant,
    Kernel,
    MeanReverting,
    Multistep,
    NoiseStreams,
    PredictorCorrector,
    RectifiedFlow,
    ResShift,
    Sampler,
    karras_grid,
    logsnr_grid,
    sample,
    uniform_grid,
)
from medidiff.progress import Progress, Report, silent

KERNELS: dict[str, Callable[[], Kernel]] = {
    "vp_linear": VP,
    "ddpm": DiscreteVP.linear,
    "ddpm_scaled_linear": DiscreteVP.scaled_linear,
    "cosine": Cosine,
    "edm": EDM,
    "rectified_flow": RectifiedFlow,
    "resshift": ResShift,
    "rddm": RDDM,
    "mean_reverting": MeanReverting,
    "interpolant": Interpolant,
}
SAMPLERS: dict[str, Sampler] = {
    "ddim": DDIM(),
    "ancestral": DDIM(eta=1.0),
    "dpmpp_2m": Multistep(),
    "dpmpp_2m_sde": Multistep(eta=1.0),
    "heun": Heun(),
    "euler": DDIM(),
    "euler_churn": Churn(DDIM()),
    "heun_churn": Churn(Heun()),
    "pc": PredictorCorrector(),
}
ORDERS = {name: 2 if name.startswith(("dpmpp", "heun")) else 1 for name in SAMPLERS if name != "pc"}
EVALUATIONS = 60
MEAN_GATE, COVARIANCE_GATE, ORDER_GATE = 0.02, 0.03, 0.1
_GATED = "dpmpp_2m"
_GATED_ORDERS = ("euler", "heun", "dpmpp_2m")
_AIMS = {"dpmpp_2m_sde": 0.03, "heun": 0.04}  # of the covariance

_SD = torch.tensor([1.0, 0.5, 0.2, 0.1, 0.05, 0.02], dtype=torch.float64)
_MEAN = torch.full((1, 1, 6), 0.45, dtype=torch.float64)
_Y = torch.tensor([[[0.1, 0.4, -0.3, 0.2, 0.7, -0.5]]], dtype=torch.float64)
_BY_EVALUATIONS = (10, 20, 30, 60, 100)
_INTERVALS = (16, 32, 64, 128, 256)
_TOP, _BOTTOM = 4.0, 3.0  # the range of |h| over which the order is measured
_CHAIN_KERNELS = ("edm", "resshift")
_ROWS, _COPIES = 64, 64  # chains of a mode: rows times copies in a row
_STANDARD_ERRORS = 4


def run(*, progress: Report = silent) -> BenchResult:
    """Measure every sampler on every kernel; about a minute on one core."""
    parts = {
        "moments": _moments,
        "order of convergence": _orders,
        "evaluations": _by_evaluations,
        "grids": _by_grid,
        "start law": _starts,
        "chains": _chains,
    }
    rows: list[Row] = []
    for done, (name, part) in enumerate(parts.items()):
        progress(Progress("core", done, len(parts), name))
        rows += part()
    progress(Progress("core", len(parts), len(parts)))
    skipped = (
        "order.pc: its Langevin steps keep the source's signal-to-noise ratio of 0.16, and with it an error "
        "that does not fall with the step",
    )
    return BenchResult("core", tuple(rows), skipped, _REMARKS, notes={"evaluations": EVALUATIONS})


_REMARKS = (
    "Six independent modes of standard deviation 1, 0.5, 0.2, 0.1, 0.05 and 0.02, mean 0.45; mean error: the "
    "worst mode, in its standard deviations; covariance error: relative, Frobenius norm; closed form.",
    "wasserstein: the 2-Wasserstein distance to the law of exact steps, over the root of the prior's trace.",
    "A grid of N levels is N evaluations; heun and pc take two a step, so 59.",
    "euler is the step of ddim (Euler's in sigma, written for every kernel); both names are kept. "
    "*_churn: log(1 + gamma) is half the step in h.",
    "pc: the step size comes from norms, here those of an image of very many such modes.",
    "ancestral and dpmpp_2m_sde take the kernel's own noise; resshift and rddm have one of their own.",
    f"Chains: {_ROWS * _COPIES} a mode, float32; gate {_STANDARD_ERRORS} floors, against the closed form.",
)


def _oracle(kernel: Kernel, copies: int = 1) -> GaussianOracle:
    return GaussianOracle(kernel, _MEAN.repeat(1, 1, copies), (_SD**2).repeat(copies))


def _levels(sampler: Sampler, evaluations: int) -> int:
    return (evaluations - 1) // sampler.evaluations + 1


def _white_variance(kernel: Kernel, t: Tensor) -> float:
    """Of the start law when the data's variance is known as one number, as on a prior's card."""
    a, _, s = kernel.coeffs(t)
    return float(a**2 * (_SD**2).mean() + s**2)


def _moments() -> Iterator[Row]:
    case = f"{EVALUATIONS} evaluations, log-SNR grid, start from the mean and one variance"
    for kernel_name, make in KERNELS.items():
        kernel = make()
        for name, sampler in SAMPLERS.items():
            grid = logsnr_grid(kernel, _levels(sampler, EVALUATIONS))
            law = _oracle(kernel).moments(
                sampler, grid, start_variance=_white_variance(kernel, grid[0]), y=_Y
            )
            gated = name == _GATED
            pair = f"{kernel_name}.{name}"
            yield Row(
                case,
                f"mean_error.{pair}",
                law.mean_error,
                "sd",
                MEAN_GATE if gated else None,
                better="lower",
            )
            yield Row(
                case,
                f"covariance_error.{pair}",
                law.covariance_error,
                "",
                COVARIANCE_GATE if gated else None,
                _AIMS.get(name),
                "lower",
            )


def _orders() -> Iterator[Row]:
    """The slope of log W2 on log step, on the kernel where it is farthest from the nominal order."""
    span = f"{_INTERVALS[0]} to {_INTERVALS[-1]} intervals"
    middle = _INTERVALS[1]
    for name, order in ORDERS.items():
        slopes: dict[str, float] = {}
        distances: dict[str, float] = {}
        for kernel_name, make in KERNELS.items():
            errors = [_distance(make(), SAMPLERS[name], count) for count in _INTERVALS]
            slopes[kernel_name] = -float(np.polyfit(np.log(_INTERVALS), np.log(errors), 1)[0])
            distances[kernel_name] = errors[1]
        where = max(slopes, key=lambda one: abs(slopes[one] - order))
        gate = ORDER_GATE if name in _GATED_ORDERS else None
        case = f"{where} (the worst kernel), {span}"
        yield Row(case, f"order.{name}", slopes[where], "", None if gate is None else order - gate)
        off, aim = abs(slopes[where] - order), ORDER_GATE if gate is None else None
        yield Row(case, f"order_error.{name}", off, "", gate, aim, "lower")
        where = max(distances, key=lambda one: distances[one])
        case = f"{where} (the worst kernel), {middle} intervals"
        yield Row(case, f"wasserstein.{name}", distances[where], "", better="lower")


def _distance(kernel: Kernel, sampler: Sampler, count: int) -> float:
    """W2 between what `count` steps from h = -4 to 3 return and what exact ones would, over the rms."""
    ends = torch.tensor([kernel.t_max, kernel.t_min], dtype=torch.float64)
    high, low = kernel.sigma(ends).tolist()
    grid = logsnr_grid(
        kernel,
        count + 1,
        sigma_max=min(math.exp(_TOP), 0.999 * high),
        sigma_min=max(math.exp(-_BOTTOM), 1.001 * low),
    )
    oracle = _oracle(kernel)
    law = oracle.moments(sampler, grid, y=_Y)
    return law.wasserstein(oracle.output(grid[-1])) / float(torch.linalg.vector_norm(_SD))


def _by_evaluations() -> Iterator[Row]:
    for name, sampler in SAMPLERS.items():
        for count in _BY_EVALUATIONS:
            law = _oracle(EDM()).moments(sampler, logsnr_grid(EDM(), _levels(sampler, count)))
            case = f"edm, exact start, {count} evaluations"
            yield Row(
                case, f"covariance_error_by_evaluations.{name}", law.covariance_error, "", better="lower"
            )


def _by_grid() -> Iterator[Row]:
    """What other spacings than the default cost, on the kernel where they cost most."""
    for name in ("dpmpp_2m", "dpmpp_2m_sde"):
        for grid in (logsnr_grid, karras_grid, uniform_grid):
            errors = {
                kernel_name: _oracle(make())
                .moments(SAMPLERS[name], grid(make(), EVALUATIONS), y=_Y)
                .covariance_error
                for kernel_name, make in KERNELS.items()
            }
            where = max(errors, key=lambda one: errors[one])
            case = f"{where} (the worst kernel), {EVALUATIONS} evaluations, exact start"
            spacing = grid.__name__.removesuffix("_grid")
            yield Row(case, f"covariance_error_by_grid.{spacing}.{name}", errors[where], "", better="lower")


def _starts() -> Iterator[Row]:
    """What a schedule that ends above pure noise loses when the start does not know the mean."""
    for kernel_name, make in KERNELS.items():
        kernel = make()
        grid = logsnr_grid(kernel, EVALUATIONS)
        a, b, _ = kernel.coeffs(grid[0])
        for start, mean in (("b y and noise", b * _Y[0]), ("the mean image", a * _MEAN[0] + b * _Y[0])):
            law = _oracle(kernel).moments(Multistep(), grid, start_mean=mean, y=_Y)
            case = f"start from {start}, dpmpp_2m, {EVALUATIONS} evaluations"
            yield Row(case, f"start_mean_error.{kernel_name}", law.mean_error, "sd", better="lower")


def _chains() -> Iterator[Row]:
    """Chains against the closed form, with the floors that their number sets."""
    count = _ROWS * _COPIES
    floors = {"mean": 1 / math.sqrt(count), "variance": math.sqrt(2 / count)}
    case = f"{count} chains a mode, {EVALUATIONS} evaluations"
    for what, floor in floors.items():
        yield Row(case, f"monte_carlo_floor.{what}", floor, "sd" if what == "mean" else "", better=None)
    for kernel_name in _CHAIN_KERNELS:
        for name, sampler in SAMPLERS.items():
            errors = _chain_errors(KERNELS[kernel_name](), sampler)
            for (what, floor), error in zip(floors.items(), errors, strict=True):
                metric, unit = (
                    f"monte_carlo_{what}_error.{kernel_name}.{name}",
                    "sd" if what == "mean" else "",
                )
                yield Row(case, metric, error, unit, _STANDARD_ERRORS * floor, better="lower")


def _chain_errors(kernel: Kernel, sampler: Sampler) -> tuple[float, float]:
    """The worst mode's error of mean (in sd) and of variance (relative)."""
    grid = logsnr_grid(kernel, _levels(sampler, EVALUATIONS))
    expected = _oracle(kernel).moments(sampler, grid, y=_Y)
    oracle = _oracle(kernel, _COPIES)
    context = Context(NoiseStreams(0), y=_Y.float().repeat(1, 1, _COPIES))
    n = context.draw(torch.empty(_ROWS, *oracle.mean.shape[1:]), "start")
    start = kernel.start(n, mean=oracle.mean.float(), var=oracle.variances.float(), y=context.y)
    out = sample(oracle, kernel, sampler, grid, start=start, context=context)
    chains = out.reshape(-1, len(_SD)).double()
    mean = (chains.mean(0) - expected.mean).abs() / expected.variance.sqrt()
    variance = (chains.var(0) / expected.variance - 1).abs()
    return float(mean.max()), float(variance.max())
