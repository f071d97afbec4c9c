"""Checkpoints that survive: whole or not at all, two generations, damage told from health."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from medidiff.core.training.checkpoints import Checkpoint, folders, load, load_newest, save
from medidiff.errors import InputError, OutputError


def checkpoint(step: int) -> Checkpoint:
    weights = {"layer.weight": torch.full((2, 3), float(step))}
    return Checkpoint(
        weights, {"layer.weight": torch.zeros(2, 3)}, {}, {"next": torch.tensor(step)}, step, 1.5, {"a": [1]}
    )


def never(text: str) -> None:
    pytest.fail(f"warned: {text}")


def test_everything_comes_back(tmp_path: Path) -> None:
    folder = save(tmp_path / "run", checkpoint(3))
    found = load(folder)
    assert (found.step, found.seconds, found.config, found.optimiser) == (3, 1.5, {"a": [1]}, {})
    assert torch.equal(found.weights["layer.weight"], torch.full((2, 3), 3.0))
    assert found.objective["next"].item() == 3
    assert {file.suffix for file in folder.iterdir()} == {".safetensors", ".json"}


def test_two_generations_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 10, 9_999_999):
        save(tmp_path, checkpoint(step))
    assert [load(folder).step for folder in folders(tmp_path)] == [10, 9_999_999]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_nothing_yet_is_none(tmp_path: Path) -> None:
    assert load_newest(tmp_path / "absent", never) is None


def kill_in_file(run: Path) -> None:
    """After the first of the files was written."""
    write = Path.write_bytes

    def once(path: Path, data: Any) -> int:
        write(path, data)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    Path.write_bytes = once  # type: ignore[method-assign]  the child dies with it
    save(run, checkpoint(2))


def kill_before_rename(run: Path) -> None:
    """All written, not yet under its name."""
    Path.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment,method-assign]  as above
    save(run, checkpoint(2))


def kill_before_tidying(run: Path) -> None:
    """Under its name, older generations not yet removed."""
    import shutil

    shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]  as above
    save(run, checkpoint(2))


@pytest.mark.parametrize(
    ("kill", "newest"), [(kill_in_file, 1), (kill_before_rename, 1), (kill_before_tidying, 2)]
)
def test_a_kill_while_saving_loses_at_most_what_was_being_saved(
    kill: Callable[[Path], None], newest: int, tmp_path: Path
) -> None:
    """In a child process, with the kill that cannot be caught; no warning, as nothing looks damaged."""
    for step in (0, 1):
        save(tmp_path, checkpoint(step))
    child = os.fork()
    if child == 0:
        try:
            kill(tmp_path)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    found = load_newest(tmp_path, never)
    assert found is not None
    assert found.step == newest
    save(tmp_path, checkpoint(3))  # and the run goes on
    assert load(folders(tmp_path)[-1]).step == 3


def cut(folder: Path) -> None:
    file = folder / "ema.safetensors"
    file.write_bytes(file.read_bytes()[:-4])


def flip(folder: Path) -> None:
    file = folder / "weights.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


def lose(folder: Path) -> None:
    (folder / "optimiser.safetensors").unlink()


def empty_state(folder: Path) -> None:
    (folder / "state.json").write_text("[]")


def half_state(folder: Path) -> None:
    file = folder / "state.json"
    file.write_text(file.read_text()[:40])


def garbage(folder: Path) -> None:
    """Bytes that are no safetensors, with a digest that fits them."""
    import hashlib

    (folder / "weights.safetensors").write_bytes(b"\xff" * 64)
    state = json.loads((folder / "state.json").read_text())
    state["sha256"]["weights"] = hashlib.sha256(b"\xff" * 64).hexdigest()
    (folder / "state.json").write_text(json.dumps(state))


DAMAGES = [cut, flip, lose, empty_state, half_state, garbage]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_and_said(damage: Callable[[Path], None], tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, checkpoint(step))
    damage(tmp_path / "checkpoint-00000002")
    said: list[str] = []
    found = load_newest(tmp_path, said.append)
    assert found is not None
    assert found.step == 1
    assert len(said) == 1
    assert "checkpoint-00000002" in said[0]
    assert str(tmp_path) not in said[0]


def test_only_damaged_ones_are_an_error_and_not_a_new_start(tmp_path: Path) -> None:
    save(tmp_path, checkpoint(1))
    flip(tmp_path / "checkpoint-00000001")
    with pytest.raises(InputError) as error:
        load_newest(tmp_path, lambda text: None)
    assert error.value.got == "only damaged ones"


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, checkpoint(1))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OutputError):
            save(tmp_path, checkpoint(2))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001"]


def test_copies_and_damaged_later_ones_do_not_push_out_the_good(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for step in (100, 200):
        save(run, checkpoint(step))
    (run / "checkpoint-best").mkdir()
    (run / "checkpoint-00000200" / "state.json").write_text("{}")
    for step in (150, 160):
        save(run, checkpoint(step))
    assert [folder.name[-3:] for folder in folders(run)] == ["150", "160"]
    assert (run / "checkpoint-best").is_dir()
    found = load_newest(run, never)
    assert found is not None
    assert found.step == 160


@pytest.mark.parametrize("state", ['{"step": Infinity, "seconds": 1, "config": {}, "sha256": ', "[" * 100000])
def test_a_hostile_state_is_damage(state: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "run", checkpoint(3))
    digests = json.loads((folder / "state.json").read_text())["sha256"]
    (folder / "state.json").write_text(state + (json.dumps(digests) + "}" if state[0] == "{" else ""))
    with pytest.raises(InputError):
        load(folder)
