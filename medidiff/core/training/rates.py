"""Rates over a training: of the optimiser, and of the moving average of the weights."""

from __future__ import annotations

from medidiff.core.training.settings import OptimiserSettings, StrategySettings


def schedule(o: OptimiserSettings, step: int, steps: int) -> float:
    """The rate of step `step` over `o.rate`: warm-up, 1, then a line down to `o.final_fraction`."""
    warm = min(1.0, (step + 1) / max(o.warm_up_steps, 1))
    left = (steps - step) / o.decay_steps if o.decay_steps else 1.0
    return warm * min(1.0, o.final_fraction + (1 - o.final_fraction) * left)


def ema_decay(o: OptimiserSettings, strategies: StrategySettings, step: int) -> float:
    """How much of the average stays at step `step` (from 0).

    Exponential: min(ema, (1 + k)/(10 + k)), the ramp of Karras et al. 2022 (arXiv 2206.00364). With
    `ema_power` g: (1 - 1/(k + 1))^(g + 1), an average whose length grows with the training (Karras et al.
    2024, arXiv 2312.02696, equation 2), which needs no guess of the number of steps.
    """
    if strategies.ema_power > 0:
        return float((1 - 1 / (step + 1)) ** (strategies.ema_power + 1))
    return min(o.ema, (1 + step) / (10 + step))
