"""Strategies: absent at zero, bit for bit; their laws; and averages of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.process.kernels import EDM
from medidiff.core.training.checkpoints import Checkpoint
from medidiff.core.training.objectives import Denoising, NoiseLevels
from medidiff.core.training.randomness import generator
from medidiff.core.training.rates import ema_decay
from medidiff.core.training.settings import StrategySettings, TrainSettings
from medidiff.core.training.strategies import Batch, Strategy, condition_dropout, min_snr, strategies_of
from medidiff.core.training.trainer import train

Make = Callable[..., TrainSettings]
KERNEL = EDM(sigma_min=0.01, sigma_max=4.0)
LEVELS = NoiseLevels(median=0.2, log_sd=1.0, uniform_share=0.3)
ALL: dict[str, Any] = {
    "low_discrepancy_levels": True,
    "min_snr": 5.0,
    "condition_dropout": 0.3,
    "ema_power": 6.0,
}


def images(step: int) -> Tensor:
    return torch.randn(4, 1, 8, 8, generator=generator(5, step))


def hints(step: int) -> Tensor:
    """What the network may know beside the noisy image: the image itself, coarsely."""
    return images(step).sign()


def run(settings: TrainSettings, folder: Path) -> Checkpoint:
    found = strategies_of(settings.strategies, settings.sigma_data, lambda u: LEVELS.at(u, KERNEL))
    conditions = hints if settings.condition_channels else None
    return train(settings, Denoising(images, LEVELS, 3, found, conditions), folder)


def test_the_zero_setting_is_the_training_without(tmp_path: Path, settings: Make) -> None:
    """Weights, averages and moments of the optimiser, bit for bit; no strategy is made."""
    assert strategies_of(StrategySettings(), 1.0, lambda u: u) == ()
    zero = dict.fromkeys(ALL, 0)
    plain = train(settings(steps=4), Denoising(images, LEVELS, 3), tmp_path / "plain")
    found = run(settings(steps=4, strategies=zero), tmp_path / "zero")
    for part in ("weights", "ema", "optimiser"):
        one, two = getattr(plain, part), getattr(found, part)
        assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("name", ALL)
def test_each_strategy_changes_what_it_should_and_resumes(name: str, tmp_path: Path, settings: Make) -> None:
    """Four steps at once are two and two; the average alone moves where only the average is meant."""
    options: dict[str, Any] = {"strategies": {name: ALL[name]}}
    plain: dict[str, Any] = {}
    if name == "condition_dropout":
        network = {"kind": "unet", "channels": [12, 16], "blocks": [1, 1], "in_channels": 2}
        plain = {"condition_channels": 1, "network": network}
        options |= plain
    whole = run(settings(steps=4, **options), tmp_path / "whole")
    run(settings(steps=2, **options), tmp_path / "halves")
    halves = run(settings(steps=4, **options), tmp_path / "halves")
    without = run(settings(steps=4, **plain), tmp_path / "without")
    for part in ("weights", "ema", "optimiser"):
        one, two = getattr(whole, part), getattr(halves, part)
        assert all(torch.equal(one[key], two[key]) for key in one)
    same = all(torch.equal(whole.weights[key], without.weights[key]) for key in whole.weights)
    assert same is (name == "ema_power")
    assert any(not torch.equal(whole.ema[key], without.ema[key]) for key in whole.ema)


def test_even_levels_have_the_law_of_drawn_ones() -> None:
    """One batch of 2000 even levels fits the mixture to 1/2000; two steps begin at other places."""
    (strategy,) = strategies_of(
        StrategySettings(low_discrepancy_levels=True), 1.0, lambda u: LEVELS.at(u, KERNEL)
    )
    assert strategy.on_batch is not None
    empty = Batch(torch.zeros(2000), torch.zeros(2000), torch.zeros(2000))
    one, two = (strategy.on_batch(empty, 0, step).sigma for step in (0, 1))
    assert not torch.equal(one.sort().values, two.sort().values)
    assert one.min() >= 0.01 * (1 - 1e-6)
    assert one.max() <= 4 * (1 + 1e-6)
    for sigma in (0.03, 0.1, 0.5, 2.0):
        normal = 0.5 * (1 + math.erf(math.log(sigma / 0.2) / math.sqrt(2)))
        even = math.log(sigma / 0.01) / math.log(400)
        assert float((one < sigma).double().mean()) == pytest.approx(0.7 * normal + 0.3 * even, abs=2e-3)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_levels_of_one_law_alone(share: float) -> None:
    u = torch.tensor([1e-4, 0.5, 1 - 1e-4], dtype=torch.float64)
    levels = NoiseLevels(median=0.2, log_sd=0.5, uniform_share=share).at(u, KERNEL)
    assert levels[1].item() == pytest.approx(0.2)  # the middle of log 0.01 .. log 4 is 0.2 as well
    assert torch.isfinite(levels).all()


def test_min_snr_weighs_the_error_of_x0() -> None:
    """Factor times the plain weight (S + 1)/sd^2 is min(S, gamma)/sd^2."""
    strategy, sd = min_snr(5.0, 0.7), 0.7
    assert strategy.weight is not None
    sigma = torch.tensor([0.01, 0.3, 0.7 / 5**0.5, 1.0, 4.0])
    snr = (sd / sigma) ** 2
    expected = torch.minimum(snr, torch.tensor(5.0))
    torch.testing.assert_close(strategy.weight(sigma) * (snr + 1), expected)


def test_the_loss_uses_the_weight() -> None:
    """A weight of 3 for every image is 3 times the loss."""
    net = build_network({"kind": "unet", "channels": [4], "blocks": [1]})
    denoiser = NetDenoiser(net, KERNEL, 1.0)
    plain = Denoising(images, LEVELS, 3).loss(denoiser, 0)
    thrice = Denoising(images, LEVELS, 3, (Strategy(weight=lambda sigma: 0 * sigma + 3),)).loss(denoiser, 0)
    torch.testing.assert_close(thrice, 3 * plain)


def test_conditions_are_dropped_whole_and_by_their_share() -> None:
    """2000 images: zeros or untouched, the share within 4 standard errors, other images at the next step."""
    strategy = condition_dropout(0.3)
    assert strategy.on_batch is not None
    condition = torch.ones(2000, 2, 3, 3)
    batch = Batch(torch.zeros(2000), torch.zeros(2000), torch.zeros(2000), condition)
    kept = [strategy.on_batch(batch, 0, step).condition for step in (0, 0, 1)]
    assert kept[0] is not None
    means = kept[0].flatten(1).mean(1)
    assert set(means.tolist()) == {0.0, 1.0}
    assert abs(float(means.mean()) - 0.7) < 4 * (0.3 * 0.7 / 2000) ** 0.5
    assert torch.equal(kept[0], kept[1])  # type: ignore[arg-type]  a batch with a condition keeps one
    assert not torch.equal(kept[0], kept[2])  # type: ignore[arg-type]  as above
    bare = replace(batch, condition=None)
    assert strategy.on_batch(bare, 0, 0) is bare


def test_a_conditional_training_teaches_both(tmp_path: Path, settings: Make) -> None:
    """The denoiser that the trainer makes takes its condition, or none where it was dropped in training."""
    network = {"kind": "unet", "channels": [8], "blocks": [1], "in_channels": 2}
    seen: list[NetDenoiser] = []

    class Watching(Denoising):
        def loss(self, denoiser: NetDenoiser, step: int) -> Tensor:
            seen.append(denoiser)
            return super().loss(denoiser, step)

    for dropout in (0.0, 0.5):
        made = settings(
            steps=1, network=network, condition_channels=1, strategies={"condition_dropout": dropout}
        )
        train(made, Watching(images, LEVELS, 3, (), hints), tmp_path / str(dropout))
    assert [d.condition_channels for d in seen] == [1, 1]
    assert [d.optional_condition for d in seen] == [False, True]


def test_averages_of_the_weights() -> None:
    """Exponential with its ramp; by a power, the average of w_k = k + 1 is known.

    Step k keeps the share (k/n)^(g + 1): for large n the mean place of the profile is (g + 1)/(g + 2) n.
    """
    made = TrainSettings.model_validate(
        {"name": "a", "task": "b", "network": {}, "sigma_data": 1.0, "steps": 1, "batch": 1}
    )
    o = made.optimiser
    assert [ema_decay(o, StrategySettings(), k) for k in (0, 90, 10**6)] == [0.1, 0.91, o.ema]
    average, power = 0.0, StrategySettings(ema_power=6.0)
    for k in range(4000):
        average += (1 - ema_decay(o, power, k)) * (k + 1 - average)
    assert average / 4000 == pytest.approx(7 / 8, rel=1e-3)
    assert ema_decay(o, power, 0) == 0.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strategies": {"min_snrr": 5}}, "min_snrr"),
        ({"strategies": {"min_snr": -1}}, "min_snr"),
        ({"strategies": {"condition_dropout": 1.0}}, "condition_dropout"),
        ({"strategies": {"condition_dropout": 0.1}}, "needs condition_channels"),
        ({"conditions": 1}, "conditions"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes: dict[str, Any], words: str, settings: Make) -> None:
    with pytest.raises(ValidationError, match=words):
        settings(**changes)


def test_every_key_is_documented() -> None:
    """A description in the schema for each key of each part."""
    parts = TrainSettings.model_json_schema()
    for part in [parts, *parts["$defs"].values()]:
        for name, field in part["properties"].items():
            text = field.get("description") or parts["$defs"].get(
                str(field.get("$ref", "")).rpartition("/")[2], {}
            ).get("description")
            assert text, name
