"""`provenance.json`: enough to do a run again and to know which promise of sameness then holds.

It names content by digest and the machine by its make. It never holds a path, a user or a host.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medidiff.errors import InputError
from medidiff.io.volume import NOTICE
from medidiff.runs.plain import read_json, to_plain

PROVENANCE_SCHEMA = "medidiff.provenance/1"

PACKAGES = (
    "medidiff",
    "torch",
    "monai",
    "numpy",
    "scipy",
    "scikit-image",
    "nibabel",
    "pydicom",
    "SimpleITK",
    "h5py",
    "safetensors",
    "matplotlib",
    "pybaselines",
    "numba",
)
"""Whose versions are written down: everything that can change a number or a picture."""

HIDDEN_PATH = "(a path)"
"""What stands in place of an option's absolute path. `rerun` needs none: it takes the input from --input."""

_ABSOLUTE = re.compile(r"^(/|~|\\\\|[A-Za-z]:[\\/]|file:)")

_KINDS: dict[str, type] = {
    "verb": str,
    "options": dict,
    "inputs": dict,
    "weights": dict,
    "seed": int,
    "versions": dict,
    "machine": dict,
    "device": str,
    "precision": str,
    "threads": int,
}


def provenance(
    verb: str,
    options: Mapping[str, Any],
    inputs: Mapping[str, str],
    weights: Mapping[str, str],
    *,
    seed: int,
    precision: str = "float32",
    chunk: int | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> dict[str, Any]:
    """What made a result.

    verb: "reconstruct ct". options: every option with its resolved value. inputs, weights: name -> digest
    ("sha256:..." of voxels and affine; of the tensor file). precision: "float32", "bf16" ... . chunk: slices
    a network takes at once. threads: by default torch's, else the cores this process may use, or
    OMP_NUM_THREADS of them.
    """
    return {
        "schema": PROVENANCE_SCHEMA,
        "notice": NOTICE,
        "verb": verb,
        "options": without_paths(to_plain(options)),
        "inputs": dict(inputs),
        "weights": dict(weights),
        "seed": seed,
        "precision": precision,
        "chunk": chunk,
        "threads": threads or _threads(),
        "device": device,
        "machine": machine(device),
        "versions": versions(),
        "code": code_digest(),
    }


def read_provenance(path: Path) -> dict[str, Any]:
    """A provenance from a file; InputError when it is damaged or of another schema."""
    found = read_json(path)
    check_provenance(found)
    return found


def check_provenance(found: Mapping[str, Any]) -> None:
    """Raise InputError when a key that `rerun` needs is absent or of another kind."""
    wrong = [key for key, kind in _KINDS.items() if not isinstance(found.get(key), kind)]
    if found.get("schema") != PROVENANCE_SCHEMA or wrong:
        raise InputError(
            "provenance",
            expected=f"schema {PROVENANCE_SCHEMA}, complete",
            got=f"schema {found.get('schema')!r:.60}" + (f", without {', '.join(wrong)}" if wrong else ""),
            fix="Give the provenance.json of a run folder.",
        )


def without_paths(value: Any) -> Any:
    """Plain data with each absolute path in it replaced by "(a path)"."""
    if isinstance(value, dict):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    return HIDDEN_PATH if isinstance(value, str) and _ABSOLUTE.match(value) else value


def versions() -> dict[str, str]:
    """Python's version and that of each package that is installed; nothing is imported for it."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def code_digest() -> str:
    """sha256 over medidiff's own Python files: tells two development versions of one number apart."""
    return python_digest(Path(__file__).resolve().parents[1])


def python_digest(folder: Path) -> str:
    """sha256 over names and contents of the Python files below a folder, whatever order the disk has."""
    state = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        state.update(path.relative_to(folder).as_posix().encode() + b"\0")
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{state.hexdigest()}"


def machine(device: str = "cpu") -> dict[str, Any]:
    """Make of the processor, its cores, system and architecture; torch's view of it if torch is loaded."""
    found: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "system": platform.system(),
        "architecture": platform.machine(),
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        found["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
        if device.startswith("cuda"):
            found["gpu"] = torch.cuda.get_device_name(device)
    return found


def _threads() -> int:
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")  # which numpy's linear algebra follows, as torch does
    return min(cores, int(asked)) if asked.isdecimal() and int(asked) else cores


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
