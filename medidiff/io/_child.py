"""The child process of `medidiff.io.child`: limits first, then the native parser.

Reads one JSON request from stdin; writes values.npy and reply.json into its working folder.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

_NO_NEW_PRIVILEGES = 38  # prctl(2)
_LONGEST = 1 << 16  # numbers in a list beside the dataset
_LONGEST_TEXT = 64  # characters of an attribute


def main() -> None:
    """Decode what the request names and answer with reply.json."""
    request = json.load(sys.stdin)
    _limit(request)
    from medidiff.io.child import REPLY

    if request["task"] == "hdf5":
        answer = _read_hdf5(request)
    else:
        answer = _decode(request["paths"], tuple(request["shape"]))
    Path(REPLY).write_text(json.dumps(answer))


def _limit(request: dict[str, Any]) -> None:
    try:
        import resource
    except ImportError:  # Windows has none of this; the time limit of the parent remains
        return
    bounds = {
        resource.RLIMIT_AS: request["memory_bytes"],
        resource.RLIMIT_CPU: request["cpu_seconds"],
        resource.RLIMIT_FSIZE: request["file_bytes"],
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for kind, wanted in bounds.items():
        ceiling = resource.getrlimit(kind)[1]
        value = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
        resource.setrlimit(kind, (value, value))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def _decode(paths: list[str], shape: tuple[int, int, int]) -> dict[str, Any]:
    """Slices in the order of `paths`; one that fails ends it, so that none can be dropped in silence."""
    import numpy as np
    import SimpleITK

    from medidiff.io.child import RESULT

    values = np.lib.format.open_memmap(RESULT, "w+", np.float32, shape)
    for index, path in enumerate(paths):
        try:
            image: Any = SimpleITK.ReadImage(path, imageIO="GDCMImageIO")
            plane = SimpleITK.GetArrayViewFromImage(image)
        except MemoryError:
            return {"index": index, "reason": "memory"}
        except RuntimeError:
            return {"index": index, "reason": "decode"}
        if image.GetNumberOfComponentsPerPixel() != 1 or plane.size != shape[1] * shape[2]:
            return {"index": index, "reason": "shape"}
        values[index] = plane.reshape(shape[1:])
    values.flush()
    return {"ok": True}


def _read_hdf5(request: dict[str, Any]) -> dict[str, Any]:
    """The dataset into values.npy, plane by plane; short lists and attributes into the answer."""
    import h5py
    import numpy as np

    from medidiff.io.child import RESULT

    try:
        with h5py.File(request["path"], "r") as file:
            found = _own_dataset(file, request["dataset"])
            if found is None:
                return {"reason": "absent"}
            if len(found.shape) != 3 or found.dtype.kind not in "fiu" or 0 in found.shape:
                return {"reason": "kind"}
            if 4 * math.prod(found.shape) > request["most_bytes"]:
                return {"reason": "size"}
            values = np.lib.format.open_memmap(RESULT, "w+", np.float32, found.shape)
            for index in range(len(values)):
                values[index] = found[index]
            values.flush()
            return {
                "ok": True,
                "vectors": {
                    name: [float(value) for value in vector[:]]
                    for name in request["vectors"]
                    if (vector := _own_dataset(file, name)) is not None
                    and vector.dtype.kind in "fiu"
                    and len(vector.shape) == 1
                    and vector.size <= _LONGEST
                },
                "attributes": {
                    name: value
                    for name in request["attributes"]
                    for attributes in (found.attrs, file.attrs)  # the file's own win
                    if name in attributes and (value := _plain(attributes[name])) is not None
                },
            }
    except Exception:  # noqa: BLE001  whatever a damaged file makes h5py raise is one refusal
        return {"reason": "decode"}


def _own_dataset(file: Any, name: str) -> Any:
    """A dataset that lies in this file: no link elsewhere, no raw data outside, no virtual one."""
    import h5py

    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return None
    found = file[name]
    plain = isinstance(found, h5py.Dataset) and not found.is_virtual and found.external is None
    return found if plain else None


def _plain(value: Any) -> float | str | None:
    """A number or a short text; None for anything else."""
    import numpy as np

    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    array = np.asarray(value)
    return float(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind in "fiu" else None


if __name__ == "__main__":
    main()
    os._exit(0)  # skip the destructors of native libraries
