"""`report.json`: what was done and how well, in the keys that other programs rely on (schema 1).

`schema`, `task`, `seed`, `input`, `methods`, `warnings`, `wall_seconds`, `peak_memory_mb` and `notice`
are always there; a task adds its own (`measurement`, `protocol` ...). Times are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from medidiff.errors import InputError
from medidiff.io.volume import NOTICE as NOTICE
from medidiff.io.volume import Volume

REPORT_SCHEMA = "medidiff.report/1"

_KINDS: dict[str, type | tuple[type, ...]] = {
    "schema": str,
    "task": str,
    "seed": int,
    "input": dict,
    "methods": dict,
    "warnings": list,
    "wall_seconds": (int, float),
    "peak_memory_mb": (int, float),
}


def start_report(task: str, seed: int, source: Volume | Mapping[str, Any]) -> dict[str, Any]:
    """A report with every required key; the domain fills `methods`, `finish_report` the time and memory.

    task: "reconstruct.ct" ... . source: the volume that came in, or for anything else its description
    with at least `sha256`.
    """
    return {
        "schema": REPORT_SCHEMA,
        "notice": NOTICE,
        "task": task,
        "seed": seed,
        "input": describe(source) if isinstance(source, Volume) else dict(source),
        "methods": {},
        "warnings": list(source.notes) if isinstance(source, Volume) else [],
        "wall_seconds": 0.0,
        "peak_memory_mb": 0,
    }


def describe(volume: Volume) -> dict[str, Any]:
    """`input` of a report: digest of voxels and affine, shape (z, y, x), spacing in mm and units."""
    return {
        "sha256": (volume.origin or volume.digest()).removeprefix("sha256:"),
        "shape": list(volume.shape),
        "spacing_mm": [round(step, 6) for step in volume.spacing_mm],
        "units": volume.units,
    }


def check_report(report: Mapping[str, Any]) -> None:
    """Raise InputError when a required key is absent or of another kind, or an output's name is no name."""
    for key, kind in _KINDS.items():
        if not isinstance(report.get(key), kind) or isinstance(report[key], bool):
            names = "number" if isinstance(kind, tuple) else kind.__name__
            raise _bad(f"{key} ({names})", type(report[key]).__name__ if key in report else f"no {key}")
    if report["schema"] != REPORT_SCHEMA:
        raise _bad(f"schema {REPORT_SCHEMA}", repr(report["schema"])[:60])
    if not all(isinstance(warning, str) for warning in report["warnings"]):
        raise _bad("warnings that are sentences", "something else")
    for name, method in report["methods"].items():
        if not isinstance(method, dict):
            raise _bad(f"methods.{name} (dict)", type(method).__name__)
        if "output" in method:
            check_name(method["output"])
        if not isinstance(method.get("metrics") or {}, dict):
            raise _bad(f"methods.{name}.metrics (dict)", type(method["metrics"]).__name__)


def check_name(name: object) -> str:
    """`name` when it is a plain file name below the run folder ("tv.nii.gz", "sample_000/field.nii.gz").

    InputError for anything that could lead elsewhere or hide: "", "..", "/etc/x", ".x", "a\\b", "C:x".
    """
    parts = PurePosixPath(name).parts if isinstance(name, str) else ()
    clean = isinstance(name, str) and name == "/".join(parts) and 0 < len(name) < 200 and name.isprintable()
    if not clean or any(part.startswith(".") or set(part) & set('\\:/*?"<>|') for part in parts):
        raise _bad("output names inside the folder", repr(name)[:60])
    return str(name)


def _bad(expected: str, got: str) -> InputError:
    return InputError("report", expected=expected, got=got, fix="Run it again with this version of medidiff.")
