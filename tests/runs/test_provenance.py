"""Provenance says what made a result, and nothing about who or where."""

import getpass
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from medidiff.errors import InputError
from medidiff.runs import provenance, read_provenance
from medidiff.runs.plain import write_json
from medidiff.runs.provenance import HIDDEN_PATH, code_digest, python_digest


def record() -> dict[str, object]:
    options = {
        "views": 24,
        "out": "/data/someone/run",
        "nested": {"angles_file": "~/angles.txt", "list": ["C:\\data\\x", "ct/plain"]},
    }
    return provenance(
        "reconstruct ct",
        options,
        {"volume": "sha256:aa"},
        {"ct": "sha256:bb"},
        seed=3,
        precision="bf16",
        chunk=4,
    )


def test_no_path_user_or_host() -> None:
    found = record()
    text = json.dumps(found)
    assert found["options"] == {
        "views": 24,
        "out": HIDDEN_PATH,
        "nested": {"angles_file": HIDDEN_PATH, "list": [HIDDEN_PATH, "ct/plain"]},
    }
    assert str(Path.cwd()) not in text
    assert str(Path.home()) not in text or Path.home() == Path("/")
    assert socket.gethostname() not in text
    assert f'"{getpass.getuser()}"' not in text


def test_all_that_the_promises_compare_is_there(tmp_path: Path) -> None:
    found = record()
    assert (found["seed"], found["precision"], found["chunk"], found["device"]) == (3, "bf16", 4, "cpu")
    assert found["threads"] >= 1
    assert {"cpu", "cores", "system", "architecture"} <= set(found["machine"])
    assert {"python", "medidiff", "numpy", "torch"} <= set(found["versions"])
    write_json(tmp_path / "provenance.json", found)
    assert read_provenance(tmp_path / "provenance.json") == found


def test_torch_is_asked_only_when_it_is_loaded() -> None:
    """A process that never imported torch writes a provenance without loading it."""
    code = (
        "import sys; from medidiff.runs import provenance; found = provenance('x', {}, {}, {}, seed=0); "
        "assert 'torch' not in sys.modules and 'cpu_capability' not in found['machine']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    import torch

    assert record()["machine"]["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert record()["threads"] == torch.get_num_threads()


@pytest.mark.parametrize(("asked", "threads"), [("1", 1), ("1000000", None), ("0", None), ("many", None)])
def test_threads_without_torch_are_those_of_the_linear_algebra(asked: str, threads: int | None) -> None:
    code = "from medidiff.runs import provenance; print(provenance('x', {}, {}, {}, seed=0)['threads'])"
    found = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": asked},
    )
    assert int(found.stdout) == (threads or len(os.sched_getaffinity(0)))


def test_code_digest_changes_with_name_and_content(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1")
    first = python_digest(tmp_path)
    (tmp_path / "notes.txt").write_text("not code")
    assert python_digest(tmp_path) == first
    (tmp_path / "a.py").write_text("x = 2")
    edited = python_digest(tmp_path)
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, edited, python_digest(tmp_path)}) == 3
    assert record()["code"] == code_digest() != python_digest(tmp_path)


@pytest.mark.parametrize(
    "key", ["verb", "options", "inputs", "weights", "seed", "versions", "machine", "threads"]
)
def test_incomplete_is_refused(tmp_path: Path, key: str) -> None:
    found = record()
    del found[key]
    write_json(tmp_path / "provenance.json", found)
    with pytest.raises(InputError) as error:
        read_provenance(tmp_path / "provenance.json")
    assert key in error.value.got


def test_what_json_cannot_hold_is_a_bug() -> None:
    with pytest.raises(TypeError, match=r"options|out"):
        provenance("x", {"out": Path("/tmp")}, {}, {}, seed=0)
