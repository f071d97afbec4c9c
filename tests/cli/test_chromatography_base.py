"""What works without the extra, and never with torch: simulate, fit, convert and the demo; what names it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# The command line in a process where the extra's packages cannot be imported; what loads torch is told.
_ALONE = """
import sys
for name in ("numba", "pybaselines"):
    sys.modules[name] = None
from medidiff.cli.main import main
code = main(sys.argv[1:])
sys.exit(99 if "torch" in sys.modules else code)
"""


def alone(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _ALONE, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    found = alone("demo", "chromatography", "--out", "demo", folder=folder)
    assert found.returncode == 0, found.stderr
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ("simulate", "--dispersion", "none", "--engine", "closed"),
        ("simulate", "--engine", "fft", "--analytes", "benzene"),
        ("convert", "demo/chromatogram.csv", "--to", "andi"),
        ("fit", "demo/chromatogram.csv", "--system", "btex", "--injection-width-s", "0.5"),
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_the_base_alone_does_it(words: tuple[str, ...], here: Path, tmp_path: Path) -> None:
    found = alone("chromatography", *words, "--out", str(tmp_path / "out"), folder=here)
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "out" / "report.json").is_file()


def test_peaks_name_the_extra_that_is_missing(here: Path, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out"))
    found = alone("chromatography", "peaks", "demo/chromatogram.csv", *out, folder=here)
    assert found.returncode == 4
    assert "medidiff[chromatography]" in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()
