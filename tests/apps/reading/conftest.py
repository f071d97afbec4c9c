"""Studies on made images, whose sources carry what no reader may see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from medidiff.review.design.protocol import Kind

pytest.importorskip("streamlit", reason="the app needs pip install 'medidiff[apps]'")

APPS = Path(__file__).resolve().parents[3] / "apps"
CANARIES = ("CANARY^ZX81", "CANARY-ID-77", "19570319")
ARMS = ("armOrion", "armVega")
SLICES, SIDE = 14, 40


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder of the test: keys go there."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def write_run(folder: Path) -> Path:
    """A run folder as far as a study looks: noise of one size, with a patient in names and headers."""
    run = folder / f"{CANARIES[1]}_{CANARIES[2]}"
    run.mkdir(parents=True)
    affine = np.array([[-0.7, 0, 0, 61.5], [0, -0.7, 0, -23.25], [0, 0, 2.5, 812.0], [0, 0, 0, 1.0]])
    methods = {}
    for k, arm in enumerate(ARMS):
        values = np.random.default_rng(k).normal(40, 30 * (k + 1), (SIDE, SIDE, SLICES)).astype(np.float32)
        image = nib.Nifti1Image(values, affine)
        image.header["descrip"] = CANARIES[0].encode()
        nib.save(image, run / f"{CANARIES[1]}-{arm}.nii.gz")
        methods[arm] = {"output": f"{CANARIES[1]}-{arm}.nii.gz"}
    (run / "report.json").write_text(json.dumps({"schema": "medidiff.report/1", "methods": methods}))
    return run


@dataclass(frozen=True)
class Drafted:
    """A study that is not frozen: its folder, and what in it tells a reader nothing may."""

    folder: Path
    secrets: tuple[str, ...]


Draft = Callable[..., Drafted]
SECRET_CASE = "kasus-x0"


@pytest.fixture
def draft(tmp_path: Path, home: Path) -> Draft:
    """`draft("pairs", "old text", "new text", ...)`: a training case, six cases, three of them twice."""
    from medidiff.review import new_study

    def make(kind: Kind = "pairs", *changes: str) -> Drafted:
        folder = tmp_path / "study"
        run = write_run(tmp_path / "source")
        protocol = new_study(folder, [run], ARMS, kind=kind, window=(40, 400), seed=7)
        text = protocol.read_text(encoding="utf-8")
        for old, new in zip(
            ("id: case0", "minimum_display: 2 s", *changes[::2]),
            (f"id: {SECRET_CASE}", "minimum_display: 0 s", *changes[1::2]),
            strict=True,
        ):
            assert old in text, old
            text = text.replace(old, new)
        protocol.write_text(text, encoding="utf-8")
        return Drafted(
            folder, (*CANARIES, *ARMS, "Orion", "Vega", SECRET_CASE, folder.name + "/", "protocol.yaml")
        )

    return make


Shows = list[dict[str, Any]]


@pytest.fixture
def shows(monkeypatch: pytest.MonkeyPatch) -> Shows:
    """What the viewer was asked to show; both images are on the screen at once, and then one slice on."""
    monkeypatch.syspath_prepend(str(APPS))
    import reading.case
    import reading.display
    from viewer import View

    asked: Shows = []

    def show(arms: Any, **words: Any) -> View:
        asked.append({"arms": arms, **words})
        level, width = words["window"]
        return View("arms", "axial", 0, level, width, 1.0, "side", 0.0, "mean", True)

    monkeypatch.setattr(reading.case, "show", show)
    monkeypatch.setattr(
        reading.display, "pattern", lambda dark, light: reading.display.Screen(1280, 800, 1.5, 24)
    )
    return asked


@pytest.fixture
def served(draft: Draft, shows: Shows, home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`served("pairs", "old", "new")`: freeze a study with these changes, and serve it alone."""
    from medidiff.review import freeze_study

    def make(kind: Kind = "pairs", *changes: str) -> Path:
        folder = draft(kind, *changes).folder
        freeze_study(folder).log.close()
        monkeypatch.setenv("MEDIDIFF_APP", json.dumps({"study": str(folder), "home": str(home)}))
        return folder

    return make
