"""A small U-Net for denoising on CPUs: no attention, no normalisation, any image size.

    x -> space-to-depth(patch) -> conv -> (blocks -> halve)* -> blocks
      -> (double -> + skip -> blocks)* -> conv -> depth-to-space
    block(x) = x + conv(silu(gain(noise) * conv(silu(x)) + shift(noise)))

The noise level enters by a gain and a shift per channel (Perez et al. 2018, FiLM, arXiv 1709.07871).
Nothing is normalised: statistics over a slice cost a third of the time on a CPU and make the output at
one pixel depend on the whole field; the second convolution of each block starts at zero instead, so that
a deep stack starts as the identity (Zhang, Dauphin, Ma 2019, Fixup, arXiv 1901.09321).
"""

from __future__ import annotations

import itertools
import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

_FEATURES = 64


class UNet(nn.Module):
    """F(x, noise): x (B, in_channels, H, W), noise (B,) = log(sigma)/4; returns (B, out_channels, H, W).

    `channels` and `blocks` are one number a level, finest first; `patch` pixels a side are folded into
    channels before the first level. Any H, W of at least two pixels: the edges are padded by reflection.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        blocks: tuple[int, ...],
        patch: int = 1,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.patch, self.multiple = patch, patch * 2 ** (len(channels) - 1)
        self.embed = nn.Sequential(
            nn.Linear(2 * _FEATURES, _FEATURES), nn.SiLU(), nn.Linear(_FEATURES, _FEATURES), nn.SiLU()
        )
        self.first = nn.Conv2d(in_channels * patch**2, channels[0], 3, padding=1)
        self.encode = nn.ModuleList(_level(c, n) for c, n in zip(channels, blocks, strict=True))
        self.decode = nn.ModuleList(_level(c, n) for c, n in zip(channels[:-1], blocks[:-1], strict=True))
        pairs = list(itertools.pairwise(channels))
        self.coarsen = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in pairs)
        self.refine = nn.ModuleList(nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in pairs)
        self.last = nn.Conv2d(channels[0], out_channels * patch**2, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(cast(Tensor, self.last.bias))
        octaves = torch.linspace(math.log(0.25), math.log(16.0), _FEATURES)
        self.register_buffer("frequencies", octaves.exp(), persistent=False)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Return F at the size of `x`."""
        phase = noise.float()[:, None] * 2 * self.get_buffer("frequencies")
        level = self.embed(torch.cat([phase.sin(), phase.cos()], dim=1))
        height, width = x.shape[-2:]
        x = pad_to_multiple(x, self.multiple)
        x = self.first(functional.pixel_unshuffle(x, self.patch))
        skips = []
        for index, stage in enumerate(self.encode):
            for block in cast(nn.ModuleList, stage):
                x = block(x, level)
            if index < len(self.coarsen):
                skips.append(x)
                x = self.coarsen[index](x)
        for index in reversed(range(len(self.refine))):
            x = self.refine[index](x) + skips[index]
            for block in cast(nn.ModuleList, self.decode[index]):
                x = block(x, level)
        return functional.pixel_shuffle(self.last(x), self.patch)[..., :height, :width]


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.film = nn.Linear(_FEATURES, 2 * channels)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(cast(Tensor, self.second.bias))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        gain, shift = self.film(level)[:, :, None, None].chunk(2, dim=1)
        h = self.first(functional.silu(x))
        out: Tensor = x + self.second(functional.silu(torch.addcmul(h + shift, h, gain)))
        return out


def _level(channels: int, count: int) -> nn.ModuleList:
    return nn.ModuleList(_Block(channels) for _ in range(count))


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Extend (B, C, *space) at the far ends to multiples of `multiple`; reflected, else replicated.

    Reflection needs fewer new pixels than there are old ones; a very small image is replicated.
    """
    sides = x.shape[2:]
    extra = [-side % multiple for side in sides]
    if not any(extra):
        return x
    mode = "reflect" if all(new < side for new, side in zip(extra, sides, strict=True)) else "replicate"
    pads = [n for new in reversed(extra) for n in (0, new)]  # functional.pad counts from the last axis
    return functional.pad(x, pads, mode=mode)
