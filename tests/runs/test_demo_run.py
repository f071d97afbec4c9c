"""The shipped run is the one that its card describes."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medidiff.errors import MissingError
from medidiff.io.demo import demo_card, demo_volume
from medidiff.io.volume import block_mean
from medidiff.metrics import score_volume
from medidiff.runs import demo


def test_every_file_has_the_digest_of_the_card() -> None:
    card, folder = demo.demo_run_card("ct"), demo.demo_run_folder("ct")
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert found == card["files"]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 10_000_000
    assert "CC BY 3.0" in card["licence"]
    assert card["data"]["volume_sha256"] == demo_card("ct")["volume_sha256"]


def test_its_truth_is_the_demo_volume_on_the_reconstructions_grid() -> None:
    """The mean of attenuation, which is never below air's, is the mean of HU, here to the whole HU."""
    result = demo.demo_run()
    whole = demo_volume("ct")
    small = block_mean(replace(whole, array=np.maximum(whole.array, -1000)))
    assert np.abs(result["reference"].array - small.array).max() <= 0.51
    assert np.allclose(result["reference"].affine, small.affine)
    assert result.report["input"]["sha256"] == demo_card("ct")["volume_sha256"]


def test_its_numbers_are_those_of_its_images() -> None:
    result = demo.demo_run()
    truth = result["reference"]
    told = result.report["methods"]["diffusion"]["metrics"]
    found = score_volume(result["diffusion"].array, truth.array, truth.spacing_mm)
    assert found["axial"]["psnr_db"] == pytest.approx(told["axial"]["psnr_db"], abs=1e-6)
    assert result.digests() == result.provenance["outputs"]


def test_a_run_of_another_digest_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(demo.demo_run_folder("ct"), tmp_path / "demo-run-ct")
    shutil.copy(demo.demo_run_folder("ct").with_suffix(".json"), tmp_path)
    monkeypatch.setattr(demo, "_assets", lambda: tmp_path)
    demo.demo_run()
    with (tmp_path / "demo-run-ct" / "tv.nii.gz").open("ab") as file:
        file.write(b"x")
    with pytest.raises(MissingError) as error:
        demo.demo_run()
    assert error.value.got == "another tv.nii.gz"


def test_unknown_run_is_missing() -> None:
    with pytest.raises(MissingError):
        demo.demo_run("../ct")
