"""From a measurement to a result: options, slabs, the report, and the same bytes again."""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medidiff.domains.reconstruction.ct import figure, slabs
from medidiff.domains.reconstruction.ct import reconstruct as module
from medidiff.domains.reconstruction.ct.methods.fast import COUPLINGS
from medidiff.domains.reconstruction.ct.projection.projector import Projector
from medidiff.domains.reconstruction.ct.reconstruct import reconstruct_ct
from medidiff.domains.reconstruction.ct.scan.geometry import Grid, ParallelBeam
from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
from medidiff.domains.reconstruction.ct.simulate import simulate_ct
from medidiff.errors import InputError, MissingError
from medidiff.io.volume import Volume
from medidiff.runs import clock
from medidiff.runs.result import Result

Body = Callable[..., Volume]


@pytest.fixture(scope="session")
def scan(body: Body) -> tuple[CTMeasurement, Volume]:
    return simulate_ct(body(3, 32, 28, 8.0, 8.0), views=10)


@pytest.fixture
def measurement(scan: tuple[CTMeasurement, Volume], tiny_prior: str) -> CTMeasurement:
    return scan[0]


def run(measurement: CTMeasurement, **options: Any) -> Result:
    return reconstruct_ct(measurement, **{"prior": "tiny", "device": "cpu", **options})


def test_all_methods_report_what_the_design_promises(measurement: CTMeasurement, tmp_path: Path) -> None:
    result = run(measurement, method="all", seed=5)
    result.save(tmp_path / "out")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert (report["schema"], report["task"], report["seed"]) == ("medidiff.report/1", "reconstruct.ct", 5)
    assert report["input"]["shape"] == [3, 32, 28]
    assert report["input"]["spacing_mm"] == [2.5, 8.0, 8.0]
    assert report["measurement"]["geometry"] == "parallel"
    assert (report["measurement"]["views"], report["measurement"]["arc_deg"]) == (10, 180.0)
    assert report["measurement"]["covered_deg"] == 180.0
    assert report["measurement"]["photons"] is None
    assert set(report["methods"]["tv"]) == {*report["methods"]["fbp"], "iterations", "converged"}
    assert set(report["methods"]["sirt"]) == {*report["methods"]["tv"], "residuals"}
    assert list(report["methods"]) == ["fbp", "sirt", "cgls", "tv", "diffusion"]
    for name, row in report["methods"].items():
        assert row["output"] == f"{name}.nii.gz"
        assert row["seconds"] >= 0
        assert row["metrics"] == {}
        assert np.isfinite(row["data_residual"])
    assert report["wall_seconds"] > 0
    assert report["peak_memory_mb"] > 0
    diffusion = report["methods"]["diffusion"]
    provenance = json.loads((tmp_path / "out" / "provenance.json").read_text())
    options = provenance["options"]
    assert options["slab_slices"] == 3
    passes = options["fast_evaluations"] * options["fast_flips"]
    assert diffusion["evaluations"] == passes
    assert diffusion["prior"] == "tiny"
    assert list(provenance["weights"]) == ["tiny"]
    assert (tmp_path / "out" / "figure.png").stat().st_size > 1000
    assert Result.load(tmp_path / "out")["tv"].shape == (3, 32, 28)


def test_the_residual_is_that_of_the_weighted_data(scan: tuple[CTMeasurement, Volume]) -> None:
    """Rms of W^(1/2) (A x - y) over the rays that count, from the image that was returned."""
    weights = scan[0].weights.copy()
    weights[:, ::2] = 0
    m = replace(scan[0], weights=weights)
    result = reconstruct_ct(m, method="fbp")
    water = torch.from_numpy(1 + result["fbp"].array / 1000)[None, None]
    error = Projector(m.geometry, m.grid)(water)[0, 0].numpy() - m.sinogram
    expected = np.sqrt(np.mean(weights[:, 1::2] * error[:, 1::2] ** 2))
    assert result.report["methods"]["fbp"]["data_residual"] == pytest.approx(expected, rel=1e-3)


