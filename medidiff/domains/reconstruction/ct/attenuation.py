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

from medidiff.errors import InputError

MU_WATER = 0.0192  # 1/mm
PADDING_HU = -1024.0  # scanners pad outside the field of view with -2000 to -3024
IMPLANT_HU = 4000.0


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


def padding_mask(hu: NDArray[Any]) -> NDArray[np.bool_]:
    """True where the scanner measured nothing: below `PADDING_HU`."""
    return np.asarray(hu) < PADDING_HU


def check_hu(hu: NDArray[Any]) -> list[str]:
    """Refuse values that cannot be HU; return warnings about unusual ones.

    Raises InputError for NaN or infinite values, and for ranges such as 0..1 (normalised), 0..4095
    (stored values without their offset) or 1/mm, which hold nothing as dark as air or fat.
    """
    finite = np.isfinite(hu)
    if not finite.all():
        raise InputError(
            "CT values",
            expected="finite HU",
            got=f"{hu.size - np.count_nonzero(finite)} NaN or infinite voxels of {hu.size}",
            fix="Set voxels that were not measured to -1024.",
        )
    low, high = float(hu.min()), float(hu.max())
    if low > -20 or high - low < 20:
        raise InputError(
            "CT values",
            expected="HU, with air near -1000 or fat near -100",
            got=f"values from {low:g} to {high:g}",
            fix="Apply the file's rescale slope and intercept, or say units=1/mm if it is attenuation.",
        )
    bright = int(np.count_nonzero(hu > IMPLANT_HU))
    return [f"{bright} voxels above {IMPLANT_HU:g} HU (up to {high:.0f}) are kept: metal?"] if bright else []
