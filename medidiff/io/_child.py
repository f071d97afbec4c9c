"""The child process of `medidiff.io.child`: limits first, then the native parser.

Reads one JSON request from stdin; writes values.npy and reply.json into its working folder.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path
from typing import Any

_NO_NEW_PRIVILEGES = 38  # prctl(2)


def main() -> None:
    """Decode what the request names and answer with reply.json."""
    request = json.load(sys.stdin)
    _limit(request)
    from medidiff.io.child import REPLY

    Path(REPLY).write_text(json.dumps(_decode(request["paths"], tuple(request["shape"]))))


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


if __name__ == "__main__":
    main()
    os._exit(0)  # skip the destructors of native libraries
