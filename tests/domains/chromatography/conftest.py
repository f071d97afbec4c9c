"""Where the chromatography's reference data lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def chromatography_data() -> Path:
    """The folder of chromatograms and oracles, beside the checkout or in $MEDIDIFF_DATA; skips if absent."""
    places = [_ROOT.parent / "shared" / "data" / "chromatography"]
    if "MEDIDIFF_DATA" in os.environ:
        places.insert(0, Path(os.environ["MEDIDIFF_DATA"]) / "chromatography")
    for place in places:
        if (place / "expected").is_dir():
            return place
    pytest.skip(
        "the chromatography files are absent: put them in ../shared/data/chromatography or set MEDIDIFF_DATA"
    )
