"""Which samples of a long curve are drawn."""

from __future__ import annotations

import numpy as np

from medidiff.domains.chromatography.figures.axes import thinned


def test_thinning_keeps_every_peak_and_both_ends() -> None:
    signal = np.zeros(100_003)
    signal[[17, 50_000, 99_999]] = (5.0, -3.0, 7.0)
    rows = thinned(signal, most=1000)
    assert len(rows) <= 1002
    assert {0, 17, 50_000, 99_999, 100_002} <= set(rows.tolist())
    assert thinned(signal[:500], most=1000).tolist() == list(range(500))
