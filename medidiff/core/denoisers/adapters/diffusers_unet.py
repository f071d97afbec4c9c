"""The architecture of diffusers' `UNet2DModel`, with its parameter names, so that its checkpoints load.

    x -> conv -> (resnets [attention] -> halve)* -> middle -> (resnets [attention] -> double)* -> norm, conv
    resnet(x, e) = skip(x) + conv(silu(norm(conv(silu(norm(x))) + W silu(e))))

Written from the published interface (module names, shapes, configuration); the U-Net of Ho et al. 2020 (arXiv
2006.11239, appendix B). "scale_shift": norm(h) (1 + scale) + shift with both from W silu(e) (Dhariwal and
Nichol 2021, arXiv 2105.05233, section 3.1).
"""

from __future__ import annotations

import math
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

_MOST_CHANNELS, _MOST_LEVELS = 2048, 8  # the largest that a configuration from elsewhere may ask for
_PERIOD = 10000.0
Down = Literal["DownBlock2D", "AttnDownBlock2D"]
Up = Literal["UpBlock2D", "AttnUpBlock2D"]


class UNet2DConfig(BaseModel):
    """The keys of a `UNet2DModel`'s config.json; a value or key that is not supported is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sample_size: Any = None
    in_channels: int = Field(3, ge=1, le=_MOST_CHANNELS)
    out_channels: int = Field(3, ge=1, le=_MOST_CHANNELS)
    center_input_sample: Literal[False] = False
    time_embedding_type: Literal["positional"] = "positional"
    time_embedding_dim: None = None
    freq_shift: int = 0
    flip_sin_to_cos: bool = True
    down_block_types: tuple[Down, ...] = (
        "DownBlock2D",
        "AttnDownBlock2D",
        "AttnDownBlock2D",
        "AttnDownBlock2D",
    )
    mid_block_type: Literal["UNetMidBlock2D"] = "UNetMidBlock2D"
    up_block_types: tuple[Up, ...] = ("AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    block_out_channels: tuple[int, ...] = (224, 448, 672, 896)
    layers_per_block: int = Field(2, ge=1, le=8)
    mid_block_scale_factor: float = Field(1.0, gt=0)
    downsample_padding: Literal[0, 1] = 1
    downsample_type: Literal["conv"] = "conv"
    upsample_type: Literal["conv"] = "conv"
    dropout: float = Field(0.0, ge=0, le=1, description="of the training: nothing is dropped here")
    act_fn: Literal["silu", "swish"] = "silu"
    attention_legacy_order: Literal[False] = False
    attention_head_dim: int | None = Field(8, ge=1)
    norm_num_groups: int = Field(32, ge=1)
    attn_norm_num_groups: int | None = Field(None, ge=1)
    norm_eps: float = Field(1e-5, gt=0)
    resnet_time_scale_shift: Literal["default", "scale_shift"] = "default"
    add_attention: bool = True
    class_embed_type: None = None
    num_class_embeds: None = None
    num_train_timesteps: int | None = None

    @model_validator(mode="after")
    def _fits(self) -> UNet2DConfig:
        channels, head = self.block_out_channels, self.attention_head_dim
        levels = {len(channels), len(self.down_block_types), len(self.up_block_types)}
        if len(levels) != 1 or not 1 <= len(channels) <= _MOST_LEVELS:
            raise ValueError("block_out_channels, down_block_types and up_block_types differ in length")
        if any(not 1 <= n <= _MOST_CHANNELS or n % self.norm_num_groups for n in channels):
            raise ValueError("block_out_channels must be multiples of norm_num_groups")
        if self.freq_shift >= channels[0] // 2:
            raise ValueError("freq_shift is too large")
        if head is not None and any(n % head for n in self._attended()):
            raise ValueError("attention_head_dim must divide the channels it attends to")
        return self

    def _attended(self) -> list[int]:
        """The widths of the levels with attention, the middle's included."""
        pairs = zip(
            self.block_out_channels, self.down_block_types, reversed(self.up_block_types), strict=True
        )
        found = [n for n, down, up in pairs if down == "AttnDownBlock2D" or up == "AttnUpBlock2D"]
        return [*found, self.block_out_channels[-1]] if self.add_attention else found


