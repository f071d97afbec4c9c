"""An output folder: result, report, provenance, figure, and the comparison of two runs."""

from medidiff.runs.clock import Clock, available_memory_mb, finish_report, peak_memory_mb, require_memory
from medidiff.runs.compare import Difference, Promise, Verdict, compare_digests, compare_runs
from medidiff.runs.provenance import provenance, read_provenance
from medidiff.runs.report import NOTICE, start_report
from medidiff.runs.result import Result, SavedFile, Writable

__all__ = [
    "NOTICE",
    "Clock",
    "Difference",
    "Promise",
    "Result",
    "SavedFile",
    "Verdict",
    "Writable",
    "available_memory_mb",
    "compare_digests",
    "compare_runs",
    "finish_report",
    "peak_memory_mb",
    "provenance",
    "read_provenance",
    "require_memory",
    "start_report",
]
