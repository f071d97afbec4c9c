"""The part of a provenance that `medidiff rerun` uses, checked: the file may come from anywhere.

The bounds are those of the command line; whatever else the provenance holds is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from medidiff.cli.options import LEAST_PHOTONS, MOST_PHOTONS, MOST_VIEWS
from medidiff.cli.verbs.reconstruct import Coupling, GeometryName, Method
from medidiff.errors import InputError

MOST_THREADS = 1024


def _rising(block: list[int]) -> list[int]:
    if not 0 <= block[0] < block[1]:
        raise ValueError("expected 0 <= A < B")
    return block


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Reading(_Part):
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


class Options(_Part):
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


class Recorded(_Part):
    """A run of `reconstruct ct`."""

    verb: Literal["reconstruct ct"]
    options: Options
    inputs: dict[str, str]
    seed: int = Field(ge=0, lt=2**63)
    threads: int = Field(ge=1, le=MOST_THREADS)
    reading: Reading = Reading()
    outputs: dict[str, str] = {}


def recorded(found: Mapping[str, Any]) -> Recorded:
    """The run that a provenance describes; InputError, which names the key, when it cannot be done again."""
    try:
        return Recorded.model_validate(dict(found))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            "provenance",
            expected="a run of 'reconstruct ct' as medidiff writes it",
            got=f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}",
            fix="Give the provenance.json of a run folder, unchanged.",
        ) from None
