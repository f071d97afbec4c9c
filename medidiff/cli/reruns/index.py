"""`chromatography index` again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medidiff.cli.reruns import run as common
from medidiff.cli.reruns.traces import Reading, apart, trace_of
from medidiff.domains.chromatography.analysis.method import Method
from medidiff.domains.chromatography.analysis.standards.ladder import index_peaks

if TYPE_CHECKING:
    from medidiff.runs import Result


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
    """The run; InputError for other files than it had."""
    options, trace = run.options, run.reading.trace
    path, blank = apart(run, files, "the input of that run", trace)
    found = trace_of(run, path, trace)
    return index_peaks(found, options.ladder, t0_s=options.t0_s, method=options.method, blank=blank)
