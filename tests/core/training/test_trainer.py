"""The trainer: the same path however often it is stopped, and what it refuses."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.training.checkpoints import folders, load
from medidiff.core.training.interrupts import held_interrupts
from medidiff.core.training.objectives import Denoising, NoiseLevels
from medidiff.core.training.randomness import generator
from medidiff.core.training.rates import schedule
from medidiff.core.training.settings import OptimiserSettings, TrainSettings
from medidiff.core.training.trainer import train
from medidiff.errors import InputError, MedidiffError
from medidiff.progress import Progress

Make = Callable[..., TrainSettings]
PARTS = ("weights", "ema", "optimiser", "objective")


class StopError(Exception):
    """Raised from a progress report, as a cancelled job does."""


def stop_at(step: int) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.done == step:
            raise StopError

    return report


def assert_same(run: Path, other: Path, step: int) -> None:
    """Every tensor of the checkpoints of `step`, bit for bit."""
    a, b = (load(folder / f"checkpoint-{step:08d}") for folder in (run, other))
    for part in PARTS:
        one, two = getattr(a, part), getattr(b, part)
        assert one.keys() == two.keys(), part
        assert all(torch.equal(one[name], two[name]) for name in one), part


@pytest.fixture
def straight(tmp_path: Path, settings: Make, remembering: Any) -> Path:
    """Ten steps without a stop."""
    train(settings(), remembering(), tmp_path / "straight")
    return tmp_path / "straight"


@pytest.mark.parametrize("stops", [(5,), (1, 9)])
def test_a_stopped_run_takes_the_same_path(
    stops: tuple[int, ...], straight: Path, tmp_path: Path, settings: Make, remembering: Any
) -> None:
    for step in stops:
        with pytest.raises(StopError):
            train(settings(), remembering(), tmp_path / "run", progress=stop_at(step))
    last = train(settings(), remembering(), tmp_path / "run")
    assert last.step == 10
    assert_same(tmp_path / "run", straight, 10)
    assert load(straight / "checkpoint-00000010").optimiser  # it is among what was compared


def test_a_finished_run_may_be_lengthened(
    straight: Path, tmp_path: Path, settings: Make, remembering: Any
) -> None:
    train(settings(steps=4), remembering(), tmp_path / "run")
    train(settings(steps=10), remembering(), tmp_path / "run")
    assert_same(tmp_path / "run", straight, 10)


def test_a_finished_run_is_left_as_it_is(straight: Path, settings: Make, remembering: Any) -> None:
    written = (straight / "checkpoint-00000010" / "state.json").stat().st_mtime_ns
    assert train(settings(), remembering(), straight).step == 10
    assert (straight / "checkpoint-00000010" / "state.json").stat().st_mtime_ns == written
    assert [folder.name for folder in folders(straight)] == ["checkpoint-00000010"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_inside_a_step_waits_for_its_end(
    number: signal.Signals, straight: Path, tmp_path: Path, settings: Make, remembering: Any
) -> None:
    """Half a step would be made twice after the resume."""

    def stop(*_: object) -> None:
        raise StopError

    def interrupt(step: int, _: NetDenoiser) -> None:
        if step == 3:
            signal.raise_signal(number)

    before = signal.signal(number, stop)
    try:
        with pytest.raises(StopError):
            train(settings(), remembering(interrupt), tmp_path / "run")
    finally:
        signal.signal(number, before)
    assert [load(folder).step for folder in folders(tmp_path / "run")] == [4]
    train(settings(), remembering(), tmp_path / "run")
    assert_same(tmp_path / "run", straight, 10)


def test_a_step_that_fails_leaves_the_checkpoint_before_it(
    straight: Path, tmp_path: Path, settings: Make, remembering: Any
) -> None:
    """The objective has moved on when the loss fails: its state belongs to no step."""

    def fail(step: int, _: NetDenoiser) -> None:
        if step == 6:
            raise StopError

    often = settings(checkpoint_minutes=1e-9)
    with pytest.raises(StopError):
        train(often, remembering(fail), tmp_path / "run")
    assert load(folders(tmp_path / "run")[-1]).step == 6
    train(often, remembering(), tmp_path / "run")
    assert_same(tmp_path / "run", straight, 10)


def test_a_run_that_fails_at_once_writes_nothing(tmp_path: Path, settings: Make, remembering: Any) -> None:
    def fail(step: int, _: NetDenoiser) -> None:
        raise StopError

    with pytest.raises(StopError):
        train(settings(), remembering(fail), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_interrupts_are_held_in_the_main_thread_alone() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with held_interrupts():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert heard == []
        assert heard == [signal.SIGTERM]
        worker = threading.Thread(target=_hold, args=(heard,))
        worker.start()
        worker.join()
        assert heard[1:] == [0]
    finally:
        signal.signal(signal.SIGTERM, before)


def _hold(heard: list[int]) -> None:
    with held_interrupts():
        heard.append(0)


def test_time_ends_a_run_after_a_whole_step(tmp_path: Path, settings: Make, remembering: Any) -> None:
    assert train(settings(), remembering(), tmp_path / "run", minutes=1e-9).step == 1


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"seed": 1}, ["seed"]),
        ({"optimiser": {"rate": 1e-3}, "batch": 5}, ["batch", "optimiser"]),
        ({"objective": {"kind": "other"}}, ["objective"]),
    ],
)
def test_other_settings_are_refused_by_name(
    changes: dict[str, Any], keys: list[str], straight: Path, settings: Make, remembering: Any
) -> None:
    with pytest.raises(InputError) as error:
        train(settings(**changes), remembering(), straight)
    assert error.value.got == f"other {', '.join(keys)}"


@pytest.mark.parametrize(
    "changes",
    [
        {"stepz": 3},
        {"optimiser": {"learning_rate": 1e-3}},
        {"kernel": {"sigma": 1.0}},
        {"seed": -1},
        {"steps": 0},
        {"name": "Up/../here"},
        {"name": "x" * 65},
        {"sigma_data": float("inf")},
        {"optimiser": {"rate": float("nan")}},
    ],
)
def test_settings_refuse_what_they_do_not_know(changes: dict[str, Any], settings: Make) -> None:
    with pytest.raises(ValidationError):
        settings(**changes)


def test_the_rate_warms_up_stays_and_falls_to_its_fraction() -> None:
    o = OptimiserSettings(warm_up_steps=4, decay_steps=10, final_fraction=0.2)
    rates = [schedule(o, step, 100) for step in (0, 1, 3, 4, 50, 90, 95, 100)]
    assert rates == pytest.approx([0.25, 0.5, 1, 1, 1, 1, 0.6, 0.2])
    assert schedule(OptimiserSettings(warm_up_steps=0), 0, 5) == 1


def test_the_rate_reaches_the_optimiser(tmp_path: Path, settings: Make, remembering: Any) -> None:
    """Adam's first step has the size of the rate: warm-up over 100 steps makes it a hundredth."""
    sizes = []
    for warm in (1, 100):
        made = settings(steps=1, optimiser={"warm_up_steps": warm, "weight_decay": 0, "rate": 1e-2})
        weights = train(made, remembering(), tmp_path / str(warm)).weights
        torch.manual_seed(made.seed)
        before = dict(build_network(made.network).named_parameters())
        sizes.append(max(float((weights[name] - before[name]).detach().abs().max()) for name in weights))
    assert sizes == pytest.approx([1e-2, 1e-4], rel=1e-3)


