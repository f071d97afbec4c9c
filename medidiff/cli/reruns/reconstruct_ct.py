"""`reconstruct ct` again. The bounds are those of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from medidiff.cli.options import LEAST_PHOTONS, MOST_PHOTONS, MOST_VIEWS
from medidiff.cli.reruns import run as common
from medidiff.cli.verbs.reconstruct import Coupling, GeometryName, Method

if TYPE_CHECKING:
    from medidiff import CTMeasurement, Volume
    from medidiff.runs import Result


def _rising(block: list[int]) -> list[int]:
    if not 0 <= block[0] < block[1]:
        raise ValueError("expected 0 <= A < B")
    return block


class Reading(common.Reading):
    """How the input was read; without a `demo`, `rerun` asks for the input."""

    series: int | None = Field(None, ge=1)
    slices: Annotated[list[int], Field(min_length=2, max_length=2), AfterValidator(_rising)] | None = None
    units: Literal["hu", "1/mm"] = "hu"
    demo: Literal["ct"] | None = None
    sinogram: bool = False
    matrix: int | None = Field(None, ge=1)

    @property
    def block(self) -> tuple[int, int] | None:
        """`slices` as readers take it."""
        return (self.slices[0], self.slices[1]) if self.slices else None


class Options(common.Part):
    """What was asked of `retrospective_ct`, or of a sinogram of `reconstruct_ct`.

    What these resolved by themselves (weights) they resolve again.
    """

    method: Annotated[list[Method], Field(min_length=1, max_length=8)]
    views: int = Field(24, ge=1, le=MOST_VIEWS)
    arc_deg: float = Field(180.0, gt=0, le=360)
    angles_deg: (
        Annotated[list[Annotated[float, Field(ge=-360, le=360)]], Field(min_length=1, max_length=MOST_VIEWS)]
        | None
    ) = None
    geometry: GeometryName | dict[str, Any] = "parallel"  # by name, or as `to_plain` has it
    photons: float | None = Field(None, ge=LEAST_PHOTONS, le=MOST_PHOTONS)
    matrix: int | None = Field(None, ge=1)
    prior: str | None = Field(None, max_length=64)
    mode: Literal["fast"] = "fast"
    coupling: Coupling = "none"
    float32: bool = False


class Run(common.RecordedRun):
    """A run of `reconstruct ct`."""

    options: Options
    reading: Reading = Reading()


def again(run: Run, files: Sequence[Path], ways: common.Ways) -> Result:
    """The run, on as many threads as it had, since sums depend on it."""
    import torch

    import medidiff as md

    source = _source(run, files)
    torch.set_num_threads(run.threads)  # torch may have more than there are cores
    options = run.options.model_dump(exclude={"method"}, exclude_unset=True)
    how: dict[str, Any] = {"seed": run.seed, "device": ways.device, "progress": ways.progress}
    if isinstance(options.get("geometry"), dict):
        from medidiff.domains.reconstruction.ct.scan.geometry import from_plain

        options["geometry"] = from_plain(options["geometry"])
    if isinstance(source, md.Volume):
        return md.retrospective_ct(source, **options, methods=run.options.method, **how)
    return md.reconstruct_ct(source, **options, method=run.options.method, **how)


def _source(run: Run, files: Sequence[Path]) -> Volume | CTMeasurement:
    """What the run was made from; InputError when the digest is another."""
    import medidiff as md

    reading = run.reading
    source: Volume | CTMeasurement
    if reading.demo and not files:
        source = md.demo_volume(reading.demo, slices=reading.block)
        name = "demo"
    else:
        path = common.the_file(files)
        name = path.name
        if reading.sinogram:
            source = md.read_sinogram(path, matrix=reading.matrix, slices=reading.block)
        else:
            ways: dict[str, Any] = {"series": reading.series, "units": reading.units}
            source = md.read_volume(path, slices=reading.block, **ways)
    common.check_origin(name, source.origin, [*run.inputs.values()])
    return source
