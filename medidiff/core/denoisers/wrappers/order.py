"""The order of wrapping: what stands inside what.

    network -> Guided -> Tiled, Sliced, Flipped -> Stacked -> a posterior method -> Ensemble

A wrapper in the wrong place would still run: guidance around a posterior method, for instance, would weigh
data against themselves. So every wrapper refuses an inner denoiser that belongs outside it.
"""

from __future__ import annotations

from enum import IntEnum

from medidiff.errors import InputError


class Layer(IntEnum):
    """Where a denoiser stands; one without a `layer` is a network. Equal layers may hold each other."""

    NETWORK = 0
    GUIDED = 1
    PARTS = 2
    STACKED = 3
    POSTERIOR = 4
    ENSEMBLE = 5


def layer_of(denoiser: object) -> Layer:
    """The denoiser's `layer`, NETWORK where it has none."""
    found = getattr(denoiser, "layer", Layer.NETWORK)
    return found if isinstance(found, Layer) else Layer.NETWORK


def check_order(outer: object, inner: object) -> None:
    """Raise InputError when `inner` belongs outside `outer`."""
    if layer_of(inner) > layer_of(outer):
        raise InputError(
            type(outer).__name__,
            expected="an inner denoiser of an earlier layer: "
            "network, Guided, Tiled or Sliced or Flipped, Stacked, posterior, Ensemble",
            got=type(inner).__name__,
            fix=f"Put {type(outer).__name__} inside {type(inner).__name__}.",
            argument=True,
        )
