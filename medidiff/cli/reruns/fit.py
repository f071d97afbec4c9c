"""`chromatography fit` again, of a file or of the demo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from medidiff.cli.reruns import run as common
from medidiff.cli.verbs.chromatography.fit import MOST_SAMPLES
from medidiff.domains.chromatography.demo import demo_chromatography
from medidiff.domains.chromatography.files import read_chromatogram
from medidiff.domains.chromatography.fitting.certainty.posterior import Sampler
from medidiff.domains.chromatography.fitting.fit import IntervalKind
from medidiff.domains.chromatography.fitting.result import HIGHEST_ORDER, fit_chromatogram
from medidiff.domains.chromatography.model.stored.from_plain import injection_from_plain, system_from_plain
from medidiff.domains.chromatography.model.system import Dispersion

if TYPE_CHECKING:
    from medidiff.runs import Result


class Reading(common.Reading):
    """Which trace of the file was read, or that it was the demo's."""

    trace: int | None = Field(None, ge=1)
    demo: Literal["chromatography"] | None = None


class Options(common.Part):
    """What was asked of `fit_chromatogram`; `system` and `injection` as plain data."""

    t0_s: float | None
    system: dict[str, Any] | None
    analytes: list[str] | None
    injection_width_s: float | None
    injection: dict[str, Any] | None
    detector_s: float | None
    dispersion: Dispersion
    shared: list[Literal["t0_s", "injection_width_s", "injection_tail_s", "detector_s"]]
    interval: IntervalKind
    level: float = Field(gt=0, lt=1)
    baseline_order: int = Field(ge=0, le=HIGHEST_ORDER)
    window_s: Annotated[list[float], Field(min_length=2, max_length=2)] | None
    samples: int = Field(ge=0, le=MOST_SAMPLES)
    sampler: Sampler


class Run(common.RecordedRun):
    """A run of `chromatography fit`."""

    options: Options
    reading: Reading = Reading()


def again(run: Run, files: Sequence[Path], ways: common.Ways) -> Result:
    """The run; InputError for another file, or a system that was changed in the provenance."""
    if run.reading.demo:
        common.no_file(files)
        return demo_chromatography(seed=run.seed, progress=ways.progress)
    path = common.the_file(files)
    trace = read_chromatogram(path, run.reading.trace)
    wanted = [*run.inputs.values()]
    common.check_origin(path.name, trace.origin, wanted)
    options = run.options.model_dump()
    if options["system"] is not None:
        options["system"] = system_from_plain(options["system"])
        common.check_origin("system", options["system"].digest, wanted)
    if options["injection"] is not None:
        options["injection"] = injection_from_plain(options["injection"])
    if (window := options["window_s"]) is not None:
        options["window_s"] = (window[0], window[1])
    return fit_chromatogram(trace, **options, seed=run.seed)
