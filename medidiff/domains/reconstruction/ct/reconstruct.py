"""From a measurement to images, without the truth: FBP, SIRT, CGLS, total variation, diffusion.

    measurement -> Start (an image) -> method -> Result

The methods share their data: FBP starts total variation, and total variation the diffusion loop. FBP sees
the rays as they are, the iterative methods bins as wide as a pixel (`CTMeasurement.joined`). A volume that
does not fit into memory is done in overlapping slabs (`slabs`). Everything is in the canonical orientation of
the measurement.
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
from medidiff.domains.reconstruction.ct.methods.baselines import (
    cgls_image,
    fbp_image,
    mean_weight,
    sirt_image,
    tv_image,
)
from medidiff.domains.reconstruction.ct.methods.choice import (
    METHODS,
    check_options,
    check_unit,
    checked_start,
)
from medidiff.domains.reconstruction.ct.methods.defaults import Defaults, defaults_of, model_error
from medidiff.domains.reconstruction.ct.methods.fast import (
    NOISY_COUPLINGS,
    Scaling,
    reconstruct_fast,
    scaled_problem,
)
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.projection.system import system_of
from medidiff.domains.reconstruction.ct.scan.attenuation import MU_WATER, hu_to_water, water_to_hu
from medidiff.domains.reconstruction.ct.scan.measurement import (
    CTMeasurement,
    bins_a_pixel,
    measurement_notes,
    statistical_weights,
)
from medidiff.domains.reconstruction.ct.slabs import OVERLAP, numbered, slab_ranges, slab_slices
from medidiff.io.volume import Units, Volume
from medidiff.priors import Prior, choose, load
from medidiff.progress import Report, silent
from medidiff.runs.clock import Clock, finish_report
from medidiff.runs.provenance import provenance
from medidiff.runs.report import start_report
from medidiff.runs.result import Result

__all__ = ["METHODS", "check_options", "describe_measurement", "reconstruct_ct"]

CHUNK = 4  # slices that the network takes at once: more leave the cache of a CPU


@dataclass(frozen=True)
class Piece:
    """What a method gave of a slab, in water units (z, y, x); how far it iterated and ended.

    residuals: rms after each iteration, where the method has such a history.
    """

    water: Tensor
    seconds: float = 0.0
    iterations: int = 0
    converged: bool = True
    residuals: tuple[float, ...] = ()


@dataclass
class Image:
    """What a method gave: its values (z, y, x), and sums over its slabs.

    seconds: with its start, without building the matrix. square: of W (A x - y)^2 over all rays.
    """

    values: NDArray[np.float32]
    seconds: float = 0.0
    square: float = 0.0
    iterations: int = 0
    converged: bool = True
    residuals: tuple[float, ...] = ()


@dataclass(frozen=True)
class Options:
    """The resolved options of a reconstruction, shared by all methods."""

    seed: int
    defaults: Defaults
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
    """Images of a measurement, one a method: fbp, sirt, cgls, tv, diffusion, several of them, or "all".

    `prior` names a prior (default: the best that accepts the image). `start` (z, y, x) in HU replaces the
    image that the diffusion loop starts from. `float32` keeps the network out of bf16. The result's images
    are in HU on the measurement's grid; of a measurement of unknown length unit in attenuation per that unit,
    without diffusion. Raises InputError for options and measurements that cannot be used,
    MissingError for want of a prior or memory.
    """
    clock, methods = Clock(), check_options(method, mode, coupling, device, seed)
    check_unit(measurement, methods)
    start = None if start is None else checked_start(start, measurement.shape, methods)
    measurement = _weighted(measurement)
    seen = measurement.joined()
    most = slab_slices(measurement, methods)
    net = _prior(prior, measurement, device, float32=float32) if "diffusion" in methods else None
    role = net.card.role if net else "tuned"
    coupling, said = _coupled(coupling, len(measurement.sinogram))
    defaults = defaults_of(seen, role, coupling)
    # Built now and kept: no method's seconds hold what all of them, and the residual, need.
    system_of(seen.geometry, seen.grid, device=net.device if net else None)
    images = _in_slabs(measurement, seen, methods, net, Options(seed, defaults), start, most, progress)
    warnings = [*measurement.notes, *measurement_notes(measurement), *defaults.notes, *said]
    warnings += [
        f"{name} stopped after {image.iterations} iterations, before it converged"
        for name, image in images.items()
        if not image.converged
    ]
    report = start_report("reconstruct.ct", seed, _described(measurement))
    report["measurement"] = describe_measurement(measurement)
    report["methods"] = {name: _row(name, image, seen, net, defaults) for name, image in images.items()}
    report["warnings"] = warnings  # each is kept once
    finish_report(report, clock)
    resolved = {
        "method": list(methods),
        "prior": net.name if net else None,
        "mode": mode,
        "coupling": coupling,
        "float32": float32,
        "tv_weight": defaults.tv_weight,
        "slab_slices": most,
        "joined_bins": bins_a_pixel(measurement.geometry, measurement.grid),
        **{f"fast_{k}": v for k, v in asdict(defaults.fast).items()},
    }
    inputs = {"measurement": measurement.origin}
    if start is not None:
        inputs["start"] = Volume(start, measurement.affine, "HU").digest()
    return Result(
        outputs={
            _file(m): Volume(i.values, measurement.affine, units_of(measurement), measurement.origin)
            for m, i in images.items()
        },
        report=report,
        provenance=provenance(
            "reconstruct ct",
            resolved,
            inputs,
            {net.name: net.digest} if net else {},
            seed=seed,
            precision=net.denoiser.precision if net else "float32",
            chunk=CHUNK,
            device=net.device.type if net else "cpu",
        ),
        draw=draw,
    )


def describe_measurement(measurement: CTMeasurement) -> dict[str, Any]:
    """`measurement` of a report: `arc_deg` of the scan, `covered_deg` of directions modulo 180 (at the
    isocentre).

    Both are None where all views look in one direction.
    """
    geometry = measurement.geometry
    several = geometry.directions() > 1
    return {
        "geometry": geometry.kind,
        "views": geometry.views,
        "arc_deg": geometry.arc_deg() if several else None,
        "covered_deg": geometry.covered_deg() if several else None,
        "detectors": geometry.detectors,
        "detector_spacing_mm": geometry.spacing_mm,
        "isocentre_spacing_mm": geometry.isocentre_spacing_mm,
        "length_unit": measurement.length_unit,
        "photons": measurement.photons,
        "photons_per_mm": measurement.photons_per_mm,
        "missing": geometry.missing_words(),
    }


def _weighted(measurement: CTMeasurement) -> CTMeasurement:
    """The measurement with weights, made from its photons and the model error where it has none."""
    if measurement.weights is not None:
        return measurement
    error = model_error(measurement.grid, measurement.geometry)
    weights = statistical_weights(measurement.sinogram, measurement.photons, model_error=error)
    return replace(measurement, weights=weights)


def _prior(name: str | None, measurement: CTMeasurement, device: str, *, float32: bool) -> Prior:
    chosen = choose(name, modality="CT", spacing_mm=measurement.spacing_mm, value_range=(-1000.0, 1000.0))
    return load(chosen, device=choose_device(device), float32=float32)


def _coupled(coupling: str, slices: int) -> tuple[str, list[str]]:
    """The coupling that can be had, and what to say of it."""
    if coupling != "none" and slices == 1:
        return "none", ["one slice: the coupling of slices is off"]
    if coupling in NOISY_COUPLINGS:
        return coupling, [f"coupling {coupling} re-noises: the image is near a draw, not near the mean"]
    return coupling, []


def _in_slabs(
    measurement: CTMeasurement,
    seen: CTMeasurement,
    methods: tuple[str, ...],
    net: Prior | None,
    options: Options,
    start: NDArray[np.floating] | None,
    most: int,
    progress: Report,
) -> dict[str, Image]:
    """Every method on the whole volume, in slabs of at most `most` slices; `seen` are its joined bins."""
    images = {method: Image(np.empty(measurement.shape, np.float32)) for method in methods}
    slabs = list(slab_ranges(len(measurement.sinogram), most, OVERLAP))
    # Weights are made relative to their mean: a slab's weight of total variation must follow, or seams show.
    whole = mean_weight(seen)
    for number, (low, high, first, last) in enumerate(slabs, 1):
        part, wide = (m.slices(low, high) if len(slabs) > 1 else m for m in (measurement, seen))
        told = numbered(progress, number, len(slabs))
        begin = None if start is None else torch.from_numpy(hu_to_water(start[low:high]))
        tv_weight = options.defaults.tv_weight * (whole / mean_weight(wide))
        own = replace(options, defaults=replace(options.defaults, tv_weight=tv_weight), first_slice=low)
        for method, piece in _pieces(part, wide, methods, net, own, begin, told):
            image = images[method]
            image.values[first:last] = _values(piece.water[first - low : last - low].numpy(), measurement)
            image.square += _data_square(wide, piece.water, first - low, last - low)
            image.seconds += piece.seconds
            image.iterations = max(image.iterations, piece.iterations)
            image.converged &= piece.converged
            image.residuals = _joined(image.residuals, first, piece.residuals, last)
    return images


def _pieces(
    measurement: CTMeasurement,
    seen: CTMeasurement,
    methods: tuple[str, ...],
    net: Prior | None,
    options: Options,
    start: Tensor | None,
    progress: Report,
) -> Iterator[tuple[str, Piece]]:
    """What each method gives of a slab. What several need is computed once; its seconds count for each.

    FBP is of the `measurement`, all else of `seen`. `start` replaces the total variation that starts
    diffusion.
    """
    clock, weight = Clock(), options.defaults.tv_weight
    needs_tv = "tv" in methods or ("diffusion" in methods and start is None)
    fbp = fbp_image(measurement) if "fbp" in methods or needs_tv else None
    fbp_seconds = clock.lap()
    found = tv_image(seen, weight, start=fbp, progress=progress) if needs_tv else None
    tv_seconds = fbp_seconds + clock.lap()
    for method in methods:
        clock.lap()
        if method == "fbp" and fbp is not None:
            yield method, Piece(fbp, fbp_seconds)
        elif method == "tv" and found is not None:
            yield method, Piece(found.image, tv_seconds, found.iterations, found.converged)
        elif method in ("sirt", "cgls"):
            iterate = sirt_image if method == "sirt" else cgls_image
            got = iterate(seen, progress=progress)
            yield method, Piece(got.image, clock.lap(), got.iterations, got.converged, got.residuals)
        elif method == "diffusion":
            begin = found.image if start is None and found is not None else start
            image = _diffusion(seen, net, options, begin, progress)
            yield method, Piece(image, clock.lap() + (tv_seconds if start is None else 0.0))


def _diffusion(
    measurement: CTMeasurement,
    net: Prior | None,
    options: Options,
    start: Tensor | None,
    progress: Report,
) -> Tensor:
    """Fast mode on a slab, from `start` in water units."""
    assert net is not None  # loaded whenever the methods hold diffusion
    assert start is not None  # given, or made by total variation
    scaling = Scaling(net.card.scaling.offset, net.card.scaling.scale)
    image = reconstruct_fast(
        scaled_problem(measurement, scaling, net.device),
        net.denoiser,
        net.denoiser.kernel,
        scaling,
        net.card.error_at,
        start.to(net.device),
        measurement.slice_spacing_mm,
        options.defaults.fast,
        seed=options.seed,
        first_slice=options.first_slice,
        chunk=CHUNK,
        progress=progress,
    )
    return image.cpu()


def _joined(
    before: tuple[float, ...], slices_before: int, piece: tuple[float, ...], slices: int
) -> tuple[float, ...]:
    """Histories of slabs as one rms, each weighted by its slices; one that ended stays where it was."""
    if not before or not piece:
        return piece or before
    share = slices_before / slices
    return tuple(
        math.sqrt(share * a * a + (1 - share) * b * b)
        for a, b in itertools.zip_longest(before, piece, fillvalue=min(before, piece, key=len)[-1])
    )


def units_of(measurement: CTMeasurement) -> Units:
    """The units of images: HU, or arbitrary where the unit of length is not known."""
    return "HU" if measurement.length_unit == "mm" else "a.u."


def _values(water: NDArray[np.float32], measurement: CTMeasurement) -> NDArray[np.float32]:
    """HU; or attenuation per unit of length, which is all that a measurement of unknown unit gives."""
    if measurement.length_unit == "mm":
        return water_to_hu(water)
    return np.asarray(water * np.float32(MU_WATER), np.float32)


def _data_square(measurement: CTMeasurement, water: Tensor, first: int, last: int) -> float:
    """Sum of W (A x - y)^2 over the rays of slices first <= z < last."""
    assert measurement.weights is not None  # `_weighted` made them
    projector = Projector(measurement.geometry, measurement.grid)
    error = projector(water[None, None, first:last])[0, 0].numpy() - measurement.sinogram[first:last]
    return float(np.sum(measurement.weights[first:last] * error.astype(np.float64) ** 2))


def _described(measurement: CTMeasurement) -> dict[str, Any]:
    return {
        "sha256": measurement.origin.removeprefix("sha256:"),
        "shape": list(measurement.shape),
        "spacing_mm": [round(step, 6) for step in measurement.spacing_mm],
        "units": units_of(measurement),
    }


def _row(
    name: str, image: Image, measurement: CTMeasurement, net: Prior | None, defaults: Defaults
) -> dict[str, Any]:
    row: dict[str, Any] = {"output": _file(name), "seconds": round(image.seconds, 3), "metrics": {}}
    used = int(np.count_nonzero(measurement.weights)) if measurement.weights is not None else 0
    row["data_residual"] = math.sqrt(image.square / max(used, 1))
    if name in ("sirt", "cgls", "tv"):
        row |= {"iterations": image.iterations, "converged": image.converged}
    if image.residuals:
        row["residuals"] = [float(f"{value:.4g}") for value in image.residuals]
    if name == "diffusion" and net is not None:
        evaluations = defaults.fast.passes
        row |= {"evaluations": evaluations, "prior": net.name, "precision": net.denoiser.precision}
    return row


def _file(method: str) -> str:
    return f"{method}.nii.gz"
