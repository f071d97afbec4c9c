"""A scan undersampled and compared with itself, on its own grid, whatever its orientation."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.reconstruct import reconstruct_ct
from medidiff.domains.reconstruction.ct.retrospective import retrospective_ct, score
from medidiff.domains.reconstruction.ct.simulate import simulate_ct
from medidiff.errors import InputError
from medidiff.io import read_volume
from medidiff.io.volume import Volume
from medidiff.runs.result import Result

Body = Callable[..., Volume]
FAST: dict[str, Any] = {"views": 10, "prior": "tiny", "device": "cpu"}


def permuted(volume: Volume, order: tuple[int, int, int], flips: tuple[int, ...]) -> Volume:
    """The same voxels in the world, the array's axes in another order and direction."""
    array, index = volume.array.transpose(order), np.zeros((4, 4))
    index[3, 3] = 1
    for new, old in enumerate(order):  # array axes; voxel axes count the other way round
        sign = -1 if new in flips else 1
        index[2 - old, 2 - new] = sign
        index[2 - old, 3] = array.shape[new] - 1 if sign < 0 else 0
    return Volume(np.flip(array, flips), volume.affine @ index, origin="sha256:" + "a" * 64)


@pytest.mark.parametrize(
    ("order", "flips"), [((0, 1, 2), (0,)), ((1, 0, 2), (0, 2)), ((2, 0, 1), (1,)), ((1, 2, 0), (0, 1, 2))]
)
def test_any_orientation_comes_back_on_its_own_grid(
    order: tuple[int, int, int], flips: tuple[int, ...], body: Body
) -> None:
    """Voxel for voxel the result of the canonical volume, turned; numbers of planes are the patient's."""
    canonical = body(3, 32, 28, 8.0, 8.0)
    turned = permuted(canonical, order, flips)
    plain = retrospective_ct(canonical, views=10, methods="fbp")
    result = retrospective_ct(turned, views=10, methods="fbp")
    for name in ("fbp", "reference"):
        expected = permuted(plain[name], order, flips)
        np.testing.assert_allclose(result[name].affine, turned.affine, atol=1e-9)
        np.testing.assert_allclose(result[name].array, expected.array, atol=1e-3)
        assert result[name].origin == turned.origin
    assert result.report["methods"]["fbp"]["metrics"] == plain.report["methods"]["fbp"]["metrics"]
    assert result.report["input"]["shape"] == list(turned.shape)
    assert result.provenance["inputs"] == {"volume": turned.origin}