class UNet2D(nn.Module):
    """F(x, step): x (B, in_channels, H, W) with sides that 2^(levels - 1) divides, step (B,) float."""

    def __init__(self, config: UNet2DConfig) -> None:
        super().__init__()
        self.config = config
        c, channels = config, config.block_out_channels
        wide = 4 * channels[0]
        self.conv_in = nn.Conv2d(c.in_channels, channels[0], 3, padding=1)
        self.time_embedding = _TimeEmbedding(channels[0], wide)
        ends = [k + 1 < len(channels) for k in range(len(channels))]
        before = (channels[0], *channels[:-1])
        self.down_blocks = nn.ModuleList(
            _Down(c, old, new, wide, attend=kind == "AttnDownBlock2D", halve=more)
            for old, new, kind, more in zip(before, channels, c.down_block_types, ends, strict=True)
        )
        self.mid_block = _Middle(c, channels[-1], wide)
        back = channels[::-1]
        self.up_blocks = nn.ModuleList(
            _Up(c, old, new, skip, wide, attend=kind == "AttnUpBlock2D", double=more)
            for old, new, skip, kind, more in zip(
                (back[0], *back[:-1]), back, (*back[1:], back[-1]), c.up_block_types, ends, strict=True
            )
        )
        self.conv_norm_out = nn.GroupNorm(c.norm_num_groups, channels[0], eps=c.norm_eps)
        self.conv_out = nn.Conv2d(channels[0], c.out_channels, 3, padding=1)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """Return F at the size of `x`."""
        c = self.config
        embedded = self.time_embedding(
            _sinusoids(step, c.block_out_channels[0], shift=c.freq_shift, cosine_first=c.flip_sin_to_cos)
        )
        x = self.conv_in(x)
        skips = [x]
        for block in self.down_blocks:
            x = block(x, embedded, skips)
        x = self.mid_block(x, embedded)
        for block in self.up_blocks:
            x = block(x, embedded, skips)
        out: Tensor = self.conv_out(functional.silu(self.conv_norm_out(x)))
        return out


def _sinusoids(step: Tensor, width: int, *, shift: int, cosine_first: bool) -> Tensor:
    """Sine and cosine of the step at width // 2 frequencies from 1 to about 1 / 10000, (B, width)."""
    half = width // 2
    powers = torch.arange(half, dtype=torch.float32, device=step.device) / (half - shift)
    phase = step.float()[:, None] * torch.exp(-math.log(_PERIOD) * powers)
    parts = [phase.cos(), phase.sin()] if cosine_first else [phase.sin(), phase.cos()]
    return functional.pad(torch.cat(parts, 1), (0, width % 2))


class _TimeEmbedding(nn.Module):
    def __init__(self, width: int, wide: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width, wide)
        self.linear_2 = nn.Linear(wide, wide)

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.linear_2(functional.silu(self.linear_1(features)))
        return out


class _Resnet(nn.Module):
    def __init__(self, c: UNet2DConfig, width_in: int, width: int, wide: int, divisor: float = 1.0) -> None:
        super().__init__()
        self.divisor, self.scaled = divisor, c.resnet_time_scale_shift == "scale_shift"
        self.norm1 = nn.GroupNorm(c.norm_num_groups, width_in, eps=c.norm_eps)
        self.conv1 = nn.Conv2d(width_in, width, 3, padding=1)
        self.time_emb_proj = nn.Linear(wide, 2 * width if self.scaled else width)
        self.norm2 = nn.GroupNorm(c.norm_num_groups, width, eps=c.norm_eps)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(width_in, width, 1) if width_in != width else None

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        h = self.conv1(functional.silu(self.norm1(x)))
        level = self.time_emb_proj(functional.silu(embedded))[:, :, None, None]
        if self.scaled:
            scale, shift = level.chunk(2, dim=1)
            h = self.norm2(h) * (1 + scale) + shift
        else:
            h = self.norm2(h + level)
        h = self.conv2(functional.silu(h))
        skip = x if self.conv_shortcut is None else self.conv_shortcut(x)
        out: Tensor = (skip + h) / self.divisor
        return out


