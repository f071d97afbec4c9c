"""Work for the tests of cohorts: quick, without torch, and as ill-behaved as a scan's first word asks for.

Workers import it by name, which they cannot do with a test module.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from medidiff.errors import InputError
from medidiff.io.volume import Volume
from medidiff.progress import Progress
from medidiff.runs import Result, provenance, start_report


def read(path: Path, *, units: str) -> Volume:
    """A volume of the number in the file, its behaviour in the notes; InputError for a corrupt file."""
    word, number = path.read_text().split()
    if word == "corrupt":
        raise InputError(path.name, expected="a number", got=f"{path} itself", fix=f"Mend {path.name}.")
    volume = Volume.from_array(np.full((2, 3, 5), float(number)), spacing_mm=(2.0, 1.0, 1.0), units="HU")
    return Volume(volume.array, volume.affine, "HU", volume.digest(), (word, str(path)))


def double(volume: Volume, *, factor: float, progress: Callable[[Progress], None]) -> Result:
    """Twice the volume, unless its note asks for trouble."""
    word, path = volume.notes[0], Path(volume.notes[1])
    if word == "bug":
        raise ValueError(f"{path} is no good")
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "wait":
        _wait(path, progress)
    bare = Volume(volume.array, volume.affine, "HU", volume.origin)
    report = start_report("planted", 0, bare)
    report["methods"] = {
        "twice": {
            "output": "twice.nii.gz",
            "seconds": 1.0,
            "metrics": {"axial": {"psnr_db": float(volume.array[0, 0, 0]), "ssim": float("nan")}},
        }
    }
    report["warnings"] = ["made for a test"]
    twice = Volume(factor * volume.array, volume.affine, "HU", volume.origin)
    record = provenance("planted", {"factor": factor}, {"volume": volume.origin}, {}, seed=0)
    return Result({"twice.nii.gz": twice}, report, record)


def _wait(path: Path, progress: Callable[[Progress], None]) -> None:
    """Leave the worker's process id beside the scan, then work until somebody says go."""
    path.with_suffix(".pid").write_text(str(os.getpid()))
    for step in range(6000):
        if path.with_suffix(".go").exists():
            return
        progress(Progress("wait", step, 6000))
        time.sleep(0.01)
