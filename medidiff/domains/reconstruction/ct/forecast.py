"""How long the network will take, measured: one pass over a few slices, times their number."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from medidiff.core.device import choose_device
from medidiff.domains.reconstruction.ct.methods.defaults import defaults_for
from medidiff.domains.reconstruction.ct.reconstruct import CHUNK
from medidiff.priors import Prior, choose, load


def network_seconds(
    shape: Sequence[int],
    spacing_mm: tuple[float, float, float],
    *,
    views: int,
    arc_deg: float = 180.0,
    photons: float | None = None,
    prior: str | None = None,
    device: str = "auto",
) -> float:
    """Seconds of the network's share of `diffusion` on an image (z, y, x); data steps and TV come on top.

    Raises what the choice of the prior and of the device raises.
    """
    net = _network(spacing_mm, prior, device)
    passes = defaults_for(views, arc_deg, photons, net.card.role).fast.passes
    slices = min(shape[0], CHUNK)
    return pass_seconds((slices, *shape[1:]), net) / slices * shape[0] * passes


def slice_seconds(
    size: tuple[int, int], spacing_mm: tuple[float, float, float], *, prior: str | None = None
) -> dict[str, float]:
    """Seconds of one pass over one slice (y, x), under the role of the prior that would be taken.

    What a door keeps, so that it measures once: times slices and `defaults_for(...).fast.passes` it is a
    forecast.
    """
    net = _network(spacing_mm, prior, "auto")
    return {net.card.role: pass_seconds((CHUNK, *size), net) / CHUNK}


def pass_seconds(shape: tuple[int, ...], net: Prior) -> float:
    """Seconds of one pass of the network over slices (z, y, x), measured."""
    image = torch.zeros(shape[0], 1, *shape[1:], device=net.device)
    t = net.denoiser.kernel.at_sigma(net.card.check.sigma)
    net.denoiser.denoise(image, t)  # the first pass allocates and chooses algorithms
    begin = time.perf_counter()
    net.denoiser.denoise(image, t)
    return time.perf_counter() - begin


def _network(spacing_mm: tuple[float, float, float], prior: str | None, device: str) -> Prior:
    chosen = choose(prior, modality="CT", spacing_mm=spacing_mm, value_range=(-1000.0, 1000.0))
    return load(chosen, device=choose_device(device))
