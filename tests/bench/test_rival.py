"""The supervised rival: its two images, and which runs it is read from; the table over scans."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medidiff.bench import bar
from medidiff.bench import ct as bench
from medidiff.bench.rival import RIVALS, read_rival
from medidiff.core.denoisers.network import build_network
from medidiff.core.training.checkpoints import Checkpoint, save
from medidiff.domains.reconstruction.ct import simulate_ct
from medidiff.domains.reconstruction.ct.methods.baselines import tv_image
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.scan.attenuation import hu_to_water, water_to_hu
from medidiff.errors import InputError
from medidiff.io import Volume

NETWORK = {"kind": "unet", "channels": [4, 8], "blocks": [1, 1]}
LEVEL_HU, SCALE_HU, OFFSET_HU = 100.0, 480.0, -400.0


def run_folder(path: Path, **objective: Any) -> Path:
    """A run of one checkpoint whose network is untrained: exact for N(-400, 480^2) HU."""
    config = {
        "name": "ct-rival",
        "task": "ct",
        "network": NETWORK,
        "data": {"offset_hu": OFFSET_HU, "scale_hu": SCALE_HU, "patch": 32},
        "sigma_data": 1.0,
        "kernel": {"sigma_min": 0.008, "sigma_max": 5.0},
        "objective": {
            "kind": "iterates",
            "views": [9],
            "evaluations": [1, 1],
            "first_hu": [LEVEL_HU, LEVEL_HU],
            **objective,
        },
        "steps": 7,
        "batch": 1,
    }
    weights = build_network(NETWORK).state_dict()
    save(path, Checkpoint(weights, weights, {}, {}, 7, 0.0, config))
    return path


@pytest.fixture
def short_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar is tested elsewhere; here one lambda and few iterations do."""
    monkeypatch.setattr(bar, "LAMBDAS", (5e-4,))
    monkeypatch.setattr(bar, "ABOVE", ())
    monkeypatch.setattr(bar, "BELOW", ())
    monkeypatch.setattr(bar, "TV_ITERATIONS", 20)


def test_one_pass_is_the_networks_and_the_step_brings_it_to_the_data(
    tmp_path: Path, body: Callable[..., Volume]
) -> None:
    """The untrained network shrinks towards -400 HU; a data step takes back most of that."""
    measurement, _ = simulate_ct(body(2, 32, 32, 8.0, 8.0), views=9)
    tv = water_to_hu(tv_image(measurement, 5e-4).image.numpy())
    rival = read_rival(run_folder(tmp_path / "run"))
    one, step = (rival.images(measurement, tv)[name] for name in RIVALS)
    kept = SCALE_HU**2 / (SCALE_HU**2 + LEVEL_HU**2)
    np.testing.assert_allclose(one, OFFSET_HU + kept * (tv - OFFSET_HU), atol=0.1)
    projector = Projector(measurement.geometry, measurement.grid)

    def residual(hu: Any) -> float:
        seen = projector(torch.from_numpy(hu_to_water(hu))[None, None])[0, 0]
        return float((seen - torch.from_numpy(measurement.sinogram)).square().mean().sqrt())

    assert residual(step) < 0.3 * residual(one)
    assert "7 steps of training on 9 views" in rival.words()


@pytest.mark.parametrize("other", [{"evaluations": [8, 16]}, {"first_hu": [90.0, 110.0]}])
def test_a_run_that_trained_no_rival_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refused:
        read_rival(run_folder(tmp_path / "run", **other))
    assert refused.value.got.startswith("another training")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    """The configuration of a checkpoint may say anything; the weights do not fit it."""
    run = run_folder(tmp_path / "run")
    (state,) = run.glob("checkpoint-*/state.json")
    assert read_rival(state.parent).steps == read_rival(run).steps  # a checkpoint is as good as its run
    found = json.loads(state.read_text())
    found["config"]["network"]["channels"][-1] *= 2
    state.write_text(json.dumps(found))
    with pytest.raises(InputError) as refused:
        read_rival(run)
    assert "another network" in refused.value.got


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_rival(tmp_path)
    assert refused.value.got == "none"


@pytest.mark.usefixtures("short_search")
def test_the_table_has_every_scan_and_the_rival(
    tmp_path: Path, body: Callable[..., Volume], tiny_prior: str
) -> None:
    """Two scans, one of them a fan; of every method the PSNR alone."""
    scans = (bench.Scan(9), bench.Scan(9, 300.0, "fan-flat", photons=1e5))
    arm = bench.Arm(prior=tiny_prior, rival=read_rival(run_folder(tmp_path / "run")))
    found = bench.measure_table([("made", body(2, 48, 48, 6.0, 6.0))], scans, arm)
    for scan in scans:
        rows = {row.metric for row in found.rows if row.case == f"made, {scan.words()}"}
        assert {f"psnr_db.{m}.axial" for m in ("fbp", "best_tv", "diffusion", *RIVALS)} <= rows
        assert {"diffusion_minus_rival_db.axial", "rival_step_minus_best_tv_db.axial"} <= rows
    assert {row.unit for row in found.rows} == {"dB"}
    assert "rival: total variation by the defaults" in found.table()


@pytest.mark.usefixtures("short_search")
def test_without_a_run_the_table_says_that_there_is_no_rival(
    body: Callable[..., Volume], tiny_prior: str
) -> None:
    found = bench.measure([("made", body(1, 48, 48, 6.0, 6.0))], bench.Scan(9), bench.Arm(prior=tiny_prior))
    assert "rival: no run given (--rival)" in found.skipped
    assert not [row for row in found.rows if "rival" in row.metric]
