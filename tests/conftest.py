"""What several rooms' tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from medidiff.io.volume import Volume

_ROOT = Path(__file__).resolve().parents[1]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: those of a gzip hold the second, and two workers must agree."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def ct_data() -> Path:
    """The folder of real CT files, beside the checkout or in $MEDIDIFF_DATA/ct; skips where absent."""
    places = [_ROOT.parent / "shared" / "data" / "ct"]
    if "MEDIDIFF_DATA" in os.environ:
        places.insert(0, Path(os.environ["MEDIDIFF_DATA"]) / "ct")
    for place in places:
        if (place / "test").is_dir():
            return place
    pytest.skip("the CT files are absent: put them in ../shared/data/ct or set MEDIDIFF_DATA")


@pytest.fixture
def tiny_prior(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a prior in $MEDIDIFF_PRIORS whose network is untrained: exact for N(-400, 480^2) HU."""
    import torch

    from medidiff.core.denoisers.network import build_network
    from medidiff.core.training.checkpoints import Checkpoint
    from medidiff.priors import pack

    network = {"kind": "unet", "channels": [4, 8], "blocks": [1, 1]}
    kernel = {"sigma_min": 0.008, "sigma_max": 5.0}
    config = {"name": "tiny", "network": network, "sigma_data": 1.0, "mean": 0.0, "kernel": kernel}
    ema = build_network(network).state_dict()
    levels = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
    facts = {
        "role": "white",
        "summary": "made for a test",
        "scaling": {"units": "HU", "offset": -400.0, "scale": 480.0},
        "error_table": [{"sigma": s, "rms": s / (1 + s**2) ** 0.5} for s in levels],
        "accepts": {"modality": "CT", "spacing_mm": (0.5, 12.0), "value_range": (-1024.0, 3071.0)},
        "posterior_allowed": True,
        "posterior_note": "",
        "data": {"sources": [{"collection": "made", "licence": "CC0", "people": 1, "slices": 1}]},
        "dataset": "0" * 64,
        "limits": ["none"],
        "check": {"sigma": 0.2, "seed": 20},
    }
    patch = -400 + 480 * torch.randn(24, 20, generator=torch.Generator().manual_seed(0))
    pack(Checkpoint(ema, ema, {}, {}, 0, 0.0, config), facts, patch, tmp_path / "priors", hardware="none")
    monkeypatch.setenv("MEDIDIFF_PRIORS", str(tmp_path / "priors"))
    return "tiny"


@pytest.fixture(scope="session")
def body() -> Callable[..., Volume]:
    """`body(slices, ny, nx, dy, dx)`: soft tissue in air with a lung and a rib, growing with z."""
    from medidiff.domains.reconstruction.ct.scan.geometry import Grid
    from medidiff.io.volume import Volume

    def make(slices: int = 2, ny: int = 64, nx: int = 64, dy: float = 4.0, dx: float = 4.0) -> Volume:
        grid = Grid(ny, nx, dy, dx)
        x, y = grid.x_mm()[None], grid.y_mm()[:, None]
        half = min(ny * dy, nx * dx) / 2
        hu = np.full((slices, ny, nx), -1000.0, np.float32)
        for z, plane in enumerate(hu):
            size = half * (0.8 + 0.02 * z)
            plane[x**2 + y**2 < size**2] = 40
            plane[(x + 0.35 * half) ** 2 + (y - 0.1 * half) ** 2 < (0.25 * half) ** 2] = -820
            plane[(x - 0.4 * half) ** 2 + (y + 0.3 * half) ** 2 < (0.1 * half) ** 2] = 700
        return Volume.from_array(hu, spacing_mm=(2.5, dy, dx))

    return make
