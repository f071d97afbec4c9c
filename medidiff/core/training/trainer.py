"""The suite's one trainer, for one process or a team of several: AdamW, EMA, exact resume.

It knows neither data nor loss: an `Objective` turns step k into a scalar loss. All randomness of step k
comes from (seed, k), so a run that was killed and resumed takes the same path, bit for bit at the same thread
count.
A finished run may be lengthened: `steps` is the only setting that may differ from the checkpoint's.

An interrupt waits for the end of its step; a step that fails leaves the checkpoint before it, because
weights, optimiser and objective may then belong to different steps.

In a team (`team.py`) every member draws with a seed of its own and computes its own batch; gradient and loss
are averaged, so all members keep the same weights and stop, save and fail at the same step. The first writes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from medidiff.atomic import writing_file
from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.device import precision
from medidiff.core.process.kernels import EDM
from medidiff.core.training.checkpoints import Checkpoint, load_newest, save
from medidiff.core.training.interrupts import held_interrupts
from medidiff.core.training.rates import ema_decay, schedule
from medidiff.core.training.settings import TrainSettings
from medidiff.core.training.team import Team
from medidiff.errors import InputError, MedidiffError
from medidiff.progress import Progress, Report, silent


class Objective(Protocol):
    """What is minimised. `state` and `restore` carry what lives longer than a step (none: empty)."""

    def loss(self, denoiser: NetDenoiser, step: int) -> Tensor:
        """The scalar loss of step `step`, with its graph; draws only from (seed, step)."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Tensors to be stored in a checkpoint."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        ...


def train(
    settings: TrainSettings,
    objective: Objective,
    run: Path,
    *,
    team: Team | None = None,
    start: dict[str, Tensor] | None = None,
    minutes: float | None = None,
    progress: Report = silent,
    warn: Callable[[str], None] = lambda text: None,
) -> Checkpoint:
    """Train to `settings.steps` (or for `minutes`) and return the last checkpoint; resume what `run` holds.

    `start` gives the weights of a new run. A line of JSON per 100 steps goes to RUN/log.jsonl. An interrupt
    ends its step and writes a checkpoint, then passes on. `team` (default: this process alone, on the CPU)
    says where the network runs and who else trains; the `objective` of each member draws with its own seed.
    Raises InputError when `run` belongs to other settings, another network or another number of processes.
    """
    trainer = _Trainer(settings, objective, run, team or Team())
    found = load_newest(run, warn)
    if not trainer.team.agrees(-1 if found is None else found.step):
        raise InputError(
            f"run {run.name}",
            expected="the same checkpoints for every process",
            got="different ones",
            fix="Put --out on a disk that all processes share.",
        )
    if found is not None:
        trainer.restore(found)
    elif start is not None:
        trainer.adopt(start)
    return trainer.go(minutes, progress)


