"""Scans of one line of text, and work on them that a worker process can import."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

from medidiff.runs.cohort import Work


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Twice the number in each file."""
    here = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(here)
    planted = importlib.import_module("planted_work")
    return Work("planted", planted.read, {"units": "hu"}, planted.double, {"factor": 2.0})


@pytest.fixture
def scans(tmp_path: Path) -> Callable[..., list[Path]]:
    """Write one scan a word, in a folder that bears a patient's name."""

    def make(*words: str) -> list[Path]:
        folder = tmp_path / "CANARY^ZX81"
        folder.mkdir(exist_ok=True)
        paths = [folder / f"CANARY-{n}.txt" for n in range(1, len(words) + 1)]
        for n, (path, word) in enumerate(zip(paths, words, strict=True), 1):
            path.write_text(f"{word} {n}")
        return paths

    return make
