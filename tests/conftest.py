"""What several rooms' tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]


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
