"""MONAI inferers for `SupervisedEvaluator`: a 2D network on volumes, and reconstruction of measurements.

The evaluator needs pytorch-ignite: pip install 'medidiff[train]'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from monai.data.meta_tensor import MetaTensor
from monai.data.utils import decollate_batch, list_data_collate
from monai.inferers.inferer import Inferer
from torch import Tensor

from medidiff.core.denoisers.estimate import Context, Estimate
from medidiff.core.denoisers.wrappers import Sliced
from medidiff.core.process.noise import NoiseStreams
from medidiff.errors import InputError
from medidiff.transforms.ct.reconstructions import DiffusionReconstruct
from medidiff.transforms.pattern import OfArray

_VOLUMES = 5  # axes of (B, C, X, Y, Z)


class SliceVolumeInferer(Inferer):
    """A 2D network on every slice of volumes (B, C, X, Y, Z), `chunk` slices at a time.

    `spatial_dim` is the axis that the slices are stacked along (2: Z, the slices of an axial scan). The
    network gets (b, C, h, w), and all further arguments as they are; it may return other channels, but not
    another size. When memory runs out the chunk is halved. The output keeps the input's meta
    and the network's dtype.
    Raises InputError for inputs or outputs of other axes, MissingError when not even one slice fits.
    """

    def __init__(self, spatial_dim: int = 2, chunk: int = 4) -> None:
        self.spatial_dim, self.chunk = spatial_dim, chunk
        if spatial_dim not in (0, 1, 2) or chunk < 1:
            raise InputError(
                "slice inferer",
                expected="spatial_dim 0, 1 or 2 and a chunk of at least 1",
                got=f"spatial_dim={spatial_dim}, chunk={chunk}",
                fix="2 stacks slices along the last axis.",
                argument=True,
            )

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Tensor:
        """The network's output, (B, C', X, Y, Z)."""
        if inputs.ndim != _VOLUMES:
            raise InputError(
                "slice inferer",
                expected="volumes (B, C, X, Y, Z)",
                got=f"shape {tuple(inputs.shape)}",
                fix="Use EnsureChannelFirst and a DataLoader.",
            )
        plain = inputs.as_tensor() if isinstance(inputs, MetaTensor) else inputs
        planes = _OfPlanes(network, args, kwargs)
        sliced = Sliced(planes, axis=self.spatial_dim + 2, chunk=self.chunk)
        sliced.denoise(plain, torch.zeros(()), Context(NoiseStreams(0)))
        stack = torch.cat(planes.outputs)
        out = stack.reshape(len(plain), -1, *stack.shape[1:]).movedim(1, self.spatial_dim + 2)
        if not isinstance(inputs, MetaTensor):
            return out
        volumes: Tensor = MetaTensor(out).copy_meta_from(inputs)  # type: ignore[no-untyped-call]  # MONAI has no type here
        return volumes


class ReconstructionInferer(Inferer):
    """A reconstruction of a batch of measurements (B, 1, ...), as volumes (B, 1, X, Y, Z) with their affines.

    `reconstruct` is the array transform that does it, by default `DiffusionReconstruct()`. The evaluator's
    network is not called, because the weights belong to the prior that `reconstruct` names: give it
    torch.nn.Identity(). Raises InputError for other inputs, and for images of different sizes in a batch.
    """

    def __init__(self, reconstruct: OfArray | None = None) -> None:
        self.reconstruct = reconstruct or DiffusionReconstruct()

    def __call__(self, inputs: Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Tensor:
        """The volumes, on the inputs' device."""
        if not isinstance(inputs, MetaTensor) or not inputs.is_batch:
            raise InputError(
                "reconstruction inferer",
                expected="a batch of measurements with their meta",
                got=f"a {type(inputs).__name__} that is none",
                fix="Use monai.data.DataLoader, which collates it.",
            )
        images = [self.reconstruct(one) for one in decollate_batch(inputs)]
        shapes = {tuple(image.shape) for image in images}
        if len(shapes) > 1:
            raise InputError(
                "reconstruction inferer",
                expected="images of one size in a batch",
                got=" and ".join(map(str, sorted(shapes))),
                fix="Use batch_size=1.",
            )
        batch: Tensor = list_data_collate(images)
        return batch


@dataclass(frozen=True)
class _OfPlanes:
    """A network with further arguments, as the denoiser of planes that `Sliced` calls in their order.

    An estimate has the channels of its state; a network's output may have others, and is kept here.
    """

    network: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: list[Tensor] = field(default_factory=list)

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """Keep the network's output of planes (b, C, h, w)."""
        out = self.network(x, *self.args, **self.kwargs)
        if not isinstance(out, Tensor) or out.ndim != x.ndim or out.shape[2:] != x.shape[2:]:
            raise InputError(
                "network of slices",
                expected=f"an output (b, channels, {x.shape[2]}, {x.shape[3]})",
                got=f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__,
                fix="Wrap a network that changes the size or returns several outputs.",
            )
        self.outputs.append(out)
        return Estimate(x, x)
