"""Each notebook is short, equals its pair, and runs; `notebooks/execute.py` makes the `.ipynb`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

jupytext = pytest.importorskip("jupytext", reason="the notebooks need medidiff[notebooks]")
pytest.importorskip("nbclient", reason="the notebooks need medidiff[notebooks]")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "notebooks"))
from execute import executed, sources  # noqa: E402  it stands beside the notebooks, not in the package

SOURCES = sources()
_LONGEST_CELL = 15
_LARGEST_PICTURE, _LARGEST_NOTEBOOK = 600_000, 1_500_000  # base64 and JSON, as stored


def code(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def pictures(notebook: Any) -> list[str]:
    return [o["data"]["image/png"] for o in outputs(notebook) if "image/png" in o.get("data", {})]


@pytest.fixture(params=SOURCES, ids=lambda path: path.stem)
def source(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_is_a_first_notebook() -> None:
    assert SOURCES[0].name == "01_first_reconstruction.py"


def test_the_title_is_a_question_and_cells_are_short(source: Path) -> None:
    notebook = jupytext.read(source)
    assert notebook.cells[0].source.splitlines()[0].startswith("# ")
    assert notebook.cells[0].source.splitlines()[0].endswith("?")
    assert max(len(cell.splitlines()) for cell in code(notebook)) <= _LONGEST_CELL


def test_the_pair_has_the_same_code_and_was_run(source: Path) -> None:
    """Outputs belong to this code, in order, without an error; a reader on the web sees a picture early."""
    notebook = jupytext.read(source.with_suffix(".ipynb"))
    assert code(notebook) == code(jupytext.read(source))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for output in outputs(notebook) if output.output_type == "error"]
    assert any(
        "image/png" in output.get("data", {}) for cell in cells[:3] for output in cell.get("outputs", [])
    )


def test_the_pair_is_small_and_names_no_machine(source: Path) -> None:
    path = source.with_suffix(".ipynb")
    text = path.read_text(encoding="utf-8")
    assert len(text) < _LARGEST_NOTEBOOK
    assert max(map(len, pictures(jupytext.read(path)))) < _LARGEST_PICTURE
    told = json.dumps([o for o in outputs(jupytext.read(path)) if "image/png" not in o.get("data", {})])
    for private in (str(ROOT), str(Path.home()), "/tmp/", "site-packages"):
        assert private not in told


def test_the_notebook_runs(source: Path) -> None:
    """On one slice in place of its block, where it has one: that is the only change."""
    notebook = jupytext.read(source)
    block = re.compile(r"SLICES = \(\d+, \d+\)")
    assert len(block.findall(code(notebook)[0])) == ("SLICES" in "".join(code(notebook)))
    for cell in notebook.cells:
        cell.source = block.sub("SLICES = (11, 12)", cell.source)
    done = executed(notebook)
    assert len(pictures(done)) == len(pictures(jupytext.read(source.with_suffix(".ipynb"))))
    assert not [output for output in outputs(done) if output.output_type == "error"]
