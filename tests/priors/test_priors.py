"""Priors on disk: found in order, chosen by their cards, refused when anything is not as the card says."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.process.kernels import EDM
from medidiff.core.training.checkpoints import Checkpoint
from medidiff.errors import InputError, MissingError, OutputError
from medidiff.priors import available, average, choose, find, load, pack
from medidiff.priors import files as module

SPACING = (2.5, 1.4, 1.4)
RANGE = (-1000.0, 1000.0)


@pytest.fixture
def folder(tiny_prior: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the tiny prior, the only one that there is."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    places = module._places
    monkeypatch.setattr(module, "_places", lambda: [p for p in places() if p[0] != "shipped"])
    return tmp_path / "priors"


def copy(source: Path, name: str, to: Path | None = None, **changes: Any) -> None:
    """Another prior with the same weights and a changed card."""
    to = to or source
    to.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "tiny.safetensors", to / f"{name}.safetensors")
    card = json.loads((source / "tiny.json").read_text())
    (to / f"{name}.json").write_text(json.dumps({**card, "name": name, **changes}))


def rewrite(folder: Path, tensors: dict[str, torch.Tensor], **changes: Any) -> None:
    """Other weights, with a card whose digest fits them."""
    file = folder / "tiny.safetensors"
    save_file(tensors, file)
    redigest(folder, **changes)


def redigest(folder: Path, **changes: Any) -> None:
    sha256 = hashlib.sha256((folder / "tiny.safetensors").read_bytes()).hexdigest()
    card = json.loads((folder / "tiny.json").read_text())
    (folder / "tiny.json").write_text(json.dumps({**card, "weights_sha256": sha256, **changes}))


def chosen(name: str | None = None, spacing_mm: tuple[float, float, float] = SPACING) -> str:
    return choose(name, modality="CT", spacing_mm=spacing_mm, value_range=RANGE).name


def test_a_packed_prior_is_found_and_loads(folder: Path) -> None:
    (found,) = available()
    assert (found.name, found.place) == ("tiny", "$MEDIDIFF_PRIORS")
    prior = load(found, float32=True)
    sha256 = hashlib.sha256((folder / "tiny.safetensors").read_bytes()).hexdigest()
    assert prior.digest == f"sha256:{sha256}"
    assert prior.denoiser.precision == "float32"
    assert not any(weight.requires_grad for weight in prior.denoiser.net.parameters())


def test_places_hide_the_same_name_in_later_ones(folder: Path, tmp_path: Path) -> None:
    user = tmp_path / "data" / "medidiff" / "priors"
    copy(folder, "tiny", user, summary="hidden")
    copy(folder, "other", user)
    assert [(p.name, p.place) for p in available()] == [("tiny", "$MEDIDIFF_PRIORS"), ("other", "user")]
    assert find("tiny").card.summary != "hidden"


def test_weights_without_a_card_are_no_prior(folder: Path) -> None:
    (folder / "tiny.json").unlink()
    assert available() == []
    with pytest.raises(MissingError) as error:
        find("tiny")
    assert error.value.expected == "a prior"
    with pytest.raises(MissingError):
        chosen()


def test_an_unknown_name_lists_those_that_exist(folder: Path) -> None:
    copy(folder, "beta")
    with pytest.raises(MissingError) as error:
        find("gamma")
    assert error.value.expected == "beta, tiny"


def test_a_damaged_card_hurts_no_other_prior(folder: Path) -> None:
    copy(folder, "beta", sigma_data=-1)
    assert find("tiny").name == "tiny"
    with pytest.raises(InputError) as error:
        find("beta")
    assert error.value.what == "beta.json"


def test_tuned_comes_before_white_then_the_newest(folder: Path) -> None:
    """0.10 is newer than 0.9; a tuned one is taken although it is older."""
    copy(folder, "a", version="0.9.0")
    copy(folder, "b", version="0.10.0")
    assert chosen() == "b"
    note = {"posterior_allowed": False, "posterior_note": "tuned"}
    copy(folder, "c", version="0.1.0", role="tuned", **note)
    assert chosen() == "c"
    assert chosen("a") == "a"


def test_a_prior_that_refuses_the_image_is_passed_over(folder: Path) -> None:
    accepts = {"modality": "CT", "spacing_mm": [0.1, 0.2], "value_range": [-1000, 3000]}
    copy(folder, "fine", role="tuned", accepts=accepts)
    assert chosen() == "tiny"
    assert chosen(spacing_mm=(1, 0.15, 0.15)) == "fine"
    for name in (None, "fine", "tiny"):
        with pytest.raises(InputError) as error:
            chosen(name, spacing_mm=(1, 50.0, 50.0))
        assert "mm" in error.value.expected


def test_other_weights_than_the_cards_are_refused(folder: Path) -> None:
    data = bytearray((folder / "tiny.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "tiny.safetensors").write_bytes(bytes(data))
    with pytest.raises(InputError) as error:
        load(find("tiny"))
    assert error.value.expected == "weights with the card's digest"


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 1000, (2**62).to_bytes(8, "little") + b"{}"])
def test_a_file_that_is_no_safetensors_is_refused(content: bytes, folder: Path) -> None:
    (folder / "tiny.safetensors").write_bytes(content)
    redigest(folder)
    with pytest.raises(InputError) as error:
        load(find("tiny"))
    assert error.value.expected == "a readable safetensors file"


def test_a_pickle_is_never_opened(folder: Path) -> None:
    torch.save({"a": torch.zeros(1)}, folder / "tiny.safetensors")
    redigest(folder)
    with pytest.raises(InputError):
        load(find("tiny"))


@pytest.mark.parametrize("prior", ["ct-tuned", "ct-white"])
@pytest.mark.parametrize("factor", [0.1, 0.8, 1.25, 10.0])
def test_a_scale_that_is_off_is_noticed(prior: str, factor: float) -> None:
    """The shipped weights under a card whose scale is not the one that they were trained with."""
    found = find(prior)
    scaling = found.card.scaling.model_copy(update={"scale": factor * found.card.scaling.scale})
    load(found)
    with pytest.raises(InputError) as error:
        load(replace(found, card=found.card.model_copy(update={"scaling": scaling})))
    assert "check patch" in error.value.expected


@pytest.mark.parametrize(("off", "refused"), [(1.02, False), (0.98, False), (1.05, True), (0.95, True)])
def test_the_check_has_a_tolerance_of_three_percent(off: float, refused: bool, folder: Path) -> None:
    card = find("tiny").card
    redigest(folder, check={**card.check.model_dump(), "expected_rms": card.check.expected_rms * off})
    if not refused:
        load(find("tiny"), float32=True)
        return
    with pytest.raises(InputError):
        load(find("tiny"), float32=True)


def test_weights_that_give_nan_are_refused(folder: Path) -> None:
    """NaN compares false with everything, a tolerance included."""
    tensors = load_file(folder / "tiny.safetensors")
    tensors["last.bias"] = torch.full_like(tensors["last.bias"], float("nan"))
    rewrite(folder, tensors)
    with pytest.raises(InputError) as error:
        load(find("tiny"))
    assert error.value.got == "nan"


def no_patch(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["check.patch"]


def flat_patch(tensors: dict[str, torch.Tensor]) -> None:
    tensors["check.patch"] = tensors["check.patch"].flatten()


def missing_layer(tensors: dict[str, torch.Tensor]) -> None:
    del tensors["last.bias"]


def other_shape(tensors: dict[str, torch.Tensor]) -> None:
    tensors["last.bias"] = torch.zeros(7)


@pytest.mark.parametrize("change", [no_patch, flat_patch, missing_layer, other_shape])
def test_tensors_that_do_not_fit_the_card_are_refused(change: Any, folder: Path) -> None:
    tensors = load_file(folder / "tiny.safetensors")
    change(tensors)
    rewrite(folder, tensors)
    with pytest.raises(InputError) as error:
        load(find("tiny"))
    assert error.value.what == "prior tiny"


CONFIG = {
    "name": "made",
    "network": {"kind": "unet", "channels": [6, 8], "blocks": [1, 1]},
    "sigma_data": 1.0,
    "mean": 0.0,
    "kernel": {"sigma_min": 0.01, "sigma_max": 5.0},
}


def checkpoint(size: float = 0.1, **config: Any) -> Checkpoint:
    """Weights of which none is zero, so that precision matters."""
    rng = torch.Generator().manual_seed(1)
    ema = {
        name: size * torch.randn(w.shape, generator=rng)
        for name, w in build_network(CONFIG["network"]).state_dict().items()
    }
    return Checkpoint(ema, ema, {}, {}, 7, 3.0, {**CONFIG, **config})


@pytest.fixture
def facts(folder: Path) -> dict[str, Any]:
    card = find("tiny").card.model_dump(mode="json")
    keys = ("role", "summary", "scaling", "error_table", "accepts", "posterior_allowed", "posterior_note")
    rest = {"data": card["data"], "limits": card["limits"], "dataset": "1" * 64}
    return {**{key: card[key] for key in keys}, **rest, "check": {"sigma": 0.3, "seed": 5}}


def test_a_packed_prior_denoises_as_its_checkpoint(facts: dict[str, Any], tmp_path: Path) -> None:
    """fp16 keeps 11 bits of a weight: a hundredth of what the network adds, at most."""
    made = checkpoint()
    prior = load(pack(made, facts, torch.randn(17, 23), tmp_path / "out", hardware="one core"), float32=True)
    net = build_network(CONFIG["network"])
    net.load_state_dict(made.ema)
    full = NetDenoiser(net, EDM(sigma_min=0.01, sigma_max=5.0), 1.0)
    plain = NetDenoiser(build_network(CONFIG["network"]), full.kernel, 1.0)
    x = torch.randn(2, 1, 9, 11).clamp(-2.5, 2.5)  # within the span that only the packed one knows
    t = full.kernel.at_sigma(0.4)
    packed, ours, without = (d.denoise(x, t).x0 for d in (prior.denoiser, full, plain))
    assert 0 < (packed - ours).abs().max() < 0.01 * (ours - without).abs().max()
    assert prior.card.training.steps == 7
    assert prior.card.training.hardware == "one core"


def test_stages_are_averaged_in_equal_shares_and_the_card_says_so(
    facts: dict[str, Any], tmp_path: Path
) -> None:
    """Halves of 0.1 and 0.2 times the same numbers; the shares of three are thirds."""
    stage = load(pack(checkpoint(0.2), facts, torch.randn(9, 9), tmp_path / "a", hardware=""), float32=True)
    for others, factor in (([stage], 1.5), ([stage, stage], 5 / 3), ([], 1.0)):
        mean = average(checkpoint(), others)
        for name, weight in checkpoint().ema.items():
            assert torch.allclose(mean.ema[name], factor * weight, rtol=1e-3, atol=1e-6)
        assert (mean.step, mean.config) == (7, CONFIG)
    made = pack(mean, facts, torch.randn(9, 9), tmp_path / "b", hardware="", averaged_with=[stage])
    assert made.card.training.averaged_with == {"made": stage.digest}


@pytest.mark.parametrize("changed", [{"network": {"kind": "unet"}}, {"data": {"scale_hu": 100.0}}])
def test_weights_that_mean_something_else_are_not_averaged(
    changed: dict[str, Any], facts: dict[str, Any], tmp_path: Path
) -> None:
    stage = load(pack(checkpoint(), facts, torch.randn(9, 9), tmp_path / "a", hardware=""))
    with pytest.raises(InputError) as error:
        average(checkpoint(**changed), [stage])
    assert error.value.got == f"other {next(iter(changed))}"


def test_packing_refuses_to_replace(facts: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    pack(checkpoint(), facts, torch.randn(9, 9), out, hardware="")
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(OutputError):
        pack(checkpoint(0.2), facts, torch.randn(9, 9), out, hardware="")
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    load(pack(checkpoint(0.2), facts, torch.randn(9, 9), out, hardware="", overwrite=True))
    assert (out / "made.safetensors").read_bytes() != before["made.safetensors"]


@pytest.mark.parametrize(
    ("change", "config"),
    [
        ({"summary": None}, {}),
        ({"dataset": "not a digest"}, {}),
        ({"error_table": []}, {}),
        ({"unknown": 1}, {}),
        ({}, {"name": "../escape"}),
    ],
)
def test_facts_that_make_no_card_leave_nothing(
    change: dict[str, Any], config: dict[str, Any], facts: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        pack(checkpoint(**config), {**facts, **change}, torch.randn(9, 9), tmp_path / "out", hardware="")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.rglob("escape*"))


def test_weights_beyond_half_precision_are_not_packed(facts: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        pack(checkpoint(1e6), facts, torch.randn(9, 9), tmp_path / "out", hardware="")
    assert error.value.got in {"nan", "inf"}
    assert not (tmp_path / "out").exists()


def test_a_pair_of_files_that_is_no_prior_is_passed_over(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "model.json").write_text("{}")
    assert [prior.name for prior in available()] == ["tiny"]
    assert chosen() == "tiny"
    assert "model.json" in caplog.text


def test_a_pack_that_fails_leaves_the_old_pair(
    folder: Path, facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    checkpoint = Checkpoint(
        {}, build_network(CONFIG["network"]).state_dict(), {}, {}, 5, 0.0, {**CONFIG, "name": "tiny"}
    )

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "injected")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError):
        pack(checkpoint, facts, -400 + 480 * torch.randn(9, 9), folder, hardware="", overwrite=True)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_prior_is_loaded_once_a_process(tiny_prior: str) -> None:
    """Transforms and cohorts ask for it at every volume; another precision is another network."""
    first = load(find(tiny_prior))
    assert load(find(tiny_prior)) is first
    assert load(find(tiny_prior), float32=True) is not first


def test_what_was_loaded_is_forgotten_when_its_files_change(folder: Path) -> None:
    first = load(find("tiny"))
    tensors = load_file(folder / "tiny.safetensors")
    rewrite(folder, {name: tensor.clone() for name, tensor in tensors.items()})
    assert load(find("tiny")) is not first
    (folder / "tiny.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError):
        load(find("tiny"))


def test_few_priors_stay_in_memory(folder: Path) -> None:
    for name in ("a", "b", "c"):
        copy(folder, name)
    first = load(find("a"))
    for name in ("b", "c"):
        load(find(name))
    assert load(find("a")) is not first
