"""Images that a researcher can trust from measurements that are too few, too noisy or too hazy.

    import medidiff as md

    volume = md.read_volume("chest.nii.gz")
    result = md.retrospective_ct(volume, views=24)
    result.save("out")

Names are handed on lazily (PEP 562): importing the package loads neither torch nor monai.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medidiff.domains.chromatography.analysis.batch import batch_peaks
    from medidiff.domains.chromatography.analysis.chromatogram import chromatogram_peaks
    from medidiff.domains.chromatography.analysis.standards.ladder import index_peaks
    from medidiff.domains.chromatography.analysis.standards.table import calibrate_table
    from medidiff.domains.chromatography.chromatogram import Chromatogram
    from medidiff.domains.chromatography.demo import demo_chromatography
    from medidiff.domains.chromatography.files.convert import convert_chromatograms
    from medidiff.domains.chromatography.files.reading import read_chromatogram, read_chromatograms
    from medidiff.domains.chromatography.fitting.result import fit_chromatogram
    from medidiff.domains.chromatography.plate_heights import plate_heights
    from medidiff.domains.chromatography.simulate import simulate_chromatogram
    from medidiff.domains.reconstruction.ct.files import read_sinogram, write_sinogram
    from medidiff.domains.reconstruction.ct.reconstruct import reconstruct_ct
    from medidiff.domains.reconstruction.ct.retrospective import retrospective_ct, score
    from medidiff.domains.reconstruction.ct.scan.measurement import CTMeasurement
    from medidiff.domains.reconstruction.ct.simulate import simulate_ct
    from medidiff.errors import InputError, MedidiffError, MissingError, OutputError
    from medidiff.io.demo import demo_volume
    from medidiff.io.reading import list_series, read_volume
    from medidiff.io.volume import Volume
    from medidiff.progress import Progress, print_progress
    from medidiff.review import freeze_study, new_study, open_study
    from medidiff.runs.demo import demo_run
    from medidiff.runs.result import Result

__version__ = "0.1.0"

__all__ = [
    "CTMeasurement",
    "Chromatogram",
    "InputError",
    "MedidiffError",
    "MissingError",
    "OutputError",
    "Progress",
    "Result",
    "Volume",
    "__version__",
    "batch_peaks",
    "calibrate_table",
    "chromatogram_peaks",
    "convert_chromatograms",
    "demo_chromatography",
    "demo_run",
    "demo_volume",
    "fit_chromatogram",
    "freeze_study",
    "index_peaks",
    "list_series",
    "new_study",
    "open_study",
    "plate_heights",
    "print_progress",
    "read_chromatogram",
    "read_chromatograms",
    "read_sinogram",
    "read_volume",
    "reconstruct_ct",
    "retrospective_ct",
    "score",
    "simulate_chromatogram",
    "simulate_ct",
    "write_sinogram",
]

_HOMES = {
    "CTMeasurement": "domains.reconstruction.ct.scan.measurement",
    "Chromatogram": "domains.chromatography.chromatogram",
    "InputError": "errors",
    "MedidiffError": "errors",
    "MissingError": "errors",
    "OutputError": "errors",
    "Progress": "progress",
    "Result": "runs.result",
    "Volume": "io.volume",
    "batch_peaks": "domains.chromatography.analysis.batch",
    "calibrate_table": "domains.chromatography.analysis.standards.table",
    "chromatogram_peaks": "domains.chromatography.analysis.chromatogram",
    "convert_chromatograms": "domains.chromatography.files.convert",
    "demo_chromatography": "domains.chromatography.demo",
    "demo_run": "runs.demo",
    "demo_volume": "io.demo",
    "fit_chromatogram": "domains.chromatography.fitting.result",
    "freeze_study": "review",
    "index_peaks": "domains.chromatography.analysis.standards.ladder",
    "list_series": "io.reading",
    "new_study": "review",
    "open_study": "review",
    "plate_heights": "domains.chromatography.plate_heights",
    "print_progress": "progress",
    "read_chromatogram": "domains.chromatography.files.reading",
    "read_chromatograms": "domains.chromatography.files.reading",
    "read_sinogram": "domains.reconstruction.ct.files",
    "read_volume": "io.reading",
    "reconstruct_ct": "domains.reconstruction.ct.reconstruct",
    "retrospective_ct": "domains.reconstruction.ct.retrospective",
    "score": "domains.reconstruction.ct.retrospective",
    "simulate_chromatogram": "domains.chromatography.simulate",
    "simulate_ct": "domains.reconstruction.ct.simulate",
    "write_sinogram": "domains.reconstruction.ct.files",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medidiff' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"medidiff.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
