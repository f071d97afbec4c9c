"""A diffusers checkpoint from its folder, without the diffusers package.

    FOLDER/config.json, diffusion_pytorch_model.safetensors, scheduler_config.json            or
    FOLDER/unet/config.json, unet/diffusion_pytorch_model.safetensors, scheduler/scheduler_config.json

Of the scheduler only the betas and the prediction type are read. A pickle (.bin) is never opened.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from medidiff.core.denoisers.adapters.diffusers_unet import UNet2D, UNet2DConfig
from medidiff.core.denoisers.adapters.predicting import Predicting, checked_prediction, trained_kernel
from medidiff.errors import InputError

_WEIGHTS = "diffusion_pytorch_model.safetensors"
_MOST_STEPS = 100_000
_RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}  # before diffusers 0.17


def read_diffusers(
    folder: Path,
    *,
    device: torch.device | None = None,
    condition_channels: int = 0,
    optional_condition: bool = False,
) -> Predicting:
    """The denoiser of a plain `UNet2DModel` (positional time steps, no classes) in `folder`.

    `condition_channels` of the network's inputs are a concatenated condition. Raises InputError, in one line,
    for a file that is absent, damaged or not JSON, for an architecture or schedule that is not supported, and
    for weights that are not those of the configuration.
    """
    pipeline = (folder / "unet").is_dir()
    unet = folder / "unet" if pipeline else folder
    schedule = _json((folder / "scheduler" if pipeline else folder) / "scheduler_config.json")
    config = _config(_json(unet / "config.json"))
    if config.in_channels != config.out_channels + condition_channels:
        raise InputError(
            "diffusers network",
            expected=f"{config.out_channels + condition_channels} input channels for as many outputs and "
            f"{condition_channels} of a condition",
            got=f"{config.in_channels} in, {config.out_channels} out",
            fix="Give condition_channels; a network that predicts variances is not supported.",
        )
    betas = _betas(schedule)
    network = _network(config, unet / _WEIGHTS).to(device or torch.device("cpu"))
    prediction = checked_prediction(schedule.get("prediction_type", "epsilon"))
    return Predicting(
        network,
        trained_kernel(torch.as_tensor(betas), prediction),
        len(betas),
        prediction,
        multiple=2 ** (len(config.block_out_channels) - 1),
        condition_channels=condition_channels,
        optional_condition=optional_condition,
    )


def _network(config: UNet2DConfig, file: Path) -> UNet2D:
    try:
        stored = load_file(file)
    except (OSError, SafetensorError) as error:
        got = "none" if isinstance(error, FileNotFoundError) else type(error).__name__
        raise _refused(file, "whole weights in safetensors", got, "Download the file again.") from error
    weights = {_renamed(name): tensor.float() for name, tensor in stored.items()}
    broken = [name for name, tensor in weights.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise _refused(file, "finite weights", f"NaN or infinity in {broken[0]}", "Download the file again.")
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
        network = UNet2D(config)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).split("\n")[1:2] or [str(error)]
        raise _refused(
            file, "the weights of config.json", first[0].strip()[:160], "Take both from one checkpoint."
        ) from error
    return network.eval().requires_grad_(False)


def _renamed(name: str) -> str:
    """The name of today for a parameter of an attention layer in an old checkpoint."""
    head, _, kind = name.rpartition(".")
    before, _, last = head.rpartition(".")
    return f"{before}.{_RENAMED[last]}.{kind}" if last in _RENAMED else name


def _config(found: dict[str, Any]) -> UNet2DConfig:
    if found.get("_class_name") != "UNet2DModel":
        raise InputError(
            "diffusers network",
            expected="class UNet2DModel",
            got=repr(found.get("_class_name"))[:60],
            fix="Networks with text, classes or other blocks have no adapter.",
        )
    try:
        return UNet2DConfig.model_validate({k: v for k, v in found.items() if not k.startswith("_")})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "config.json"
        raise InputError(
            "diffusers network",
            expected="the options of a plain UNet2DModel",
            got=f"{place}: {first['msg'].lower()}"[:160],
            fix="Other architectures have no adapter.",
        ) from error


def _betas(found: dict[str, Any]) -> Tensor:
    """The table of betas of a scheduler's configuration, float64."""
    kind, trained = found.get("beta_schedule"), found.get("trained_betas")
    first, last, steps = (
        found.get("beta_start", 1e-4),
        found.get("beta_end", 0.02),
        found.get("num_train_timesteps"),
    )
    usable = isinstance(first, float) and isinstance(last, float) and 0 < first <= last < 1
    if found.get("rescale_betas_zero_snr") or found.get("use_flow_sigmas"):
        kind = "one rescaled to zero signal, or of a flow"
    elif isinstance(trained, list) and all(isinstance(beta, float) for beta in trained):
        return torch.tensor(trained, dtype=torch.float64)
    elif trained is None and usable and isinstance(steps, int) and 1 < steps <= _MOST_STEPS:
        if kind == "linear":
            return torch.linspace(first, last, steps, dtype=torch.float64)
        if kind == "scaled_linear":
            return torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2
        if kind == "squaredcos_cap_v2":
            return _squared_cosine(steps)
    raise InputError(
        "diffusers scheduler",
        expected="beta_schedule linear, scaled_linear or squaredcos_cap_v2, or trained_betas",
        got=f"{kind!r} with {steps!r} steps, beta_start {first!r} and beta_end {last!r}"[:160],
        fix="Give the scheduler_config.json of the training.",
    )


def _squared_cosine(steps: int) -> Tensor:
    """min(1 - c(k + 1) / c(k), 0.999), c(k) = cos^2((k / T + 0.008) / 1.008 pi / 2) (Nichol et al. 2021)."""
    k = torch.arange(steps + 1, dtype=torch.float64)
    c = torch.cos((k / steps + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - c[1:] / c[:-1]).clamp(max=0.999)


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _refused(
            file, "a file of a diffusers checkpoint", "none", "Give the checkpoint's folder."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(file, "JSON", type(error).__name__, "Download the file again.") from error
    if not isinstance(found, dict):
        raise _refused(file, "a JSON object", type(found).__name__, "Download the file again.")
    return found


def _refused(file: Path, expected: str, got: str, fix: str) -> InputError:
    return InputError(file.name, expected=expected, got=got, fix=fix)
