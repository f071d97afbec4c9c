"""Seconds and memory of a run."""

import time
from pathlib import Path

import numpy as np
import pytest

from medidiff.errors import MissingError
from medidiff.io.volume import Volume
from medidiff.runs import (
    NOTICE,
    Clock,
    available_memory_mb,
    finish_report,
    peak_memory_mb,
    require_memory,
    start_report,
)
from medidiff.runs import clock as module


def test_laps_add_up_to_the_whole() -> None:
    clock = Clock()
    time.sleep(0.02)
    first = clock.lap()
    second = clock.lap()
    assert first >= 0.02
    assert first + second <= clock.seconds()


def test_peak_grows_by_what_is_taken() -> None:
    """150 MiB of ones, above all that was held before, show up as at least 100."""
    before = peak_memory_mb()
    held = np.ones((before + 150) << 17)
    assert peak_memory_mb() >= before + 100
    assert held[0] == 1


def test_the_container_s_limit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "max").write_text(str(300 << 20))
    (tmp_path / "current").write_text(str(200 << 20))
    monkeypatch.setattr(module, "_CGROUPS", ((str(tmp_path / "max"), str(tmp_path / "current")),))
    assert available_memory_mb() == 100
    (tmp_path / "max").write_text("max")
    assert available_memory_mb() != 100


def test_a_process_may_be_told_to_count_on_less() -> None:
    """What it holds already counts against its limit; without one, the machine's memory is back."""
    free = available_memory_mb()
    assert free is not None
    held = np.ones(32 << 17)  # 32 MiB
    module.limit_memory(20)
    try:
        assert available_memory_mb() == 0
        module.limit_memory(10**9)
        assert available_memory_mb() < 10**8
    finally:
        module.limit_memory(None)
    assert available_memory_mb() > 0
    assert held[0] == 1


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_memory_mb", lambda: 1000)
    require_memory(1000, "volume", fix="Give --slices.")
    with pytest.raises(MissingError) as error:
        require_memory(1001, "volume", fix="Give --slices.")
    assert error.value.got == "1000 MiB free"
    monkeypatch.setattr(module, "available_memory_mb", lambda: None)
    require_memory(10**9, "volume", fix="")


def test_a_report_begins_with_all_required_keys() -> None:
    volume = Volume.from_array(np.zeros((2, 3, 4)), spacing_mm=(2.5, 1.5, 1.25))
    report = start_report("reconstruct.ct", 7, volume)
    assert report["input"] == {
        "sha256": volume.digest().removeprefix("sha256:"),
        "shape": [2, 3, 4],
        "spacing_mm": [2.5, 1.5, 1.25],
        "units": "HU",
    }
    assert report["notice"] == NOTICE == "research use only"
    finish_report(report, Clock())
    assert report["wall_seconds"] >= 0
    assert report["peak_memory_mb"] > 0
    described = start_report("x", 0, {"sha256": "aa", "points": 5})
    assert described["input"] == {"sha256": "aa", "points": 5}
