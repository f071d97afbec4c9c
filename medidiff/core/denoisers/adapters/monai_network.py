"""A MONAI diffusion network with the scheduler that it was trained with.

Of the scheduler only the betas and the prediction type are read: MONAI's DDPM, DDIM and PNDM take a previous
time that is right only with as many steps as in training, and clip x0 to [-1, 1].
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from medidiff.core.denoisers.adapters.predicting import Predicting, checked_prediction, trained_kernel
from medidiff.errors import InputError


def from_monai(
    network: nn.Module, scheduler: Any, *, condition_channels: int = 0, optional_condition: bool = False
) -> Predicting:
    """The denoiser of a `DiffusionModelUNet` (2D or 3D) trained with `scheduler`; see `Predicting`.

    A condition is concatenated, as by MONAI's inferer in its mode "concat". Raises InputError for a scheduler
    without betas (rectified flow) and for a network that wants class labels or cross attention.
    """
    betas = getattr(scheduler, "betas", None)
    if not isinstance(betas, Tensor):
        raise InputError(
            "scheduler",
            expected="one with a table of betas: DDPM, DDIM or PNDM",
            got=type(scheduler).__name__,
            fix="Give the scheduler of the training.",
        )
    if getattr(network, "num_class_embeds", None) is not None or getattr(network, "with_conditioning", False):
        raise InputError(
            "network",
            expected="one that takes an image and a time step",
            got="one with class labels or cross attention",
            fix="Train with concatenated conditions.",
        )
    levels = getattr(network, "down_blocks", (None,))
    network = network.eval()

    def predict(x: Tensor, step: Tensor) -> Tensor:
        out: Tensor = network(x, timesteps=step)
        return out

    prediction = checked_prediction(getattr(scheduler, "prediction_type", None))
    return Predicting(
        predict,
        trained_kernel(betas, prediction),
        len(betas),
        prediction,
        multiple=2 ** (len(levels) - 1),
        condition_channels=condition_channels,
        optional_condition=optional_condition,
    )
