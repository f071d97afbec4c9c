"""The bench of the chromatograph: exactness, orders, mass, moments and speed of its engines; rivals; files.

Each part is a function of its own that gives rows; this file joins them.
"""

from __future__ import annotations

from pathlib import Path

from medidiff.bench.chromatography import exactness, fit, peaks, programmes, speed
from medidiff.bench.chromatography.cases import Options, Part
from medidiff.bench.report import BenchResult, Row
from medidiff.errors import InputError
from medidiff.progress import Progress, Report, silent

PARTS: dict[str, Part] = {
    "engines against each other": exactness.agreement,
    "the whole equation": exactness.against_pde,
    "mass, moments, orders": exactness.conservation,
    "seconds": speed.seconds,
    "CADET": speed.beside_cadet,
    "temperature programmes": programmes.retention,
    "seconds of a fit": fit.seconds,
    "coverage": fit.btex_coverage,
    "coverage where peaks overlap": fit.overlap,
    "vendors' peaks": peaks.beside_vendors,
}


def run(*, draws: int = 1000, data: Path | None = None, progress: Report = silent) -> BenchResult:
    """Measure every part. draws: of the fit's noise. data: the folder of real files, skipped without it.

    About a minute on one core without files and without CADET. Raises InputError where data is no folder.
    """
    if data is not None and not data.is_dir():
        raise InputError(
            "data of the bench",
            expected="a folder",
            got=f"{data.name!r}, which is none",
            fix="Leave it out to skip the rows on real files.",
            argument=True,
        )
    options = Options(draws, data)
    rows: list[Row] = []
    skipped: list[str] = []
    remarks: list[str] = []
    for done, (name, part) in enumerate(PARTS.items()):
        progress(Progress("chromatography", done, len(PARTS), name))
        found = part(options)
        rows += found.rows
        skipped += found.skipped
        remarks += found.remarks
    progress(Progress("chromatography", len(PARTS), len(PARTS)))
    return BenchResult("chromatography", tuple(rows), tuple(skipped), tuple(remarks), notes={"draws": draws})
