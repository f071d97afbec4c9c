"""What the runs of all verbs have in common: the keys, the files that are given again, and their check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from medidiff.errors import InputError
from medidiff.progress import Report

MOST_THREADS = 1024


class Part(BaseModel):
    """A part of a provenance: of the right types, and never changed."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Reading(Part):
    """How the door read the input."""


class RecordedRun(Part):
    """The keys that every verb's run has; `options` and `reading` are its own."""

    inputs: dict[str, str]
    seed: int = Field(ge=0, lt=2**63)
    threads: int = Field(ge=1, le=MOST_THREADS)
    reading: Reading = Reading()
    outputs: dict[str, str] = {}


@dataclass(frozen=True)
class Ways:
    """How a run is done that changes no number that it promises."""

    device: str
    progress: Report


def the_file(files: Sequence[Path], what: str = "the input of that run") -> Path:
    """The one file that was given; InputError for none or several."""
    if len(files) != 1:
        got = f"{len(files)} of them" if files else "none"
        fix = f"Give {what} with --input PATH."
        raise InputError("input", expected="--input once", got=got, fix=fix, argument=True)
    return files[0]


def no_file(files: Sequence[Path]) -> None:
    """InputError where a file is given that nothing would read."""
    if files:
        fix = "Leave it out: that run had no file, its provenance holds all of it."
        raise InputError("input", expected="no --input", got=files[0].name, fix=fix, argument=True)


def check_origin(name: str, origin: str, wanted: Sequence[str]) -> None:
    """InputError for a file whose content is not one of those that the run had."""
    if origin not in wanted:
        raise InputError(
            name,
            expected="the input of that run",
            got="content with another digest",
            fix="Give the same file, unchanged.",
        )
