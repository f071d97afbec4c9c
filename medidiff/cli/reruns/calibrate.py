"""`chromatography calibrate` again: the table, and the files of standards that lie beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medidiff.cli.reruns import run as common
from medidiff.cli.reruns.traces import apart
from medidiff.domains.chromatography.analysis.method import Method, Response
from medidiff.domains.chromatography.analysis.standards.calibration import Model, Weights
from medidiff.domains.chromatography.analysis.standards.table import calibrate_table
from medidiff.errors import InputError

if TYPE_CHECKING:
    from medidiff.runs import Result


class Options(common.Part):
    """What was asked of `calibrate_table`; the method whole, of a table with files."""

    model: Model
    weights: Weights
    method: Method | None
    peak: str | None
    response: Response | None


class Run(common.RecordedRun):
    """A run of `chromatography calibrate`."""

    options: Options


def again(run: Run, files: Sequence[Path], ways: common.Ways) -> Result:
    """The run; InputError for other files than it had."""
    path, blank = apart(run, files, "the table of that run")
    options = run.options
    result = calibrate_table(
        path,
        model=options.model,
        weights=options.weights,
        method=options.method,
        peak=options.peak,
        response=options.response,
        blank=blank,
    )
    if result.provenance["inputs"] != run.inputs:
        got, fix = "files with other digests", "Give the same table and files, unchanged."
        raise InputError(path.name, expected="the standards of that run", got=got, fix=fix)
    return result
