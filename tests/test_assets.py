"""The demo volume is the one that its card and the published checksums describe."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
import pytest

from medidiff.errors import MissingError
from medidiff.io.demo import demo_card, demo_volume
from medidiff.io.volume import block_mean


def test_demo_volume_is_the_published_block() -> None:
    """The 2 x 2 mean, rounded, has the digest and the moments published for slices 76 to 99."""
    volume = demo_volume("ct")
    reduced = np.rint(block_mean(volume).array).astype("<i2")
    assert volume.shape == (24, 512, 512)
    assert volume.spacing_mm == (2.5, 0.703125, 0.703125)
    assert hashlib.sha256(reduced.tobytes()).hexdigest().startswith("9bf1e5c9c93e8f1f")
    assert reduced.mean() == pytest.approx(-643.1056, abs=1e-4)
    assert reduced.std() == pytest.approx(470.7398, abs=1e-4)


def test_demo_lies_in_the_canonical_orientation() -> None:
    """Columns run to the left, rows to the back, slices to the head (-, -, + in RAS), from 0 mm on."""
    affine = demo_volume("ct").affine
    assert np.array_equal(np.sign(np.diag(affine)), [-1, -1, 1, 1])
    assert np.array_equal(affine[:3, 3], [0, 0, 0])


def test_a_block_of_slices_keeps_its_place() -> None:
    block = demo_volume("ct", slices=(10, 13))
    assert block.shape == (3, 512, 512)
    assert block.affine[2, 3] == 10 * 2.5


def test_card_describes_the_voxels() -> None:
    assert demo_volume("ct").origin == "sha256:" + demo_card("ct")["volume_sha256"]


def test_card_names_licence_and_file() -> None:
    card = demo_card("ct")
    file = files("medidiff") / "assets" / card["file"]
    data = file.read_bytes()
    assert hashlib.sha256(data).hexdigest() == card["file_sha256"]
    assert len(data) < 8_000_000
    assert "CC BY 3.0" in card["attribution"]
    assert "10.7937/k9/tcia.2015.lo9ql9sx" in card["attribution"]


def test_unknown_demo_is_missing() -> None:
    with pytest.raises(MissingError) as error:
        demo_volume("brain")
    assert error.value.got == "no card in the package"