def test_the_average_ramps_up(tmp_path: Path, settings: Make, remembering: Any) -> None:
    """With ema <- d ema + (1 - d) w, d = min(0.9, (1 + k)/(10 + k)), from the weights before each step."""
    seen: list[Tensor] = []

    def keep(step: int, denoiser: NetDenoiser) -> None:
        seen.append(denoiser.net.get_parameter("first.weight").detach().clone())

    last = train(settings(steps=4), remembering(keep), tmp_path / "run")
    after = [*seen[1:], last.weights["first.weight"].detach()]
    mean = seen[0]
    for k, weight in enumerate(after):
        decay = min(0.9, (1 + k) / (10 + k))
        mean = decay * mean + (1 - decay) * weight
    torch.testing.assert_close(last.ema["first.weight"], mean, rtol=1e-5, atol=1e-7)
    assert (after[-1] - seen[0]).abs().max() > 1e-3  # it moved


def test_a_run_starts_from_given_weights_and_no_others(
    tmp_path: Path, settings: Make, remembering: Any
) -> None:
    made = settings(steps=1, optimiser={"rate": 1e-12, "weight_decay": 0})
    torch.manual_seed(5)
    start = {name: w + 0.05 for name, w in build_network(made.network).state_dict().items()}
    last = train(made, remembering(), tmp_path / "run", start=start)
    for name, weight in start.items():
        torch.testing.assert_close(last.ema[name], weight, rtol=0, atol=1e-6)
    with pytest.raises(InputError) as error:
        train(made, remembering(), tmp_path / "other", start={"first.weight": torch.zeros(1)})
    assert error.value.what == "start_from"


