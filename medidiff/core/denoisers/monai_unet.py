"""MONAI's `DiffusionModelUNet` behind a shell that makes any image size work.

MONAI's network embeds a time of 0..1000 by sinusoids and needs sides that its levels divide. The shell maps
the noise input log(sigma)/4 to that range and pads by reflection, then crops back.
"""

from __future__ import annotations

import math

from monai.networks.nets.diffusion_model_unet import DiffusionModelUNet
from torch import Tensor, nn

from medidiff.core.denoisers.unet import pad_to_multiple


class MonaiUNet(nn.Module):
    """F(x, noise) as `UNet`, computed by MONAI; attention only at the lowest level.

    `channels` one number a level, finest first; `groups` must divide each of them.
    """

    def __init__(
        self,
        *,
        channels: tuple[int, ...],
        residual_blocks: int = 1,
        groups: int = 8,
        attention: bool = True,
        in_channels: int = 1,
        out_channels: int = 1,
    ) -> None:
        super().__init__()
        self.multiple = 2 ** (len(channels) - 1)
        levels = [False] * (len(channels) - 1) + [attention]
        self.net: nn.Module = DiffusionModelUNet(
            spatial_dims=2,
            in_channels=in_channels,
            out_channels=out_channels,
            channels=channels,
            num_res_blocks=residual_blocks,
            attention_levels=levels,
            norm_num_groups=groups,
            num_head_channels=math.gcd(32, channels[-1]),
        )

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        """Return F at the size of `x`."""
        height, width = x.shape[-2:]
        # log(sigma)/4 lies in about -2..2; MONAI's sinusoids resolve steps of one in 0..1000.
        out: Tensor = self.net(pad_to_multiple(x, self.multiple), timesteps=250 * (noise.float() + 2))
        return out[..., :height, :width]
