"""Hounsfield units, linear attenuation and water units.

    HU = 1000 (mu / mu_w - 1),    u = mu / mu_w = 1 + HU / 1000       (Hounsfield 1973, Br J Radiol 46:1016)

`MU_WATER` is water near 71 keV (NIST: 0.0206/mm at 60 keV, 0.0184/mm at 80 keV). Work is done in water
units u, where tissue is about 1 and air 0. Attenuation is floored at 0, never clipped above: bone reaches
2000 HU, and contrast and metal the file's limit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MU_WATER = 0.0192  # 1/mm


def hu_to_water(hu: NDArray[Any]) -> NDArray[np.float32]:
    """Water units of an image in HU, any shape; a new float32 array, floored at 0 (padding is air)."""
    water = np.asarray(hu, np.float32) * np.float32(1e-3)
    water += np.float32(1)
    np.maximum(water, np.float32(0), out=water)
    return water


def water_to_hu(water: NDArray[Any]) -> NDArray[np.float32]:
    """HU of an image in water units, any shape; a new float32 array."""
    hu = np.asarray(water, np.float32) - np.float32(1)
    hu *= np.float32(1000)
    return hu
