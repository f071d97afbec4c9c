"""How long the network will take, measured: one pass over a few slices, times their number."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from medidiff.core.device import choose_device
from medidiff.domains.reconstruction.ct.methods.defaults import defaults_for
from medidiff.domains.reconstruction.ct.reconstruct import CHUNK
from medidiff.priors import choose, load


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
    chosen = choose(prior, modality="CT", spacing_mm=spacing_mm, value_range=(-1000.0, 1000.0))
    net = load(chosen, device=choose_device(device))
    passes = defaults_for(views, arc_deg, photons, net.card.role).fast.passes
    slices = min(shape[0], CHUNK)
    image = torch.zeros(slices, 1, *shape[1:], device=net.device)
    t = net.denoiser.kernel.at_sigma(net.card.check.sigma)
    net.denoiser.denoise(image, t)  # the first pass allocates and chooses algorithms
    begin = time.perf_counter()
    net.denoiser.denoise(image, t)
    return (time.perf_counter() - begin) / slices * shape[0] * passes
