"""A small finished run: two methods, a reference, a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from medidiff.io.volume import Volume
from medidiff.runs import Result, provenance, start_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPACING = (2.5, 1.5, 1.25)


def small_volume(seed: int = 0) -> Volume:
    """Not whole HU, so that it is written in float32; odd, non-square, anisotropic."""
    values = np.random.default_rng(seed).normal(0, 300, (3, 7, 5)).astype(np.float32)
    return Volume.from_array(values, spacing_mm=SPACING)


def draw_dot(result: Result) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure((1, 1), dpi=40)
    figure.add_axes((0, 0, 1, 1)).plot([0, 1], [result.report["seed"], 1])
    return figure


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """Make a run; keyword arguments go into its provenance."""

    def make(seed: int = 0, **changed: Any) -> Result:
        volume = small_volume()
        report = start_report("reconstruct.ct", seed, volume)
        report["methods"] = {
            "fbp": {"output": "fbp.nii.gz", "metrics": {"axial": {"psnr_db": 20.0}, "coronal": {}}},
            "diffusion": {"output": "diffusion.nii.gz"},
        }
        report["protocol"] = {"data_range": 2000}
        outputs = {
            "fbp.nii.gz": small_volume(1),
            "diffusion.nii.gz": small_volume(2),
            "reference.nii.gz": volume,
        }
        options = {"views": 24, "method": ["fbp", "diffusion"]}
        record = provenance("reconstruct ct", options, {"volume": volume.digest()}, {}, seed=seed)
        return Result(outputs, report, {**record, **changed}, draw=draw_dot)

    return make