def test_the_same_again_gives_the_same_bytes(measurement: CTMeasurement) -> None:
    first, second = (run(measurement, coupling="both", seed=3) for _ in range(2))
    assert np.array_equal(first["diffusion"].array, second["diffusion"].array)
    other = run(measurement, coupling="both", seed=4)
    assert not np.array_equal(first["diffusion"].array, other["diffusion"].array)


def test_couplings_are_four_different_things(measurement: CTMeasurement) -> None:
    images = [run(measurement, coupling=coupling)["diffusion"].array for coupling in COUPLINGS]
    for index, image in enumerate(images):
        assert np.isfinite(image).all()
        assert not any(np.array_equal(image, other) for other in images[:index])


def test_one_slice_has_nothing_to_couple_and_says_so(measurement: CTMeasurement) -> None:
    one = measurement.slices(1, 2)
    result = run(one, coupling="both")
    assert "one slice: the coupling of slices is off" in result.warnings
    assert np.array_equal(result["diffusion"].array, run(one)["diffusion"].array)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"method": "art"}, "method"),
        ({"method": []}, "method"),
        ({"method": ["fbp", "nothing"]}, "method"),
        ({"mode": "paper"}, "mode"),
        ({"coupling": "slerp"}, "coupling"),
        ({"device": "tpu"}, "device"),
        ({"device": "tpu", "method": "fbp"}, "device"),
        ({"seed": -1}, "seed"),
        ({"method": "tv", "start": np.zeros((3, 32, 28))}, "start"),
    ],
)
def test_a_wrong_option_is_a_wrong_argument(
    options: dict[str, Any], what: str, scan: tuple[CTMeasurement, Volume]
) -> None:
    with pytest.raises(InputError) as error:
        run(scan[0], **options)
    assert error.value.what == what
    assert error.value.argument


@pytest.mark.parametrize(
    "start",
    [np.zeros((3, 32, 27)), np.zeros((32, 28)), np.full((3, 32, 28), np.nan), np.zeros((3, 32, 28), complex)],
)
def test_a_start_that_does_not_fit_is_refused(start: np.ndarray, measurement: CTMeasurement) -> None:
    with pytest.raises(InputError) as error:
        run(measurement, start=start)
    assert error.value.what == "start"


def test_a_start_replaces_total_variation(measurement: CTMeasurement) -> None:
    plain = run(measurement)["diffusion"].array
    moved = run(measurement, start=np.full(measurement.shape, 200))["diffusion"].array
    assert not np.array_equal(plain, moved)


def test_a_prior_that_refuses_the_pixels_or_is_absent(measurement: CTMeasurement) -> None:
    with pytest.raises(MissingError):
        run(measurement, prior="absent")
    wide = replace(
        measurement,
        grid=replace(measurement.grid, dx_mm=20.0, dy_mm=20.0),
        geometry=replace(measurement.geometry, spacing_mm=20.0),
        affine=measurement.affine @ np.diag([2.5, 2.5, 1, 1]),
    )
    with pytest.raises(InputError) as error:
        run(wide)
    assert error.value.what == "prior tiny"


def test_no_method_without_a_network_loads_a_prior(scan: tuple[CTMeasurement, Volume]) -> None:
    result = reconstruct_ct(scan[0], method=("tv", "fbp"), prior="absent")
    assert list(result.report["methods"]) == ["fbp", "tv"]
    assert result.provenance["weights"] == {}


def test_a_measurement_without_weights_gets_those_of_its_pixels(measurement: CTMeasurement) -> None:
    """Noise-free, the simulation weights all rays by the model error of the pixel, which is the default."""
    bare = replace(measurement, weights=None)
    np.testing.assert_array_equal(run(bare)["diffusion"].array, run(measurement)["diffusion"].array)


@pytest.mark.parametrize("slices", [1, 16, 17, 18, 33, 40, 100, 301])
@pytest.mark.parametrize("most", [1, 17, 20, 64])
def test_slabs_keep_every_slice_once_and_fit(slices: int, most: int) -> None:
    overlap = 8
    ranges = list(slabs.slab_ranges(slices, most, overlap))
    kept = [z for _, _, first, last in ranges for z in range(first, last)]
    assert kept == list(range(slices))
    for low, high, first, last in ranges:
        assert 0 <= low <= first < last <= high <= slices
        assert high - low <= max(most, 2 * overlap + 1)
        assert low == 0 or first - low == overlap // 2
        assert high == slices or high - last == overlap // 2


