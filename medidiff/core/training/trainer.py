"""The suite's one trainer: AdamW, warm-up, constant rate, linear decay; EMA; exact resume.

It knows neither data nor loss: an `Objective` turns step k into a scalar loss. All randomness of step k
comes from (seed, k), so a run that was killed and resumed takes the same path, bit for bit at the same thread
count.
A finished run may be lengthened: `steps` is the only setting that may differ from the checkpoint's.

An interrupt waits for the end of its step; a step that fails leaves the checkpoint before it, because
weights, optimiser and objective may then belong to different steps.

The moving average of the weights ramps up as min(ema, (1 + k)/(10 + k)) (Karras et al. 2022, arXiv
2206.00364).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from medidiff.atomic import writing_file
from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.device import precision
from medidiff.core.process.kernels import EDM
from medidiff.core.training.checkpoints import Checkpoint, load_newest, save
from medidiff.core.training.interrupts import held_interrupts
from medidiff.errors import InputError, MedidiffError
from medidiff.progress import Progress, Report, silent


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class KernelSettings(_Settings):
    """The range of noise levels that the network is asked about, in the scaled domain."""

    sigma_min: float = Field(0.002, gt=0)
    sigma_max: float = Field(4.0, gt=0)


class OptimiserSettings(_Settings):
    """AdamW and its rate: linear warm-up, constant, then linear decay over the last `decay_steps`."""

    rate: float = Field(1e-3, gt=0, description="learning rate after warm-up")
    warm_up_steps: int = Field(300, ge=0)
    decay_steps: int = Field(0, ge=0, description="length of the linear decay at the end")
    final_fraction: float = Field(0.02, ge=0, le=1, description="rate at the last step over `rate`")
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.99, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0)
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the moving average of the weights")


class TrainSettings(_Settings):
    """What `medidiff train CONFIG.yaml` reads; unknown keys are refused. No path stands in it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64, description="name of the prior")
    task: str = Field(description="which training of which domain, e.g. ct")
    network: dict[str, Any] = Field(description="kind (unet or monai) and its options")
    sigma_data: float = Field(gt=0, description="standard deviation of the scaled data")
    mean: float = Field(0.0, description="mean of the scaled data")
    kernel: KernelSettings = KernelSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    steps: int = Field(gt=0)
    batch: int = Field(gt=0)
    seed: int = Field(0, ge=0)
    checkpoint_minutes: float = Field(5.0, gt=0)
    start_from: str | None = Field(None, description="name of a shipped or packed prior to start from")
    objective: dict[str, Any] = Field(default_factory=dict, description="read by the task")
    data: dict[str, Any] = Field(default_factory=dict, description="read by the task")


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


def generator(seed: int, step: int, purpose: int = 0) -> torch.Generator:
    """The CPU generator of one purpose in one step; independent of every other."""
    key = np.random.SeedSequence((seed, step, purpose)).generate_state(2, np.uint64)[0]
    return torch.Generator().manual_seed(int(key) & (2**63 - 1))


def train(
    settings: TrainSettings,
    objective: Objective,
    run: Path,
    *,
    device: torch.device | None = None,
    start: dict[str, Tensor] | None = None,
    minutes: float | None = None,
    progress: Report = silent,
    warn: Callable[[str], None] = lambda text: None,
) -> Checkpoint:
    """Train to `settings.steps` (or for `minutes`) and return the last checkpoint; resume what `run` holds.

    `start` gives the weights of a new run. A line of JSON per 100 steps goes to RUN/log.jsonl. An interrupt
    ends its step and writes a checkpoint, then passes on. Raises InputError when `run` belongs to other
    settings.
    """
    trainer = _Trainer(settings, objective, run, device or torch.device("cpu"))
    found = load_newest(run, warn)
    if found is not None:
        trainer.restore(found)
    elif start is not None:
        trainer.adopt(start)
    return trainer.go(minutes, progress)


