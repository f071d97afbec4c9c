"""From a measurement to images, without the truth: FBP, total variation, diffusion.

    measurement -> Start (an image) -> method -> Result

The three methods share their data: FBP starts total variation, total variation (a few iterations) starts
the diffusion loop. A volume larger than `SLAB_VOXELS` is done in slabs that overlap by `OVERLAP` slices, of
which the inner halves are kept. Everything is in the measurement's canonical orientation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medidiff.core.device import choose_device
from medidiff.domains.reconstruction.ct.figure import draw
from medidiff.domains.reconstruction.ct.methods.baselines import fbp_image, mean_weight, tv_image
from medidiff.domains.reconstruction.ct.methods.defaults import Defaults, defaults_for, model_error
from medidiff.domains.reconstruction.ct.methods.fast import (
    COUPLINGS,
    NOISY_COUPLINGS,
    FastSettings,
    Scaling,
    reconstruct_fast,
    scaled_problem,
)
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.projection.system_matrix import forecast_bytes
from medidiff.domains.reconstruction.ct.scan.attenuation import hu_to_water, water_to_hu
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement, statistical_weights
from medidiff.errors import InputError
from medidiff.io.volume import Volume
from medidiff.priors import Prior, choose, load
from medidiff.progress import Report, silent
from medidiff.runs.clock import Clock, finish_report, require_memory
from medidiff.runs.provenance import provenance
from medidiff.runs.report import start_report
from medidiff.runs.result import Result

METHODS = ("fbp", "tv", "diffusion")
MODES = ("fast",)
SLAB_VOXELS = 24 << 20
OVERLAP = 8
CHUNK = 4  # slices that the network takes at once: more leave the cache of a CPU
_FLOATS_PER_VOXEL = 24  # the most arrays alive at once, total variation's


@dataclass(frozen=True)
class Image:
    """What a method gave: HU (z, y, x), seconds with its start, evaluations of the network, data residual."""

    hu: NDArray[np.float32]
    seconds: float
    evaluations: int = 0
    data_residual: float | None = None


@dataclass(frozen=True)
class Options:
    """The resolved options of a reconstruction, shared by all methods."""

    seed: int
    defaults: Defaults
    fast: FastSettings
    first_slice: int = 0


def reconstruct_ct(
    measurement: CTMeasurement,
    *,
    method: str | Sequence[str] = "diffusion",
    prior: str | None = None,
    start: NDArray[np.floating] | None = None,
    mode: str = "fast",
    coupling: str = "none",
    seed: int = 0,
    device: str = "auto",
    float32: bool = False,
    progress: Report = silent,
) -> Result:
    """Images of a measurement, one a method: fbp, tv, diffusion, several of them, or "all".

    `prior` names a prior (default: the best that accepts the image). `start` (z, y, x) in HU replaces the
    image that the diffusion loop starts from. `float32` keeps the network out of bf16. The result's images
    are in HU on the measurement's grid. Raises InputError for options and measurements that cannot be used,
    MissingError for want of a prior or memory.
    """
    clock, methods = Clock(), check_options(method, mode, coupling, device, seed)
    start = None if start is None else _checked_start(start, measurement.shape, methods)
    measurement = _weighted(measurement)
    _require_memory(measurement)
    net = _prior(prior, measurement, device, float32=float32) if "diffusion" in methods else None
    role = net.card.role if net else "tuned"
    geometry = measurement.geometry
    defaults = defaults_for(geometry.views, geometry.arc_deg(), measurement.photons, role)
    warnings = [*measurement.notes, *defaults.notes]
    if coupling != "none" and len(measurement.sinogram) == 1:
        coupling = "none"
        warnings.append("one slice: the coupling of slices is off")
    fast = replace(defaults.fast, coupling=coupling)
    if coupling in NOISY_COUPLINGS:
        # Noise can only be coupled where there is some: the loop then re-noises as DDS does.
        fast = replace(fast, kappa=1.0)
        warnings.append(f"coupling {coupling} re-noises: the image is near a draw, not near the mean")
    options = Options(seed, defaults, fast)
    images = {m: _in_slabs(measurement, m, net, options, start, progress) for m in methods}
    report = start_report("reconstruct.ct", seed, _described(measurement))
    report["measurement"] = describe_measurement(measurement)
    report["methods"] = {name: _row(name, image, net) for name, image in images.items()}
    report["warnings"] = warnings
    finish_report(report, clock)
    resolved = {
        "method": list(methods),
        "prior": net.name if net else None,
        "mode": mode,
        "coupling": coupling,
        "float32": float32,
        "tv_weight": defaults.tv_weight,
        "start_iterations": defaults.start_iterations,
        **{f"fast_{k}": v for k, v in asdict(options.fast).items()},
    }
    return Result(
        outputs={
            _file(m): Volume(i.hu, measurement.affine, "HU", measurement.origin) for m, i in images.items()
        },
        report=report,
        provenance=provenance(
            "reconstruct ct",
            resolved,
            {"measurement": measurement.origin},
            {net.name: net.digest} if net else {},
            seed=seed,
            precision=net.denoiser.precision if net else "float32",
            chunk=CHUNK,
            device=net.device.type if net else "cpu",
        ),
        draw=draw,
    )


def check_options(
    method: str | Sequence[str], mode: str, coupling: str, device: str, seed: int
) -> tuple[str, ...]:
    """The methods asked for, each once, in the order of `METHODS`.

    Raises InputError for a method, a mode, a coupling or a device that does not exist and for a negative
    seed, whatever the data, and MissingError for a device that is not there.
    """
    if seed < 0:
        raise InputError("seed", expected="0 or above", got=str(seed), fix="0 is the default.", argument=True)
    check_choice("mode", mode, MODES)
    check_choice("coupling", coupling, COUPLINGS)
    choose_device(device)
    return check_methods(method)


def check_methods(method: str | Sequence[str]) -> tuple[str, ...]:
    """The methods asked for, each once, in the order of `METHODS`; "all" is all of them.

    Raises InputError for an unknown one, and for none.
    """
    asked = [method] if isinstance(method, str) else list(method)
    for name in asked or [""]:
        check_choice("method", name, (*METHODS, "all"))
    return METHODS if "all" in asked else tuple(name for name in METHODS if name in asked)


def check_choice(what: str, value: str, allowed: Sequence[str]) -> None:
    """Raise InputError when `value` is not one of `allowed`."""
    if value not in allowed:
        raise InputError(
            what, expected=", ".join(allowed), got=repr(value), fix="Choose one of these.", argument=True
        )


def describe_measurement(measurement: CTMeasurement) -> dict[str, Any]:
    """`measurement` of a report."""
    geometry = measurement.geometry
    return {
        "geometry": "parallel",
        "views": geometry.views,
        "arc_deg": geometry.arc_deg(),
        "detectors": geometry.detectors,
        "detector_spacing_mm": geometry.spacing_mm,
        "photons": measurement.photons,
        "photons_per_mm": measurement.photons_per_mm,
        "missing": geometry.missing_words(),
    }


def _weighted(measurement: CTMeasurement) -> CTMeasurement:
    """The measurement with weights, made from its photons and the model error where it has none."""
    if measurement.weights is not None:
        return measurement
    error = model_error(measurement.grid.dx_mm)
    weights = statistical_weights(measurement.sinogram, measurement.photons, model_error=error)
    return replace(measurement, weights=weights)


def _require_memory(measurement: CTMeasurement) -> None:
    voxels = min(math.prod(measurement.shape), SLAB_VOXELS)
    rays = measurement.sinogram.size
    matrix = forecast_bytes(measurement.geometry, measurement.grid)
    need = 4 * (_FLOATS_PER_VOXEL * voxels + 4 * math.prod(measurement.shape) + 6 * rays) + 1.5 * matrix
    require_memory(
        need / 2**20, "memory for the reconstruction", fix="Take fewer --slices, or a smaller --matrix."
    )


def _prior(name: str | None, measurement: CTMeasurement, device: str, *, float32: bool) -> Prior:
    chosen = choose(name, modality="CT", spacing_mm=measurement.spacing_mm, value_range=(-1000.0, 1000.0))
    return load(chosen, device=choose_device(device), float32=float32)


def _in_slabs(
    measurement: CTMeasurement,
    method: str,
    net: Prior | None,
    options: Options,
    start: NDArray[np.floating] | None,
    progress: Report,
) -> Image:
    """One method on the whole volume, slab by slab where it is large."""
    clock = Clock()
    out = np.empty(measurement.shape, np.float32)
    square, evaluations = 0.0, 0
    slabs = list(slab_ranges(measurement.shape, SLAB_VOXELS, OVERLAP))
    # Weights are made relative to their mean: a slab's weight of total variation must follow, or seams show.
    whole = mean_weight(measurement)
    for number, (low, high, first, last) in enumerate(slabs, 1):
        part = measurement.slices(low, high) if len(slabs) > 1 else measurement
        told = numbered(progress, number, len(slabs))
        begin = None if start is None else torch.from_numpy(hu_to_water(start[low:high]))
        tv_weight = options.defaults.tv_weight * whole / mean_weight(part)
        own = replace(
            options,
            defaults=replace(options.defaults, tv_weight=tv_weight),
            first_slice=low,
        )
        water, evaluations = _one(part, method, net, own, begin, told)
        square += _data_square(part, water, first - low, last - low)
        out[first:last] = water_to_hu(water[first - low : last - low].numpy())
    used = int(np.count_nonzero(measurement.weights)) if measurement.weights is not None else 0
    return Image(out, clock.seconds(), evaluations, math.sqrt(square / max(used, 1)))


def _checked_start(
    start: NDArray[np.floating], shape: tuple[int, int, int], methods: tuple[str, ...]
) -> NDArray[np.floating]:
    if "diffusion" not in methods:
        raise InputError(
            "start",
            expected="method diffusion, which alone starts from an image",
            got=", ".join(methods),
            fix="Leave start out, or add diffusion.",
            argument=True,
        )
    values = np.asarray(start)
    if values.shape != shape or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        finite = "" if values.shape != shape else ", not all finite numbers"
        raise InputError(
            "start",
            expected=f"finite HU of shape {shape}",
            got=f"shape {values.shape}{finite}",
            fix="Give an image (z, y, x) on the measurement's grid, or none.",
        )
    return values


def _one(
    measurement: CTMeasurement,
    method: str,
    net: Prior | None,
    options: Options,
    start: Tensor | None,
    progress: Report,
) -> tuple[Tensor, int]:
    """The image in water units (z, y, x) of one method, and the network evaluations it took."""
    defaults = options.defaults
    if method == "fbp":
        return fbp_image(measurement), 0
    if method == "tv":
        return tv_image(measurement, defaults.tv_weight, progress=progress).image, 0
    assert net is not None  # loaded whenever the methods hold diffusion
    if start is None:
        start = tv_image(
            measurement,
            defaults.tv_weight,
            iterations=defaults.start_iterations,
            tolerance=0.0,
            progress=progress,
        ).image
    scaling = Scaling(net.card.scaling.offset, net.card.scaling.scale)
    image = reconstruct_fast(
        scaled_problem(measurement, scaling, net.device),
        net.denoiser,
        net.denoiser.kernel,
        scaling,
        net.card.error_at,
        start.to(net.device),
        measurement.slice_spacing_mm,
        options.fast,
        seed=options.seed,
        first_slice=options.first_slice,
        chunk=CHUNK,
        progress=progress,
    )
    return image.cpu(), options.fast.passes


def _data_square(measurement: CTMeasurement, water: Tensor, first: int, last: int) -> float:
    """Sum of W (A x - y)^2 over the rays of slices first <= z < last."""
    assert measurement.weights is not None  # `_weighted` made them
    projector = Projector(measurement.geometry, measurement.grid)
    error = projector(water[None, None, first:last])[0, 0].numpy() - measurement.sinogram[first:last]
    return float(np.sum(measurement.weights[first:last] * error.astype(np.float64) ** 2))


def slab_ranges(
    shape: tuple[int, int, int], most_voxels: int, overlap: int
) -> Iterator[tuple[int, int, int, int]]:
    """Slabs (low, high, first, last): compute slices low <= z < high, keep first <= z < last.

    Slabs overlap by up to `overlap` slices, whose inner half each keeps; together they keep every slice once.
    """
    slices = shape[0]
    most = max(most_voxels // (shape[1] * shape[2]), 2 * overlap + 1)
    if slices <= most:
        yield 0, slices, 0, slices
        return
    count = math.ceil(slices / (most - overlap))
    edges = [round(k * slices / count) for k in range(count + 1)]
    for first, last in itertools.pairwise(edges):
        yield max(first - overlap // 2, 0), min(last + overlap // 2, slices), first, last


def numbered(progress: Report, number: int, count: int) -> Report:
    """The same report, its note saying which slab of how many; one slab is left unsaid."""
    if count == 1:
        return progress
    return lambda p: progress(replace(p, note=f"slab {number} of {count} {p.note}".strip()))


def _described(measurement: CTMeasurement) -> dict[str, Any]:
    return {
        "sha256": measurement.origin.removeprefix("sha256:"),
        "shape": list(measurement.shape),
        "spacing_mm": [round(step, 6) for step in measurement.spacing_mm],
        "units": "HU",
    }


def _row(name: str, image: Image, net: Prior | None) -> dict[str, Any]:
    row: dict[str, Any] = {"output": _file(name), "seconds": round(image.seconds, 3), "metrics": {}}
    row["data_residual"] = image.data_residual
    if name == "diffusion" and net is not None:
        row |= {"evaluations": image.evaluations, "prior": net.name, "precision": net.denoiser.precision}
    return row


def _file(method: str) -> str:
    return f"{method}.nii.gz"
