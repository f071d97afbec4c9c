"""Injections in steps: edges, areas, and the rate within a step."""

from __future__ import annotations

import numpy as np
import pytest

from medidiff.domains.chromatography.engines.marching.inlet import (
    divide,
    highest_rate,
    injection_breaks,
    stage_rates,
    step_means,
)
from medidiff.domains.chromatography.model.injection import (
    GaussianInjection,
    Injection,
    Rectangle,
    SampledInjection,
    TailedRectangle,
)
from medidiff.errors import InputError

RAMP = SampledInjection(np.arange(5.0), np.array([0.0, 1.0, 3.0, 1.0, 0.5]))


@pytest.mark.parametrize(
    "injection",
    [Rectangle(1.7, -0.3), TailedRectangle(1.0, 0.4), GaussianInjection(5.0, 0.6), RAMP],
)
def test_the_steps_carry_the_whole_area_and_its_mean(injection: Injection) -> None:
    """A step's mean times its length is what enters in it; the sum is 1, its first moment the injection's."""
    area = mean = 0.0
    for phase in divide(injection_breaks(injection), injection.end_s + 3, 0.05):
        entered = step_means(injection, phase.edges_s) * phase.step_s
        area += entered.sum()
        mean += entered @ (phase.edges_s[1:] + phase.edges_s[:-1]) / 2
    assert area == pytest.approx(1, abs=1e-12)
    assert mean == pytest.approx(injection.mean_s, abs=2e-5)  # of a step, its middle


def test_edges_of_a_rectangle_are_edges_of_steps() -> None:
    phases = divide(injection_breaks(Rectangle(1.0, 2.0)), 10.0, 0.3)
    assert [(phase.start_s, phase.end_s, phase.steps) for phase in phases] == [(2.0, 3.0, 4), (3.0, 10.0, 24)]


def test_samples_at_equal_steps_are_one_phase_with_an_edge_at_each() -> None:
    phases = divide(injection_breaks(RAMP), 20.0, 0.4)
    assert phases[0].start_s == -1.0
    assert phases[0].end_s == 5.0
    assert phases[0].steps == 18


def test_stages_of_a_cubic_rate_are_its_projection() -> None:
    """A straight line is kept; at a jump on the edge nothing leaks into the next step."""
    edges = np.array([0.0, 1.0, 2.0])
    nodes = np.array([0.2, 0.6, 1.0])
    inside = stage_rates(RAMP, edges, nodes)[0]
    assert inside == pytest.approx(RAMP.rate(nodes), abs=1e-13)
    assert stage_rates(Rectangle(1.0), edges, nodes) == pytest.approx(
        np.array([[1.0] * 3, [0.0] * 3]), abs=1e-14
    )


def test_the_highest_rate() -> None:
    assert highest_rate(Rectangle(0.5)) == pytest.approx(2.0)
    assert highest_rate(GaussianInjection(3.0, 0.2)) == pytest.approx(
        1 / (0.2 * np.sqrt(2 * np.pi)), rel=1e-12
    )
    assert highest_rate(RAMP) == pytest.approx(3 / 5.5, rel=1e-12)


def test_an_impulse_has_no_highest_rate() -> None:
    with pytest.raises(InputError) as error:
        highest_rate(Rectangle(0.0))
    assert error.value.got == "an impulse"
