"""What several rooms' tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def ct_data() -> Path:
    """The folder of real CT files, beside the checkout or in $MEDIDIFF_DATA/ct; skips where absent."""
    places = [_ROOT.parent / "shared" / "data" / "ct"]
    if "MEDIDIFF_DATA" in os.environ:
        places.insert(0, Path(os.environ["MEDIDIFF_DATA"]) / "ct")
    for place in places:
        if (place / "test").is_dir():
            return place
    pytest.skip("the CT files are absent: put them in ../shared/data/ct or set MEDIDIFF_DATA")
