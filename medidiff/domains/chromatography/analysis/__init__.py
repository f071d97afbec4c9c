"""What a laboratory makes of peaks: methods, names, amounts, indices, suitability, batches."""

from medidiff.domains.chromatography.analysis.batch import batch_peaks
from medidiff.domains.chromatography.analysis.blank import subtract_blank
from medidiff.domains.chromatography.analysis.chromatogram import analyse, chromatogram_peaks
from medidiff.domains.chromatography.analysis.method import Method
from medidiff.domains.chromatography.analysis.method_file import find_method, read_method, reintegrated
from medidiff.domains.chromatography.analysis.standards.calibration import (
    Calibration,
    Prediction,
    calibrate,
)
from medidiff.domains.chromatography.analysis.standards.indices import retention_indices
from medidiff.domains.chromatography.analysis.standards.ladder import index_peaks
from medidiff.domains.chromatography.analysis.standards.plate_height import (
    PlateHeightCurve,
    fit_plate_height,
)
from medidiff.domains.chromatography.analysis.standards.table import calibrate_table

__all__ = [
    "Calibration",
    "Method",
    "PlateHeightCurve",
    "Prediction",
    "analyse",
    "batch_peaks",
    "calibrate",
    "calibrate_table",
    "chromatogram_peaks",
    "find_method",
    "fit_plate_height",
    "index_peaks",
    "read_method",
    "reintegrated",
    "retention_indices",
    "subtract_blank",
]
