"""Whether values can be what the caller says they are: Hounsfield units, or attenuation in 1/mm.

A body in HU always shows air near -1000 or fat near -100, and soft tissue near 0 to 60. Images of
0..1, 0..255, 0..4095 (HU without its offset), MR and PET have nothing below zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError
from medidiff.io.volume import Volume

AIR_HU = -1024.0
PADDING_HU = -2000.0  # at or below: scanners write -2000, -2048, -3024 outside the field of view
_IMPLANT_HU = 4000.0
_MOST_METAL = 0.01  # share of voxels above _IMPLANT_HU that an implant can fill
_LOW_HU = -50.0  # fat and air lie below
_CONTRAST_HU = 100.0  # least difference between the darkest and the brightest parts
_FAMILIAR = ((-1100.0, -850.0), (-200.0, 200.0))  # air; fat, water and soft tissue
_LEAST_FAMILIAR = 0.02
_BONE_PER_MM = 0.1  # cortical bone is 0.06/mm at 60 keV; water in 1/cm is 0.19
_METAL_PER_MM = 5.0
_SOMETHING_PER_MM = 0.002  # a tenth of water


def fill_padding(array: NDArray[np.float32]) -> int:
    """Set values at or below PADDING_HU to AIR_HU, in place; the number of voxels that were set."""
    count = 0
    for plane in array:
        outside = plane <= PADDING_HU
        count += int(np.count_nonzero(outside))
        plane[outside] = AIR_HU
    return count


def check_hu(volume: Volume) -> tuple[str, ...]:
    """Refuse values that cannot be Hounsfield units; sentences on what is unusual but possible.

    Raises InputError with the range that was found.
    """
    values = _sample(volume.array)
    low, high = np.percentile(values, (0.1, 99.9))
    familiar = sum(float(np.mean((values >= a) & (values <= b))) for a, b in _FAMILIAR)
    metal = float(np.mean(values > _IMPLANT_HU))
    if (
        low > _LOW_HU
        or high - low < _CONTRAST_HU
        or familiar < _LEAST_FAMILIAR
        or metal > _MOST_METAL
        or low < PADDING_HU
    ):
        raise InputError(
            "voxel values",
            expected="Hounsfield units (air -1000, water 0)",
            got=f"values in [{volume.array.min():g}, {volume.array.max():g}]",
            fix=_advice(float(low), float(high)),
        )
    notes = []
    if low > -300:
        notes.append("no voxel is as dark as lung or air: the values may have been clipped to a window")
    implants = int(np.count_nonzero(volume.array > _IMPLANT_HU))
    if implants:
        notes.append(f"{implants} voxels above {_IMPLANT_HU:g} HU were kept (metal)")
    return tuple(notes)


def check_attenuation(volume: Volume) -> tuple[str, ...]:
    """Refuse values that cannot be linear attenuation in 1/mm (water 0.02); InputError with the range."""
    values = _sample(volume.array)
    low, high = np.percentile(values, (0.1, 99))
    if low < -_BONE_PER_MM or not _SOMETHING_PER_MM < high < _BONE_PER_MM or values.max() > _METAL_PER_MM:
        raise InputError(
            "voxel values",
            expected="attenuation in 1/mm (air 0, water about 0.02)",
            got=f"values in [{volume.array.min():g}, {volume.array.max():g}]",
            fix="Water near 0.2 is in 1/cm: divide by 10. For Hounsfield units give units 'hu'.",
        )
    return ()


def _sample(array: NDArray[np.float32], most: int = 2_000_000) -> NDArray[np.float32]:
    """Every n-th voxel, n odd so that it walks over all columns of the usual even-sized slices."""
    step = max(1, array.size // most) | 1
    return array.reshape(-1)[::step]


def _advice(low: float, high: float) -> str:
    if low >= -1 and high > 1000:
        return "If this is HU + 1024, subtract 1024; an MR or PET image has no HU."
    if 0 < high < 1:
        return "If this is attenuation, give units '1/mm'; otherwise convert it to HU first."
    return "Give the CT itself: HU = rescale slope * stored value + intercept."
