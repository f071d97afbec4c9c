"""The rows of the bench from made scores, and its search for the bar."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from medidiff.bench import bar
from medidiff.bench import ct as bench
from medidiff.bench.report import Row


def score(psnr: float, ssim: float = 0.5, bone: float = 0.0, planes: tuple[str, ...] = bench.PLANES) -> Any:
    """The same PSNR and SSIM in the named planes, and a bias of bone."""
    found = {plane: {"psnr_db": psnr, "ssim": ssim} if plane in planes else {} for plane in bench.PLANES}
    return {**found, "hu_bias": {"bone": bone}, "z_roughness": 0.8}


def volume(diffusion: float, best_tv: float, fbp: float, **more: Any) -> bench.Scores:
    """Scores of one volume; `more` goes to those of diffusion."""
    scores = {"fbp": score(fbp), "diffusion": score(diffusion, **more), "best_tv": score(best_tv, 0.4, -8.0)}
    return bench.Scores(
        "a", scores, {"fbp": 1.0, "diffusion": 20.0, "best_tv": 9.0, "best_tv_search": 50.0}, ()
    )


def rows(done: list[bench.Scores], gates: bench.Gates | None = None) -> dict[str, Row]:
    return {row.metric: row for row in bench.rows_of("mean", done, gates)}


def gates(scan: bench.Scan) -> bench.Gates | None:
    return bench.GATES.get((scan.views, scan.degrees, scan.geometry, scan.photons))


def test_differences_are_those_of_the_means_and_carry_the_gates() -> None:
    found = rows([volume(36.0, 32.0, 25.0), volume(35.0, 32.5, 26.0)], gates(bench.Scan()))
    first = found["diffusion_minus_best_tv_db.coronal"]
    assert (first.value, first.gate, first.aim, first.ok) == (pytest.approx(3.25), 3.7, 6.0, False)
    worst = found["min.diffusion_minus_best_tv_db.coronal"]
    assert (worst.value, worst.gate, worst.ok) == (pytest.approx(2.5), 2.5, True)
    assert found["sd.diffusion_minus_best_tv_db.axial"].value == pytest.approx(1.5 / 2**0.5)
    assert found["diffusion_minus_fbp_db.axial"].value == pytest.approx(10.0)
    assert found["diffusion_minus_best_tv_ssim.axial"].gate == 0.08
    assert found["diffusion_minus_best_tv_ssim.sagittal"].gate is None
    assert found["seconds.best_tv_search"].value == 50


def test_other_cases_have_other_gates_or_none() -> None:
    done = [volume(36.0, 32.0, 25.0), volume(35.0, 32.5, 26.0)]
    gain = "diffusion_minus_best_tv_db.axial"
    assert rows(done, gates(bench.Scan(photons=1e5)))[gain].gate == 2.5
    assert rows(done, gates(bench.Scan(60, 120.0)))[gain].gate == 3.0
    assert gates(bench.Scan(photons=1e4)) is None
    assert gates(bench.Scan(geometry="fan-flat", arc_deg=180.0)) is None
    assert not [row for row in rows(done).values() if row.gate is not None]


def test_opposite_biases_do_not_cancel() -> None:
    """+20 and -20 HU are a bias of 20; the bar is total variation's 8."""
    found = rows(
        [volume(36.0, 32.0, 25.0, bone=20.0), volume(36.0, 32.0, 25.0, bone=-20.0)], bench.Gates(0, 0)
    )
    assert found["hu_bias.diffusion.bone"].value == pytest.approx(0)
    assert found["hu_bias.diffusion.bone"].better is None
    assert found["hu_bias_abs.diffusion.bone"].value == pytest.approx(20)
    assert found["hu_bias_excess.bone"].value == pytest.approx(12)
    assert found["hu_bias_excess.bone"].ok is False


def test_a_plane_without_slices_has_no_row() -> None:
    found = rows([volume(36.0, 32.0, 25.0, planes=("axial",))])
    assert "diffusion_minus_best_tv_db.axial" in found
    assert "diffusion_minus_best_tv_db.coronal" not in found
    assert "psnr_db.best_tv.coronal" in found


def test_the_bar_is_the_best_of_each_plane_and_metric() -> None:
    """One lambda for all would be a lower bar."""
    one, two = score(31.0, 0.7, 3.0), score(30.0, 0.9)
    two["sagittal"] = {"psnr_db": 32.5, "ssim": 0.6}
    found = bar.best_of([one, two])
    assert found["axial"] == {"psnr_db": 31.0, "ssim": 0.9}
    assert found["sagittal"] == {"psnr_db": 32.5, "ssim": 0.7}
    assert found["hu_bias"] == {"bone": 3.0}


@pytest.mark.parametrize(
    ("peak", "expected"),
    [
        (5e-4, list(bar.LAMBDAS)),
        (1e-2, [*bar.LAMBDAS, 1e-2, 3e-2]),
        (1e-6, [*bar.LAMBDAS, 5e-5, 2e-5]),
    ],
)
@pytest.mark.parametrize("photons", [None, 1e5])
def test_the_grid_grows_where_its_end_is_best(
    peak: float, expected: list[float], photons: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Total variation whose PSNR falls with the distance of lambda from `peak`."""
    starts = []

    def tv(measurement: Any, weight: float, *, start: Any, **options: Any) -> Any:
        starts.append(start.image if start else None)
        return SimpleNamespace(image=torch.tensor(weight), iterations=7, converged=True)

    def scored(hu: Any) -> Any:
        return score(-abs(1 + hu / 1000 - peak))

    monkeypatch.setattr(bar, "tv_image", tv)
    measurement: Any = SimpleNamespace(photons=photons)
    tried, grid, times = bar.search_tv(measurement, scored, bench.silent)
    weightings = [False] if photons is None else [False, True]
    assert [(row["lambda_mm"], row["weighted"]) for row in grid] == [
        (v, w) for w in weightings for v in expected
    ]
    assert len(tried) == len(times) == len(grid)
    if peak == 1e-2:
        assert float(starts[len(bar.LAMBDAS)]) == pytest.approx(
            bar.LAMBDAS[0]
        )  # upwards from the top of the path


def test_the_remarks_say_how_many_solves_converged() -> None:
    """What did not converge is a lower bar, and a reader must know."""
    words = bench.remarks([bench.Scan()], [{"converged": True}, {"converged": False}])
    assert "1 of 2 solves converged" in " ".join(words)
