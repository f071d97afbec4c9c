"""What may be asked of a reconstruction, and what does not fit together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medidiff.core.device import choose_device
from medidiff.domains.reconstruction.ct.methods.fast import COUPLINGS
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
from medidiff.errors import InputError

METHODS = ("fbp", "sirt", "cgls", "tv", "diffusion")
MODES = ("fast",)


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


def check_unit(measurement: CTMeasurement, methods: tuple[str, ...]) -> None:
    """Raise InputError when a prior, which knows HU, is asked for data whose unit of length nobody knows."""
    if measurement.length_unit != "mm" and "diffusion" in methods:
        raise InputError(
            "measurement",
            expected="lengths in mm for method diffusion, whose prior knows HU",
            got="a length unit that is not known: values per unit, no HU",
            fix=f"Take {', '.join(m for m in METHODS if m != 'diffusion')}, or give the pixel size in mm.",
        )


def checked_start(
    start: NDArray[np.floating], shape: tuple[int, int, int], methods: tuple[str, ...]
) -> NDArray[np.floating]:
    """The image that diffusion starts from; InputError when it is none, or when nothing starts from it."""
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
