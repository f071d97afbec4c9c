"""A prior from a checkpoint: the averaged weights in half precision, and a card that says what they are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from medidiff.atomic import writable, writing_file
from medidiff.core.training.checkpoints import Checkpoint
from medidiff.errors import InputError, OutputError
from medidiff.priors.files import PriorFile
from medidiff.priors.loading import Prior, build_denoiser, check_patch
from medidiff.runs.provenance import versions
from medidiff.specs.card import PriorCard, read_card

CHECK_PATCH = "check.patch"
_ALIKE = ("task", "network", "data", "sigma_data", "mean", "kernel")  # settings of weights that average


def average(checkpoint: Checkpoint, others: Sequence[Prior]) -> Checkpoint:
    """The checkpoint, its averaged weights now the mean of its own and of every prior's, in equal shares.

    Stages of one training that were tuned on different things lie in one valley, and their mean is often
    better than each (model soups, Wortsman et al. 2022, arXiv 2203.05482). Raises InputError for a prior
    of another network or scale, whose weights mean something else.
    """
    for prior in others:
        config = prior.card.training.config
        other = [key for key in _ALIKE if config.get(key) != checkpoint.config.get(key)]
        if other:
            raise InputError(
                f"prior {prior.name}",
                expected="the network, kernel and data settings of the checkpoint",
                got=f"other {', '.join(other)}",
                fix="Average stages of one training.",
            )
    weights = [checkpoint.ema, *(prior.denoiser.net.state_dict() for prior in others)]
    mean = {key: torch.stack([w[key].float() for w in weights]).mean(0) for key in checkpoint.ema}
    return replace(checkpoint, ema=mean)


def pack(
    checkpoint: Checkpoint,
    facts: dict[str, Any],
    patch: Tensor,
    out: Path,
    *,
    hardware: str,
    averaged_with: Sequence[Prior] = (),
    overwrite: bool = False,
) -> PriorFile:
    """Write OUT/NAME.safetensors and NAME.json; the prior as `load` will find it.

    `facts` are what the training task measured (scaling, errors, data, limits, the check's sigma and seed);
    `patch` (y, x) is the check patch in physical units, of a training person; `averaged_with`, for the card,
    are the priors that `average` took in. Raises OutputError when the
    files exist (without `overwrite`) or cannot be written, InputError when the facts do not make a card.
    """
    name = str(checkpoint.config["name"])
    weights, card_file = new_files(name, out, overwrite=overwrite)
    half = {key: tensor.detach().cpu().half().contiguous() for key, tensor in checkpoint.ema.items()}
    half[CHECK_PATCH] = patch.half().contiguous()
    content = save(half)
    card = _card(checkpoint, facts, hardware, averaged_with, half, hashlib.sha256(content).hexdigest())
    with writable(out):
        out.mkdir(parents=True, exist_ok=True)
    # Both are written before either takes its name: a failure leaves the old pair, or none.
    with writing_file(weights) as new_weights, writing_file(card_file) as new_card:
        new_weights.write_bytes(content)
        new_card.write_text(card.to_json(), encoding="utf-8")
    return PriorFile(name, read_card(card_file), weights, "user")


def new_files(name: str, out: Path, *, overwrite: bool) -> tuple[Path, Path]:
    """The weights and the card that `pack` writes; OutputError when one exists, without `overwrite`."""
    weights, card = out / f"{name}.safetensors", out / f"{name}.json"
    if not overwrite and (weights.exists() or card.exists()):
        raise OutputError(
            f"prior {name}",
            expected="a new name",
            got="files that exist",
            fix="Give --overwrite, or another --out.",
        )
    return weights, card


def _card(
    checkpoint: Checkpoint,
    facts: dict[str, Any],
    hardware: str,
    averaged_with: Sequence[Prior],
    half: dict[str, Tensor],
    sha256: str,
) -> PriorCard:
    config = checkpoint.config
    draft = {
        **{key: value for key, value in facts.items() if key != "dataset"},
        "name": config["name"],
        "version": versions()["medidiff"],
        "architecture": config["network"],
        "sigma_data": config["sigma_data"],
        "mean": config["mean"],
        "kernel": {"kind": "edm", **config["kernel"]},
        "training": {
            "steps": checkpoint.step,
            "seconds": round(checkpoint.seconds),
            "hardware": hardware,
            "config": config,
            "dataset": facts.get("dataset"),
            "averaged_with": {prior.name: prior.digest for prior in averaged_with},
        },
        "weights_sha256": sha256,
        "check": {"patch": CHECK_PATCH, "expected_rms": 1.0, **facts.get("check", {})},
    }
    try:
        card = PriorCard.model_validate(draft)
    except ValueError as error:
        raise InputError(
            "card",
            expected="complete facts",
            got=" ".join(line.strip() for line in str(error).splitlines()[:3]),
            fix="Mend the task's card facts.",
        ) from error
    weights = {key: tensor for key, tensor in half.items() if key != CHECK_PATCH}
    denoiser = build_denoiser(card, weights, torch.device("cpu"), float32=True)
    measured = check_patch(denoiser, card, half[CHECK_PATCH].float())
    if not 0 < measured < math.inf:
        raise InputError(
            f"prior {card.name}",
            expected="a finite error on the check patch",
            got=f"{measured:g}",
            fix="Weights or patch are damaged or beyond half precision: pack an earlier checkpoint.",
        )
    return card.model_copy(update={"check": card.check.model_copy(update={"expected_rms": measured})})
