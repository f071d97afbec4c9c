"""Several processes: the mean of their gradients, one path, exact resume, one stop; and a kill in a save.

The processes are real: two for the team, on gloo, started by torchrun, in one launch for all facts.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medidiff.core.denoisers.network import NetDenoiser
from medidiff.core.training.checkpoints import LEFT_BY_A_KILL, folders, load
from medidiff.core.training.objectives import Denoising, NoiseLevels
from medidiff.core.training.randomness import generator, seed_of_rank
from medidiff.core.training.settings import TrainSettings
from medidiff.core.training.team import Team, joined, launched_team
from medidiff.core.training.trainer import train
from medidiff.errors import InputError, MissingError

Make = Callable[..., TrainSettings]
PARTS = ("weights", "ema", "optimiser", "objective")


class Counted:
    """Denoising of images drawn by the seed, which also counts its steps in a tensor that must be resumed."""

    def __init__(self, seed: int) -> None:
        self.seed, self.count = seed, torch.zeros(1)

    def images(self, step: int) -> Tensor:
        return torch.randn(4, 1, 8, 8, generator=generator(self.seed, step, 5))

    def loss(self, denoiser: NetDenoiser, step: int) -> Tensor:
        self.count = self.count + 1 + self.seed % 1009 / 1009
        inner = Denoising(self.images, NoiseLevels(median=0.5), self.seed)
        return (
            inner.loss(denoiser, step) + 1e-4 * self.count[0] * next(denoiser.net.parameters()).square().sum()
        )

    def state(self) -> dict[str, Tensor]:
        return {"count": self.count}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.count = state["count"]


class Both(Counted):
    """One process that does the work of two: the mean of their losses."""

    def __init__(self, seed: int) -> None:
        self.parts = [Counted(seed_of_rank(seed, rank)) for rank in range(2)]

    def loss(self, denoiser: NetDenoiser, step: int) -> Tensor:
        one, two = (part.loss(denoiser, step) for part in self.parts)
        return (one + two) / 2

    def state(self) -> dict[str, Tensor]:
        return {}


# What each of the two processes runs: a training at once, one in two parts, and one that rank 1 interrupts.
MEMBER = """
import json, os, signal, sys
from pathlib import Path
import torch
from medidiff.core.training.randomness import seed_of_rank
from medidiff.core.training.settings import TrainSettings
from medidiff.core.training.team import joined
from medidiff.core.training.trainer import train
from medidiff.errors import MedidiffError
sys.path.insert(0, sys.argv[2])
from test_team import Counted

here = Path(sys.argv[1])
values = json.loads((here / "settings.json").read_text())
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))


class Interrupted(Counted):
    def loss(self, denoiser, step):
        if step == 2 and team.rank == 1:
            signal.raise_signal(signal.SIGTERM)
        return super().loss(denoiser, step)


class Poisoned(Counted):
    def loss(self, denoiser, step):
        return super().loss(denoiser, step) * (float("nan") if step == 1 and team.rank == 1 else 1)


with joined(torch.device("cpu")) as team:
    seed = seed_of_rank(values["seed"], team.rank)
    make = lambda steps: TrainSettings.model_validate({**values, "steps": steps})
    train(make(6), Counted(seed), here / "whole", team=team)
    train(make(3), Counted(seed), here / "parts", team=team)
    train(make(6), Counted(seed), here / "parts", team=team)
    step = train(make(6), Interrupted(seed), here / "stopped", team=team).step
    error = None
    try:
        train(make(6), Poisoned(seed), here / "poisoned", team=team)
    except MedidiffError as found:
        error = found.what
    said = {"step": step, "stopped": len(stopped), "error": error}
    (here / f"said-{team.rank}.json").write_text(json.dumps(said))
tasks = [Path(f"/proc/self/task/{task}/comm").read_text() for task in os.listdir("/proc/self/task")]
assert not [name for name in tasks if "gloo" in name]  # they would abort an interpreter that ends
"""


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two processes ran MEMBER."""
    here = tmp_path_factory.mktemp("team")
    network = {"kind": "unet", "channels": [12, 16], "blocks": [1, 1]}
    values = {"name": "tiny", "task": "none", "network": network, "sigma_data": 1.0, "steps": 6, "batch": 4}
    optimiser = {"rate": 3e-3, "warm_up_steps": 2, "ema": 0.9}
    (here / "settings.json").write_text(json.dumps({**values, "seed": 5, "optimiser": optimiser}))
    (here / "member.py").write_text(textwrap.dedent(MEMBER))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(here / "member.py"), str(here), str(Path(__file__).parent)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return here


def assert_same(run: Path, other: Path, step: int) -> None:
    """Every tensor of the checkpoints of `step`, bit for bit."""
    a, b = (load(folder / f"checkpoint-{step:08d}") for folder in (run, other))
    for part in PARTS:
        one, two = getattr(a, part), getattr(b, part)
        assert one.keys() == two.keys(), part
        assert all(torch.equal(one[name], two[name]) for name in one), part


def test_a_team_is_one_process_with_the_mean_of_the_losses(launched: Path, tmp_path: Path) -> None:
    """To the rounding of float32 through six steps of AdamW."""
    settings = TrainSettings.model_validate_json((launched / "settings.json").read_text())
    alone = train(settings, Both(5), tmp_path / "alone")
    team = load(launched / "whole" / "checkpoint-00000006")
    assert team.processes == 2
    for name, weight in alone.weights.items():
        torch.testing.assert_close(team.weights[name], weight.detach(), rtol=0, atol=2e-5)
    single = train(settings, Counted(5), tmp_path / "single")
    gap = max(float((team.weights[n] - w.detach()).abs().max()) for n, w in single.weights.items())
    assert gap > 1e-3  # the second process does count


