"""A system as a YAML file, with units in its keys; `medidiff/assets/chromatography-btex.yaml` shows one.

Unknown keys are refused by name, and so is a value of the wrong kind or a choice made twice (absolute and
gauge pressure). What the objects themselves refuse is said with the file's name before it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medidiff.domains.chromatography.model.analyte import Analyte
from medidiff.domains.chromatography.model.column import Column
from medidiff.domains.chromatography.model.flow import (
    ConstantFlow,
    ConstantVelocity,
    Flow,
    PressureDriven,
)
from medidiff.domains.chromatography.model.gas import FullerDiffusion, GasName
from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Injection,
    Rectangle,
    SampledInjection,
    TailedRectangle,
)
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.retention import FixedRetention, KCentric, Retention
from medidiff.domains.chromatography.model.stored import units
from medidiff.domains.chromatography.model.system import Dispersion, System
from medidiff.errors import InputError
from medidiff.io.opening import naming
from medidiff.io.yaml_file import read_yaml


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ColumnPart(_Part):
    """Dimensions as a catalogue gives them."""

    length_m: float
    diameter_mm: float
    film_um: float
    stationary_phase: str = ""

    def build(self) -> Column:
        """The column in SI."""
        size = (units.from_mm(self.diameter_mm), units.from_um(self.film_um))
        return Column(self.length_m, *size, self.stationary_phase)


class FlowPart(_Part):
    """One of: an inlet pressure (absolute or gauge), a flow, a velocity."""

    inlet_kpa_absolute: float | None = None
    inlet_kpa_gauge: float | None = None
    inlet_psi_gauge: float | None = None
    flow_ml_min: float | None = None
    normal_temperature_c: float = 25.0
    velocity_cm_s: float | None = None
    outlet_kpa_absolute: float = units.AMBIENT_PA / 1e3
    ambient_kpa_absolute: float = units.AMBIENT_PA / 1e3

    def build(self) -> Flow:
        """The flow in SI; InputError unless exactly one is given."""
        ambient = units.from_kpa_absolute(self.ambient_kpa_absolute)
        outlet = units.from_kpa_absolute(self.outlet_kpa_absolute)
        inlets = {
            "inlet_kpa_absolute": lambda value: units.from_kpa_absolute(value),
            "inlet_kpa_gauge": lambda value: units.from_kpa_gauge(value, ambient),
            "inlet_psi_gauge": lambda value: units.from_psi_gauge(value, ambient),
        }
        choices = (*inlets, "flow_ml_min", "velocity_cm_s")
        given = [name for name in choices if getattr(self, name) is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise InputError(
                "flow", expected=f"one of {', '.join(choices)}", got=got, fix="Keep what was set."
            )
        value = getattr(self, given[0])
        if given[0] in inlets:
            return PressureDriven(inlets[given[0]](value), outlet)
        if given[0] == "velocity_cm_s":
            return ConstantVelocity(units.from_cm_s(value), outlet)
        normal = units.from_celsius(self.normal_temperature_c)
        return ConstantFlow(units.from_ml_min(value), outlet, normal)


class RampPart(_Part):
    """A ramp and the hold after it."""

    rate_c_min: float
    to_c: float
    hold_min: float = 0.0


class OvenPart(_Part):
    """A temperature, its hold and the ramps after; alone, the temperature is constant."""

    temperature_c: float
    hold_min: float = 0.0
    ramps: list[RampPart] = []

    def build(self) -> Oven:
        """The oven in SI."""
        ramps = [
            (
                units.from_celsius_min(ramp.rate_c_min),
                units.from_celsius(ramp.to_c),
                units.from_minutes(ramp.hold_min),
            )
            for ramp in self.ramps
        ]
        hold = units.from_minutes(self.hold_min)
        return Oven.programme(units.from_celsius(self.temperature_c), hold, ramps)


class InjectionPart(_Part):
    """`shape` and what belongs to it."""

    shape: Literal["impulse", "rectangle", "tailed", "gaussian", "sampled"] = "rectangle"
    width_s: float | None = None
    tail_s: float | None = None
    start_s: float | None = None
    mean_s: float | None = None
    sigma_s: float | None = None
    times_s: list[float] | None = None
    samples: list[float] | None = None

    def build(self) -> Injection:
        """The injection; InputError for a value that is missing, or belongs to another shape."""
        needs = {
            "impulse": ((), ("start_s",)),
            "rectangle": (("width_s",), ("start_s",)),
            "tailed": (("width_s", "tail_s"), ("start_s",)),
            "gaussian": (("mean_s", "sigma_s"), ()),
            "sampled": (("times_s", "samples"), ()),
        }
        must, may = needs[self.shape]
        given = self.model_dump(exclude_none=True, exclude={"shape"})
        if set(must) - set(given) or set(given) - {*must, *may}:
            raise InputError(
                f"injection {self.shape}",
                expected=" and ".join(must) + (f", perhaps {may[0]}" if may else ""),
                got=", ".join(given) or "nothing",
                fix="Give these, or another shape.",
            )
        if self.shape == "impulse":
            return Rectangle(0.0, **given)
        if self.shape == "sampled":
            return SampledInjection(given["times_s"], given["samples"])
        shapes = {"rectangle": Rectangle, "tailed": TailedRectangle, "gaussian": GaussianInjection}
        built: Injection = shapes[self.shape](**given)
        return built


class TracePart(_Part):
    """What is written."""

    start_s: float = 0.0
    end_s: float = 600.0
    interval_s: float = 0.1


class AnalytePart(_Part):
    """Retention by K-centric parameters or by k; diffusion by formula or number; at most one rate."""

    name: str
    tchar_c: float | None = None
    theta_c: float | None = None
    dcp_j_mol_k: float | None = None
    phi0: float = 0.001
    k: float | None = None
    formula: str | None = None
    aromatic_rings: int = 0
    gas_diffusion_cm2_s: float | None = None
    film_diffusion_cm2_s: float | None = None
    film_kd_per_s: float | None = None
    lumped_kd_per_s: float | None = None
    area_mol_s_m3: float = 1.0
    langmuir_b_m3_mol: float | None = None

    def build(self) -> Analyte:
        """The analyte in SI; InputError for two ways to say one thing."""
        if self.formula is not None and self.gas_diffusion_cm2_s is not None:
            raise self._twice("formula or gas_diffusion_cm2_s")
        gas: FullerDiffusion | float | None = None
        if self.formula is not None:
            gas = FullerDiffusion(self.formula, self.aromatic_rings)
        elif self.gas_diffusion_cm2_s is not None:
            gas = self.gas_diffusion_cm2_s * 1e-4
        film = self.film_diffusion_cm2_s
        return Analyte(
            self.name,
            self._retention(),
            gas,
            None if film is None else film * 1e-4,
            self.film_kd_per_s,
            self.lumped_kd_per_s,
            self.area_mol_s_m3,
            self.langmuir_b_m3_mol,
        )

    def _retention(self) -> Retention:
        centric = (self.tchar_c, self.theta_c, self.dcp_j_mol_k)
        if self.k is not None and centric == (None, None, None):
            return FixedRetention(self.k)
        tchar, theta, dcp = centric
        if self.k is not None or tchar is None or theta is None or dcp is None:
            raise self._twice("k, or tchar_c, theta_c and dcp_j_mol_k,")
        return KCentric(units.from_celsius(tchar), theta, dcp, self.phi0)

    def _twice(self, choice: str) -> InputError:
        what = f"analyte {self.name[:40]!r}"
        return InputError(what, expected=f"{choice} once", got="both or none", fix="Keep one way.")


class SystemFile(_Part):
    """The whole file."""

    name: str = Field(max_length=64)
    about: str = ""
    gas: GasName
    column: ColumnPart
    flow: FlowPart
    oven: OvenPart
    injection: InjectionPart
    analytes: list[AnalytePart] = Field(min_length=1)
    dispersion: Dispersion = "none"
    detector_s: float = 0.0
    trace: TracePart = TracePart()

    def build(self) -> System:
        """The system in SI."""
        return System(
            self.name,
            self.column.build(),
            self.gas,
            self.flow.build(),
            self.oven.build(),
            tuple(analyte.build() for analyte in self.analytes),
            self.injection.build(),
            self.dispersion,
            self.detector_s,
            self.trace.start_s,
            self.trace.end_s,
            self.trace.interval_s,
        )


def read_system(path: str | Path) -> System:
    """The system in a YAML file; InputError, which names the key, for any that is unknown or wrong."""
    path = Path(path)
    found = read_yaml(path, partial(_bad, path))
    try:
        file = SystemFile.model_validate(found)
    except ValidationError as error:
        # A misspelt key leaves the right one absent: the unknown one says more.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"]) or "the whole file"
        text = first["msg"]
        said = "an unknown key" if first["type"] == "extra_forbidden" else text[:1].lower() + text[1:]
        raise _bad(path, f"{key}: {said}") from None
    with naming(path.name):
        return file.build()


def _bad(path: Path, got: str) -> InputError:
    fix = "The package's assets/chromatography-btex.yaml shows every key."
    return InputError(path.name, expected="a system of a gas chromatograph", got=got, fix=fix)
