"""A cohort: the same work on many scans, in worker processes, by Dask.

    work = Work("reconstruct ct", read_volume, {"units": "hu"}, retrospective_ct, {"views": 24})
    summary = run_cohort(work, paths, Path("out"), cluster=Local(workers=2))

Items are numbered from 1 in the order of `paths`; nothing that is written, shown or logged names a file.
Dask is imported only when a cohort runs.
"""

from medidiff.runs.cohort.cluster import Existing, Local
from medidiff.runs.cohort.folder import CSV, JSON
from medidiff.runs.cohort.item import Row, Work
from medidiff.runs.cohort.run import run_cohort
from medidiff.runs.cohort.table import Summary

__all__ = ["CSV", "JSON", "Existing", "Local", "Row", "Summary", "Work", "run_cohort"]
