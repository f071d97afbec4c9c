"""The run that the package ships, so that nobody waits for something to look at; checked against its card."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path
from typing import Any

from medidiff.errors import InputError, MissingError
from medidiff.runs.plain import read_json
from medidiff.runs.result import Result

RUNS = ("ct",)


def demo_run(name: str = "ct") -> Result:
    """The shipped run "ct": 24 slices of 256 x 256 from 24 views by FBP, TV and diffusion, with the truth.

    Raises MissingError for another name, and when the installation lacks a file or holds another one than
    the card describes.
    """
    return Result.load(demo_run_folder(name))


def demo_run_folder(name: str = "ct") -> Path:
    """Where the shipped run lies, each file compared with its card; MissingError as `demo_run`."""
    card = demo_run_card(name)
    folder = _assets() / str(card["folder"])
    for file, digest in card["files"].items():
        path = folder / file
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        if found != digest:
            raise _missing(name, f"{'another' if found else 'no'} {file}")
    return folder


def demo_run_card(name: str = "ct") -> dict[str, Any]:
    """The card of a shipped run: what it is, its data's source and licence, digests of its files.

    Raises MissingError for a name that is not in `RUNS` and when the installation lacks the card.
    """
    if name not in RUNS:  # it becomes part of a file's name
        raise _missing(name, "no card in the package")
    try:
        return read_json(_assets() / f"demo-run-{name}.json")
    except InputError:
        raise _missing(name, "no card in the package") from None


def _assets() -> Path:
    return Path(str(files("medidiff"))) / "assets"


def _missing(name: str, got: str) -> MissingError:
    return MissingError(
        f"demo run {name}", expected="the run that its card describes", got=got, fix="Install medidiff again."
    )
