"""A complete scan, undersampled and reconstructed, with its score: the field's retrospective study.

    volume -> simulate_ct -> (measurement, reference);   measurement -> reconstruct_ct -> result;
    (result, reference) -> score

Only this composition holds the truth and the result together, and it hands the truth to `score` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.reconstruction.ct.figure import draw
from medidiff.domains.reconstruction.ct.reconstruct import check_options, reconstruct_ct
from medidiff.domains.reconstruction.ct.scan.geometry import FULL_ARC_DEG, Geometry
from medidiff.domains.reconstruction.ct.simulate import simulate_ct
from medidiff.errors import InputError
from medidiff.io.orientation import to_canonical
from medidiff.io.volume import Volume
from medidiff.metrics import PROTOCOL, body_mask, score_volume
from medidiff.progress import Progress, Report, silent
from medidiff.runs.clock import Clock, finish_report
from medidiff.runs.report import describe
from medidiff.runs.result import Result

REFERENCE = "reference.nii.gz"


def retrospective_ct(
    volume: Volume | NDArray[np.floating],
    *,
    spacing_mm: tuple[float, float, float] | None = None,
    views: int = 24,
    arc_deg: float | None = None,
    angles_deg: Sequence[float] | None = None,
    geometry: str | Geometry = "parallel",
    photons: float | None = None,
    matrix: int | None = None,
    methods: str | Sequence[str] = "diffusion",
    prior: str | None = None,
    mode: str = "fast",
    coupling: str = "none",
    seed: int = 0,
    device: str = "auto",
    float32: bool = False,
    progress: Report = silent,
) -> Result:
    """Measure a volume in a few views, reconstruct it by `methods`, and compare with it.

    `volume`: a `Volume` in HU or 1/mm, or an array (z, y, x) in HU with `spacing_mm` (dz, dy, dx). `geometry`
    is "parallel", "fan-flat" or "fan-curved", whose full scan, 180 or 360 degrees, is the default of
    `arc_deg`; `angles_deg` replaces `views` and `arc_deg`; `photons` per detector bin (None: no noise);
    `matrix` the longer side of the reconstruction (default: the input's, halved as `simulate_ct` says). The
    images and the reference lie on that grid, in the volume's own orientation. Raises InputError for
    arguments or volumes that cannot be used, MissingError for want of a prior or memory.
    """
    clock = Clock()
    source = _volume(volume, spacing_mm)
    check_options(methods, mode, coupling, device, seed)
    canonical, back = to_canonical(source)
    measurement, reference = simulate_ct(
        canonical,
        views=views,
        arc_deg=arc_deg,
        angles_deg=angles_deg,
        geometry=geometry,
        photons=photons,
        matrix=matrix,
        seed=seed,
        progress=progress,
    )
    result = reconstruct_ct(
        measurement,
        method=methods,
        prior=prior,
        mode=mode,
        coupling=coupling,
        seed=seed,
        device=device,
        float32=float32,
        progress=progress,
    )
    progress(Progress("score", 0, 1))
    result = score(result, reference)
    progress(Progress("score", 1, 1))
    outputs = {
        name: replace(back.restore(output), origin=source.origin) if isinstance(output, Volume) else output
        for name, output in result.outputs.items()
    }
    report: dict[str, Any] = {**result.report, "input": describe(source)}
    finish_report(report, clock)
    options = {
        **result.provenance["options"],
        "views": measurement.geometry.views,
        "arc_deg": FULL_ARC_DEG[measurement.geometry.kind] if arc_deg is None else arc_deg,
        "angles_deg": None if angles_deg is None else [float(a) for a in angles_deg],
        "geometry": geometry if isinstance(geometry, str) else geometry.to_plain(),
        "photons": photons,
        "matrix": matrix,
    }
    inputs = {"volume": source.origin or source.digest()}
    record = {**result.provenance, "options": options, "inputs": inputs}
    return Result(outputs, report, record, draw=draw)


def score(result: Result, reference: Volume) -> Result:
    """The result with the reference beside its images, and each method's metrics in the report.

    The images and the reference, in HU, must share a grid, of any orientation: planes are named in the
    patient. The region is the reference's body. Raises InputError when they do not.
    """
    truth, _ = to_canonical(reference)
    mask = body_mask(truth.array)
    methods = {}
    for name, row in result.report["methods"].items():
        image, _ = to_canonical(_same_grid(result[name], reference, name))
        metrics = score_volume(image.array, truth.array, truth.spacing_mm, mask=mask)
        methods[name] = {**row, "metrics": metrics}
    report = {**result.report, "protocol": dict(PROTOCOL), "methods": methods}
    outputs = {**result.outputs, REFERENCE: reference}
    return Result(outputs, report, result.provenance, draw=result.draw)


def _same_grid(image: Volume, reference: Volume, name: str) -> Volume:
    """The image, if the reference lies on its grid to a hundredth of a voxel, and is in HU."""
    apart = np.abs(image.affine - reference.affine).max() if image.shape == reference.shape else np.inf
    if apart > 0.01 * min(reference.spacing_mm) or reference.units != image.units:
        raise InputError(
            "reference",
            expected=f"{image.units} on the grid of {name}, shape {image.shape}",
            got=f"{reference.units} of shape {reference.shape}"
            + ("" if apart == np.inf else ", another place"),
            fix="Give the reference that `simulate_ct` made.",
        )
    return image


def _volume(volume: Volume | NDArray[np.floating], spacing_mm: tuple[float, float, float] | None) -> Volume:
    if isinstance(volume, Volume):
        return volume
    if spacing_mm is None:
        raise InputError(
            "array",
            expected="spacing_mm=(dz, dy, dx) beside an array",
            got="none",
            fix="Give it, or a Volume.",
            argument=True,
        )
    return Volume.from_array(volume, spacing_mm=spacing_mm, units="HU")
