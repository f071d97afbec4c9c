"""Denoisers made of denoisers, in the order in which they stand around each other (`order.py`).

`Guided` weighs a condition; `Tiled`, `Sliced` and `Flipped` hand a network parts or mirrors of the state;
`Stacked` holds several unknowns; a posterior method corrects by data; `Ensemble` runs many members.
`OnKernel` carries a denoiser to another kernel and stands anywhere.
"""

from medidiff.core.denoisers.wrappers.ensemble import Ensemble
from medidiff.core.denoisers.wrappers.flipped import Flipped
from medidiff.core.denoisers.wrappers.guided import Guided
from medidiff.core.denoisers.wrappers.on_kernel import OnKernel
from medidiff.core.denoisers.wrappers.order import Layer, check_order, layer_of
from medidiff.core.denoisers.wrappers.sliced import Sliced
from medidiff.core.denoisers.wrappers.stacked import Stacked
from medidiff.core.denoisers.wrappers.tiled import Tiled

__all__ = [
    "Ensemble",
    "Flipped",
    "Guided",
    "Layer",
    "OnKernel",
    "Sliced",
    "Stacked",
    "Tiled",
    "check_order",
    "layer_of",
]
