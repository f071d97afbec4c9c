"""The bench runs small, with and without astra; no time is asserted."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from medidiff.bench import projector as bench


class OpTomo:
    """Stands for astra's operator; it notes what it was given."""

    def __init__(self, projector: object) -> None:
        self.projector = projector

    def FP(self, plane: np.ndarray) -> None:  # noqa: N802  astra's name
        assert plane.shape == (32, 32)

    def BP(self, plane: np.ndarray) -> None:  # noqa: N802  astra's name
        assert plane.shape[0] == 3


def test_rows_without_astra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_astra", lambda: (None, "astra-toolbox is not installed"))
    threads = torch.get_num_threads()
    result = bench.run(size=32, slices=2, views=(3, 4), large=0)
    metrics = {(row.case, row.metric): row for row in result.rows}
    assert metrics["32x32x2, 3 views", "adjoint_error_float64"].ok
    assert metrics["32x32x2, 4 views", "adjoint_error_float32"].ok
    assert not [row for row in result.rows if "speedup" in row.metric]
    assert len(result.skipped) == 4
    assert "not installed" in result.skipped[0]
    assert torch.get_num_threads() == threads


def test_rows_with_astra(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(
        create_vol_geom=lambda *a: a,
        create_proj_geom=lambda *a: a,
        create_projector=lambda *a: a,
        OpTomo=OpTomo,
    )
    monkeypatch.setattr(bench, "_astra", lambda: (fake, ""))
    rows = {row.metric: row for row in bench.run(size=32, slices=2, views=(3,), large=0).rows}
    assert rows["forward_speedup_vs_astra"].gate == 8
    assert rows["back_speedup_vs_astra"].gate == 10
    for direction in ("forward", "back"):
        (theirs,) = (r.value for m, r in rows.items() if m.startswith("seconds.astra") and direction in m)
        ratio = theirs / rows[f"seconds.{direction}"].value
        assert rows[f"{direction}_speedup_vs_astra"].value == pytest.approx(ratio)


def test_rows_of_the_large_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """The three ways agree; gates stand on equal steps each way, on the others both ways together."""
    fake = SimpleNamespace(
        create_vol_geom=lambda *a: a,
        create_proj_geom=lambda *a: a,
        create_projector=lambda *a: a,
        OpTomo=type(
            "OpTomo", (), {"__init__": lambda *_: None, "FP": lambda *_: None, "BP": lambda *_: None}
        ),
    )
    monkeypatch.setattr(bench, "_LARGE_VIEWS", 12)
    monkeypatch.setattr(bench, "_FREE_VIEWS", 2)
    monkeypatch.setattr(bench, "_AGREEMENT_SIZE", 24)
    monkeypatch.setattr(bench, "_astra", lambda: (fake, ""))
    rows = {(row.case, row.metric): row for row in bench.run(views=(), large=32).rows}
    equal, fan = "32x32x16, 12 equiangular views", "32x32x16, 2 fan views"
    assert rows[equal, "forward_speedup_vs_astra"].gate == rows[equal, "back_speedup_vs_astra"].gate == 4
    assert rows[fan, "forward_speedup_vs_astra"].gate is None
    assert rows[fan, "forward_and_back_speedup_vs_astra"].gate == 1
    assert rows[equal, "peak_megabytes"].value > 0
    for beam in ("parallel", "fan"):
        for way in ("folded", "view_by_view"):
            assert rows[f"24x24x16, 24 {beam} views", f"{way}_minus_matrix"].ok
