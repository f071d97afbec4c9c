"""The training task "ct": its configuration, its objectives, and what the card of a prior must state.

objective(settings, data)     the loss of a step, from the people of split "train"
start_weights(settings)       weights of the prior that a fine-tuning starts from
card_facts(...)               errors on the people of split "val", licences, the nearest training slice
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from torch import Tensor
from torch.nn import functional

from medidiff.core.denoisers.network import NetDenoiser
from medidiff.core.process.kernels import EDM
from medidiff.core.training.objectives import Denoising, NoiseLevels
from medidiff.core.training.settings import StrategySettings, TrainSettings
from medidiff.core.training.strategies import strategies_of
from medidiff.core.training.trainer import Objective
from medidiff.domains.reconstruction.ct.training.data import (
    Dataset,
    Patches,
    PatchSettings,
    Person,
    halve,
    read_split,
)
from medidiff.domains.reconstruction.ct.training.iterates import Iterates, IterateSettings
from medidiff.errors import InputError
from medidiff.metrics import body_mask
from medidiff.priors import find
from medidiff.priors.loading import read_weights
from medidiff.progress import Progress, Report, silent
from medidiff.specs.card import PriorCard

SIGMAS_HU = (4.0, 8.0, 15.0, 30.0, 60.0, 100.0, 200.0, 400.0, 800.0, 1600.0)
SPACING_MM = (0.55, 2.0)
NEAREST_HU = 400.0
CHECK_HU, CHECK_SEED, CHECK_SIDE = 100.0, 20, 96


_SUMMARY_WHITE = "axial CT of chest and abdomen, denoising of white noise at every level"
_SUMMARY_TUNED = "axial CT of chest and abdomen, tuned on the iterates of sparse-view reconstruction"
ATTRIBUTION = (
    "CT data: The Cancer Imaging Archive (Clark et al. 2013, doi 10.1007/s10278-013-9622-7); collections,"
    " DOIs and licences as listed under sources.",
    "Changed: single slices or sub-volumes chosen, HU clipped to [-1024, 3071], rotated to one orientation,"
    " part of it reduced by 2 x 2 means, metadata removed.",
)
LIMITS = (
    "research use only: not a medical device",
    "adults, chest and upper abdomen; heads, limbs, children and metal were not trained on",
    "axial slices of 0.55 to 2 mm pixels, thickness 0.6 to 10 mm",
    "anatomy that no view determined is the prior's guess: fast mode does not say how sure it is",
)


class DataSettings(PatchSettings):
    """`data` of a training configuration: the scaling u = (HU - offset)/scale, and how patches are drawn."""

    offset_hu: float
    scale_hu: float = Field(gt=0)


class DenoisingSettings(BaseModel):
    """`objective` of a plain prior: white noise."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Literal["denoising"]
    levels: NoiseLevels = NoiseLevels()


_Objectives = Annotated[DenoisingSettings | IterateSettings, Field(discriminator="kind")]


def objective(settings: TrainSettings, data: Path) -> Objective:
    """The objective that `settings` ask for, on the training people of the folder `data`.

    Raises InputError for settings that do not fit and for data that cannot be used.
    """
    shape = _checked(DataSettings, "data", settings.data)
    chosen = _checked(_Objectives, "objective", settings.objective)
    _check_strategies(settings, chosen.kind)
    dataset = read_split(data, "train")
    patches = Patches(dataset, shape, settings.batch, shape.offset_hu, shape.scale_hu, settings.seed)
    kernel = EDM(sigma_min=settings.kernel.sigma_min, sigma_max=settings.kernel.sigma_max)
    if isinstance(chosen, DenoisingSettings):
        levels = chosen.levels
        strategies = strategies_of(settings.strategies, settings.sigma_data, lambda u: levels.at(u, kernel))
        return Denoising(patches, levels, settings.seed, strategies)
    return Iterates(dataset, patches, chosen, _start(settings, shape).error_at, kernel, settings.seed)


