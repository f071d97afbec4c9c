"""Files that a person takes away from a page; each says "research use only" where its format allows."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

from frame import Download

from medidiff.domains.chromatography.overlay import Overlay
from medidiff.errors import InputError
from medidiff.runs.plain import to_json, to_plain
from medidiff.runs.result import FIGURE, PROVENANCE, REPORT, Result
from medidiff.runs.sharing import MethodsText, zipped

METHODS_TEXT, ZIP = "methods.txt", "run.zip"
_MIME = {".csv": "text/csv", ".json": "application/json", ".png": "image/png", ".txt": "text/plain"}


def methods_of(result: Result) -> MethodsText:
    """The methods paragraph of a run, by its task; InputError for a task that has none."""
    task = result.report["task"]
    if task.startswith("chromatography."):
        from medidiff.domains.chromatography.methods_text import TASKS
        from medidiff.domains.chromatography.methods_text import methods_text as chromatography

        if task in TASKS:
            return chromatography(result.report, result.provenance)
    elif task == "reconstruct.ct":
        from medidiff.domains.reconstruction.ct.methods_text import methods_text as ct

        return ct(result.report, result.provenance)
    raise InputError(
        "methods paragraph",
        expected="a reconstruction or a chromatogram",
        got=repr(task)[:40],
        fix="Write it from report.json.",
    )


def run_files(folder: Path, result: Result, text: MethodsText | None) -> list[Download]:
    """A saved run's files one by one, read when they are asked for, and all of them as a zip."""
    names = [*result, *(name for name in (FIGURE, REPORT, PROVENANCE) if (folder / name).exists())]
    items = [
        Download(name, name.replace("/", "-"), (folder / name).read_bytes, _mime(name)) for name in names
    ]
    texts = {} if text is None else {METHODS_TEXT: str(text)}
    items += [Download(name, name, content, "text/plain") for name, content in texts.items()]
    return [*items, Download("Everything (zip)", ZIP, lambda: zipped(folder, texts), "application/zip")]


def chromatogram_files(result: Result) -> list[Download]:
    """The files of a result that was never saved: its outputs, figure, report, provenance, methods."""
    with tempfile.TemporaryDirectory() as folder:
        items = []
        for name, output in result.outputs.items():
            output.write(Path(folder) / name)
            items.append(Download(name, name, (Path(folder) / name).read_bytes(), _mime(name)))
    items.append(Download(REPORT, REPORT, to_json(to_plain(result.report)), _mime(REPORT)))
    items.append(Download(PROVENANCE, PROVENANCE, to_json(to_plain(result.provenance)), _mime(PROVENANCE)))
    items.append(Download(FIGURE, FIGURE, lambda: result._repr_png_() or b"", _mime(FIGURE)))
    items.append(Download("Methods paragraph", METHODS_TEXT, str(methods_of(result)), "text/plain"))
    return items


def curve_csv(over: Overlay) -> str:
    """Time, data, model, baseline, and each analyte's part, one header line, every number to its last bit."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["time_s", "signal", "model", "baseline", *over.names])
    for i, time_s in enumerate(over.time_s.tolist()):
        numbers = (over.signal[i], over.model[i], over.baseline, *over.components[:, i])
        writer.writerow([repr(time_s), *(repr(float(number)) for number in numbers)])
    return buffer.getvalue()


def _mime(name: str) -> str:
    return _MIME.get(Path(name).suffix, "application/octet-stream")
