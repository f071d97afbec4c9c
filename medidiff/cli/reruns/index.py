"""`chromatography index` again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from medidiff.cli.reruns import run as common
from medidiff.domains.chromatography.analysis.method import Method
from medidiff.domains.chromatography.analysis.standards.ladder import index_peaks
from medidiff.domains.chromatography.files import read_chromatogram

if TYPE_CHECKING:
    from medidiff.runs import Result


class Reading(common.Reading):
    """Which trace of the file was read."""

    trace: int | None = Field(None, ge=1)


class Options(common.Part):
    """What was asked of `index_peaks`; the method whole."""

    ladder: dict[int, float]
    t0_s: float | None
    method: Method


class Run(common.RecordedRun):
    """A run of `chromatography index`."""

    options: Options
    reading: Reading = Reading()


def again(run: Run, files: Sequence[Path], ways: common.Ways) -> Result:
    """The run; InputError for another file than it had."""
    path = common.the_file(files)
    trace = read_chromatogram(path, run.reading.trace)
    common.check_origin(path.name, trace.origin, [*run.inputs.values()])
    options = run.options
    return index_peaks(trace, options.ladder, t0_s=options.t0_s, method=options.method)