def test_training_learns(tmp_path: Path, settings: Make) -> None:
    """Images with two possible values are told apart: from the normal law's loss of 1 to about 0.45."""
    images = _halves
    objective = Denoising(images, NoiseLevels(median=0.5, log_sd=0.5), 0)
    made = settings(steps=200, optimiser={"rate": 1e-2})
    train(made, objective, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [100, 200]
    assert lines[0]["loss"] < 0.9
    assert lines[1]["loss"] < 0.6


def _halves(step: int) -> Tensor:
    edge = torch.where(torch.arange(8) < 4, 1.0, -1.0).expand(4, 1, 8, 8)
    return edge * torch.randint(0, 2, (4, 1, 1, 1), generator=generator(7, step)).mul(2).sub(1)


def test_the_log_forgets_steps_that_a_killed_run_makes_again(
    straight: Path, settings: Make, remembering: Any
) -> None:
    log = straight / "log.jsonl"
    log.write_text('{"step": 5, "loss": 1}\n{"step": 200, "loss": 1}\n{"step": 30')
    train(settings(), remembering(), straight)
    assert log.read_text() == '{"step": 5, "loss": 1}\n'


def test_a_loss_that_is_not_finite_says_so(tmp_path: Path, settings: Make, remembering: Any) -> None:
    def poison(step: int, denoiser: NetDenoiser) -> None:
        with torch.no_grad():
            denoiser.net.get_parameter("last.bias").fill_(float("nan"))

    with pytest.raises(MedidiffError) as error:
        train(settings(), remembering(poison), tmp_path / "run")
    assert error.value.got == "nan"


def test_the_callers_random_numbers_stay_as_they_are(
    tmp_path: Path, settings: Make, remembering: Any
) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    train(settings(steps=1), remembering(), tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


def test_generators_of_steps_and_purposes_differ() -> None:
    draws = {
        key: torch.rand(4, generator=generator(*key)) for key in [(0, 1, 0), (0, 0, 1), (1, 0, 0), (0, 0, 0)]
    }
    assert torch.equal(draws[0, 1, 0], torch.rand(4, generator=generator(0, 1)))
    assert len({tuple(draw.tolist()) for draw in draws.values()}) == len(draws)


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tmp_path: Path, settings: Make) -> None:
    """Sqrt has an infinite slope at 0: the loss is finite, its gradient is not."""

    class Edge:
        def loss(self, denoiser: NetDenoiser, step: int) -> Tensor:
            weight = next(denoiser.net.parameters())
            return (0 * weight.sum()).abs().sqrt() if step == 2 else weight.square().mean()

        def state(self) -> dict[str, Tensor]:
            return {}

        def restore(self, state: dict[str, Tensor]) -> None:
            """Nothing."""

    with pytest.raises(MedidiffError) as error:
        train(settings(), Edge(), tmp_path / "run")
    assert error.value.expected == "a finite gradient"
    assert folders(tmp_path / "run") == []
