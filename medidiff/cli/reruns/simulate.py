"""`chromatography simulate` again: the whole system stands in the provenance, so that no file is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from medidiff.cli.reruns import run as common
from medidiff.domains.chromatography.model.stored.from_plain import system_from_plain
from medidiff.domains.chromatography.model.system import Dispersion
from medidiff.domains.chromatography.simulate import Engine, simulate_chromatogram

if TYPE_CHECKING:
    from medidiff.runs import Result


class Options(common.Part):
    """What was asked of `simulate_chromatogram`; `system` with everything that replaced its own values."""

    system: dict[str, Any]
    engine: Engine = "auto"
    dispersion: Dispersion
    limit_s: float = Field(600.0, gt=0)
    plate_heights: bool = False


class Run(common.RecordedRun):
    """A run of `chromatography simulate`."""

    options: Options


def again(run: Run, files: Sequence[Path], ways: common.Ways) -> Result:
    """The run; InputError for a system that was changed in the provenance."""
    common.no_file(files)
    options = run.options.model_dump()
    system = system_from_plain(options.pop("system"))
    common.check_origin("system", system.digest, [*run.inputs.values()])
    return simulate_chromatogram(system, **options, progress=ways.progress)