def test_a_team_resumes_exactly_with_the_state_of_each(launched: Path) -> None:
    assert_same(launched / "whole", launched / "parts", 6)
    objective = load(launched / "parts" / "checkpoint-00000006").objective
    assert sorted(objective) == ["count", "rank 1/count"]
    assert objective["count"] != objective["rank 1/count"]


def test_an_interrupt_of_one_stops_all_at_the_same_step(launched: Path) -> None:
    """Rank 1 alone gets the signal in its third step: both keep three steps, one checkpoint says so."""
    said = [json.loads((launched / f"said-{rank}.json").read_text()) for rank in range(2)]
    assert [s["step"] for s in said] == [3, 3]
    assert [s["stopped"] for s in said] == [0, 1]
    assert [folder.name for folder in folders(launched / "stopped")] == ["checkpoint-00000003"]


def test_a_loss_that_is_not_finite_in_one_stops_all(launched: Path) -> None:
    said = [json.loads((launched / f"said-{rank}.json").read_text()) for rank in range(2)]
    assert [s["error"] for s in said] == ["training step 1", "training step 1"]
    assert folders(launched / "poisoned") == []


def test_another_number_of_processes_is_refused(launched: Path) -> None:
    settings = TrainSettings.model_validate_json((launched / "settings.json").read_text())
    with pytest.raises(InputError) as error:
        train(settings, Counted(5), launched / "parts")
    assert error.value.got == "other number of processes (2, here 1)"


def test_members_have_seeds_of_their_own() -> None:
    """The first keeps the seed, so that one process is as it was."""
    seeds = [seed_of_rank(5, rank) for rank in range(4)]
    assert seeds[0] == 5
    assert len(set(seeds)) == 4
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_team_of_one_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    team, value = Team(), torch.ones(2)
    team.mean([value])
    assert torch.equal(value, torch.ones(2))
    assert team.either(True, False) == (True, False)
    assert team.own(team.gather({"a": value})) == {"a": value}
    assert team.agrees(3)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert (launched_team().leads, launched_team().size) == (False, 2)


def test_a_team_without_the_others_says_how_to_start_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scheduler that sets WORLD_SIZE, but no rendezvous, leaves."""
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MissingError) as error, joined(torch.device("cpu")):
        pytest.fail("joined nobody")
    assert "torchrun" in error.value.fix


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_team import Counted
from medidiff.core.training.settings import TrainSettings
from medidiff.core.training.trainer import train

write = Path.write_bytes


def slowly(path, data):
    time.sleep(0.2)  # most of the time is spent in saves, so that the kill falls into one
    return write(path, data)


Path.write_bytes = slowly
settings = TrainSettings.model_validate_json(Path(sys.argv[1], "settings.json").read_text())
train(settings, Counted(5), Path(sys.argv[1], "run"))
"""


def in_a_save(run: Path) -> bool:
    """Two checkpoints are whole and a third is being written: at least one of its files is."""
    return len(folders(run)) >= 2 and any(run.glob(f"{LEFT_BY_A_KILL}*/weights.safetensors"))


def test_a_killed_save_loses_nothing(tmp_path: Path, settings: Make) -> None:
    """SIGKILL from outside while a checkpoint is written: the run goes on and ends bit for bit the same."""
    often: Any = settings(steps=40, seed=5, checkpoint_minutes=1e-9)
    (tmp_path / "settings.json").write_text(often.model_dump_json())
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parent)]
    child = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        end = time.monotonic() + 300
        while not in_a_save(tmp_path / "run") and child.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
    finally:
        child.kill()
    assert child.wait() == -signal.SIGKILL
    assert list((tmp_path / "run").glob(f"{LEFT_BY_A_KILL}*"))
    assert len(folders(tmp_path / "run")) >= 2

    def never(text: str) -> None:
        pytest.fail(f"warned: {text}")

    train(often, Counted(5), tmp_path / "run", warn=never)
    train(often.model_copy(update={"checkpoint_minutes": 5.0}), Counted(5), tmp_path / "straight")
    assert_same(tmp_path / "run", tmp_path / "straight", 40)
    assert not list((tmp_path / "run").glob(f"{LEFT_BY_A_KILL}*"))


def test_weights_of_another_network_are_refused_in_a_line(tmp_path: Path, settings: Make) -> None:
    """A configuration of another network, and a file altered together with its digest."""
    run = tmp_path / "run"
    train(settings(steps=2), Counted(5), run)
    other = settings(steps=3, network={"kind": "unet", "channels": [8], "blocks": [1]})
    with pytest.raises(InputError) as error:
        train(other, Counted(5), run)
    assert error.value.got == "other network"
    folder = run / "checkpoint-00000002"
    state = json.loads((folder / "state.json").read_text())
    state["config"]["network"] = other.model_dump(mode="json")["network"]
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(InputError) as error:
        train(other, Counted(5), run)
    assert error.value.got == "those of another"


def test_a_checkpoint_from_before_a_setting_existed_goes_on(tmp_path: Path, settings: Make) -> None:
    """A key that its configuration lacks had the default; one that nobody knows is refused."""
    run = tmp_path / "run"
    train(settings(steps=2), Counted(5), run)
    file = run / "checkpoint-00000002" / "state.json"
    state = json.loads(file.read_text())
    for key in ("strategies", "condition_channels"):
        del state["config"][key]
    del state["processes"]
    file.write_text(json.dumps(state))
    assert train(settings(steps=3), Counted(5), run).step == 3
    for folder in folders(run):
        record = folder / "state.json"
        state = json.loads(record.read_text())
        state["config"]["dropout"] = 0.5
        record.write_text(json.dumps(state))
    with pytest.raises(InputError) as error:
        train(settings(steps=4), Counted(5), run)
    assert error.value.got == "other dropout"
