"""Run every notebook and write its `.ipynb` with outputs beside the `.py`, which is the source.

    .venv/bin/python notebooks/execute.py

Pictures are shrunk to what a page of the web shows: at most `WIDEST` pixels, 256 colours, and in a drawing,
which is mostly white, `LEVELS` of each channel: its soft edges are what takes room.
"""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).resolve().parent
WIDEST = 1200
LEVELS = 18
_DRAWING = 0.6  # of its pixels are white
SECONDS = 900


def main() -> None:
    """Execute all."""
    for source in sources():
        notebook = executed(jupytext.read(source))
        nbformat.write(notebook, source.with_suffix(".ipynb"))
        print(f"{source.stem}: {source.with_suffix('.ipynb').stat().st_size / 1e3:.0f} kB")


def sources() -> list[Path]:
    """The percent scripts, by number."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def executed(notebook: Any) -> Any:
    """The notebook with outputs, run in an empty folder; no times of cells, no random names."""
    with TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        # Another backend than the notebooks' own would show no picture.
        client.execute(env={name: value for name, value in os.environ.items() if name != "MPLBACKEND"})
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output["data"] = {"image/png": shrunk(output["data"]["image/png"])}
    return notebook


def shrunk(png: str) -> str:
    """A PNG in base64, of at most `WIDEST` pixels and 256 colours; of a drawing fewer."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    if picture.width > WIDEST:
        size = (WIDEST, round(picture.height * WIDEST / picture.width))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    white = picture.convert("L").histogram()[255]
    if white > _DRAWING * picture.width * picture.height:
        step = 255 / (LEVELS - 1)
        picture = picture.point([round(round(value / step) * step) for value in range(256)] * 3)
    buffer = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


if __name__ == "__main__":
    main()
