"""A small study on made images, frozen, with its key in a folder of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medidiff.io.nifti import write_nifti
from medidiff.io.volume import Volume
from medidiff.review import Study, freeze_study, new_study, open_study


class Clock:
    """Seconds since 1970 that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder of the test: keys go there, not into the machine's."""
    home = tmp_path / "home"
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    return home


def write_run(folder: Path, arms: tuple[str, ...] = ("tv", "diffusion"), slices: int = 8) -> Path:
    """A run folder as far as a study looks at it: a report, and an image of each arm on one grid."""
    folder.mkdir(parents=True)
    affine = np.array([[-0.7, 0, 0, 61.5], [0, -0.7, 0, -23.25], [0, 0, 2.5, 812.0], [0, 0, 0, 1.0]])
    for k, arm in enumerate(arms):
        values = np.random.default_rng((k, slices)).normal(40, 30 * (k + 1), (slices, 12, 10))
        write_nifti(Volume(values.astype(np.float32), affine), folder / f"{arm}.nii.gz")
    methods = {arm: {"output": f"{arm}.nii.gz"} for arm in arms}
    (folder / "report.json").write_text(json.dumps({"schema": "medidiff.report/1", "methods": methods}))
    return folder


@pytest.fixture
def make_run() -> Callable[..., Path]:
    """`make_run(folder, arms=..., slices=...)`."""
    return write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def edited() -> Callable[..., Path]:
    """`edited(protocol, "old", "new", ...)`: replace text in a protocol, which must be there."""

    def edit(protocol: Path, *changes: str) -> Path:
        text = protocol.read_text(encoding="utf-8")
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in text
            text = text.replace(old, new)
        protocol.write_text(text, encoding="utf-8")
        return protocol

    return edit


@pytest.fixture
def draft(tmp_path: Path, run: Path, edited: Callable[..., Path]) -> Path:
    """The folder of a study that is not frozen: one training case, six cases, three repeats, no waiting."""
    folder = tmp_path / "study"
    protocol = new_study(folder, [run], ["tv", "diffusion"], seed=7)
    edited(protocol, "minimum_display: 2 s", "minimum_display: 0 s")
    return folder


@pytest.fixture
def study(draft: Path, clock: Clock) -> Study:
    """The same, frozen and open."""
    freeze_study(draft)
    return open_study(draft, clock=clock)
