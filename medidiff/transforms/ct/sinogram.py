"""A CT measurement as a MetaTensor (1, slices, views, detectors), and the way back to the image's grid.

The affine is the identity, because a ray lies at no voxel. All that a reconstruction needs stands in
meta["ct_scan"] as plain numbers, so that it survives collation, workers and disk:

    geometry             `to_plain` of the rays
    grid, affine         the pixels to reconstruct, and where they lie (RAS)
    photons              per detector bin, NaN without noise; with y they give the weights
    image_shape          (X, Y, Z) of the image that was measured; image_affine: as it was
    origin               digest of that image

The user's own meta travels beside it; meta["medidiff_warnings"] holds a sentence a line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from medidiff.domains.reconstruction.ct.scan.geometry import Grid, from_plain
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
from medidiff.domains.reconstruction.ct.simulate import upsample
from medidiff.errors import InputError
from medidiff.io.orientation import Permutation, permutation
from medidiff.io.volume import Volume
from medidiff.transforms.images import carrying, to_image, to_ras

SCAN, WARNINGS = "ct_scan", "medidiff_warnings"


@dataclass(frozen=True)
class Scan:
    """A sinogram's `ct_scan`, read.

    measurement: what to reconstruct. affine: of the image that was measured, in its own space. back: from the
    canonical orientation to that image's. shape: (z, y, x) of the image in the canonical orientation.
    """

    measurement: CTMeasurement
    affine: Tensor
    back: Permutation
    shape: tuple[int, int, int]


def to_sinogram(measurement: CTMeasurement, image: MetaTensor) -> MetaTensor:
    """The measurement of an image (1, X, Y, Z), with the image's meta."""
    identity = torch.eye(4, dtype=torch.float64)
    sinogram = carrying(image, torch.from_numpy(measurement.sinogram)[None], identity)
    sinogram.meta[SCAN] = {
        "geometry": measurement.geometry.to_plain(),
        "grid": asdict(measurement.grid),
        "affine": measurement.affine.tolist(),
        "photons": math.nan if measurement.photons is None else measurement.photons,
        "image_shape": list(image.shape[1:]),
        "image_affine": image.affine.tolist(),
        "origin": measurement.origin,
    }
    return warned(sinogram, measurement.notes)


def read_scan(sinogram: Any) -> Scan:
    """The measurement in a sinogram, and the grid that it came from.

    Raises InputError for a tensor of another kind or size, NaN, and values that are no line integrals.
    """
    plain = sinogram.meta.get(SCAN) if isinstance(sinogram, MetaTensor) else None
    if not isinstance(plain, Mapping) or sinogram.ndim != 4 or sinogram.shape[0] != 1:
        shape = f" of shape {tuple(sinogram.shape)}" if isinstance(sinogram, Tensor) else ""
        raise InputError(
            "sinogram",
            expected=f"a MetaTensor (1, slices, views, detectors) whose meta holds {SCAN!r}",
            got=f"{type(sinogram).__name__}{shape}" + ("" if plain else " without it"),
            fix="Measure the image with SparseViewCT, LimitedAngleCT or LowDoseCT first.",
        )
    try:
        affine = torch.as_tensor(plain["image_affine"], dtype=torch.float64)
        nx, ny, nz = (int(size) for size in plain["image_shape"])
        back = permutation(to_ras(affine, sinogram.meta), (nz, ny, nx))
        measurement = _measurement(sinogram, plain)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            "sinogram",
            expected=f"meta {SCAN!r} as SparseViewCT writes it",
            got=f"one that lost or changed a part ({type(error).__name__})",
            fix="Measure the image again, and leave that entry alone.",
        ) from error
    x, y, z = ((nx, ny, nz)[axis] for axis in back.axes)
    if sinogram.shape[1] != z:
        raise InputError(
            "sinogram",
            expected=f"all {z} slices of the image that was measured",
            got=str(sinogram.shape[1]),
            fix="Crop the image before it is measured.",
        )
    rows, columns = measurement.grid.shape
    if (rows * (y // rows), columns * (y // rows)) != (y, x):
        raise InputError(
            "sinogram",
            expected=f"an image of whole blocks of its grid's {rows} x {columns} pixels",
            got=f"{y} x {x}",
            fix="Measure the image again.",
        )
    return Scan(measurement, affine, back, (z, y, x))


def on_image_grid(volume: Volume, scan: Scan, sinogram: MetaTensor) -> MetaTensor:
    """A reconstruction as an image on the grid of the one that was measured, with the meta it had.

    Where whole blocks of its pixels were reconstructed as one, a cubic interpolation with the same block
    means gives them back.
    """
    factor = scan.shape[1] // volume.shape[1]
    array = upsample(torch.from_numpy(volume.array), factor).numpy() if factor > 1 else volume.array
    restored = scan.back.restore(replace(volume, array=array, affine=scan.back.canonical))
    image = to_image(restored, sinogram, scan.affine)
    del image.meta[SCAN]
    return image


def warned(tensor: MetaTensor, sentences: Iterable[str]) -> MetaTensor:
    """The tensor, with these sentences among its warnings, each once."""
    known = str(tensor.meta.get(WARNINGS, "")).splitlines()
    tensor.meta[WARNINGS] = "\n".join(dict.fromkeys([*known, *sentences]))
    return tensor


def _measurement(sinogram: MetaTensor, plain: Mapping[str, Any]) -> CTMeasurement:
    sizes, photons = plain["grid"], float(plain["photons"])
    return CTMeasurement(
        sinogram.as_tensor().detach().cpu()[0].numpy().astype(np.float32),
        from_plain(plain["geometry"]),
        Grid(int(sizes["ny"]), int(sizes["nx"]), float(sizes["dy_mm"]), float(sizes["dx_mm"])),
        np.asarray(plain["affine"], np.float64),
        photons=None if math.isnan(photons) else photons,
        origin=str(plain["origin"]),
    )
