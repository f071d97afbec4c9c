"""What a training is told: the configuration file of `medidiff train`, key by key."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class KernelSettings(_Settings):
    """The range of noise levels that the network is asked about, in the scaled domain."""

    sigma_min: float = Field(0.002, gt=0, description="the lowest level")
    sigma_max: float = Field(4.0, gt=0, description="the highest level")


class StrategySettings(_Settings):
    """What may be added to a training (`strategies.py`); each at its default changes no bit."""

    low_discrepancy_levels: bool = Field(
        False, description="spread the noise levels of a batch evenly over their law"
    )
    min_snr: float = Field(
        0.0,
        ge=0,
        description="gamma of min-SNR weighting, 5 is usual; 0 keeps the plain error",
    )
    condition_dropout: float = Field(
        0.0, ge=0, lt=1, description="share of images trained without their condition, for guidance"
    )
    ema_power: float = Field(
        0.0, ge=0, description="exponent of a power-law average of the weights; 0 is the exponential one"
    )


class OptimiserSettings(_Settings):
    """AdamW and its rate: linear warm-up, constant, then linear decay over the last `decay_steps`."""

    rate: float = Field(1e-3, gt=0, description="learning rate after warm-up")
    warm_up_steps: int = Field(300, ge=0, description="steps of the linear warm-up")
    decay_steps: int = Field(0, ge=0, description="length of the linear decay at the end")
    final_fraction: float = Field(0.02, ge=0, le=1, description="rate at the last step over `rate`")
    beta1: float = Field(0.9, ge=0, lt=1, description="decay of the mean gradient")
    beta2: float = Field(0.99, ge=0, lt=1, description="decay of the squared gradient")
    weight_decay: float = Field(1e-4, ge=0, description="decoupled, as in AdamW")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(0.999, ge=0, lt=1, description="decay of the moving average of the weights")


class TrainSettings(_Settings):
    """What `medidiff train CONFIG.yaml` reads; unknown keys are refused. No path stands in it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64, description="name of the prior")
    task: str = Field(description="which training of which domain, e.g. ct")
    network: dict[str, Any] = Field(description="kind (unet or monai) and its options")
    sigma_data: float = Field(gt=0, description="standard deviation of the scaled data")
    mean: float = Field(0.0, description="mean of the scaled data")
    kernel: KernelSettings = KernelSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    strategies: StrategySettings = StrategySettings()
    condition_channels: int = Field(
        0, ge=0, description="channels of a condition that the network sees after those of the image"
    )
    steps: int = Field(gt=0, description="steps of the optimiser; a finished run may be lengthened")
    batch: int = Field(gt=0, description="images a step, in every process")
    seed: int = Field(0, ge=0, description="of all randomness; process k of several derives its own")
    checkpoint_minutes: float = Field(5.0, gt=0, description="time between two checkpoints")
    start_from: str | None = Field(None, description="name of a shipped or packed prior to start from")
    objective: dict[str, Any] = Field(default_factory=dict, description="read by the task")
    data: dict[str, Any] = Field(default_factory=dict, description="read by the task")

    @model_validator(mode="after")
    def _drops_what_exists(self) -> TrainSettings:
        if self.strategies.condition_dropout > 0 and self.condition_channels == 0:
            raise ValueError("strategies.condition_dropout needs condition_channels")
        return self
