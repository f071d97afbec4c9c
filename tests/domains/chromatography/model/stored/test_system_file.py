"""Systems as YAML: the shipped one, what else a file can say, and what is refused by its key."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from medidiff.domains.chromatography.model.flow import ConstantFlow, ConstantVelocity, PressureDriven
from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Rectangle,
    SampledInjection,
    TailedRectangle,
)
from medidiff.domains.chromatography.model.retention import FixedRetention
from medidiff.domains.chromatography.model.stored.shipped import named_system
from medidiff.domains.chromatography.model.stored.system_file import read_system
from medidiff.errors import InputError


@pytest.fixture
def shipped() -> dict[str, Any]:
    text = (files("medidiff") / "assets" / "chromatography-btex.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def to_file(content: Any) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        return path

    return to_file


def test_the_shipped_file_is_the_named_system(shipped: dict[str, Any], write: Any) -> None:
    system, named = read_system(write(shipped)), named_system("btex")
    assert (system.column, system.flow, system.oven) == (named.column, named.flow, named.oven)
    assert system.analytes == named.analytes
    assert system.injection == Rectangle(1.0)
    assert (system.end_s, system.interval_s, system.dispersion) == (600.0, 0.1, "molecular")


@pytest.mark.parametrize(
    ("flow", "truth"),
    [
        ({"inlet_kpa_gauge": 78.7}, PressureDriven(78.7e3 + 101_300.0, 101_300.0)),
        ({"inlet_kpa_gauge": 80, "ambient_kpa_absolute": 100}, PressureDriven(180e3, 101_300.0)),
        ({"inlet_psi_gauge": 10.0}, PressureDriven(10 * 6894.757293168 + 101_300.0, 101_300.0)),
        ({"flow_ml_min": 1.2, "outlet_kpa_absolute": 0}, ConstantFlow(1.2e-6 / 60, 0.0)),
        ({"flow_ml_min": 1.2, "normal_temperature_c": 0.0}, ConstantFlow(1.2e-6 / 60, 101_300.0, 273.15)),
        ({"velocity_cm_s": 25.0}, ConstantVelocity(0.25, 101_300.0)),
    ],
)
def test_flows(shipped: dict[str, Any], write: Any, flow: dict[str, float], truth: Any) -> None:
    assert read_system(write({**shipped, "flow": flow})).flow == truth


@pytest.mark.parametrize(
    ("injection", "truth"),
    [
        ({"shape": "impulse"}, Rectangle(0.0)),
        ({"width_s": 2.0, "start_s": -1.0}, Rectangle(2.0, -1.0)),
        ({"shape": "tailed", "width_s": 1.0, "tail_s": 0.5}, TailedRectangle(1.0, 0.5)),
        ({"shape": "gaussian", "mean_s": 2.0, "sigma_s": 0.5}, GaussianInjection(2.0, 0.5)),
    ],
)
def test_injections(shipped: dict[str, Any], write: Any, injection: dict[str, Any], truth: Any) -> None:
    assert read_system(write({**shipped, "injection": injection})).injection == truth


def test_other_choices(shipped: dict[str, Any], write: Any) -> None:
    """A recorded injection, a programme, and an analyte by numbers."""
    sampled = {"shape": "sampled", "times_s": [0.0, 1.0, 2.0], "samples": [1, 2, 1]}
    ramps = [{"rate_c_min": 10, "to_c": 300, "hold_min": 3}]
    analyte = {"name": "x", "k": 2, "gas_diffusion_cm2_s": 0.3, "film_diffusion_cm2_s": 3e-5}
    content = {**shipped, "injection": sampled, "analytes": [{**analyte, "langmuir_b_m3_mol": 0.1}]}
    content["oven"] = {"temperature_c": 40, "hold_min": 1, "ramps": ramps}
    system = read_system(write(content))
    assert isinstance(system.injection, SampledInjection)
    assert system.injection.samples == pytest.approx([0.25, 0.5, 0.25])
    assert system.oven.times_s == pytest.approx((0, 60, 1620, 1800))
    (one,) = system.analytes
    assert one.retention == FixedRetention(2)
    assert (one.gas_diffusion, one.film_diffusion_m2_s) == pytest.approx((3e-5, 3e-9))
    assert one.langmuir_b_m3_mol == 0.1
    with pytest.raises(InputError) as error:
        system.transport()
    assert error.value.fix == "Take --engine programme."


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "colour: an unknown key"),
    ({"column": {"length_m": 30, "diameter_mm": 0.25, "film_µm": 0.25}}, "column.film_µm: an unknown key"),
    ({"column": {"length_m": "30", "diameter_mm": 0.25, "film_um": 1}}, "column.length_m: input should be a"),
    ({"column": None}, "column: input should be"),
    ({"gas": "helium"}, "gas: input should be 'He', 'H2', 'N2' or 'Ar'"),
    (
        {"flow": {"inlet_kpa_absolute": 180.0, "inlet_kpa_gauge": 80.0}},
        "inlet_kpa_absolute and inlet_kpa_gauge",
    ),
    ({"flow": {}}, "none"),
    ({"flow": {"inlet_kpa_absolute": 78.7}}, "78700 Pa"),
    ({"injection": {"shape": "gaussian", "width_s": 1.0}}, "width_s"),
    ({"injection": {"shape": "rectangle", "width_s": 1.0, "tail_s": 1.0}}, "width_s, tail_s"),
    ({"injection": {"shape": "rectangle"}}, "nothing"),
    ({"dispersion": "some"}, "dispersion: input should be"),
    ({"analytes": []}, "analytes: list should have"),
    ({"analytes": [{"name": "a", "k": 1.0, "tchar_c": 4.0, "formula": "CH4"}]}, "both or none"),
    ({"analytes": [{"name": "a", "formula": "CH4"}]}, "both or none"),
    ({"analytes": [{"name": "a", "k": 1.0, "formula": "CH4", "gas_diffusion_cm2_s": 0.1}]}, "both or none"),
    ({"analytes": [{"name": "a", "k": 1.0}]}, "0 of them"),
    ({"analytes": [{"name": "a", "k": 1.0, "formula": "CH4"} for _ in range(2)]}, "('a', 'a')"),
    ({"trace": {"end_s": -1.0}}, "0 to -1 s"),
    ({"trace": {"interval_s": 0.0}}, "0"),
    ({"trace": {"interval_s": 1e-6}}, "600000001"),
    ({"trace": {"end_s": float("inf")}}, "trace.end_s: input should be a finite"),
]


@pytest.mark.parametrize(("change", "got"), CHANGES)
def test_what_is_wrong_is_named(shipped: dict[str, Any], write: Any, change: Any, got: str) -> None:
    with pytest.raises(InputError) as error:
        read_system(write({**shipped, **change}))
    assert error.value.got.startswith(got)
    assert error.value.what.startswith("mine.yaml")
    assert not error.value.argument


@pytest.mark.parametrize("text", ["{", "- 1\n- 2", "", "a: [[[[", "name: 2026-13-45\n", "\x00"])
def test_what_is_no_system(write: Any, text: str) -> None:
    with pytest.raises(InputError):
        read_system(write(text))


def test_aliases_are_refused_before_they_grow(write: Any) -> None:
    """Each further line doubles the last one: 25 of them took 19 s and half a gigabyte, 30 would 15."""
    doubling = [f"a{i + 1}: &a{i + 1} {{<<: [*a{i}, *a{i}]}}" for i in range(12)]
    with pytest.raises(InputError) as error:
        read_system(write("\n".join(["a0: &a0 {x: 1}", *doubling])))
    assert error.value.got.startswith("an alias")


def test_absent_and_large_files(tmp_path: Path, write: Any) -> None:
    with pytest.raises(InputError):
        read_system(tmp_path / "absent.yaml")
    with pytest.raises(InputError):
        read_system(tmp_path)
    with pytest.raises(InputError) as error:
        read_system(write("#" * (2 << 20)))
    assert error.value.got == f"{2 << 20} bytes"


def test_systems_and_analytes_by_name() -> None:
    with pytest.raises(InputError) as error:
        named_system("btx")
    assert error.value.expected == "btex"
    five = named_system("btex").select(("benzene", "toluene", "ethylbenzene", "p-xylene", "o-xylene"))
    assert "m-xylene" not in five.names
    assert five.areas.tolist() == [1.0] * 5
    with pytest.raises(InputError):
        five.select(("m-xylene",))
    with pytest.raises(InputError):
        five.select(())
    with pytest.raises(InputError):
        five.transport("some")


def test_dispersion_names_choose_the_rate() -> None:
    """none: the lumped kd alone; molecular: D_m beside it; golay: D_m + D_TA and the film's kd."""
    system = named_system("btex")
    none, molecular, golay = (system.transport(name) for name in ("none", "molecular", "golay"))
    assert np.isinf(none.peclet).all()
    assert np.array_equal(none.kd_per_s, molecular.kd_per_s)
    assert (golay.kd_per_s > 10 * molecular.kd_per_s).all()
    assert golay.variance_s2 == pytest.approx(molecular.variance_s2, rel=2e-6)
    assert (molecular.variance_s2 > 3 * none.variance_s2).all()
