"""`chromatography peaks` again, of one file or of a folder, with its blank where it had one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from medidiff.cli.reruns import run as common
from medidiff.domains.chromatography.analysis.batch import batch_peaks
from medidiff.domains.chromatography.analysis.chromatogram import chromatogram_peaks
from medidiff.domains.chromatography.analysis.method import Method
from medidiff.domains.chromatography.files import read_chromatogram
from medidiff.domains.chromatography.files.content import LIMITS, read_content
from medidiff.errors import InputError
from medidiff.io.opening import naming

if TYPE_CHECKING:
    from medidiff import Chromatogram
    from medidiff.runs import Result

_FILE, _BLANK = "chromatogram", "blank"


class Reading(common.Reading):
    """Which trace of the file was read."""

    trace: int | None = Field(None, ge=1)


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
    method, t0_s = run.options.method, run.options.t0_s
    if _FILE not in run.inputs:
        return _folder(run, files, ways)
    if _BLANK in run.inputs:
        if len(files) != 2:
            got, fix = f"{len(files)} files", "Give the run and its blank, each with --input PATH."
            raise InputError("input", expected="--input twice", got=got, fix=fix, argument=True)
        found = dict(_read(run, path) for path in files)
        if len(found) != len(run.inputs):
            got, fix = "one of them twice", "Give the run and its blank, each with --input PATH."
            raise InputError("input", expected="both files", got=got, fix=fix, argument=True)
        return chromatogram_peaks(
            found[run.inputs[_FILE]], method=method, t0_s=t0_s, blank=found[run.inputs[_BLANK]]
        )
    _, trace = _read(run, common.the_file(files))
    return chromatogram_peaks(trace, method=method, t0_s=t0_s)


def _read(run: Run, path: Path) -> tuple[str, Chromatogram]:
    """A file of the run, known by its digest whatever the order in which they are given."""
    with naming(path.name):
        origin = read_content(path, LIMITS).origin
    common.check_origin(path.name, origin, [*run.inputs.values()])
    blank = origin != run.inputs.get(_FILE)
    return origin, read_chromatogram(path, None if blank else run.reading.trace)


def _folder(run: Run, files: Sequence[Path], ways: common.Ways) -> Result:
    folders = [path for path in files if path.is_dir()]
    if _BLANK in run.inputs and (len(folders), len(files)) != (1, 2):
        got, fix = (
            f"{len(files)} of them",
            "Give the folder of that run and its blank, each with --input PATH.",
        )
        raise InputError("input", expected="--input twice", got=got, fix=fix, argument=True)
    if _BLANK in run.inputs:
        folder = folders[0]
        _, blank = _read(run, next(path for path in files if path != folder))
    else:
        folder, blank = common.the_file(files, "the folder of that run"), None
    options = run.options
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