class _Attention(nn.Module):
    """Self-attention over the pixels; `groups` None leaves the normalisation out."""

    def __init__(self, c: UNet2DConfig, width: int, groups: int | None, divisor: float = 1.0) -> None:
        super().__init__()
        self.head, self.divisor = c.attention_head_dim or width, divisor
        self.group_norm = nn.GroupNorm(groups, width, eps=c.norm_eps) if groups else None
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        h = x if self.group_norm is None else self.group_norm(x)
        pixels = h.flatten(2).mT
        q, k, v = (
            layer(pixels).unflatten(2, (-1, self.head)).transpose(1, 2)
            for layer in (self.to_q, self.to_k, self.to_v)
        )
        seen = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        out: Tensor = (self.to_out[0](seen).mT.reshape(x.shape) + x) / self.divisor
        return out


class _Conv(nn.Module):
    """Halves the sides by a convolution (stride 2), or doubles them before one (stride 1)."""

    def __init__(self, width: int, *, stride: int, padding: int) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.conv = nn.Conv2d(width, width, 3, stride=stride, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
        elif self.padding == 0:
            x = functional.pad(x, (0, 1, 0, 1))
        out: Tensor = self.conv(x)
        return out


class _Level(nn.Module):
    """Resnets, each followed by attention where the level has it."""

    def __init__(self, c: UNet2DConfig, widths: list[int], width: int, wide: int, *, attend: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(_Resnet(c, old, width, wide) for old in widths)
        if attend:
            self.attentions = nn.ModuleList(_Attention(c, width, c.norm_num_groups) for _ in widths)
        self.attend = attend

    def apply_one(self, k: int, x: Tensor, embedded: Tensor) -> Tensor:
        x = self.resnets[k](x, embedded)
        return cast(Tensor, self.attentions[k](x)) if self.attend else x


class _Down(_Level):
    def __init__(
        self, c: UNet2DConfig, old: int, width: int, wide: int, *, attend: bool, halve: bool
    ) -> None:
        super().__init__(c, [old, *[width] * (c.layers_per_block - 1)], width, wide, attend=attend)
        conv = [_Conv(width, stride=2, padding=c.downsample_padding)] if halve else []
        self.downsamplers = nn.ModuleList(conv)

    def forward(self, x: Tensor, embedded: Tensor, skips: list[Tensor]) -> Tensor:
        for k in range(len(self.resnets)):
            x = self.apply_one(k, x, embedded)
            skips.append(x)
        for halve in self.downsamplers:
            x = halve(x)
            skips.append(x)
        return x


class _Up(_Level):
    def __init__(
        self, c: UNet2DConfig, old: int, width: int, skip: int, wide: int, *, attend: bool, double: bool
    ) -> None:
        count = c.layers_per_block + 1
        # What comes along beside the skips: first from the level below, then of this level.
        carried = [old, *[width] * (count - 1)]
        skipped = [*[width] * (count - 1), skip]
        widths = [a + b for a, b in zip(carried, skipped, strict=True)]
        super().__init__(c, widths, width, wide, attend=attend)
        self.upsamplers = nn.ModuleList([_Conv(width, stride=1, padding=1)] if double else [])

    def forward(self, x: Tensor, embedded: Tensor, skips: list[Tensor]) -> Tensor:
        for k in range(len(self.resnets)):
            x = self.apply_one(k, torch.cat([x, skips.pop()], 1), embedded)
        for double in self.upsamplers:
            x = double(x)
        return x


class _Middle(nn.Module):
    def __init__(self, c: UNet2DConfig, width: int, wide: int) -> None:
        super().__init__()
        divisor, groups = c.mid_block_scale_factor, c.attn_norm_num_groups
        if groups is None and c.resnet_time_scale_shift == "default":
            groups = c.norm_num_groups
        self.resnets = nn.ModuleList(_Resnet(c, width, width, wide, divisor) for _ in range(2))
        attended = [_Attention(c, width, groups, divisor)] if c.add_attention else []
        self.attentions = nn.ModuleList(attended)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        x = self.resnets[0](x, embedded)
        for attention in self.attentions:
            x = attention(x)
        out: Tensor = self.resnets[1](x, embedded)
        return out
