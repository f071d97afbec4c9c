"""Peaks of a trace: noise, baselines, picking, bounds, areas, shapes and empirical models.

Everything here works on arrays in seconds and in the trace's own unit; names, calibration and files are in
`analysis`.
"""

from medidiff.domains.chromatography.peaks.baselines import BaselineChoice, baseline
from medidiff.domains.chromatography.peaks.measure import Integration, Measured, measure_peaks
from medidiff.domains.chromatography.peaks.models import EMG, EMGFit, fit_emg
from medidiff.domains.chromatography.peaks.noise import Noise, measure_noise
from medidiff.domains.chromatography.peaks.picking import Pick, pick_peaks
from medidiff.domains.chromatography.peaks.shape import Shape, measure_shape
from medidiff.domains.chromatography.peaks.table import COLUMNS, Peak, PeakTable

__all__ = [
    "COLUMNS",
    "EMG",
    "BaselineChoice",
    "EMGFit",
    "Integration",
    "Measured",
    "Noise",
    "Peak",
    "PeakTable",
    "Pick",
    "Shape",
    "baseline",
    "fit_emg",
    "measure_noise",
    "measure_peaks",
    "measure_shape",
    "pick_peaks",
]
