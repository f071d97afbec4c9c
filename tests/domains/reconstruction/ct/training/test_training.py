"""The training task: which slices are read and drawn, what a configuration may say, what a card states."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.process.kernels import EDM
from medidiff.core.training.objectives import Denoising
from medidiff.core.training.settings import TrainSettings
from medidiff.core.training.trainer import train
from medidiff.domains.reconstruction.ct.training import iterates as iterates_module
from medidiff.domains.reconstruction.ct.training import task
from medidiff.domains.reconstruction.ct.training.data import (
    Dataset,
    Patches,
    PatchSettings,
    Person,
    draw_slice,
    halve,
    read_split,
)
from medidiff.domains.reconstruction.ct.training.iterates import Iterates, IterateSettings
from medidiff.domains.reconstruction.ct.training.warp import WarpSettings
from medidiff.errors import InputError, MissingError
from medidiff.io.volume import Volume
from medidiff.priors import load, pack

KERNEL = EDM(sigma_min=0.008, sigma_max=5.0)
COLUMNS = ("file", "person", "split", "collection", "licence", "weights_may_ship", "slices", "sha256")


def disc(side: int, shift: float, slices: int = 2) -> np.ndarray:
    """A body of water with a rod, of a brightness of its own: (slices, side, side) in HU."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    body = np.where(x**2 + y**2 < (0.42 * side) ** 2, shift, -1000.0)
    rod = np.where((x - side / 8) ** 2 + y**2 < (side / 10) ** 2, 300.0, 0.0)
    return np.stack([body + rod + z for z in range(slices)]).astype(np.float32)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four people: two to train on, one to validate with, one to test, and one whose weights may not ship."""
    folder, rows = tmp_path / "data", []
    people = [("p1", "train", "yes", 10), ("p2", "train", "yes", 20), ("p3", "train", "no", 30)]
    people += [("p4", "val", "no", 40), ("p5", "test", "yes", 50)]
    for person, split, ships, shift in people:
        file = folder / split / f"{person}.nii.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        Volume.from_array(disc(100, shift), spacing_mm=(3.0, 1.5, 1.5)).write(file)
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        name = f"{split}/{person}.nii.gz"
        rows.append((name, person, split, "LIDC-IDRI", "CC BY 3.0", ships, "2", sha256))
    write(folder, rows)
    return folder


def write(folder: Path, rows: list[tuple[str, ...]]) -> None:
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])


def rows_of(folder: Path) -> list[list[str]]:
    with (folder / "manifest.csv").open(newline="") as stream:
        return list(csv.reader(stream))[1:]


def levels(dataset: Dataset) -> set[int]:
    """The brightness of the bodies, which tells the people apart."""
    return {round(float(s[50, 20])) // 10 for person in dataset.people for s in person.slices}


def test_only_the_people_of_a_split_that_may_ship_are_read(data: Path) -> None:
    train_set = read_split(data, "train")
    assert levels(train_set) == {1, 2}
    assert train_set.sources == [
        {
            "collection": "LIDC-IDRI",
            "doi": "10.7937/k9/tcia.2015.lo9ql9sx",
            "licence": "CC BY 3.0",
            "people": 2,
            "slices": 4,
        }
    ]
    assert levels(read_split(data, "val", must_ship=False)) == {4}
    with pytest.raises(InputError):
        read_split(data, "val")
    shas = sorted(row[-1] for row in rows_of(data)[:2])
    assert train_set.digest == hashlib.sha256("".join(shas).encode()).hexdigest()


@pytest.mark.parametrize("name", ["../outside.nii.gz", "/etc/passwd", "train/../../outside.nii.gz"])
def test_a_manifest_does_not_lead_out_of_its_folder(name: str, data: Path) -> None:
    rows = rows_of(data)
    rows[0][0] = name
    write(data, [tuple(row) for row in rows])
    with pytest.raises(InputError) as error:
        read_split(data, "train")
    assert error.value.got == "a path out of it"


def test_a_file_that_changed_is_refused(data: Path) -> None:
    file = data / "train" / "p1.nii.gz"
    Volume.from_array(disc(100, 11), spacing_mm=(3.0, 1.5, 1.5)).write(file)
    with pytest.raises(InputError) as error:
        read_split(data, "train")
    assert error.value.got == "another digest"
    file.unlink()
    with pytest.raises(InputError):
        read_split(data, "train")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"file,person\na,b\n"])
def test_a_manifest_that_is_none_is_refused(content: bytes, data: Path) -> None:
    (data / "manifest.csv").write_bytes(content)
    with pytest.raises(InputError):
        read_split(data, "train")
    (data / "manifest.csv").unlink()
    with pytest.raises(InputError):
        read_split(data, "train")


def test_a_count_that_is_no_number_is_refused(data: Path) -> None:
    write(data, [(*row[:-2], "many", row[-1]) for row in rows_of(data)])
    with pytest.raises(InputError) as error:
        read_split(data, "train")
    assert error.value.what == "manifest.csv"


def test_a_person_of_two_splits_is_refused(data: Path) -> None:
    """Else validation is on who was trained on, and the split asked for alone would not show it."""
    rows = [tuple(row) for row in rows_of(data)]
    write(data, [*rows, (rows[3][0], rows[0][1], *rows[3][2:])])
    for split in ("train", "val", "test"):
        with pytest.raises(InputError) as error:
            read_split(data, split, must_ship=False)
        assert error.value.expected == "each person in one split"
        assert "p1" not in str(error.value)


def people(*groups: tuple[Tensor, ...]) -> Dataset:
    return Dataset(tuple(Person(g, (1.0,) * len(g)) for g in groups), "0" * 64, [])


def test_patches_are_a_function_of_the_step_alone() -> None:
    dataset = people((torch.from_numpy(disc(90, 0)[0]),), tuple(torch.from_numpy(disc(60, 50))))
    patches = Patches(dataset, PatchSettings(patch=32), 5, -400.0, 480.0, 3)
    batch = patches(7)
    assert batch.shape == (5, 1, 32, 32)
    patches(8)
    assert torch.equal(patches(7), batch)
    assert not torch.equal(patches(8), batch)
    other = Patches(dataset, patches.settings, 5, -400.0, 480.0, 4)
    assert not torch.equal(other(7), batch)


def test_a_patch_keeps_values_and_scales_them() -> None:
    """Unwarped, a patch holds the range of the image: nothing is clipped, (HU + 400) / 480 is exact."""
    image = torch.randint(-1024, 3072, (40, 50)).float()
    still = WarpSettings(turn_deg=0, any_turn_share=0, zoom=1, bend=0, mirror_share=0)
    settings = PatchSettings(patch=40, warp=still)
    batch = Patches(people((image[:, :40],)), settings, 2, -400.0, 480.0, 0)(0)
    torch.testing.assert_close(batch[1, 0] * 480 - 400, image[:, :40], atol=0.01, rtol=0)


def test_a_slice_smaller_than_a_patch_lies_in_air() -> None:
    batch = Patches(people((torch.zeros(20, 24),)), PatchSettings(patch=64), 2, -400.0, 480.0, 0)(0)
    hu = batch * 480 - 400
    torch.testing.assert_close(hu[:, :, 0], torch.full((2, 1, 64), -1000.0))
    torch.testing.assert_close(hu[:, 0, 32, 32], torch.zeros(2), atol=0.01, rtol=0)


def test_people_are_drawn_by_a_power_of_their_slices() -> None:
    """One slice against eight: 1 to 8^(1/3) = 2. Of 600 draws a third; standard error 0.02, so 0.08."""
    dataset = people((torch.zeros(2, 2),), tuple(torch.ones(8, 2, 2)))
    rng = np.random.default_rng(0)
    share = np.mean([float(draw_slice(dataset, 1 / 3, rng).mean()) for _ in range(600)])
    assert share == pytest.approx(2 / 3, abs=0.08)


def test_a_slice_of_512_serves_at_two_sizes() -> None:
    dataset, rng = people((torch.zeros(512, 512),)), np.random.default_rng(0)
    assert {tuple(draw_slice(dataset, 0.3, rng).shape) for _ in range(20)} == {(512, 512), (256, 256)}
    assert halve(torch.tensor([[1.0, 3.0, 9.0], [5.0, 7.0, 9.0]])).tolist() == [[4.0]]


def settings(**changes: Any) -> TrainSettings:
    values: dict[str, Any] = {
        "name": "made",
        "task": "ct",
        "network": {"kind": "unet", "channels": [4, 8], "blocks": [1, 1]},
        "data": {"offset_hu": -400.0, "scale_hu": 480.0, "patch": 32},
        "sigma_data": 1.0,
        "kernel": {"sigma_min": 0.008, "sigma_max": 5.0},
        "objective": {"kind": "denoising"},
        "batch": 2,
        "steps": 2,
    }
    return TrainSettings.model_validate({**values, **changes})


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"objective": {"kind": "denoising", "level": 1}}, "level"),
        ({"objective": {"kind": "iterates", "grops": 1}}, "grops"),
        ({"objective": {"kind": "other"}}, "objective"),
        ({"objective": {}}, "objective"),
        ({"data": {"offset_hu": 0.0, "scale_hu": -1.0}}, "scale_hu"),
        ({"data": {"offset_hu": 0.0, "scale_hu": 1.0, "path": "/x"}}, "path"),
    ],
)
def test_a_configuration_is_refused_at_the_key(changes: dict[str, Any], place: str, data: Path) -> None:
    with pytest.raises(InputError) as error:
        task.objective(settings(**changes), data)
    assert place in error.value.got
    assert "\n" not in str(error.value)


def test_the_objective_trains_on_training_people_alone(data: Path) -> None:
    found = task.objective(settings(), data)
    assert isinstance(found, Denoising)
    assert isinstance(found.batches, Patches)
    assert levels(found.batches.dataset) == {1, 2}


def test_tuning_starts_from_a_prior_of_the_same_scaling(data: Path, tiny_prior: str) -> None:
    iterates = {"kind": "iterates", "groups": 1}
    assert task.start_weights(settings()) is None
    weights = task.start_weights(settings(start_from="tiny"))
    assert weights is not None
    assert weights.keys() == build_network(settings().network).state_dict().keys()
    assert isinstance(task.objective(settings(start_from="tiny", objective=iterates), data), Iterates)
    with pytest.raises(InputError) as error:
        task.objective(settings(objective=iterates), data)
    assert error.value.what.endswith("start_from")
    other = {"offset_hu": -400.0, "scale_hu": 500.0, "patch": 32}
    with pytest.raises(InputError) as error:
        task.objective(settings(start_from="tiny", objective=iterates, data=other), data)
    assert error.value.what.endswith("scaling")
    with pytest.raises(MissingError):
        task.objective(settings(start_from="absent", objective=iterates), data)


def test_strategies_reach_the_objective_that_uses_them(data: Path, tiny_prior: str) -> None:
    """Min-SNR and even levels for white noise; an objective that would ignore one refuses it by name."""
    on = {"min_snr": 5.0, "low_discrepancy_levels": True, "ema_power": 6.0}
    found = task.objective(settings(strategies=on), data)
    assert isinstance(found, Denoising)
    assert len(found.strategies) == 2
    iterates = {"objective": {"kind": "iterates", "groups": 1}, "start_from": "tiny"}
    assert isinstance(task.objective(settings(**iterates, strategies={"ema_power": 6.0}), data), Iterates)
    for options in (
        {**iterates, "strategies": {"min_snr": 5.0}},
        {"condition_channels": 1},
        {"condition_channels": 1, "strategies": {"condition_dropout": 0.1}},
    ):
        with pytest.raises(InputError) as error:
            task.objective(settings(**options), data)
        assert error.value.got.split(", ")[0] in ("min_snr", "condition_channels", "condition_dropout")


def test_the_facts_of_a_card_are_measured_and_pack(data: Path, tmp_path: Path) -> None:
    """An untrained network: the error inside the body is known, sigma^2 shrinkage and what noise is left."""
    made = settings()
    denoiser = NetDenoiser(build_network(made.network), KERNEL, 1.0)
    facts, patch = task.card_facts(denoiser, made, data)
    assert patch.shape == (96, 96)
    body = (disc(100, 40)[1] + 400) / 480
    inside = body[(body > 0) & (disc(100, 40)[1] > -500)]
    for row in facts["error_table"]:
        s2 = row["sigma"] ** 2
        expected = np.sqrt(s2**2 * np.mean(inside**2) + s2) / (1 + s2)
        # 5500 pixels: the noise's share is known to 1 / sqrt(2 * 5500) = 1 %.
        assert row["rms"] == pytest.approx(expected, rel=0.05)
    assert [row["sigma"] * 480 for row in facts["error_table"]] == pytest.approx(task.SIGMAS_HU)
    assert [row["person"] for row in facts["metrics_by_person"]] == [1]
    assert facts["nearest_training_slice"]["correlation_of_slice"] == pytest.approx(1, abs=0.02)
    assert facts["posterior_allowed"]
    last = train(made, task.objective(made, data), tmp_path / "run")
    card = load(pack(last, facts, patch, tmp_path / "out", hardware="one core")).card
    assert card.training.dataset == read_split(data, "train").digest
    assert [source.people for source in card.data.sources] == [2]
    text = (tmp_path / "out" / "made.json").read_text()
    assert "p1" not in text
    assert str(tmp_path) not in text


def test_a_slice_of_air_is_like_nothing() -> None:
    assert not task._thumbnail(torch.full((70, 80), -1024.0)).any()


ITERATES: dict[str, Any] = {
    "kind": "iterates",
    "groups": 2,
    "slices": 2,
    "views": [8],
    "tv_iterations": 3,
    "cg_iterations": 2,
    "evaluations": (2, 3),
    "native_share": 0.5,
}


@pytest.fixture
def iterates(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Iterates]:
    monkeypatch.setattr(iterates_module, "_SIDE", 32)

    def make(seed: int = 0, **changes: Any) -> Iterates:
        groups = [tuple(torch.from_numpy(disc(side, 30))) for side in (64, 32)]
        dataset = people(*groups)
        patches = Patches(dataset, PatchSettings(patch=32), 2, -400.0, 480.0, seed)
        chosen = IterateSettings.model_validate({**ITERATES, **changes})
        return Iterates(dataset, patches, chosen, lambda sigma: 0.7 * sigma, KERNEL, seed)

    return make


def asleep() -> NetDenoiser:
    return NetDenoiser(build_network(settings().network), KERNEL, 1.0, grad=True)


def losses(objective: Iterates, steps: range) -> list[float]:
    denoiser = asleep()
    return [objective.loss(denoiser, step).item() for step in steps]


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_iterates_go_on_as_if_never_stopped(stop: int, iterates: Callable[..., Iterates]) -> None:
    """Groups are built anew from their numbers, their states and estimates come from the checkpoint."""
    whole = losses(iterates(), range(9))
    first = iterates()
    assert losses(first, range(stop)) == whole[:stop]
    state = {name: tensor.clone() for name, tensor in first.state().items()}
    second = iterates()
    second.restore(state)
    assert losses(second, range(stop, 9)) == whole[stop:]
    assert len(set(whole)) == 9
    assert all(np.isfinite(whole))


def test_a_group_goes_down_its_levels_and_a_new_one_follows(iterates: Callable[..., Iterates]) -> None:
    objective = iterates(groups=1, evaluations=(3, 3), white_weight=0.0)
    seen = []
    for step in range(14):
        objective.loss(asleep(), step)
        seen.append((objective.groups[0].number, objective.groups[0].level))
    assert seen[:8] == [(0, 0), (0, 1), (0, 1), (0, 2), (0, 2), (1, 0), (1, 0), (1, 1)]


def test_the_data_step_brings_a_group_nearer_to_the_truth(iterates: Callable[..., Iterates]) -> None:
    """A perfect estimate stays where it is but for model error and noise; one of water alone improves."""
    objective = iterates(groups=1, dose_share=0.0, arc_share=0.0)
    group = objective._new()
    group.estimates = list(torch.full_like(group.truth, 400 / 480))
    before = (torch.stack(group.estimates) - group.truth).square().mean()
    moved = objective._advance(group)
    assert (moved.state - group.truth).square().mean() < 0.5 * before


def test_a_share_of_slices_gets_the_noise_of_a_sharp_kernel(iterates: Callable[..., Iterates]) -> None:
    """Of the deviation asked for at 512 pixels (64 here) and of half that at 256; the others stay."""
    objective = iterates(grain_share=0.5, grain_hu=(40.0, 40.0))
    rng = np.random.default_rng(0)
    for side, deviation in ((64, 40.0), (32, 20.0)):
        flat = torch.full((side, side), 50.0)
        found = [objective._grained(flat, rng) for _ in range(200)]
        noisy = [image - flat for image in found if not torch.equal(image, flat)]
        assert 70 < len(noisy) < 130
        assert torch.stack(noisy).std().item() == pytest.approx(deviation, rel=0.02)
        assert torch.stack(noisy).mean().item() == pytest.approx(0.0, abs=0.5)
    air = torch.full((64, 64), -1000.0)
    assert all((objective._grained(air, rng) >= -1000).all() for _ in range(8))
    assert torch.equal(iterates()._grained(flat, rng), flat)


def test_reading_real_people(ct_data: Path) -> None:
    """The manifest's digests are those of the files, and a split holds no other's people."""
    validation = read_split(ct_data, "val", must_ship=False)
    assert len(validation.people) >= 3
    slices = task.validation_slices(validation)
    assert all(min(image.shape) < 512 for image in slices)
