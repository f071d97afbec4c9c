"""Crash-safe checkpoints: tensors in safetensors, everything else in JSON; never a pickle.

    RUN/checkpoint-00012000/weights.safetensors   the network as it is trained
                            ema.safetensors       its moving average, which is what ships
                            optimiser.safetensors
                            objective.safetensors what the objective carries from step to step
                            state.json            step, seconds, processes, configuration, four digests

A checkpoint is written beside, synchronised, then renamed; two generations are kept, and the loader falls
back to the older one when the newer does not match its digests. No random state is stored: every draw is
keyed by (seed, step), so that a run resumed is the run uninterrupted.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from medidiff.atomic import writable, writing_folder
from medidiff.errors import InputError

KEPT = 2
LEFT_BY_A_KILL = ".medidiff-"
"""How the name of a folder begins that a killed save was writing; the next save removes it."""

_DAMAGED = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError)
_PARTS = ("weights", "ema", "optimiser", "objective")


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on: four dictionaries of tensors, and plain numbers."""

    weights: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    objective: dict[str, Tensor]
    step: int
    seconds: float
    config: dict[str, Any]
    processes: int = 1


def save(run: Path, checkpoint: Checkpoint) -> Path:
    """Write `checkpoint` under the folder `run` and remove all but it and the one before; the folder written.

    Later ones go too: a run goes on from the newest whole checkpoint, so what is later was damaged.
    """
    folder = run / f"checkpoint-{checkpoint.step:08d}"
    with writable(folder):
        run.mkdir(parents=True, exist_ok=True)
        for left in run.glob(f"{LEFT_BY_A_KILL}*"):
            shutil.rmtree(left, ignore_errors=True)
    with writing_folder(folder, overwrite=True) as temporary:
        digests = {}
        for part in _PARTS:
            file = temporary / f"{part}.safetensors"
            tensors = {k: t.detach().cpu().contiguous() for k, t in getattr(checkpoint, part).items()}
            # Python writes the bytes, so that a full disk is an OSError, which `writing_folder` explains.
            file.write_bytes(to_bytes(tensors))
            digests[part] = digest(file)
        state = {
            "schema": "medidiff.checkpoint/1",
            "step": checkpoint.step,
            "seconds": checkpoint.seconds,
            "processes": checkpoint.processes,
            "config": checkpoint.config,
            "sha256": digests,
        }
        (temporary / "state.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
    earlier = [other for other in folders(run) if _step(other) < checkpoint.step]
    kept = {folder, *earlier[1 - KEPT :]}
    for other in folders(run):
        if other not in kept:
            shutil.rmtree(other)
    return folder


def load_newest(run: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The newest whole checkpoint under `run`, or None where there is none.

    A damaged one is passed over for the one before, and `warn` is told. Raises InputError when all are
    damaged.
    """
    found = folders(run)
    for folder in reversed(found):
        try:
            return load(folder)
        except InputError as error:
            warn(f"{error} The checkpoint before it is used.")
    if found:
        raise InputError(
            f"run {run.name}", expected="a whole checkpoint", got="only damaged ones", fix="Start a new run."
        )
    return None


def load_any(folder: Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """The checkpoint that a folder is, or the newest of the run that it is; None where it is neither."""
    return load(folder) if (folder / "state.json").is_file() else load_newest(folder, warn)


def load(folder: Path) -> Checkpoint:
    """Read one checkpoint folder. Raises InputError when it is incomplete or does not match its digests."""
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        parts = {}
        for part in _PARTS:
            file = folder / f"{part}.safetensors"
            if digest(file) != state["sha256"][part]:
                raise ValueError(f"{file.name} does not match its digest")
            parts[part] = load_file(file)
        return Checkpoint(
            **parts,
            step=int(state["step"]),
            seconds=float(state["seconds"]),
            config=dict(state["config"]),
            processes=int(state.get("processes", 1)),
        )
    except (*_DAMAGED, SafetensorError) as error:
        raise InputError(
            f"checkpoint {folder.name}",
            expected="four safetensors files and state.json that match",
            got=f"{type(error).__name__}: {_base(error)}",
            fix="Choose another checkpoint, or train again.",
        ) from error


def folders(run: Path) -> list[Path]:
    """The checkpoint folders under `run`, oldest first; a copy under another name is not one of them."""
    return sorted(
        (path for path in run.glob("checkpoint-*") if path.is_dir() and _step(path) >= 0), key=_step
    )


def _step(folder: Path) -> int:
    """The step in the name of a checkpoint's folder, -1 for another folder."""
    match = re.fullmatch(r"checkpoint-(\d{8,18})", folder.name)
    return int(match[1]) if match else -1


def digest(file: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _base(error: Exception) -> str:
    """The text of an error without the folder that an OSError names."""
    return str(error.strerror) if isinstance(error, OSError) else str(error)
