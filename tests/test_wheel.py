"""The wheel works away from the checkout: built without network, installed, run in an empty folder."""

from __future__ import annotations

import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import medidiff

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def run(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a command of a fresh environment that holds the wheel and sees this one's other packages.

    A `.pth` file names this environment's packages; the `.pth` files among those are not read again, so that
    an editable medidiff stays out of sight.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (site / "here.pth").write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index"]
    subprocess.run([*install, "--force-reinstall", str(wheel)], check=True, capture_output=True, timeout=300)
    empty = tmp_path_factory.mktemp("empty")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MEDIDIFF"))}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(folder / "bin" / words[0]), *words[1:]]
        done = subprocess.run(
            command, cwd=empty, env=environment, capture_output=True, text=True, timeout=580
        )
        assert list(empty.iterdir()) == []
        return done

    return call


def test_the_wheel_carries_all_that_is_tracked_below_medidiff(wheel: Path) -> None:
    """Data files too: demo volumes, cards, weights, tables of defaults, py.typed."""
    listed = subprocess.run(
        ["git", "ls-files", "medidiff"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("needs the git checkout to know what should be in the wheel")
    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = {name for name in listed.stdout.split() if (ROOT / name).exists()}
    assert tracked - packed == set()
    assert "medidiff/assets/demo-ct.nii.gz" in packed


def test_the_wheel_carries_the_app(wheel: Path) -> None:
    """All that is tracked below apps/: pages, JavaScript, and the colours in a hidden folder."""
    listed = subprocess.run(
        ["git", "ls-files", "apps"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("needs the git checkout to know what should be in the wheel")
    packed = set(zipfile.ZipFile(wheel).namelist())
    tracked = {f"medidiff/_{name}" for name in listed.stdout.split() if (ROOT / name).exists()}
    assert {"medidiff/_apps/server.py", "medidiff/_apps/.streamlit/config.toml"} <= tracked
    assert tracked - packed == set()


def test_nothing_but_the_package_is_installed(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"medidiff", f"medidiff-{medidiff.__version__}.dist-info"}


def test_the_wheel_states_its_licence_and_bounds(wheel: Path) -> None:
    """Lower bounds only, as users with CUDA keep their torch; and the licence files travel."""
    archive = zipfile.ZipFile(wheel)
    prefix = f"medidiff-{medidiff.__version__}.dist-info"
    text = archive.read(f"{prefix}/METADATA").decode()
    metadata = importlib.metadata.PathDistribution(zipfile.Path(archive, f"{prefix}/")).metadata
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "torch>=2.6" in text
    assert not [
        line for line in text.splitlines() if line.startswith("Requires-Dist") and "==" in line.split(";")[0]
    ]
    assert {f"{prefix}/licenses/LICENSE", f"{prefix}/licenses/NOTICE"} <= set(archive.namelist())


def test_the_installed_package_is_the_wheels(run: Run) -> None:
    done = run("python", "-c", "import medidiff; print(medidiff.__file__)")
    assert "environment" in done.stdout
    assert str(ROOT) not in done.stdout


def test_help_from_an_empty_folder(run: Run) -> None:
    done = run("medidiff", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "medidiff demo" in done.stdout


def test_doctor_finds_the_installation_whole(run: Run) -> None:
    done = run("medidiff", "doctor", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["failed"]) == (0, [])
    assert found["facts"]["versions"]["medidiff"] == medidiff.__version__


def test_models_list_finds_shipped_priors(run: Run) -> None:
    done = run("medidiff", "models", "list", "--json")
    assert done.returncode == 0
    assert "shipped" in {prior["place"] for prior in json.loads(done.stdout)}


APP = """
import http.client, json, signal, subprocess, sys, tempfile, os
with tempfile.TemporaryDirectory() as home:
    verb = os.path.join(os.path.dirname(sys.executable), "medidiff")
    words = [verb, "app", "--json", "--port", sys.argv[1]]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, "XDG_DATA_HOME": home})
    assert server.stdout.readline() == b"{\\n"
    answer = []
    for path in ("/_stcore/health", "/"):
        connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
        connection.request("GET", path)
        answer.append(connection.getresponse().status)
    server.send_signal(signal.SIGTERM)
    print(*answer, server.wait(30))
"""


def test_the_app_answers_from_the_wheel(run: Run) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = run("python", "-c", APP, str(port))
    assert done.stdout.split() == ["200", "200", "143"], done.stderr[-2000:]


PIPELINE = """
import os, re, tempfile
from pathlib import Path
import nibabel, numpy as np
import medidiff as md, medidiff.transforms
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    md.demo_volume("ct", slices=(11, 12)).write(Path("chest.nii.gz"))
    exec("\\n".join(re.findall("^    (.*)$", medidiff.transforms.__doc__, re.M)))
    before, after = nibabel.load("chest.nii.gz"), nibabel.load("out/chest/chest_diffusion.nii.gz")
    apart = np.abs(before.get_fdata()[..., 0] - after.get_fdata()).mean()
    print(np.array_equal(before.affine, after.affine), before.shape, after.shape, round(float(apart)))
    os.chdir("/")
"""


def test_the_ten_lines_of_a_monai_pipeline(run: Run) -> None:
    """On a slice of the demo volume: 24 views, the shipped prior, the file's own grid of 512 x 512.

    `SaveImaged` drops a last axis of one. A wrong orientation or scale is hundreds of HU off.
    """
    done = run("python", "-c", PIPELINE)
    assert done.returncode == 0, done.stderr[-2000:]
    words = done.stdout.splitlines()[-1]
    assert words.startswith("True (512, 512, 1) (512, 512) ")
    assert int(words.split()[-1]) < 60
