"""HDF5: one three-dimensional dataset and the numbers beside it, read in a child process.

libhdf5 is a native parser, so that a file from elsewhere is opened only there (`child`): with limits on
memory, time and size, without filters from plug-ins, links to other files or data that lie outside of the
file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError
from medidiff.io.child import read_dataset
from medidiff.io.limits import Limits
from medidiff.io.opening import regular_size

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, eq=False)
class Hdf5:
    """values (a, b, c) of the dataset; lists by name; attributes that are numbers or short texts."""

    values: NDArray[np.float32]
    vectors: Mapping[str, tuple[float, ...]]
    attributes: Mapping[str, float | str]


def is_hdf5(path: Path) -> bool:
    """Whether a path is a regular file that begins as an HDF5 file does; False for none at all."""
    try:
        regular_size(path)
        with path.open("rb") as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except (InputError, OSError):
        return False


def read_hdf5(
    path: Path,
    dataset: str,
    *,
    vectors: Sequence[str] = (),
    attributes: Sequence[str] = (),
    limits: Limits | None = None,
) -> Hdf5:
    """The dataset, with the named lists and attributes as far as they are there.

    Raises InputError for a file that is no HDF5 file, lacks the dataset, is damaged, or passes `limits`.
    """
    limits = limits or Limits()
    limits.check_file_bytes(path.name, regular_size(path))
    if not is_hdf5(path):
        raise InputError(
            path.name, expected="an HDF5 file", got="another kind of file", fix="Convert it to HDF5."
        )
    values, reply = read_dataset(path, dataset, vectors=vectors, attributes=attributes, limits=limits)
    return Hdf5(
        values,
        {str(name): tuple(float(v) for v in vector) for name, vector in dict(reply["vectors"]).items()},
        {
            str(name): value
            for name, value in dict(reply["attributes"]).items()
            if isinstance(value, (float, int, str))
        },
    )
