"""The peaks of a trace as rows: `peaks.csv`, and what it has no column for in `details.csv`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from medidiff.domains.chromatography.tables import cell, write_csv

UNKNOWN = math.nan

COLUMNS = (
    "retention_time_s",
    "height",
    "area",
    "start_s",
    "end_s",
    "fwhm_s",
    "plates_half",
    "plates_tangent",
    "plates_moment",
    "tailing_usp",
    "asymmetry10",
    "resolution",
    "snr",
    "flags",
    "name",
    "area_percent",
    "k",
    "selectivity",
    "hetp_mm",
    "retention_index",
    "amount",
    "baseline",
)
"""Of peaks.csv; other programs rely on them. `baseline` is the integration code: BB, BV, VB or VV."""

DETAILS = (
    "retention_time_s",
    "name",
    "area_fitted",
    "emg_mean_s",
    "emg_sigma_s",
    "emg_tau_s",
    "emg_residual",
    "width_tangent_s",
    "width_5_s",
    "mean_s",
    "sigma_s",
    "resolution_tangent",
    "peak_to_valley",
    "plates_effective",
    "snr_sd",
    "amount_low",
    "amount_high",
)
"""Of details.csv."""


@dataclass(frozen=True)
class Peak:
    """One peak. Times and widths in s, area in the trace's unit times s; NaN is unknown.

    resolution, resolution_tangent, selectivity: from the peak before. area: raw, by trapezoids; area_fitted:
    of the exponentially modified Gaussian, whose rms residual over the height is emg_residual. snr: 2H/h with
    the peak-to-peak noise h; snr_sd: H over the noise's standard deviation. amount_low, amount_high: its 95 %
    interval. flags: "shoulder", "rider", "negative", "saturated", "manual", "edge", "few points", "emg
    failed".
    """

    retention_time_s: float
    height: float
    area: float
    start_s: float
    end_s: float
    fwhm_s: float = UNKNOWN
    plates_half: float = UNKNOWN
    plates_tangent: float = UNKNOWN
    plates_moment: float = UNKNOWN
    tailing_usp: float = UNKNOWN
    asymmetry10: float = UNKNOWN
    resolution: float = UNKNOWN
    snr: float = UNKNOWN
    flags: tuple[str, ...] = ()
    name: str = ""
    area_percent: float = UNKNOWN
    k: float = UNKNOWN
    selectivity: float = UNKNOWN
    hetp_mm: float = UNKNOWN
    retention_index: float = UNKNOWN
    amount: float = UNKNOWN
    baseline: str = "BB"
    area_fitted: float = UNKNOWN
    emg_mean_s: float = UNKNOWN
    emg_sigma_s: float = UNKNOWN
    emg_tau_s: float = UNKNOWN
    emg_residual: float = UNKNOWN
    width_tangent_s: float = UNKNOWN
    width_5_s: float = UNKNOWN
    mean_s: float = UNKNOWN
    sigma_s: float = UNKNOWN
    resolution_tangent: float = UNKNOWN
    peak_to_valley: float = UNKNOWN
    plates_effective: float = UNKNOWN
    snr_sd: float = UNKNOWN
    amount_low: float = UNKNOWN
    amount_high: float = UNKNOWN


@dataclass(frozen=True)
class PeakTable:
    """Peaks from left to right, written with these columns."""

    peaks: tuple[Peak, ...]
    columns: tuple[str, ...] = COLUMNS

    def rows(self) -> list[list[str]]:
        """A row of cells for each peak, numbers to their last bit, "" where unknown."""
        return [[cell(getattr(peak, column)) for column in self.columns] for peak in self.peaks]

    def write(self, path: Path) -> None:
        """Write CSV with one header line."""
        write_csv(path, self.columns, self.rows())