@pytest.mark.parametrize("photons", [None, 1e5])
def test_slabs_change_little_but_memory(
    photons: float | None, body: Body, tiny_prior: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three slabs with four slices beyond each seam against one: FBP the same, the others within 4 HU rms.

    TV and diffusion couple slices over a few neighbours only; their errors are ten times as large.
    """
    m, _ = simulate_ct(body(24, 24, 24, 10.0, 10.0), views=8, photons=photons)
    whole = run(m, method="all")
    monkeypatch.setattr(slabs, "SLAB_VOXELS", 17 * 24 * 24)
    notes: set[str] = set()
    parts = run(m, method="all", progress=lambda p: notes.add(p.note))
    assert any(note.startswith("slab 2 of 3") for note in notes)
    np.testing.assert_allclose(parts["fbp"].array, whole["fbp"].array, atol=0.01)
    # Slices do not know of each other; the history of a slab is over its own rays, the overlap included.
    for name, bound in (("sirt", 0.5), ("cgls", 4.0)):
        assert np.sqrt(np.mean((parts[name].array - whole[name].array) ** 2)) < bound, name
        ours, theirs = (r.report["methods"][name]["residuals"] for r in (parts, whole))
        assert (len(ours), ours[-1]) == (len(theirs), pytest.approx(theirs[-1], rel=0.1))
    for name in ("tv", "diffusion"):
        error = parts[name].array - whole[name].array
        assert np.sqrt(np.mean(error**2)) < 4.0, name
        ours, theirs = (r.report["methods"][name]["data_residual"] for r in (parts, whole))
        assert ours == pytest.approx(theirs, rel=0.02)


def test_slabs_of_different_doses_share_one_weight_of_total_variation(
    body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each slab's weights are made relative to its own mean, so lambda must follow."""
    m, _ = simulate_ct(body(24, 24, 24, 10.0, 10.0), views=8, photons=1e5)
    faint = np.where(np.arange(24) < 12, 1, 0.01)[:, None, None]
    m = replace(m, weights=m.weights * faint)
    whole = reconstruct_ct(m, method="tv")["tv"].array
    monkeypatch.setattr(slabs, "SLAB_VOXELS", 17 * 24 * 24)
    error = reconstruct_ct(m, method="tv")["tv"].array - whole
    assert np.sqrt(np.mean(error**2)) < 4.0


@pytest.mark.parametrize("coupling", ["noise", "both"])
def test_coupled_noise_works_in_slabs(
    coupling: str, body: Body, tiny_prior: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    m, _ = simulate_ct(body(20, 16, 16, 12.0, 12.0), views=6)
    monkeypatch.setattr(slabs, "SLAB_VOXELS", 17 * 16 * 16)
    image = run(m, coupling=coupling)["diffusion"].array
    assert np.isfinite(image).all()


@pytest.fixture
def give_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Say that so many MiB are free."""

    def give(mib: int) -> None:
        for place in (clock, slabs):
            monkeypatch.setattr(place, "available_memory_mb", lambda: mib)

    return give


def test_memory_is_asked_for_beforehand(
    measurement: CTMeasurement, give_memory: Callable[[int], None]
) -> None:
    give_memory(0)
    with pytest.raises(MissingError) as error:
        run(measurement)
    assert "--slices" in error.value.fix


def test_a_slab_shrinks_until_it_fits_and_only_then_is_refused(
    give_memory: Callable[[int], None],
) -> None:
    """From all 40 slices to the least, 17, as the memory falls; a network needs more of it than FBP."""
    grid = Grid(256, 256, 1.0, 1.0)
    beam = ParallelBeam.sparse(4, grid=grid)
    shape = (40, beam.views, beam.detectors)
    m = CTMeasurement(np.ones(shape, np.float32), beam, grid, np.diag([-1.0, -1.0, 2.0, 1.0]))
    found = {}
    for mib in range(150, 0, -1):
        give_memory(mib)
        with contextlib.suppress(MissingError):
            found[mib] = slabs.slab_slices(m, ("fbp",))
    slices = list(found.values())
    assert (slices[0], slices[-1]) == (40, 17)
    assert slices == sorted(slices, reverse=True)
    assert len(set(slices)) > 4
    assert min(found) > 20
    give_memory(min(found))
    with pytest.raises(MissingError):
        slabs.slab_slices(m, ("diffusion",))
    assert reconstruct_ct(m, method="fbp").provenance["options"]["slab_slices"] == 17


def test_a_slab_in_which_no_ray_counts_ends_no_run(
    body: Body, tiny_prior: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    m, _ = simulate_ct(body(40, 16, 16, 12.0, 12.0), views=6, photons=1e5)
    weights = m.weights.copy()
    weights[:24] = 0
    monkeypatch.setattr(slabs, "SLAB_VOXELS", 17 * 16 * 16)
    result = run(replace(m, weights=weights), method="all")
    for name in ("fbp", "sirt", "cgls", "tv", "diffusion"):
        assert np.isfinite(result[name].array).all()
        assert result[name].array[-8:].max() > 0


def test_a_measured_scan_is_warned_of_like_a_simulated_one(scan: tuple[CTMeasurement, Volume]) -> None:
    """What `simulate_ct` noted is said once; what reading noted comes first."""
    thin, _ = simulate_ct(scan[1], views=4, arc_deg=80)
    measured = replace(thin, notes=("a note of the file",))
    expected = [note for note in thin.notes if "views" in note or "measured" in note]
    assert len(expected) == 2
    warnings = reconstruct_ct(measured, method="fbp").warnings
    assert warnings[:3] == ["a note of the file", *expected]
    assert reconstruct_ct(thin, method="fbp").warnings == warnings[1:]


def test_one_view_makes_no_claim_on_an_arc(body: Body) -> None:
    m, _ = simulate_ct(body(2, 32, 28, 8.0, 8.0), views=1, arc_deg=90)
    result = reconstruct_ct(m, method=("fbp", "tv"))
    told = result.report["measurement"]
    assert (told["views"], told["arc_deg"], told["covered_deg"]) == (1, None, None)
    assert told["missing"] == "only edges whose normal lies at 0 degrees were measured"
    assert "1 view: the image is mostly what the method assumes" in result.warnings
    assert figure._title(result.report) == "CT from 1 view"
    assert all(np.isfinite(result[name].array).all() for name in ("fbp", "tv"))
    assert result._repr_png_() is not None


def test_the_arc_of_the_scan_stands_beside_the_directions_covered(body: Body) -> None:
    m, _ = simulate_ct(body(1, 32, 28, 8.0, 8.0), views=24, arc_deg=175)
    result = reconstruct_ct(m, method="fbp")
    assert (result.report["measurement"]["arc_deg"], result.report["measurement"]["covered_deg"]) == (
        175,
        180,
    )
    assert figure._title(result.report) == "CT from 24 views over 175 degrees"


def test_defaults_are_those_of_the_directions(body: Body) -> None:
    """24 views over a turn are 12 directions over half of one, each line twice: the same minimiser."""
    volume = body(1, 32, 28, 8.0, 8.0)
    turn, half = (
        reconstruct_ct(simulate_ct(volume, views=v, arc_deg=a)[0], method="tv")
        for v, a in ((24, 360), (12, 180))
    )
    names = ("fast_first_hu", "fast_prox_factor")
    assert [turn.provenance["options"][n] for n in names] == [half.provenance["options"][n] for n in names]
    weight = half.provenance["options"]["tv_weight"]
    assert turn.provenance["options"]["tv_weight"] == pytest.approx(2 * weight)
    error = turn["tv"].array - half["tv"].array
    assert np.sqrt(np.mean(error**2)) < 2.0  # HU; both stop a little before the minimum
    assert turn.warnings == ["12 of 24 views repeat a direction"]
    assert (turn.report["measurement"]["arc_deg"], half.report["measurement"]["arc_deg"]) == (360, 180)


def test_a_fan_has_the_defaults_of_what_its_isocentre_sees(body: Body) -> None:
    """24 views over a turn: 12 directions, each seen twice; bins of half a pixel are joined to one."""
    volume = body(1, 64, 64, 1.4, 1.4)
    fan, half = (
        reconstruct_ct(simulate_ct(volume, views=v, geometry=g)[0], method="tv")
        for v, g in ((24, "fan-curved"), (12, "parallel"))
    )
    weights = [r.provenance["options"]["tv_weight"] for r in (fan, half)]
    assert fan.provenance["options"]["joined_bins"] == 2
    bin_mm = 595 * 2 * np.arcsin(250 / 595) / 736
    assert weights[0] / weights[1] == pytest.approx(2 * 1.4 / (2 * bin_mm))
    assert fan.report["measurement"]["geometry"] == "fan-curved"
    assert (fan.report["measurement"]["arc_deg"], fan.report["measurement"]["covered_deg"]) == (360, 180)
    assert fan.warnings == []


def test_weights_are_made_for_the_longer_side_of_a_pixel(body: Body) -> None:
    """A noise-free residual is relative to the model error: without weights a measurement gets the same."""
    m, _ = simulate_ct(body(1, 24, 40, 6.0, 3.0), views=6)
    bare, given = (reconstruct_ct(x, method="fbp") for x in (replace(m, weights=None), m))
    residual = [r.report["methods"]["fbp"]["data_residual"] for r in (bare, given)]
    assert residual[0] == residual[1]


def test_total_variation_says_whether_it_converged(
    scan: tuple[CTMeasurement, Volume], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = reconstruct_ct(scan[0], method="tv")
    row = result.report["methods"]["tv"]
    assert row["converged"]
    assert row["iterations"] % 20 == 0
    assert not any("converged" in warning for warning in result.warnings)
    monkeypatch.setattr(module, "tv_image", functools.partial(module.tv_image, iterations=20))
    stopped = reconstruct_ct(scan[0], method="tv")
    row = stopped.report["methods"]["tv"]
    assert (row["iterations"], row["converged"]) == (20, False)
    assert "tv stopped after 20 iterations, before it converged" in stopped.warnings


def test_the_provenance_names_a_start_by_its_content(measurement: CTMeasurement) -> None:
    """The digest is that of the image as a volume, so that the file it came from has the same."""
    plain = run(measurement)
    start = plain["diffusion"]
    inputs = run(measurement, start=start.array).provenance["inputs"]
    assert inputs == {**plain.provenance["inputs"], "start": start.digest()}
    assert inputs["start"].startswith("sha256:")
    moved = run(measurement, start=start.array + 1).provenance["inputs"]
    assert moved["start"] != inputs["start"]


def test_fbp_is_computed_once_and_counts_for_each_that_starts_from_it(
    measurement: CTMeasurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The matrix is built before any clock runs, and no method's seconds hold another's."""
    alone = {name: run(measurement, method=name)[name].array for name in ("tv", "diffusion")}
    calls: list[str] = []

    def slow(name: str, seconds: float) -> None:
        plain = getattr(module, name)

        def called(*args: Any, **options: Any) -> Any:
            calls.append(name)
            time.sleep(seconds)
            return plain(*args, **options)

        monkeypatch.setattr(module, name, called)

    slow("fbp_image", 0.3)
    slow("system_of", 2.0)
    slow("_data_square", 2.0)
    monkeypatch.setattr("medidiff.domains.reconstruction.ct.methods.baselines.fbp_image", pytest.fail)
    result = run(measurement, method="all")
    assert calls.count("fbp_image") == calls.count("system_of") == 1
    assert calls[0] == "system_of"
    seconds = {name: row["seconds"] for name, row in result.report["methods"].items()}
    assert 0.3 <= seconds["fbp"] < 2
    assert min(seconds["tv"], seconds["diffusion"]) >= 0.3  # they start from it
    for name, image in alone.items():
        assert np.array_equal(result[name].array, image)
    calls.clear()
    run(measurement, start=np.zeros(measurement.shape))
    assert "fbp_image" not in calls
