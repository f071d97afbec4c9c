"""A prior from its two files: digest checked, network built from the card, and one patch denoised.

The patch, kept in the card's units, guards against the commonest failure of learned reconstruction, a scale
that is off by an unnoticed factor: mapped by the card's scaling and denoised with seeded noise, its error
must be the card's within 3 %, where a factor of 1.1 in the scale moves it by about 5 %.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from medidiff.core.denoisers.network import NetDenoiser, build_network
from medidiff.core.device import precision
from medidiff.core.process.kernels import EDM
from medidiff.core.training.checkpoints import digest
from medidiff.errors import InputError
from medidiff.priors.files import PriorFile
from medidiff.specs.card import PriorCard

KEPT = 2  # priors in memory: that of two devices, or of two runs
_TOLERANCE = 0.03  # bf16 moves the error by less than 0.5 %
_kept: OrderedDict[tuple[object, ...], Prior] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class Prior:
    """A prior ready to denoise: `denoiser` takes slices (B, 1, y, x) of the scaled image on `device`."""

    name: str
    card: PriorCard
    denoiser: NetDenoiser
    device: torch.device
    digest: str


def load(prior: PriorFile, *, device: torch.device | None = None, float32: bool = False) -> Prior:
    """Read, check and build. The network runs in bf16 where that is fast, in float32 on request.

    Done once a process: as long as its two files stay as they are, a prior is the same object again, which
    nobody may train; the last `KEPT` are remembered. Raises InputError when the weights are not those of
    the card or fail its check.
    """
    device = device or torch.device("cpu")
    key = (prior.name, prior.card.model_dump_json(), _stamp(prior.weights), str(device), float32)
    with _lock:
        found = _kept.pop(key, None) or _load(prior, device, float32=float32)
        _kept[key] = found
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return found


def _stamp(path: Path) -> tuple[object, ...]:
    """What changes when a file does; nothing of one that cannot be read, which `read_weights` will say."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return str(path.resolve()), status.st_ino, status.st_size, status.st_mtime_ns


def _load(prior: PriorFile, device: torch.device, *, float32: bool) -> Prior:
    weights = read_weights(prior.weights, prior.card)
    patch = weights.pop(prior.card.check.patch, None)
    denoiser = build_denoiser(prior.card, weights, device, float32=float32)
    if patch is None or patch.ndim != 2 or not patch.numel():
        found = "none" if patch is None else f"shape {tuple(patch.shape)}"
        raise _refuse(prior.name, f"a tensor {prior.card.check.patch} (y, x)", found)
    expected, got = prior.card.check.expected_rms, check_patch(denoiser, prior.card, patch.float().to(device))
    if not abs(got / expected - 1) <= _TOLERANCE:  # NaN is refused too
        raise _refuse(prior.name, f"an error of {expected:.4f} on its check patch", f"{got:.4f}")
    return Prior(
        prior.name,
        prior.card,
        denoiser,
        device,
        f"sha256:{prior.card.weights_sha256.removeprefix('sha256:')}",
    )


def read_weights(path: Path, card: PriorCard) -> dict[str, Tensor]:
    """The tensors of a weights file whose digest is the card's; InputError otherwise."""
    try:
        found = digest(path)
        if found != card.weights_sha256.removeprefix("sha256:"):
            raise _refuse(card.name, "weights with the card's digest", f"sha256 {found[:12]}...")
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise _refuse(card.name, "a readable safetensors file", type(error).__name__) from error


def build_denoiser(
    card: PriorCard, weights: dict[str, Tensor], device: torch.device, *, float32: bool
) -> NetDenoiser:
    """The card's network with these weights (stored in half precision), as a denoiser."""
    net: Any = build_network(card.architecture.model_dump())
    try:
        net.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except RuntimeError as error:
        raise _refuse(card.name, "weights of the card's architecture", "others") from error
    net = net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    kernel = EDM(sigma_min=card.kernel.sigma_min, sigma_max=card.kernel.sigma_max)
    low, high = ((value - card.scaling.offset) / card.scaling.scale for value in card.accepts.value_range)
    return NetDenoiser(
        net,
        kernel,
        card.sigma_data,
        card.mean,
        precision(device, float32=float32),
        span=(low, high),
    )


def check_patch(denoiser: NetDenoiser, card: PriorCard, patch: Tensor) -> float:
    """The rms error, scaled, of denoising `patch` (y, x) in the card's units with the card's noise."""
    patch = (patch - card.scaling.offset) / card.scaling.scale
    noise = torch.randn(patch.shape, generator=torch.Generator().manual_seed(card.check.seed))
    noisy = (patch + card.check.sigma * noise.to(patch.device))[None, None]
    estimate = denoiser.denoise(noisy, denoiser.kernel.at_sigma(card.check.sigma)).x0
    return float((estimate[0, 0] - patch).square().mean().sqrt())


def _refuse(name: str, expected: str, got: str) -> InputError:
    return InputError(f"prior {name}", expected=expected, got=got, fix="Install it again, or pack it again.")
