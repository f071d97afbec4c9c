"""Images as MONAI holds them: channel first, in HU, of any orientation, with unequal spacing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

SIZES, SPACING_MM = (27, 20, 3), (1.5, 2.5, 4.0)  # along x (to the left), y (to the back), z (to the head)
MakeImage = Callable[..., MetaTensor]


def chest(sizes: tuple[int, int, int] = SIZES, seed: int = 0) -> np.ndarray[Any, Any]:
    """HU (x, y, z): air, an ellipse of 40 HU, and one lung of -800 HU off its middle, grainy."""
    at = [(np.arange(n) - (n - 1) / 2) / n for n in sizes]
    x, y, z = np.meshgrid(*at, indexing="ij")
    hu = np.where((x / 0.42) ** 2 + (y / 0.36) ** 2 < 1, 40.0, -1000.0)
    hu[((x + 0.15) / 0.12) ** 2 + ((y - 0.05 + z / 9) / 0.2) ** 2 < 1] = -800.0
    return hu + np.random.default_rng(seed).normal(0, 3, hu.shape)


@pytest.fixture
def make_image() -> MakeImage:
    """A function that makes the chest as a file of that orientation would hold it.

    `axes`: which of the patient's axes (0 left, 1 back, 2 head) each axis of the tensor follows; `flips`:
    which of them run the other way.
    """

    def make(
        axes: tuple[int, int, int] = (2, 0, 1),
        flips: tuple[bool, bool, bool] = (False, True, False),
        sizes: tuple[int, int, int] = SIZES,
        seed: int = 0,
    ) -> MetaTensor:
        affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
        affine[:3, 3] = (31.0, -12.5, 7.25)
        index = np.zeros((4, 4))
        index[3, 3] = 1
        for new, old in enumerate(axes):
            index[old, new] = -1 if flips[new] else 1
            index[old, 3] = sizes[old] - 1 if flips[new] else 0
        values = np.flip(chest(sizes, seed).transpose(axes), [k for k in range(3) if flips[k]])
        meta = {
            "filename_or_obj": "folder/chest.nii.gz",
            "original_affine": affine @ index,
            "spatial_shape": np.array(values.shape),
            "mine": 7,
        }
        tensor = torch.from_numpy(values.astype(np.float32).copy())[None]
        return MetaTensor(tensor, affine=torch.from_numpy(affine @ index), meta=meta)

    return make