class _Trainer:
    def __init__(
        self, settings: TrainSettings, objective: Objective, run: Path, device: torch.device
    ) -> None:
        self.settings, self.objective, self.run, self.device = settings, objective, run, device
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
            torch.manual_seed(settings.seed)
            net: Any = build_network(settings.network)
        self.net: nn.Module = net.to(device, memory_format=torch.channels_last)
        self.names, self.weights = zip(*self.net.named_parameters(), strict=True)
        self.ema = [weight.detach().clone() for weight in self.weights]
        o = settings.optimiser
        self.optimiser = torch.optim.AdamW(
            self.weights, lr=o.rate, betas=(o.beta1, o.beta2), weight_decay=o.weight_decay
        )
        kernel = EDM(sigma_min=settings.kernel.sigma_min, sigma_max=settings.kernel.sigma_max)
        self.denoiser = NetDenoiser(
            self.net, kernel, settings.sigma_data, settings.mean, precision=precision(device), grad=True
        )
        self.step, self.seconds = 0, 0.0
        self.whole, self.saved = True, -1  # no step is under way; the step of the newest checkpoint

    def go(self, minutes: float | None, progress: Report) -> Checkpoint:
        begin = last = time.monotonic()
        before, losses = self.seconds, []
        try:
            while self.step < self.settings.steps:
                with held_interrupts():
                    losses.append(self.one_step())
                now = time.monotonic()
                self.seconds = before + now - begin
                if self.step % 100 == 0:
                    self.log(sum(losses) / len(losses))
                    losses = []
                if now - last > 60 * self.settings.checkpoint_minutes:
                    self.save()
                    last = now
                progress(Progress("train", self.step, self.settings.steps))
                if minutes is not None and now - begin > 60 * minutes:
                    break
        finally:
            if self.whole and self.step != self.saved:
                self.save()
        return self.checkpoint()

    def one_step(self) -> float:
        self.whole, o = False, self.settings.optimiser
        rate = o.rate * schedule(o, self.step, self.settings.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self.objective.loss(self.denoiser, self.step)
        self.check("loss", loss)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.check("gradient", nn.utils.clip_grad_norm_(self.weights, o.clip))
        self.optimiser.step()
        decay = min(o.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, [weight.detach() for weight in self.weights], 1 - decay)
        self.step += 1
        self.whole = True
        return loss.item()

    def check(self, what: str, value: Tensor) -> None:
        if not torch.isfinite(value):
            raise MedidiffError(
                f"training step {self.step}",
                expected=f"a finite {what}",
                got=f"{value.item()}",
                fix="Lower `rate` or lengthen `warm_up_steps`; if it stays, look at the data.",
            )

    def log(self, loss: float) -> None:
        line = {"step": self.step, "seconds": round(self.seconds, 1), "loss": round(loss, 6)}
        self.run.mkdir(parents=True, exist_ok=True)
        with (self.run / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def save(self) -> None:
        save(self.run, self.checkpoint())
        self.saved = self.step

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(
            weights=dict(zip(self.names, self.weights, strict=True)),
            ema=dict(zip(self.names, self.ema, strict=True)),
            optimiser=self.optimiser_tensors(),
            objective=self.objective.state(),
            step=self.step,
            seconds=self.seconds,
            config=self.settings.model_dump(mode="json"),
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
        ours, theirs = (dict(c) for c in (self.settings.model_dump(mode="json"), found.config))
        ours.pop("steps"), theirs.pop("steps")
        if ours != theirs:
            keys = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
            raise InputError(
                f"run {self.run.name}",
                expected="the settings that it was started with (steps may differ)",
                got=f"other {', '.join(keys)}",
                fix="Give another --out, or the old configuration.",
            )
        self.net.load_state_dict(found.weights)
        with torch.no_grad():
            for mean, name in zip(self.ema, self.names, strict=True):
                mean.copy_(found.ema[name])
        for name, weight in zip(self.names, self.weights, strict=True):
            keys = [key for key in found.optimiser if key.rpartition(".")[0] == name]
            self.optimiser.state[weight] = {
                key.rpartition(".")[2]: _laid_out(found.optimiser[key], weight) for key in keys
            }
        self.objective.restore(found.objective)
        self.step, self.seconds, self.saved = found.step, found.seconds, found.step
        self.forget_later_lines()

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


def schedule(o: OptimiserSettings, step: int, steps: int) -> float:
    """The rate of step `step` over `o.rate`: warm-up, 1, then a line down to `o.final_fraction`."""
    warm = min(1.0, (step + 1) / max(o.warm_up_steps, 1))
    left = (steps - step) / o.decay_steps if o.decay_steps else 1.0
    return warm * min(1.0, o.final_fraction + (1 - o.final_fraction) * left)
