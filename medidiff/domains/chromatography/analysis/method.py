"""A method: how traces of one kind are integrated, what their peaks are called, and what they must reach.

One YAML file, reused for every run of a batch; unknown keys are refused by name. Times are in seconds.
`method_file` reads and writes it, and ships one to copy.

    t0_s: 128.5                       # for k and selectivity
    column_length_m: 30               # for HETP
    blank: false                      # true: a run without sample is subtracted, and must be given
    baseline: {method: arpls}         # asls, snip, constant, polynomial, points, valley, groups
    picking: {threshold: 10, shoulders: true}
    integration:
      minimum_area: 0
      events:                         # each holds from its time on
        - {at_s: 0, integrate: false}
        - {at_s: 150, integrate: true, negative_peaks: false}
      manual: [{start_s: 200, end_s: 213}]   # one peak each, in place of what is found there
    peaks:
      - {name: benzene, at_s: 206.3, window_s: 3}
      - {name: toluene, at_s: 294.7, window_s: 4}
    internal_standard: {name: toluene, amount: 1.0}
    calibrations:
      benzene: {model: linear, points: [{amount: 1, response: 20.5}, {amount: 2, response: 41.2}]}
    ladder: {6: 180.2, 7: 260.4}      # carbons: seconds, for retention indices
    suitability:
      - {name: benzene, least_resolution: 1.5, most_tailing_usp: 2.0, most_area_rsd_percent: 2.0}
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from medidiff.domains.chromatography.analysis.standards.calibration import (
    Calibration,
    Model,
    Weights,
    calibrate,
)
from medidiff.domains.chromatography.peaks import baselines
from medidiff.domains.chromatography.peaks.baselines import BaselineChoice
from medidiff.domains.chromatography.peaks.integration import RIDER
from medidiff.domains.chromatography.peaks.measure import SNR_WIDTHS, Integration
from medidiff.domains.chromatography.peaks.picking import THRESHOLD
from medidiff.errors import InputError

_FOREVER = float("1e300")

Response = Literal["area", "height", "area_fitted"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class BaselinePart(_Part):
    """See `peaks.baselines`."""

    method: baselines.Method = "arpls"
    stiffness: float = Field(BaselineChoice.stiffness, gt=0)
    asymmetry: float = Field(BaselineChoice.asymmetry, gt=0, lt=1)
    window_s: float | None = Field(None, gt=0)
    degree: int = Field(BaselineChoice.degree, ge=0, le=9)
    points_s: list[float] = []

    def build(self) -> BaselineChoice:
        """The choice that `baseline` takes."""
        return BaselineChoice(**{**self.model_dump(), "points_s": tuple(self.points_s)})


class PickingPart(_Part):
    """threshold: least prominence, in noises at peak width."""

    threshold: float = Field(THRESHOLD, gt=0)
    shoulders: bool = True


class Event(_Part):
    """From `at_s` on; what is left out stays as it was (at first: integrate, no negative peaks)."""

    at_s: float
    integrate: bool | None = None
    negative_peaks: bool | None = None


class Bounds(_Part):
    """One peak, from start to end."""

    start_s: float
    end_s: float

    @model_validator(mode="after")
    def _ordered(self) -> Bounds:
        if not self.start_s < self.end_s:
            raise ValueError("start_s must be before end_s")
        return self


class IntegrationPart(_Part):
    """Limits in the trace's unit (times s); `emg` fits exponentially modified Gaussians as well."""

    events: list[Event] = []
    manual: list[Bounds] = []
    negative_peaks: bool = False
    minimum_area: float = Field(0.0, ge=0)
    minimum_height: float = Field(0.0, ge=0)
    rider_ratio: float = Field(RIDER, gt=1)
    snr_widths: float = Field(SNR_WIDTHS, gt=0)
    emg: bool = True

    @model_validator(mode="after")
    def _apart(self) -> IntegrationPart:
        ordered = sorted(self.manual, key=lambda bounds: bounds.start_s)
        for one, other in pairwise(ordered):
            if other.start_s < one.end_s:
                raise ValueError(f"manual: bounds overlap at {other.start_s:g} s")
        return self

    def windows(self, key: Literal["integrate", "negative_peaks"], wanted: bool) -> list[tuple[float, float]]:
        """The times between which a switch stands on `wanted`."""
        state = True if key == "integrate" else self.negative_peaks
        since, found = -_FOREVER, []
        for event in sorted(self.events, key=lambda event: event.at_s):
            new = getattr(event, key)
            if new is None or new == state:
                continue
            if state == wanted:
                found.append((since, event.at_s))
            state, since = new, event.at_s
        return [*found, (since, _FOREVER)] if state == wanted else found