def test_the_report_has_metrics_of_three_planes(
    body: Body, tiny_prior: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medidiff.metrics.image.LEAST_VOXELS", 50)  # the planes of a test are small
    result = retrospective_ct(body(12, 48, 40, 5.0, 5.0), methods="all", photons=1e5, seed=2, **FAST)
    result.save(tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["protocol"]["region"] == "body"
    assert report["protocol"]["window"] == [-1000, 1000]
    assert report["protocol"]["data_range"] == 2000
    assert report["measurement"]["photons"] == 1e5
    assert report["measurement"]["photons_per_mm"] == pytest.approx(1e5 / 5)
    for row in report["methods"].values():
        metrics = row["metrics"]
        for plane in ("axial", "coronal", "sagittal"):
            assert {"psnr_db", "ssim"} <= metrics[plane].keys()
    psnr = {name: row["metrics"]["axial"]["psnr_db"] for name, row in report["methods"].items()}
    assert psnr["tv"] > psnr["fbp"] + 3  # ten views of discs are total variation's home
    options = json.loads((tmp_path / "out" / "provenance.json").read_text())["options"]
    assert (options["views"], options["photons"], options["matrix"]) == (10, 1e5, None)
    assert (tmp_path / "out" / "reference.nii.gz").is_file()


def test_an_array_needs_a_spacing(body: Body) -> None:
    volume = body(2, 32, 28, 8.0, 6.0)
    with pytest.raises(InputError) as error:
        retrospective_ct(volume.array, views=6, methods="fbp")
    assert error.value.argument
    result = retrospective_ct(volume.array, spacing_mm=(2.5, 8.0, 6.0), views=6, methods="fbp")
    same = retrospective_ct(volume, views=6, methods="fbp")
    assert np.array_equal(result["fbp"].array, same["fbp"].array)
    flat = retrospective_ct(volume.array[0], spacing_mm=(2.5, 8.0, 6.0), views=6, methods="fbp")
    assert flat["fbp"].shape == (1, 32, 28)
    assert flat.report["methods"]["fbp"]["metrics"].get("coronal", {}) == {}


def test_the_same_again_gives_the_same_bytes(body: Body, tiny_prior: str) -> None:
    volume = body(2, 32, 28, 8.0, 8.0)
    options = {**FAST, "photons": 1e5, "coupling": "both"}
    first, second = (retrospective_ct(volume, **options, seed=1)["diffusion"] for _ in range(2))
    assert first.digest() == second.digest()
    assert first.digest() != retrospective_ct(volume, **options, seed=2)["diffusion"].digest()


def test_a_wrong_option_is_met_before_the_scan_is_simulated(
    body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medidiff.domains.reconstruction.ct import retrospective as module

    monkeypatch.setattr(module, "simulate_ct", lambda *_, **__: pytest.fail("simulated"))
    for wrong in ({"coupling": "x"}, {"mode": "x"}, {"methods": "x"}, {"device": "x"}, {"seed": -3}):
        with pytest.raises(InputError):
            retrospective_ct(body(), **wrong)


def test_no_inverse_crime(body: Body) -> None:
    """Not even the reference itself explains the data: its residual is the model error, far above rounding.

    With weights from the model error that residual is about 1; the reconstruction's own matrix would give 0.
    """
    m, reference = simulate_ct(body(2, 64, 64, 4.0, 4.0), views=12)
    water = torch.from_numpy(1 + reference.array / 1000)[None, None]
    error = Projector(m.geometry, m.grid)(water)[0, 0].numpy() - m.sinogram
    rms = float(np.sqrt(np.mean(m.weights * error**2)))
    assert 0.2 < rms < 5


def test_the_truth_reaches_only_the_score(body: Body, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another reference changes the numbers and not one voxel."""
    from medidiff.domains.reconstruction.ct import retrospective as module

    volume = body(2, 32, 28, 8.0, 8.0)
    plain = retrospective_ct(volume, views=8, methods=("fbp", "tv"))

    def other(*args: Any, **options: Any) -> Any:
        measurement, reference = simulate_ct(*args, **options)
        return measurement, replace(reference, array=np.where(reference.array > -500, 100, -1000))

    monkeypatch.setattr(module, "simulate_ct", other)
    changed = retrospective_ct(volume, views=8, methods=("fbp", "tv"))
    for name in ("fbp", "tv"):
        assert plain[name].digest() == changed[name].digest()
        assert plain.report["methods"][name]["metrics"] != changed.report["methods"][name]["metrics"]


@pytest.fixture
def scored(body: Body) -> tuple[Result, Volume]:
    m, reference = simulate_ct(body(2, 32, 28, 8.0, 8.0), views=8)
    return reconstruct_ct(m, method="fbp"), reference


def test_a_reference_on_another_grid_is_refused(scored: tuple[Result, Volume]) -> None:
    result, reference = scored
    assert score(result, reference).report["methods"]["fbp"]["metrics"]["pooled"]["psnr_db"] > 5
    mirrored = permuted(reference, (0, 1, 2), (2,))
    wrong = [
        mirrored,
        replace(reference, array=reference.array[:1]),
        replace(reference, affine=reference.affine @ np.diag([1.05, 1, 1, 1])),
        replace(reference, units="1/mm"),
    ]
    for volume in wrong:
        with pytest.raises(InputError) as error:
            score(result, volume)
        assert error.value.what == "reference"


def test_planes_are_the_patients_whatever_the_arrays_order(scored: tuple[Result, Volume]) -> None:
    result, reference = scored
    turn = ((2, 0, 1), (0, 2))
    turned = replace_output(result, permuted(result["fbp"], *turn))
    metrics = (
        score(r, ref).report["methods"]["fbp"]["metrics"]
        for r, ref in ((result, reference), (turned, permuted(reference, *turn)))
    )
    assert next(metrics) == next(metrics)


def replace_output(result: Result, volume: Volume) -> Result:
    return Result({"fbp.nii.gz": volume}, result.report, result.provenance)


@pytest.mark.parametrize(("methods", "slices"), [("fbp", 1), (("fbp", "tv"), 3)])
def test_figures_are_drawn(methods: Any, slices: int, body: Body) -> None:
    """With a reference and without, of one slice and of more; drawn twice they are the same picture."""
    m, reference = simulate_ct(body(slices, 32, 28, 8.0, 8.0), views=8)
    bare = reconstruct_ct(m, method=methods)
    compared = score(bare, reference)
    pictures = [result._repr_png_() for result in (bare, compared)]
    assert all(p is not None and p.startswith(b"\x89PNG") for p in pictures)
    assert pictures[0] != pictures[1]
    assert slices > 1 or score(bare, reference)._repr_png_() == pictures[1]


def test_the_figure_looks_at_a_vessel_and_at_bone(body: Body) -> None:
    """In the phantom: a vessel put into the lung on the left, and the rib under the skin on the right."""
    from medidiff.domains.reconstruction.ct import figure

    volume = body(3, 96, 96, 3.0, 3.0)
    image = volume.array[1].copy()
    lung = np.argwhere(image == -820)
    y, x = (int(v) for v in lung.mean(axis=0))
    image[y - 1 : y + 2, x - 1 : x + 2] = 60
    array = np.repeat(image[None], 3, axis=0)
    zooms, at = figure._details(array, volume.spacing_mm)
    near_lung = min(np.hypot(z.y - y, z.x - x) for z in zooms)
    rib = np.argwhere(image == 700).mean(axis=0)
    near_rib = min(np.hypot(z.y - rib[0], z.x - rib[1]) for z in zooms)
    assert near_lung < 12
    assert near_rib < 12
    assert at[0] == 1


def test_an_empty_image_has_no_details() -> None:
    from medidiff.domains.reconstruction.ct import figure

    air = np.full((2, 20, 24), -1000, np.float32)
    assert figure._details(air, (2.5, 1.0, 1.0)) == ((), (1, 10, 12))
    assert figure._crop(air, (2.5, 1.0, 1.0)) is None


def test_a_real_chest(ct_data: Path) -> None:
    """Two slices of a person from 24 views: total variation is well above FBP."""
    file = sorted((ct_data / "val").glob("*.nii.gz"))[0]
    volume = read_volume(file)
    middle = len(volume.array) // 2
    two = replace(volume, array=volume.array[middle : middle + 2])
    matrix = 128 if max(two.shape[1:]) % 128 == 0 else None
    if matrix is None:
        pytest.skip("slices that are no multiple of 128")
    result = retrospective_ct(two, views=24, matrix=matrix, methods=("fbp", "tv"))
    psnr = {name: row["metrics"]["axial"]["psnr_db"] for name, row in result.report["methods"].items()}
    assert psnr["tv"] > psnr["fbp"] + 3
    assert result["tv"].shape == (2, matrix, matrix)
