"""The card of a prior: what the network is, what it may be given, where it came from, how good it is.

One JSON file beside the weights. The loader builds the network from `architecture`, maps physical values
by u = (value - offset) / scale, and runs `check` before it trusts the weights; a door uses `accepts` to
choose a prior and `posterior_allowed` to refuse one. Unknown keys are refused, so that a card written by a
later version cannot be half understood.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from medidiff.errors import InputError

_MOST_BYTES = 4 << 20
_SPACING_TOLERANCE = 1e-3  # of a spacing at the end of the accepted interval

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern=r"^(sha256:)?[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Architecture(BaseModel):
    """`kind` and the options of its class; `model_dump()` is what builds the network."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, JsonValue]

    kind: Literal["unet", "monai"]


class Scaling(_Part):
    """The affine map between physical values and the network's: u = (value - offset) / scale."""

    units: Literal["HU"] = "HU"
    offset: Finite
    scale: Positive


class NoiseKernel(_Part):
    """The noise that the network was trained on: sigma in scaled units."""

    kind: Literal["edm"] = "edm"
    sigma_min: Positive
    sigma_max: Positive


class DenoisingError(_Part):
    """Root-mean-square error of the denoised image at white noise `sigma`; both in scaled units."""

    sigma: Positive
    rms: Positive


class Accepts(_Part):
    """What the prior was trained on, in the vocabulary of the data sets; spacing is in-plane."""

    modality: Literal["CT"] = "CT"
    spacing_mm: tuple[Positive, Positive]
    value_range: tuple[Finite, Finite]


class Source(_Part):
    """A collection that the training data came from, and what its licence asks for."""

    collection: str
    doi: str | None = None
    licence: str
    people: Count
    slices: Count


class Data(_Part):
    """All training data; `attribution` are the lines that must travel with the weights."""

    sources: tuple[Source, ...] = Field(min_length=1)
    attribution: tuple[str, ...] = ()


class Training(_Part):
    """How the weights came to be; `config` is the whole training configuration, `dataset` its digest.

    `averaged_with` names the priors, with the digest of their weights, that were averaged in.
    """

    steps: Count
    hardware: str
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    config: dict[str, JsonValue]
    dataset: Digest
    averaged_with: dict[str, Digest] = Field(default_factory=dict)


class Check(_Part):
    """Denoise tensor `patch` (in the scaling's units) of the weights' file with seeded noise, sigma scaled.

    The error, scaled, must be `expected_rms`.
    """

    patch: str
    sigma: Positive
    seed: Count
    expected_rms: Positive


class PriorCard(_Part):
    """A prior. sigma_data and mean describe the training data in scaled units (the start law)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    version: str
    summary: str
    role: Literal["white", "tuned"]
    architecture: Architecture
    scaling: Scaling
    sigma_data: Positive
    mean: Finite
    kernel: NoiseKernel
    error_table: tuple[DenoisingError, ...] = Field(min_length=2)
    accepts: Accepts
    posterior_allowed: bool
    posterior_note: str
    data: Data
    training: Training
    limits: tuple[str, ...] = Field(min_length=1)
    metrics_by_person: tuple[dict[str, JsonValue], ...] = ()
    nearest_training_slice: dict[str, JsonValue] = Field(default_factory=dict)
    check: Check
    weights_sha256: Digest

    @model_validator(mode="after")
    def _consistent(self) -> PriorCard:
        sigmas = [row.sigma for row in self.error_table]
        if not all(low < high for low, high in pairwise(sigmas)):
            raise ValueError("error_table must rise in sigma")
        intervals = (
            ("kernel", (self.kernel.sigma_min, self.kernel.sigma_max)),
            ("accepts.spacing_mm", self.accepts.spacing_mm),
            ("accepts.value_range", self.accepts.value_range),
        )
        for name, (low, high) in intervals:
            if not low < high:
                raise ValueError(f"{name} must be an interval (low, high)")
        if not self.posterior_allowed and not self.posterior_note:
            raise ValueError("posterior_note must say why posterior mode is not allowed")
        return self

    def error_at(self, sigma: float) -> float:
        """r(sigma): rms error of denoising, scaled units; linear in both logarithms, constant outside."""
        table = self.error_table
        if sigma <= table[0].sigma:
            return table[0].rms
        for low, high in pairwise(table):
            if sigma <= high.sigma:
                share = math.log(sigma / low.sigma) / math.log(high.sigma / low.sigma)
                return float(low.rms * (high.rms / low.rms) ** share)
        return table[-1].rms

    def accepts_volume(
        self,
        *,
        modality: str,
        spacing_mm: tuple[float, float, float],
        value_range: tuple[float, float],
    ) -> None:
        """Raise InputError when a volume is not of the kind that the prior was trained on.

        spacing_mm: (dz, dy, dx), of which the in-plane pair is judged. value_range: (lowest, highest) of
        the bulk of the values, in the units of the scaling; a range that does not meet the card's is of
        other units.
        """
        low, high = self.accepts.spacing_mm
        slack = 1 + _SPACING_TOLERANCE
        if modality != self.accepts.modality:
            raise self._unfit(f"modality {self.accepts.modality}", modality, "Choose another with --prior.")
        if not all(low / slack <= step <= high * slack for step in spacing_mm[1:]):
            raise self._unfit(
                f"pixels of {low:g} to {high:g} mm",
                " x ".join(f"{step:.3g}" for step in spacing_mm[1:]) + " mm",
                "Choose another with --prior, or another --matrix.",
            )
        bottom, top = self.accepts.value_range
        if value_range[0] > top or value_range[1] < bottom:
            raise self._unfit(
                f"values in [{bottom:g}, {top:g}] {self.scaling.units}",
                f"[{value_range[0]:g}, {value_range[1]:g}]",
                "Give the image in these units.",
            )

    def _unfit(self, expected: str, got: str, fix: str) -> InputError:
        return InputError(f"prior {self.name}", expected=expected, got=got, fix=fix)

    def to_json(self) -> str:
        """The text of the card's file; `read_card` gives the same card back."""
        return self.model_dump_json(indent=2) + "\n"


def read_card(path: Path) -> PriorCard:
    """A card from its JSON file; InputError, one sentence, when it is absent or not valid."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise _bad_card(path.name, (error.strerror or "an unreadable file").lower()) from None
    if len(text) > _MOST_BYTES:
        raise _bad_card(path.name, f"more than {_MOST_BYTES} bytes")
    try:
        return PriorCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        message = first["msg"].removeprefix("Value error, ")
        raise _bad_card(path.name, f"{place}: {message}{more}" if place else f"{message}{more}") from None


def _bad_card(name: str, got: str) -> InputError:
    return InputError(
        name,
        expected="the card of a prior (JSON)",
        got=got,
        fix="Pack the prior again with medidiff models pack.",
    )
