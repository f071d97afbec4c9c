"""Native parsers of files from elsewhere, run in a child process with little to lose.

The child is `python -I -m medidiff.io._child`: no inherited environment, its own process group, limits
on memory, time, files and output set before anything is parsed, no way to new privileges. It answers
with a `.npy` file and a JSON file in a folder of its own; nothing is pickled, and what it says is
checked as any other input. On macOS the limit on memory is not honoured.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError
from medidiff.io.limits import Limits

RESULT, REPLY = "values.npy", "reply.json"
_REPLY_BYTES = 1 << 16
_HDF5_REPLY_BYTES = 1 << 21  # it holds the short lists of numbers too
_SMALL_BYTES = 256 << 20  # what a file may unpack to whatever its size
_ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "HDF5_PLUGIN_PRELOAD": "::",  # no filters from the file's own list are loaded
    "HDF5_USE_FILE_LOCKING": "FALSE",  # a read-only place can be read
}
_REASONS = {
    "decode": "pixels that cannot be decoded",
    "shape": "an image of another size than its header says",
    "memory": "an image that needs more memory than allowed",
}
_HDF5_REASONS = {
    "absent": "none under that name in this file",
    "kind": "something else",
    "size": "one that unpacks to more than allowed for a file of this size",
    "decode": "one that cannot be decoded",
}


def decode_slices(paths: list[Path], shape: tuple[int, int, int], limits: Limits) -> NDArray[np.float32]:
    """Values (z, y, x), one DICOM file a slice, decoded by SimpleITK; slope and intercept are applied.

    Raises InputError when a file cannot be decoded, or decoding takes more than `limits` allow.
    """
    request = {
        "task": "dicom",
        "paths": [str(path.absolute()) for path in paths],
        "shape": shape,
        "memory_bytes": limits.child_bytes + 4 * math.prod(shape),
        "file_bytes": 4 * math.prod(shape) + _REPLY_BYTES,
        "cpu_seconds": math.ceil(limits.seconds),
    }
    with tempfile.TemporaryDirectory(prefix="medidiff-", dir=memory_folder(request["file_bytes"])) as folder:
        _run(request, Path(folder), limits.seconds)
        reply = _reply(Path(folder), _REPLY_BYTES)
        if reply != {"ok": True}:
            raise _refusal(reply, paths)
        return _result(Path(folder), shape)


def memory_folder(needed: object) -> str | None:
    """Shared memory where it is large enough, so that the pixels of a patient do not reach a disk."""
    shared = Path("/dev/shm")
    if isinstance(needed, int) and shared.is_dir() and os.access(shared, os.W_OK):
        space = os.statvfs(shared)
        if space.f_bavail * space.f_frsize > 2 * needed:
            return str(shared)
    return None


def _run(request: dict[str, Any], folder: Path, seconds: float) -> None:
    child = subprocess.Popen(
        [sys.executable, "-I", "-m", "medidiff.io._child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,  # decoders print paths
        cwd=folder,
        env=_ENVIRONMENT,
        start_new_session=True,
    )
    try:
        child.communicate(json.dumps(request).encode(), timeout=seconds)
    except subprocess.TimeoutExpired:
        raise InputError(
            "decoding",
            expected=f"at most {seconds:g} s",
            got="more",
            fix="Decompress the files first, for example with gdcmconv --raw, or take fewer --slices.",
        ) from None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def _reply(folder: Path, most_bytes: int) -> dict[str, Any]:
    path = folder / REPLY
    if not path.is_file() or path.is_symlink() or path.stat().st_size > most_bytes:
        return {}
    try:
        reply = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return reply if isinstance(reply, dict) else {}


def _refusal(reply: dict[str, Any], paths: list[Path]) -> InputError:
    index, reason = reply.get("index"), reply.get("reason")
    name = paths[index].name if isinstance(index, int) and 0 <= index < len(paths) else "decoding"
    return InputError(
        name,
        expected="a slice that SimpleITK can decode",
        got=_REASONS.get(str(reason), "a decoder that was stopped by its limits or crashed"),
        fix="Copy it again, or convert it, for example with gdcmconv --raw or dcm2niix.",
    )


def _result(folder: Path, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    values = _values(folder)
    if values is None or values.shape != shape:
        raise _refusal({}, [])
    return values


def _values(folder: Path) -> NDArray[np.float32] | None:
    """The child's float32 array; None for anything else."""
    path = folder / RESULT
    try:
        values = None if path.is_symlink() else np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return values if values is not None and values.dtype == np.float32 else None


def read_dataset(
    path: Path, dataset: str, *, vectors: Sequence[str], attributes: Sequence[str], limits: Limits
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """A three-dimensional dataset of an HDF5 file as float32, and what stands beside it.

    The reply has `vectors`, name -> list of numbers, of the one-dimensional datasets that are there, and
    `attributes`, name -> number or short text, of those of the file. Links to other files, and datasets that
    lie in them, are not followed. Raises InputError when it cannot be decoded or passes `limits`.
    """
    size = path.stat().st_size
    most = min(4 * limits.voxels, max(_SMALL_BYTES, round(limits.ratio * size)))
    request = {
        "task": "hdf5",
        "path": str(path.absolute()),
        "dataset": dataset,
        "vectors": list(vectors),
        "attributes": list(attributes),
        "most_bytes": most,
        "memory_bytes": limits.child_bytes + most,
        "file_bytes": most + _HDF5_REPLY_BYTES,
        "cpu_seconds": math.ceil(limits.seconds),
    }
    with tempfile.TemporaryDirectory(prefix="medidiff-", dir=memory_folder(request["file_bytes"])) as folder:
        _run(request, Path(folder), limits.seconds)
        reply = _reply(Path(folder), _HDF5_REPLY_BYTES)
        values = _values(Path(folder)) if reply.get("ok") is True else None
    if values is None or values.ndim != 3 or not {"vectors", "attributes"} <= reply.keys():
        raise InputError(
            path.name,
            expected=f"a dataset {dataset} of real numbers with three axes",
            got=_HDF5_REASONS.get(
                str(reply.get("reason")), "a decoder that was stopped by its limits or crashed"
            ),
            fix="Copy it again, or write it anew.",
        )
    return values, reply
