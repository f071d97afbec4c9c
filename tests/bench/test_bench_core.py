"""The moment table on two kernels: names, gates, and a sampler that is worse than it says."""

from __future__ import annotations

import pytest

from medidiff.bench import core as bench
from medidiff.bench.report import BenchResult, Row
from medidiff.core.process import DDIM, Multistep


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "KERNELS", {name: bench.KERNELS[name] for name in ("edm", "resshift")})
    monkeypatch.setattr(bench, "_INTERVALS", (16, 32, 64))
    monkeypatch.setattr(bench, "_BY_EVALUATIONS", (10,))
    monkeypatch.setattr(bench, "_ROWS", 8)


def rows(result: BenchResult) -> dict[str, Row]:
    return {row.metric: row for row in result.rows}


def test_names_that_other_programs_read() -> None:
    assert set(bench.KERNELS) == {
        "vp_linear",
        "ddpm",
        "ddpm_scaled_linear",
        "cosine",
        "edm",
        "rectified_flow",
        "resshift",
        "rddm",
        "mean_reverting",
        "interpolant",
    }
    assert {"ddim", "ancestral", "dpmpp_2m", "dpmpp_2m_sde", "heun", "euler", "pc"} <= set(bench.SAMPLERS)


@pytest.mark.usefixtures("small")
def test_a_row_for_each_kernel_and_sampler_and_every_gate_reached() -> None:
    result = bench.run()
    found = rows(result)
    for kernel in ("edm", "resshift"):
        for sampler in bench.SAMPLERS:
            assert found[f"mean_error.{kernel}.{sampler}"].value < 1e-9  # the start knows the mean
            gate = found[f"covariance_error.{kernel}.{sampler}"].gate
            assert gate == (0.03 if sampler == "dpmpp_2m" else None)
            assert found[f"monte_carlo_variance_error.{kernel}.{sampler}"].ok
    assert found["covariance_error.edm.dpmpp_2m"].value == pytest.approx(0.004, abs=5e-4)  # methods' table
    assert found["covariance_error.edm.ddim"].value == pytest.approx(0.086, abs=1e-3)
    assert found["order.heun"].gate == pytest.approx(1.9)
    assert found["order.euler"].gate == pytest.approx(0.9)
    assert found["start_mean_error.edm"].value < 1e-9  # the last of its two rows: with the mean
    assert found["monte_carlo_floor.mean"].value == pytest.approx((8 * 64) ** -0.5)
    assert [row.metric for row in result.rows if row.ok is False] == []
    assert any(words.startswith("order.pc") for words in result.skipped)


@pytest.mark.usefixtures("small")
def test_a_first_order_sampler_under_a_second_order_name_misses_its_gates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "SAMPLERS", {"dpmpp_2m": DDIM(), "dpmpp_2m_sde": Multistep(1.0)})
    monkeypatch.setattr(bench, "ORDERS", {"dpmpp_2m": 2})
    missed = {row.metric for row in bench.run().rows if row.ok is False}
    assert missed == {
        "covariance_error.edm.dpmpp_2m",
        "covariance_error.resshift.dpmpp_2m",
        "order.dpmpp_2m",
        "order_error.dpmpp_2m",
    }
