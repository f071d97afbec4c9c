"""Calibration against textbook values, and the lactose standards."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from medidiff.domains.chromatography.analysis import Method, analyse, calibrate
from medidiff.domains.chromatography.analysis.method import BaselinePart, IntegrationPart, NamedPeak
from medidiff.domains.chromatography.analysis.standards.calibration import Weights
from medidiff.domains.chromatography.analysis.standards.table import calibrate_table
from medidiff.domains.chromatography.figures.calibration import draw_calibration
from medidiff.domains.chromatography.files import read_chromatogram
from medidiff.errors import InputError

# Miller and Miller, Statistics and Chemometrics for Analytical Chemistry, 6th ed. 2010, example 5.3.1:
# fluorescein in pg/mL against intensity.
FLUORESCEIN = ([0, 2, 4, 6, 8, 10, 12], [2.1, 5.0, 9.0, 12.6, 17.3, 21.0, 24.7])


def test_a_line_of_a_textbook() -> None:
    """The book prints b = 1.93, a = 1.52, r = 0.9989, s = 0.4329, s_b = 0.0409, s_a = 0.2950."""
    found = calibrate(*FLUORESCEIN)
    assert found.coefficients == pytest.approx([1.5179, 1.9304], abs=1e-4)
    assert found.errors == pytest.approx([0.2949, 0.0409], abs=1e-4)
    assert found.residual_sd == pytest.approx(0.4328, abs=2e-4)
    assert math.sqrt(found.r_squared) == pytest.approx(0.9989, abs=1e-4)


def test_inverse_prediction_of_the_textbook() -> None:
    """Example 5.6.1: 2.9, 13.5 and 23.0 give 0.72 +- 0.68, 6.21 +- 0.62 and 11.13 +- 0.67 (t = 2.57)."""
    found = calibrate(*FLUORESCEIN)
    for response, amount, half in ((2.9, 0.72, 0.68), (13.5, 6.21, 0.62), (23.0, 11.13, 0.67)):
        there = found.amount(response)
        assert there.value == pytest.approx(amount, abs=0.01)
        assert (there.high - there.low) / 2 == pytest.approx(half, abs=0.012)
        assert not there.outside
    assert found.amount(60).outside


def test_more_readings_narrow_the_interval() -> None:
    """Example 5.6.1 goes on: with m = 4 the interval of 13.5 is 6.21 +- 0.36."""
    there = calibrate(*FLUORESCEIN).amount(13.5, readings=4)
    assert (there.high - there.low) / 2 == pytest.approx(0.36, abs=0.01)


def test_limits_say_which_s() -> None:
    found = calibrate(*FLUORESCEIN)
    lod, loq = found.limits()
    assert (lod, loq) == pytest.approx((3.3 * 0.43285 / 1.9304, 10 * 0.43285 / 1.9304), rel=1e-3)
    assert found.limits("intercept")[0] == pytest.approx(3.3 * 0.29494 / 1.9304, rel=1e-3)
    plain = found.to_plain()["limits"]
    assert plain["residual"]["s"] == "residual"
    assert plain["intercept"]["lod"] < plain["residual"]["lod"]


def test_a_weighted_limit_is_that_of_a_low_reading() -> None:
    """Noise of 5 % of each amount: near the limit s is 5 % of the lowest standard, not of the mean one."""
    x = np.repeat([1.0, 2, 5, 10, 100], 20)
    y = 2 * x * (1 + 0.05 * np.random.default_rng(0).standard_normal(x.size))
    lod = calibrate(x, y, model="zero", weights="1/x2").limits()[0]
    assert lod == pytest.approx(3.3 * 0.05 * 1.0, rel=0.2)


@pytest.mark.parametrize("weights", ["1", "1/x", "1/x2"])
@pytest.mark.parametrize(
    ("model", "truth"), [("linear", (3, 2, 0)), ("zero", (0, 2, 0)), ("quadratic", (3, 2, 0.25))]
)
def test_exact_points_come_back_exactly(model: str, truth: tuple[float, ...], weights: str) -> None:
    x = np.array([0.5, 1, 2, 5, 10])
    y = truth[0] + truth[1] * x + truth[2] * x**2
    found = calibrate(x, y, model=model, weights=weights)
    assert found.response(x) == pytest.approx(y, rel=1e-10)
    assert found.back == pytest.approx(x, rel=1e-9)
    assert found.residual_sd < 1e-9
    assert found.amount(truth[0] + truth[1] * 3 + truth[2] * 9).value == pytest.approx(3, rel=1e-9)


def test_weights_follow_the_small_standards() -> None:
    """A relative error: 1/x2 brings the lowest standard back ten times better than equal weights do."""
    x = np.array([0.1, 1, 10, 100, 1000.0])
    y = 5 * x * (1 + np.array([0.01, -0.01, 0.01, -0.01, 0.01]))
    errors = [abs(calibrate(x, y, weights=w).back[0] / 0.1 - 1) for w in ("1", "1/x2")]
    assert errors[1] < 0.03 < errors[0] / 10


@pytest.mark.parametrize("weights", ["1", "1/x2"])
@pytest.mark.parametrize("model", ["linear", "quadratic"])
def test_intervals_cover(model: str, weights: str) -> None:
    """Of 200 calibrations with the noise that the weights say, 95 % hold the true amount (+- 3 errors)."""
    rng = np.random.default_rng(0)
    x, true = np.array([1, 2, 4, 8, 16, 1, 2, 4, 8, 16.0]), 5.0
    inside = 0
    for _ in range(200):
        sd = 0.02 * (x if weights == "1/x2" else np.full(x.size, 8.0))
        y = 1 + 3 * x + rng.normal(0, sd)
        reading = 1 + 3 * true + rng.normal(0, 0.02 * (true if weights == "1/x2" else 8.0))
        there = calibrate(x, y, model=model, weights=weights).amount(reading)
        inside += there.low <= true <= there.high
    assert inside / 200 == pytest.approx(0.95, abs=0.046)


def test_an_internal_standard_cancels_the_injected_volume() -> None:
    x = np.array([1, 2, 5, 10.0])
    volume = np.array([0.9, 1.1, 1.05, 0.97])
    found = calibrate(x, 7 * x * volume, internal_amounts=[2] * 4, internal_responses=14 * volume)
    assert found.coefficients == pytest.approx([0, 1], abs=1e-12)
    assert found.residual_sd < 1e-12


def test_a_response_above_the_parabola_has_no_amount() -> None:
    x = np.array([1, 2, 3, 4, 5.0])
    found = calibrate(x, 10 * x - x**2, model="quadratic")
    assert found.amount(16).value == pytest.approx(2)
    with pytest.raises(InputError) as error:
        found.amount(30)
    assert "turning point" in error.value.got


@pytest.mark.parametrize(
    ("arguments", "options", "expected"),
    [
        (([1, 2], [1]), {}, "as many responses as amounts"),
        (([1, 1], [1, 2]), {}, "at least 2 different amounts"),
        (([1, 2], [1, 2]), {"model": "quadratic"}, "at least 3 different amounts"),
        (([0, 2], [1, 2]), {"weights": "1/x"}, "amounts above 0 for weights 1/x"),
        (([1, math.nan], [1, 2]), {}, "finite amounts and responses"),
        (([-1, 2], [1, 2]), {}, "amounts of at least 0"),
        (([1, 2], [3, 3]), {}, "a response that follows the amount"),
        (([1, 2], [1, 2]), {"internal_responses": [1, 0]}, "2 responses of the internal standard above 0"),
        (([1, 2], [1, 2]), {"internal_amounts": [1]}, "2 amounts of the internal standard above 0"),
    ],
)
def test_points_that_allow_no_curve_are_refused(
    arguments: tuple[list[float], list[float]], options: dict[str, object], expected: str
) -> None:
    with pytest.raises(InputError) as error:
        calibrate(*arguments, **options)
    assert error.value.expected == expected


def test_two_points_have_a_line_and_no_interval() -> None:
    found = calibrate([1, 2], [3, 5])
    there = found.amount(4)
    assert there.value == pytest.approx(1.5)
    assert math.isnan(there.low)
    assert math.isnan(found.limits()[0])
    assert found.to_plain()["residual_sd"] is None


LACTOSE = Method(
    baseline=BaselinePart(method="valley"),
    integration=IntegrationPart(emg=False),
    peaks=[NamedPeak(name="lactose", at_s=13.717 * 60, window_s=3.0)],
)


def test_lactose_standards(chromatography_data: Path) -> None:
    """Valley to valley, unweighted: height 2580.8 per mM, area 79 370 signal s per mM (a prototype's)."""
    amounts, heights, areas = (0.5, 1.0, 3.0, 6.0), [], []
    for amount in amounts:
        run = read_chromatogram(chromatography_data / "calibration" / f"lactose_mM_{amount:g}.csv")
        (peak,) = [p for p in analyse(run, LACTOSE).peaks if p.name == "lactose"]
        heights.append(peak.height)
        areas.append(peak.area)
    by_height, by_area = calibrate(amounts, heights), calibrate(amounts, areas)
    assert by_height.coefficients[1] == pytest.approx(2580.8, rel=5e-3)
    assert by_height.r_squared == pytest.approx(0.99888, abs=5e-4)
    assert by_area.coefficients[1] == pytest.approx(79370, rel=1e-2)
    assert by_area.r_squared == pytest.approx(0.99885, abs=5e-4)


def test_a_table_of_responses(tmp_path: Path) -> None:
    table = tmp_path / "standards.csv"
    rows = zip(*FLUORESCEIN, strict=True)
    table.write_text("amount,response\n" + "".join(f"{x},{y}\n" for x, y in rows), encoding="utf-8")
    result = calibrate_table(table)
    folder = result.save(tmp_path / "out")
    found = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
    assert found["coefficients"] == pytest.approx([1.5179, 1.9304], abs=1e-4)
    assert found["points"][2] == {"amount": 4.0, "response": 9.0}
    assert found["fitted"][2]["back_calculated"] == pytest.approx((9 - 1.5179) / 1.9304, abs=1e-3)
    assert (folder / "figure.png").stat().st_size > 5000
    method = {"peaks": [{"name": "x", "at_s": 1.0, "window_s": 1.0}]}
    method["calibrations"] = {"x": {"points": found["points"]}}
    part = Method.model_validate(method).calibrations["x"]
    assert part.build().coefficients == pytest.approx(found["coefficients"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "a header of file, amount, response, internal_amount, internal_response with amount"),
        ("amount\n1\n", "a column response, or a column file"),
        ("amount,response,file\n1,2,x\n", "a column response, or a column file"),
        ("amount,response\n", "at least one standard"),
        ("amount,response\n1,two\n", "a number for response in line 2"),
        ("amount,response\n1,2\n3\n", "a number for response in line 3"),
        ("amount,response\n1,inf\n", "a finite number for response in line 2"),
        ("amount,response,mass\n1,2,3\n", "a header of file, amount, response, internal_amount"),
    ],
)
def test_a_damaged_table_is_refused(text: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        calibrate_table(tmp_path / "t.csv")
    assert error.value.expected.startswith(expected)


@pytest.mark.parametrize(("weights", "said"), [("1", False), ("1/x", True)])
def test_the_picture_says_whose_spread_the_limits_have(weights: Weights, said: bool) -> None:
    figure = draw_calibration(calibrate([1, 2, 4, 8], [10.1, 19.8, 40.5, 79.0], weights=weights))
    note = next(text.get_text() for text in figure.texts if "LOD" in text.get_text())
    assert ("at the lowest standard" in note) == said
