"""`chromatography peaks` again, of one file or of a folder (with the blank, where it had one)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from medidiff.cli.reruns import run as common
from medidiff.cli.reruns.traces import Reading, apart, trace_of
from medidiff.domains.chromatography.analysis.batch import batch_peaks
from medidiff.domains.chromatography.analysis.chromatogram import chromatogram_peaks
from medidiff.domains.chromatography.analysis.method import Method
from medidiff.errors import InputError

if TYPE_CHECKING:
    from medidiff.runs import Result


class Options(common.Part):
    """What was asked of `chromatogram_peaks` or `batch_peaks`; the method whole."""

    method: Method
    t0_s: float | None
    trace: int | None = Field(None, ge=1)


class Run(common.RecordedRun):
    """A run of `chromatography peaks`."""

    options: Options
    reading: Reading = Reading()


def again(run: Run, files: Sequence[Path], ways: common.Ways) -> Result:
    """The run; InputError for other files than it had."""
    options, trace = run.options, run.reading.trace
    if "chromatogram" in run.inputs:
        path, blank = apart(run, files, "the input of that run", trace)
        found = trace_of(run, path, trace)
        return chromatogram_peaks(found, method=options.method, t0_s=options.t0_s, blank=blank)
    folder, blank = apart(run, files, "the folder of that run", options.trace)
    result = batch_peaks(
        folder,
        method=options.method,
        t0_s=options.t0_s,
        trace=options.trace,
        blank=blank,
        progress=ways.progress,
    )
    if result.provenance["inputs"] != run.inputs:
        got, fix = "files with other digests", "Give the same folder, unchanged."
        raise InputError(folder.name, expected="the runs of that batch", got=got, fix=fix)
    return result
