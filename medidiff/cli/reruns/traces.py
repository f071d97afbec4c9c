"""Inputs of runs on traces: a trace, a folder or a table, and the blank that was subtracted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from medidiff.cli.reruns import run as common
from medidiff.domains.chromatography.analysis.blank import read_blank
from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files import read_chromatogram
from medidiff.domains.chromatography.files.content import LIMITS, read_content
from medidiff.errors import InputError
from medidiff.io.opening import naming

_BLANK = "blank"


class Reading(common.Reading):
    """Which trace of the file was read."""

    trace: int | None = Field(None, ge=1)


def apart(
    run: common.RecordedRun, files: Sequence[Path], what: str, trace: int | None = None
) -> tuple[Path, Chromatogram | None]:
    """The input, and the blank where that run had one, known by its digest whatever the order.

    InputError for another number of files than the run had.
    """
    if _BLANK not in run.inputs:
        return common.the_file(files, what), None
    blanks = [path for path in files if path.is_file() and _origin(path) == run.inputs[_BLANK]]
    others = [path for path in files if path not in blanks]
    if len(files) != 2 or len(blanks) != 1:
        got = f"{len(files)} of them, {len(blanks)} with the digest of the blank"
        fix = f"Give {what} and its blank, each with --input PATH."
        raise InputError("input", expected="--input twice", got=got, fix=fix, argument=True)
    return others[0], read_blank(blanks[0], trace)


def trace_of(run: common.RecordedRun, path: Path, trace: int | None) -> Chromatogram:
    """The trace of that run; InputError for a file with another digest."""
    common.check_origin(path.name, _origin(path), [run.inputs["chromatogram"]])
    return read_chromatogram(path, trace)


def _origin(path: Path) -> str:
    with naming(path.name):
        return read_content(path, LIMITS).origin
