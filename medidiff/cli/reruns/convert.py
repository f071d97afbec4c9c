"""`chromatography convert` again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from medidiff.cli.reruns import run as common
from medidiff.domains.chromatography.files.convert import convert_chromatograms
from medidiff.domains.chromatography.files.writing import Format

if TYPE_CHECKING:
    from medidiff.runs import Result


class Options(common.Part):
    """What was asked of `convert_chromatograms`."""

    trace: int | None = Field(ge=1)
    to: Format
    keep_metadata: bool


class Run(common.RecordedRun):
    """A run of `chromatography convert`."""

    options: Options


def again(run: Run, files: Sequence[Path], ways: common.Ways) -> Result:
    """The run; InputError for another file than it had."""
    path = common.the_file(files)
    options = run.options
    result = convert_chromatograms(
        path, trace=options.trace, to=options.to, keep_metadata=options.keep_metadata
    )
    common.check_origin(path.name, result.provenance["inputs"]["chromatogram"], [*run.inputs.values()])
    return result
