"""The fixed points of the Hounsfield scale."""

from __future__ import annotations

import numpy as np
import pytest

from medidiff.domains.reconstruction.ct.scan.attenuation import hu_to_water, water_to_hu


@pytest.mark.parametrize(("hu", "water"), [(-1000, 0), (0, 1), (1000, 2), (3071, 4.071), (-2048, 0)])
def test_fixed_points_and_the_floor(hu: float, water: float) -> None:
    """Air, water and twice water are exact; padding is air; metal is not clipped."""
    assert hu_to_water(np.array([hu]))[0] == pytest.approx(water, abs=1e-6)


def test_back_and_forth() -> None:
    hu = np.linspace(-1000, 3071, 12, dtype=np.float32)
    np.testing.assert_allclose(water_to_hu(hu_to_water(hu)), hu, atol=1e-3)
    assert water_to_hu(hu).dtype == np.float32
