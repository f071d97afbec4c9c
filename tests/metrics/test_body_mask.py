"""The body mask against discs whose area is known."""

import numpy as np
import pytest

from medidiff.errors import InputError
from medidiff.metrics import body_mask


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def chest(shape: tuple[int, int] = (61, 83)) -> tuple[np.ndarray, np.ndarray]:
    """One slice in HU (a body with a lung in it) and its body."""
    body = disc(shape, (28, 40), 22)
    hu = np.where(body, 40.0, -1000.0)
    hu[disc(shape, (28, 40), 9)] = -800.0
    return hu[None], body


def test_body_with_its_lung_filled() -> None:
    """Opening rounds single pixels off the rim: at most the 4 tips of a digital disc, 3 pixels each."""
    hu, body = chest()
    mask = body_mask(hu)[0]
    assert not (mask & ~body).any()
    assert np.count_nonzero(body & ~mask) <= 12
    assert mask[28, 40]


def test_table_is_cut_off() -> None:
    """A table of 3 rows (thinner than the opening's 5) goes, and so does a separate arm, even touching it."""
    hu, body = chest()
    hu[0, 51:54, 5:78] = 100.0
    hu[0][disc(body.shape, (20, 6), 5)] = 40.0
    mask = body_mask(hu)[0]
    assert not mask[53].any()
    assert not mask[:, :14].any()


def test_threshold_is_minus_500() -> None:
    hu, _ = chest()
    hu[hu == 40.0] = -500.0
    assert not body_mask(hu).any()
    hu[hu == -500.0] = -499.0
    assert body_mask(hu).any()


def test_each_slice_on_its_own() -> None:
    """An empty slice stays empty, whatever its neighbours hold."""
    hu, _ = chest()
    mask = body_mask(np.concatenate([hu, np.full_like(hu, -1024.0), hu]))
    assert mask.sum((1, 2))[1] == 0
    np.testing.assert_array_equal(mask[0], mask[2])


@pytest.mark.parametrize("bad", [np.full((1, 4, 4), np.nan), np.zeros((4, 4)), np.zeros((0, 4, 4))])
def test_what_is_no_finite_volume_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(InputError) as error:
        body_mask(bad)
    assert error.value.what == "reference"
