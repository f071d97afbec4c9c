"""What a denoiser is asked with and what it answers.

    D(x_t, t) = E[x0 | x_t]      for the prior;      a wrapper may correct it, by data for instance

Samplers, wrappers and the loop know nothing else of a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from torch import Tensor

from medidiff.core.process.noise import Gaussian, NoiseLaw, NoiseStreams

Carry = Mapping[str, object]


@dataclass(frozen=True)
class Estimate:
    """A guess of the clean image, (K, C, *space), of the state's dtype.

    `x0` is the one to step with, `prior` the one before any correction by data (the same tensor where
    there was none), `carry` what wrappers want back at the next step, each under its own name.
    """

    x0: Tensor
    prior: Tensor
    carry: Carry = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """Everything beside x and t that a denoiser or a sampler may need.

    `y`: the known image of kernels with b. `condition`: (K, ...), either shaped like the state or one row
    a sample. `step`: the index of the level, counted by the loop. `streams` and `noise`: where random
    numbers come from. `carry`: what the last estimate left.
    """

    streams: NoiseStreams
    noise: NoiseLaw = field(default_factory=Gaussian)
    y: Tensor | None = None
    condition: Tensor | None = None
    step: int = 0
    carry: Carry = field(default_factory=dict)

    def draw(self, like: Tensor, purpose: str) -> Tensor:
        """Noise of the context's law, of the shape, dtype and device of `like`."""
        return self.noise.draw(like.shape, self.streams, purpose, self.step).to(like)

    def keeping(self, carry: Carry) -> Context:
        """The same context with another carry."""
        return replace(self, carry=carry)


class Denoiser(Protocol):
    """Anything that guesses the clean image."""

    def denoise(self, x: Tensor, t: Tensor, context: Context) -> Estimate:
        """Estimate x0 from the state x (K, C, *space) at time t (0-dim float64, or a map that broadcasts)."""
        ...
