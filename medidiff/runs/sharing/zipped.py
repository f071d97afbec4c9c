"""A run in one zip: its own files, and what was written about it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from medidiff.errors import InputError
from medidiff.runs.plain import check_regular
from medidiff.runs.report import NOTICE
from medidiff.runs.result import FIGURE, PROVENANCE, REPORT, Result

_DATED = (1980, 1, 1, 0, 0, 0)  # the zip's earliest date: a run's hour is nobody's business
_PACKED = (".gz", ".png")


def zipped(folder: Path, texts: Mapping[str, str] | None = None) -> bytes:
    """The files that a run's report names, its figure, report and provenance, and `texts` beside them.

    Files keep their names and bytes; dates are left out, and the notice is the archive's comment. Raises
    InputError for a folder that is no run, or holds a link where a file should be.
    """
    result = Result.load(folder)
    names = [*result, REPORT, PROVENANCE] + ([FIGURE] if (folder / FIGURE).exists() else [])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = NOTICE.encode()
        for name in dict.fromkeys(names):
            check_regular(folder / name)
            _add(archive, name, _read(folder / name))
        for name, text in (texts or {}).items():
            _add(archive, name, text.encode())
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _DATED)
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_STORED if name.endswith(_PACKED) else zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        fix = "Run it again: this folder was damaged."
        raise InputError(path.name, expected="a file", got="one that cannot be read", fix=fix) from None