def _check_strategies(settings: TrainSettings, kind: str) -> None:
    """Raise InputError for a strategy that this objective would not use."""
    allowed = {"ema_power"} if kind == "iterates" else {"ema_power", "min_snr", "low_discrepancy_levels"}
    standard, chosen = StrategySettings().model_dump(), settings.strategies.model_dump()
    unused = [key for key, value in chosen.items() if value != standard[key] and key not in allowed]
    if settings.condition_channels:
        unused.append("condition_channels")
    if unused:
        raise InputError(
            "training configuration",
            expected=f"strategies of the objective {kind}: {', '.join(sorted(allowed))}",
            got=", ".join(unused),
            fix="Leave the others out: this objective has no use for them.",
        )


def _start(settings: TrainSettings, shape: DataSettings) -> PriorCard:
    """The card of the prior to start from, which must have the scaling of the configuration."""
    fix = "Name a prior of the same scaling, e.g. ct-white."
    if settings.start_from is None:
        raise InputError(
            "training configuration, start_from", expected="a prior to tune", got="none", fix=fix
        )
    card = find(settings.start_from).card
    ours = (shape.offset_hu, shape.scale_hu, settings.sigma_data, settings.mean)
    theirs = (card.scaling.offset, card.scaling.scale, card.sigma_data, card.mean)
    if ours != theirs:
        raise InputError(
            "training configuration, scaling",
            expected=f"offset, scale, sigma_data and mean of {card.name}, {theirs}",
            got=f"{ours}",
            fix=fix,
        )
    return card


def start_weights(settings: TrainSettings) -> dict[str, Tensor] | None:
    """The weights of the prior named by `start_from`, float32; None without one."""
    if settings.start_from is None:
        return None
    prior = find(settings.start_from)
    weights = read_weights(prior.weights, prior.card)
    return {name: t.float() for name, t in weights.items() if name != prior.card.check.patch}


def card_facts(
    denoiser: NetDenoiser, settings: TrainSettings, data: Path, *, progress: Report = silent
) -> tuple[dict[str, Any], Tensor]:
    """The card's fields that this task knows, measured now, and the check patch (y, x) in HU."""
    shape = _checked(DataSettings, "data", settings.data)
    training, validation = read_split(data, "train"), read_split(data, "val", must_ship=False)
    errors = _errors(denoiser, validation, shape, progress)
    tuned = settings.objective.get("kind") == "iterates"
    facts = {
        "role": "tuned" if tuned else "white",
        "scaling": {"units": "HU", "offset": shape.offset_hu, "scale": shape.scale_hu},
        "error_table": [
            {
                "sigma": hu / shape.scale_hu,
                "rms": float(np.sqrt(np.mean(np.square(errors[:, k])))) / shape.scale_hu,
            }
            for k, hu in enumerate(SIGMAS_HU)
        ],
        "accepts": {"modality": "CT", "spacing_mm": SPACING_MM, "value_range": (-1024.0, 3071.0)},
        "posterior_allowed": not tuned,
        "posterior_note": "trained on the loop's own iterates, not on white noise alone" if tuned else "",
        "metrics_by_person": [
            {
                "person": number,
                **{f"rms_hu_at_{hu:g}_hu": round(float(e), 2) for hu, e in zip(SIGMAS_HU, row, strict=True)},
            }
            for number, row in enumerate(errors, 1)
        ],
        "summary": _SUMMARY_TUNED if tuned else _SUMMARY_WHITE,
        "data": {"sources": training.sources, "attribution": ATTRIBUTION},
        "dataset": training.digest,
        "limits": LIMITS,
        "nearest_training_slice": nearest_training_slices(denoiser, validation, training, shape),
        "check": {"sigma": CHECK_HU / shape.scale_hu, "seed": CHECK_SEED},
    }
    return facts, _check_patch(training)


