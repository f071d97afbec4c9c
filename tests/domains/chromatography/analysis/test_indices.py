"""Retention indices: alkanes are their own hundreds, and the rule in between."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medidiff.domains.chromatography.analysis import retention_indices
from medidiff.errors import InputError

LADDER = {8: 200.0, 9: 320.0, 11: 900.0}


@pytest.mark.parametrize("t0", [None, 100.0])
def test_alkanes_have_their_own_index(t0: float | None) -> None:
    assert retention_indices(list(LADDER.values()), LADDER, t0_s=t0) == pytest.approx([800, 900, 1100])


def test_kovats_is_logarithmic_in_adjusted_times() -> None:
    """Adjusted 100 and 220: their geometric mean lies half-way."""
    middle = 100 + math.sqrt(100 * 220)
    assert retention_indices([middle], LADDER, t0_s=100.0) == pytest.approx([850])


def test_the_programmed_index_is_linear_and_spans_missing_alkanes() -> None:
    assert retention_indices([260.0, 610.0], LADDER) == pytest.approx([850, 1000])


def test_outside_the_ladder_and_before_the_hold_up_there_is_none() -> None:
    assert np.isnan(retention_indices([50.0, 150.0, 901.0], LADDER, t0_s=100.0)).all()


def test_any_shape_and_nan_pass_through() -> None:
    found = retention_indices([[200.0, math.nan], [320.0, 900.0]], LADDER)
    assert found.shape == (2, 2)
    assert np.isnan(found[0, 1])


@pytest.mark.parametrize(
    ("ladder", "t0", "expected"),
    [
        ({8: 200.0}, None, "at least two alkanes"),
        ({8: 200.0, 9: 190.0}, None, "alkanes that elute in the order of their carbons"),
        ({8: 200.0, 9: math.inf}, None, "finite retention times above 0"),
        ({0: 200.0, 9: 300.0}, None, "1 to 200 carbons"),
        (LADDER, 200.0, "a hold-up time above 0 and before the first alkane (200 s)"),
        (LADDER, -1.0, "a hold-up time above 0 and before the first alkane (200 s)"),
    ],
)
def test_a_ladder_that_cannot_be_is_refused(
    ladder: dict[int, float], t0: float | None, expected: str
) -> None:
    with pytest.raises(InputError) as error:
        retention_indices([250.0], ladder, t0_s=t0)
    assert error.value.expected == expected
