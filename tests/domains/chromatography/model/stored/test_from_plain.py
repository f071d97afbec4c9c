"""A system as plain data comes back to the last bit, and nothing else is made of data from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from medidiff.domains.chromatography.model.analyte import Analyte
from medidiff.domains.chromatography.model.flow import ConstantFlow, ConstantVelocity
from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Injection,
    Rectangle,
    SampledInjection,
    TailedRectangle,
)
from medidiff.domains.chromatography.model.oven import Oven
from medidiff.domains.chromatography.model.plain import plain
from medidiff.domains.chromatography.model.retention import FixedRetention
from medidiff.domains.chromatography.model.stored.from_plain import injection_from_plain, system_from_plain
from medidiff.domains.chromatography.model.stored.shipped import named_system
from medidiff.errors import InputError

BTEX = named_system("btex")
RNG = np.random.default_rng(0)
# Times and samples whose grid and area, taken anew, differ in the last bit from those they are.
SAMPLED = SampledInjection(1.1401260053469118 + 0.15026641929965306 * np.arange(76), RNG.random(76))
FIXED = Analyte("one", FixedRetention(2.0), gas_diffusion=1e-5, film_kd_per_s=3e3, langmuir_b_m3_mol=0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"flow": ConstantVelocity(1 / 3)},
        {"flow": ConstantFlow(1.7e-8, 0.0)},
        {"injection": TailedRectangle(0.1, 0.7)},
        {"injection": GaussianInjection(1.0, 0.3), "detector_s": 0.1},
        {"injection": SAMPLED},
        {"oven": Oven.programme(313.15, 60.0, [(1 / 6, 573.15, 0.0)])},
        {"analytes": (FIXED,), "dispersion": "golay"},
    ],
    ids=lambda changes: next(iter(changes), "btex"),
)
def test_through_json_and_back(changes: dict[str, Any]) -> None:
    system = replace(BTEX, **changes)
    found = system_from_plain(json.loads(json.dumps(system.to_plain())))
    assert found.digest == system.digest
    assert found.to_plain() == system.to_plain()
    assert type(found.injection) is type(system.injection)


@pytest.mark.parametrize("injection", [Rectangle(0.5, 0.25), SAMPLED])
def test_an_injection_alone(injection: Injection) -> None:
    assert plain(injection_from_plain(json.loads(json.dumps(plain(injection))))) == plain(injection)


def test_a_sampled_injection_of_any_scale_is_made_one_of_area_one() -> None:
    """Only what has area 1 to rounding already is left as it is."""
    scaled = SampledInjection(SAMPLED.time_s, SAMPLED.samples * (1 + 1e-9))
    assert scaled.step_s * scaled.samples.sum() == pytest.approx(1, abs=1e-14)


def _at(*place: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(found: Any) -> None:
        for key in place[:-1]:
            found = found[key]
        found[place[-1]] = value

    return change


def _without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda found: found.pop(name)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_at("kind", value="Path"), "system"),
        (_at("kind", value="Column"), "system"),
        (_at("column", value={"kind": "System"}), "system.column"),
        (_at("column", value=BTEX.to_plain()["oven"]), "system.column"),
        (_at("column", "length_m", value="30"), "system.column.length_m"),
        (_at("column", "length_m", value=True), "system.column.length_m"),
        (_at("column", "length_m", value=-1.0), "system, column length"),
        (_at("column", "colour", value="red"), "system.column"),
        (_at("analytes", 0, "retention", value=3.0), "system.analytes.0.retention"),
        (_at("analytes", value={}), "system.analytes"),
        (_at("analytes", 1, value=1.0), "system.analytes"),
        (_at("oven", "times_s", value=[[0.0]]), "system.oven.times_s"),
        (_at("injection", value={"kind": "SampledInjection", "time_s": [0, "a"], "samples": [1, 1]}), "samp"),
        (_at("detector_s", value=[[[[[[[[[1]]]]]]]]]), "system.detector_s.0.0"),
        (_without("gas"), "system"),
    ],
)
def test_data_of_another_form_is_refused_by_its_place(
    change: Callable[[dict[str, Any]], None], what: str
) -> None:
    found = json.loads(json.dumps(BTEX.to_plain()))
    change(found)
    with pytest.raises(InputError) as error:
        system_from_plain(found)
    assert error.value.what.startswith(what if what != "samp" else "system.injection.time_s")
    assert not error.value.argument


def test_a_system_is_no_injection() -> None:
    with pytest.raises(InputError):
        injection_from_plain(BTEX.to_plain())
    with pytest.raises(InputError):
        injection_from_plain(plain(BTEX.column))