class NamedPeak(_Part):
    """The peak nearest to `at_s`, if within `window_s` of it."""

    name: str = Field(min_length=1, max_length=100)
    at_s: float = Field(gt=0)
    window_s: float = Field(gt=0)


class InternalStandard(_Part):
    """The same amount in every run."""

    name: str
    amount: float = Field(1.0, gt=0)


class Standard(_Part):
    """One standard of a calibration; internal_* of the internal standard in it, where there is one."""

    amount: float = Field(ge=0)
    response: float
    internal_amount: float | None = Field(None, gt=0)
    internal_response: float | None = Field(None, gt=0)


class CalibrationPart(_Part):
    """The standards of one peak, and the curve through them."""

    points: list[Standard]
    model: Model = "linear"
    weights: Weights = "1"
    response: Response = "area"

    @property
    def internal(self) -> bool:
        """Whether the standards have an internal standard."""
        return any(point.internal_response is not None for point in self.points)

    def build(self) -> Calibration:
        """The fitted curve; InputError where the points do not allow one."""
        columns: dict[str, list[float] | None] = {}
        for name in ("internal_amount", "internal_response"):
            values = [getattr(point, name) for point in self.points]
            given = [value for value in values if value is not None]
            if given and len(given) != len(values):
                fix = "Give it for each point, or for none."
                got = f"{len(given)} of {len(values)}"
                raise InputError(f"calibration {name}", expected=f"{len(values)} values", got=got, fix=fix)
            columns[name] = given or None
        return calibrate(
            [point.amount for point in self.points],
            [point.response for point in self.points],
            model=self.model,
            weights=self.weights,
            internal_amounts=columns["internal_amount"],
            internal_responses=columns["internal_response"],
        )


class Limits(_Part):
    """System suitability of a named peak; those of %RSD are for a batch. What is left out is not asked."""

    name: str
    least_resolution: float | None = None
    least_plates_half: float | None = None
    least_snr: float | None = None
    most_tailing_usp: float | None = None
    most_area_rsd_percent: float | None = None
    most_retention_rsd_percent: float | None = None


class Method(_Part):
    """The whole file."""

    t0_s: float | None = Field(None, gt=0)
    column_length_m: float | None = Field(None, gt=0)
    blank: bool = False
    baseline: BaselinePart = BaselinePart()
    picking: PickingPart = PickingPart()
    integration: IntegrationPart = IntegrationPart()
    peaks: list[NamedPeak] = []
    internal_standard: InternalStandard | None = None
    calibrations: dict[str, CalibrationPart] = {}
    ladder: dict[int, float] = {}
    suitability: list[Limits] = []

    @model_validator(mode="after")
    def _names_exist(self) -> Method:
        names = [peak.name for peak in self.peaks]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"peaks: the name {twice[0]!r} stands twice")
        asked = [*self.calibrations, *(limits.name for limits in self.suitability)]
        asked += [self.internal_standard.name] if self.internal_standard else []
        if unknown := [name for name in asked if name not in names]:
            raise ValueError(f"no peak is named {unknown[0]!r}")
        if self.internal_standard is None and any(part.internal for part in self.calibrations.values()):
            raise ValueError("calibrations with internal_response need internal_standard")
        return self

    def integration_settings(self) -> Integration:
        """What `measure_peaks` takes."""
        part = self.integration
        return Integration(
            baseline=self.baseline.build(),
            threshold=self.picking.threshold,
            shoulders=self.picking.shoulders,
            rider_ratio=part.rider_ratio,
            off_s=part.windows("integrate", False),
            manual_s=[(bounds.start_s, bounds.end_s) for bounds in part.manual],
            negative_s=part.windows("negative_peaks", True),
            minimum_area=part.minimum_area,
            minimum_height=part.minimum_height,
            emg=part.emg,
            snr_widths=part.snr_widths,
        )
