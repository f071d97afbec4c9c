"""`torchrun ... -m medidiff train`: the same command on two processes, once, then on from where it ended."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from medidiff.core.training.checkpoints import folders, load
from medidiff.io.volume import Volume

_CONFIG = """
name: tiny
task: ct
network: {kind: unet, channels: [4, 8], blocks: [1, 1]}
data: {offset_hu: -400.0, scale_hu: 480.0, patch: 32}
sigma_data: 1.0
kernel: {sigma_min: 0.008, sigma_max: 5.0}
objective: {kind: denoising, levels: {median: 0.15, log_sd: 1.1, uniform_share: 0.2}}
optimiser: {rate: 1.0e-3, warm_up_steps: 1, ema: 0.9}
strategies: {min_snr: 5.0, low_discrepancy_levels: true}
batch: 2
steps: STEPS
"""
_COLUMNS = ("file", "person", "split", "collection", "licence", "weights_may_ship", "slices", "sha256")


def _data(folder: Path) -> None:
    """One person of two slices."""
    y, x = np.mgrid[:48, :48] - 23.5
    body = np.where(x**2 + y**2 < 20**2, 20.0, -1000.0)
    file = folder / "p.nii.gz"
    folder.mkdir()
    Volume.from_array(np.stack([body, body + 5]).astype(np.float32), spacing_mm=(3.0, 1.5, 1.5)).write(file)
    row = ("p.nii.gz", "p", "train", "LIDC-IDRI", "CC BY 3.0", "yes", "2")
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([_COLUMNS, (*row, hashlib.sha256(file.read_bytes()).hexdigest())])


def test_two_processes_train_and_go_on(tmp_path: Path) -> None:
    """Two steps, then four: one checkpoint a run, one result said, and what one process would refuse."""
    _data(tmp_path / "data")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = ["-m", "medidiff", "train", "tiny.yaml", "--data", "data", "--out", "run", "--json", "--quiet"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for steps in (2, 4):
        (tmp_path / "tiny.yaml").write_text(_CONFIG.replace("STEPS", str(steps)))
        done = subprocess.run(
            [*launch, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said = json.loads(done.stdout)
        assert (said["step"], said["steps"]) == (steps, steps)
    first, last = (load(folder) for folder in folders(tmp_path / "run"))
    assert (first.step, last.step, last.processes) == (2, 4, 2)
    assert not all(torch.equal(weight, last.weights[name]) for name, weight in first.weights.items())