class _Trainer:
    def __init__(self, settings: TrainSettings, objective: Objective, run: Path, team: Team) -> None:
        self.settings, self.objective, self.run, self.team = settings, objective, run, team
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
            torch.manual_seed(settings.seed)
            net: Any = build_network(settings.network)
        self.net: nn.Module = net.to(team.device, memory_format=torch.channels_last)
        self.names, self.weights = zip(*self.net.named_parameters(), strict=True)
        self.ema = [weight.detach().clone() for weight in self.weights]
        o = settings.optimiser
        self.optimiser = torch.optim.AdamW(
            self.weights, lr=o.rate, betas=(o.beta1, o.beta2), weight_decay=o.weight_decay
        )
        kernel = EDM(sigma_min=settings.kernel.sigma_min, sigma_max=settings.kernel.sigma_max)
        self.denoiser = NetDenoiser(
            self.net,
            kernel,
            settings.sigma_data,
            settings.mean,
            precision=precision(team.device),
            grad=True,
            condition_channels=settings.condition_channels,
            optional_condition=settings.strategies.condition_dropout > 0,
        )
        self.step, self.seconds = 0, 0.0
        self.whole, self.saved = True, -1  # no step is under way; the step of the newest checkpoint

    def go(self, minutes: float | None, progress: Report) -> Checkpoint:
        begin = last = time.monotonic()
        before, losses = self.seconds, []
        try:
            with held_interrupts() as caught:
                while self.step < self.settings.steps:
                    losses.append(self.one_step())
                    now = time.monotonic()
                    self.seconds = before + now - begin
                    if self.step % 100 == 0:
                        self.log(sum(losses) / len(losses))
                        losses = []
                    late = minutes is not None and now - begin > 60 * minutes
                    due = now - last > 60 * self.settings.checkpoint_minutes
                    stop, due = self.team.either(late or bool(caught), due)
                    if due:
                        self.save()
                        last = now
                    progress(Progress("train", self.step, self.settings.steps))
                    if stop:
                        break
                self.save()
        finally:
            # After an error the others of a team are at another place and cannot help to save.
            if self.whole and self.team.size == 1:
                self.save()
        return self.checkpoint()

    def one_step(self) -> float:
        self.whole, o = False, self.settings.optimiser
        rate = o.rate * schedule(o, self.step, self.settings.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self.objective.loss(self.denoiser, self.step)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        loss = loss.detach()
        self.team.mean([loss, *self.gradients()])
        self.check("loss", loss)
        self.check("gradient", nn.utils.clip_grad_norm_(self.weights, o.clip))
        self.optimiser.step()
        decay = ema_decay(o, self.settings.strategies, self.step)
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, [weight.detach() for weight in self.weights], 1 - decay)
        self.step += 1
        self.whole = True
        return loss.item()

    def gradients(self) -> list[Tensor]:
        """Of every weight, in order; zeros for one that the loss of this member did not reach."""
        if self.team.size > 1:
            for weight in self.weights:
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
        return [weight.grad for weight in self.weights if weight.grad is not None]

    def check(self, what: str, value: Tensor) -> None:
        if not torch.isfinite(value):
            raise MedidiffError(
                f"training step {self.step}",
                expected=f"a finite {what}",
                got=f"{value.item()}",
                fix="Lower `rate` or lengthen `warm_up_steps`; if it stays, look at the data.",
            )

    def log(self, loss: float) -> None:
        if not self.team.leads:
            return
        line = {"step": self.step, "seconds": round(self.seconds, 1), "loss": round(loss, 6)}
        self.run.mkdir(parents=True, exist_ok=True)
        with (self.run / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def save(self) -> None:
        if self.step == self.saved:
            return
        checkpoint = self.checkpoint()
        if self.team.leads:
            save(self.run, checkpoint)
        self.saved = self.step

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(
            weights=dict(zip(self.names, self.weights, strict=True)),
            ema=dict(zip(self.names, self.ema, strict=True)),
            optimiser=self.optimiser_tensors(),
            objective=self.team.gather(self.objective.state()),
            step=self.step,
            seconds=self.seconds,
            config=self.settings.model_dump(mode="json"),
            processes=self.team.size,
        )

    def optimiser_tensors(self) -> dict[str, Tensor]:
        state = self.optimiser.state
        return {
            f"{name}.{key}": torch.as_tensor(value)
            for name, weight in zip(self.names, self.weights, strict=True)
            for key, value in state[weight].items()
        }

    def adopt(self, weights: dict[str, Tensor]) -> None:
        try:
            self.net.load_state_dict(weights)
        except RuntimeError as error:
            raise InputError(
                "start_from",
                expected="weights of the configured network",
                got="others",
                fix="Use its architecture.",
            ) from error
        self.ema = [weight.detach().clone() for weight in self.weights]

    def restore(self, found: Checkpoint) -> None:
        self.check_settings(found)
        self.load(found.weights, found.ema)
        for name, weight in zip(self.names, self.weights, strict=True):
            keys = [key for key in found.optimiser if key.rpartition(".")[0] == name]
            self.optimiser.state[weight] = {
                key.rpartition(".")[2]: _laid_out(found.optimiser[key], weight) for key in keys
            }
        self.objective.restore(self.team.own(found.objective))
        self.step, self.seconds, self.saved = found.step, found.seconds, found.step
        if self.team.leads:
            self.forget_later_lines()

    def check_settings(self, found: Checkpoint) -> None:
        """Raise InputError unless the checkpoint is of this training; a key it lacks had its default."""
        ours = self.settings.model_dump(mode="json")
        try:
            theirs = TrainSettings.model_validate(found.config).model_dump(mode="json")
        except ValidationError:
            theirs = found.config
        ours, theirs = {**ours, "steps": 0}, {**theirs, "steps": 0}
        other = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
        if found.processes != self.team.size:
            other.append(f"number of processes ({found.processes}, here {self.team.size})")
        if other:
            raise InputError(
                f"run {self.run.name}",
                expected="the settings that it was started with (steps may differ)",
                got=f"other {', '.join(other)}",
                fix="Give another --out, or the old configuration.",
            )

    def load(self, weights: dict[str, Tensor], ema: dict[str, Tensor]) -> None:
        """Take weights and their average. Raises InputError for those of another network."""
        try:
            self.net.load_state_dict(weights)
            with torch.no_grad():
                for mean, name in zip(self.ema, self.names, strict=True):
                    mean.copy_(ema[name])
        except (RuntimeError, KeyError) as error:
            raise InputError(
                f"run {self.run.name}",
                expected="weights of the configured network",
                got="those of another",
                fix="Give another --out, or choose an earlier checkpoint.",
            ) from error

    def forget_later_lines(self) -> None:
        """Drop the log's lines of steps that a killed run made after its last checkpoint: they come again."""
        log = self.run / "log.jsonl"
        if not log.is_file():
            return
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        kept = [line for line in lines if _step_of(line) <= self.step]
        if len(kept) < len(lines):
            with writing_file(log) as temporary:
                temporary.write_text("".join(line + "\n" for line in kept), encoding="utf-8")


def _laid_out(value: Tensor, weight: Tensor) -> Tensor:
    """A copy in the weight's memory layout, as AdamW made it; its count of steps stays on the CPU."""
    return torch.empty_like(weight).copy_(value) if value.ndim else value.clone()


def _step_of(line: str) -> float:
    """The step of a line of the log; infinite for half a line."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