def validation_slices(validation: Dataset) -> list[Tensor]:
    """One slice in HU a person: the middle one, a slice of 512 pixels as its 2x2 mean."""
    middles = [person.slices[len(person.slices) // 2] for person in validation.people]
    return [halve(image) if min(image.shape) >= 512 else image for image in middles]


def _errors(denoiser: NetDenoiser, validation: Dataset, shape: DataSettings, progress: Report) -> Any:
    """Rms error in HU inside the body, (people, sigmas): white noise of each level on one slice a person."""
    rows = []
    images = validation_slices(validation)
    for number, image in enumerate(images):
        clean = ((image - shape.offset_hu) / shape.scale_hu)[None, None]
        body = torch.from_numpy(body_mask(image.numpy()[None])[0])
        row = []
        for k, hu in enumerate(SIGMAS_HU):
            noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1000 * number + k))
            sigma = hu / shape.scale_hu
            estimate = denoiser.denoise(clean + sigma * noise, denoiser.kernel.at_sigma(sigma)).x0
            row.append(float((estimate - clean)[0, 0][body].square().mean().sqrt()) * shape.scale_hu)
        rows.append(row)
        progress(Progress("measure", number + 1, len(images)))
    return np.array(rows)


def _check_patch(training: Dataset) -> Tensor:
    """The middle of a training person's slice, HU."""
    person: Person = training.people[0]
    image = person.slices[len(person.slices) // 2]
    row, column = (max(n - CHECK_SIDE, 0) // 2 for n in image.shape)
    return image[row : row + CHECK_SIDE, column : column + CHECK_SIDE]


def nearest_training_slices(
    denoiser: NetDenoiser, validation: Dataset, training: Dataset, shape: DataSettings
) -> dict[str, Any]:
    """Whether denoised validation slices lean towards training slices: largest correlations at 64 pixels.

    A prior that had memorised its training set would pull a heavily noised slice towards one of them. The
    correlation with the nearest training slice is stated for the slices as they are and as they come back
    from noise of `NEAREST_HU`, beside the correlation of the two.
    """
    library = torch.stack(
        [_thumbnail(image) for person in training.people for s in person.slices for image in (s, s.flip(1))]
    )
    rows = []
    for number, image in enumerate(validation_slices(validation)):
        clean = ((image - shape.offset_hu) / shape.scale_hu)[None, None]
        sigma = NEAREST_HU / shape.scale_hu
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(number))
        back = denoiser.denoise(clean + sigma * noise, denoiser.kernel.at_sigma(sigma)).x0[0, 0]
        own, other = _thumbnail(image), _thumbnail(back * shape.scale_hu + shape.offset_hu)
        rows.append([float((library @ v).max()) for v in (own, other)] + [float(own @ other)])
    before, after, same = np.array(rows).T
    return {
        "noise_hu": NEAREST_HU,
        "correlation_of_slice": round(float(before.mean()), 4),
        "correlation_of_denoised": round(float(after.mean()), 4),
        "correlation_with_itself": round(float(same.mean()), 4),
        "largest_rise": round(float((after - before).max()), 4),
    }


def _thumbnail(image: Tensor, side: int = 64) -> Tensor:
    """A slice in HU as a vector of zero mean and unit length."""
    small = functional.adaptive_avg_pool2d(image.clamp(-1000, 1000)[None, None], side).flatten()
    small = small - small.mean()
    length: Tensor = torch.linalg.vector_norm(small)
    return small / length.clamp_min(1e-6)  # a slice of air alone is like nothing


def _checked(model: Any, what: str, values: dict[str, Any]) -> Any:
    try:
        return TypeAdapter(model).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or what
        raise InputError(
            f"training configuration, {what}",
            expected="the documented keys and ranges",
            got=f"{place}: {first['msg'].lower()}",
            fix="See benchmarks/training for configurations that work.",
        ) from error
