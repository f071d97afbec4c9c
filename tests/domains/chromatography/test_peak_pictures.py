"""The picture of peaks: small ones are seen, also beside a solvent, and each panel numbers what it shows."""

from __future__ import annotations

import numpy as np

from medidiff.domains.chromatography.figures.peaks import draw_peaks
from medidiff.domains.chromatography.peaks import measure_peaks


def test_small_peaks_fill_the_enlarged_panel_beside_a_solvent() -> None:
    """Forty thousand times as tall: a twelfth of it would show a line."""
    time = np.arange(3000) * 0.1
    at = (60.0, 100.0, 150.0, 200.0, 250.0)
    heights = (4e4, 1.0, 1.0, 0.9, 0.8)
    signal = sum(h * np.exp(-((time - c) ** 2) / 2) for c, h in zip(at, heights, strict=True))
    signal = signal + np.random.default_rng(0).normal(0, 0.002, time.size)
    found = measure_peaks(time, signal)
    assert len(found.peaks) == 5
    whole, enlarged = draw_peaks(time, signal, found.baseline, found.peaks).axes[:2]
    assert whole.get_ylim()[1] > 4e4
    assert 1.2 < enlarged.get_ylim()[1] < 3
    assert [sum(text.get_text() == str(n) for text in enlarged.texts) for n in range(1, 6)] == [0, 1, 1, 1, 1]
    assert [sum(text.get_text() == str(n) for text in whole.texts) for n in range(1, 6)] == [1] * 5
