"""MetaTensor and `Volume`: the same image in MONAI's order and in ours.

    MONAI    tensor[0, i, j, k], affine (i, j, k) -> mm in RAS, or LPS where meta["space"] says so
    Volume   array[k, j, i],     affine (i, j, k) -> mm in RAS

Only axes are exchanged. PyTorch's indexing keeps a MetaTensor's old affine, so everything here works on the
plain tensor and sets the affine that is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.utils.enums import MetaKeys, SpaceKeys
from numpy.typing import NDArray
from torch import Tensor

from medidiff.errors import InputError
from medidiff.io.hounsfield import check_hu, fill_padding
from medidiff.io.volume import Volume, checked_affine

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def to_volume(image: Any) -> Volume:
    """The volume, in HU, of an image (1, X, Y, Z) with its affine; the image is not changed.

    Padding at and below -2000 HU becomes -1024, `notes` say what is unusual. Raises InputError for anything
    else: no MetaTensor, other channels or axes, NaN, values that are not HU, an affine that is none.
    """
    image = checked_image(image)
    array = image.as_tensor().detach().cpu()[0].permute(2, 1, 0).numpy().astype(np.float32)
    volume = Volume(array, to_ras(image.affine, image.meta), "HU")
    padded = fill_padding(volume.array)
    notes = (f"{padded} voxels of padding were set to air",) if padded else ()
    return replace(volume, origin=volume.digest(), notes=(*notes, *check_hu(volume)))


def to_image(volume: Volume, source: MetaTensor, affine: Tensor) -> MetaTensor:
    """The image (1, X, Y, Z) of a volume, with that affine and the meta of `source`."""
    values = np.ascontiguousarray(volume.array.transpose(2, 1, 0))
    return carrying(source, torch.from_numpy(values)[None], affine)


def carrying(source: MetaTensor, values: Tensor, affine: Tensor) -> MetaTensor:
    """`values` on the device of `source` with a copy of its meta and operations, but this affine."""
    meta = deepcopy({name: entry for name, entry in source.meta.items() if name != MetaKeys.AFFINE})
    operations = deepcopy(source.applied_operations)
    return MetaTensor(values.to(source.device), affine=affine, meta=meta, applied_operations=operations)


def to_ras(affine: Tensor, meta: Mapping[str, Any]) -> NDArray[np.float64]:
    """An affine that leads to the space which `meta` names, RAS or LPS, led to RAS."""
    matrix = checked_affine(affine.detach().cpu().numpy())
    return _LPS_TO_RAS @ matrix if meta.get(MetaKeys.SPACE) == SpaceKeys.LPS else matrix


def checked_image(image: Any) -> MetaTensor:
    """The image, if it is a MetaTensor (1, X, Y, Z) of real values with nothing pending."""
    if not isinstance(image, MetaTensor):
        raise InputError(
            "image",
            expected="a MetaTensor, whose affine says where it lies in mm",
            got=type(image).__name__,
            fix="Load it with LoadImage, or give MetaTensor(values, affine=...).",
        )
    if image.ndim != 4 or image.shape[0] != 1 or image.is_complex():
        raise InputError(
            "image",
            expected="one channel of real values and three axes, (1, X, Y, Z)",
            got=f"shape {tuple(image.shape)} of {str(image.dtype).removeprefix('torch.')}",
            fix="Use EnsureChannelFirst, and choose one channel; a single slice has Z = 1.",
        )
    if image.pending_operations:
        raise InputError(
            "image",
            expected="an image whose transforms are done",
            got=f"{len(image.pending_operations)} pending",
            fix="Use Compose, or monai.transforms.lazy.functional.apply_pending.",
        )
    return image
