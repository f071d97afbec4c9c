"""The folder of a cohort: who may write into it, one run at a time, and nothing half-written stays.

    cohort.json, cohort.csv, item_001/, item_002/ ...

While a run lasts, it holds a lock on a marker beside them; workers look for the marker and stop without it.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medidiff.atomic import refuse_occupied, rehearse_files, writable
from medidiff.errors import InputError, OutputError
from medidiff.runs.plain import read_json

COHORT_SCHEMA = "medidiff.cohort/1"
JSON, CSV = "cohort.json", "cohort.csv"

_MARKER = ".medidiff-run-"
_HALF_WRITTEN = re.compile(r"\.medidiff-[0-9a-f]{32}(-old)?")  # as `atomic` names them


def check_folder(out: Path, *, resume: bool) -> None:
    """Raise OutputError unless `out` is new or empty or, with `resume`, the folder of a cohort."""
    if resume and _holds_something(out):
        found = read_json(out / JSON) if (out / JSON).is_file() else {}
        if not str(found.get("schema")).startswith(COHORT_SCHEMA):
            raise OutputError(
                f"output {out.name}",
                expected="a new or empty folder, or one of a cohort",
                got="a folder of something else",
                fix="Choose another --out.",
            )
        _refuse_second_run(out)
    elif _holds_something(out):
        raise OutputError(
            f"output {out.name}",
            expected="a new or empty folder",
            got="a folder that is not empty",
            fix="Give --resume to go on with that cohort, or another --out.",
        )
    else:
        refuse_occupied(out, overwrite=False)
    rehearse_files(out)


def check_same_cohort(out: Path, asked: Mapping[str, Any], count: int) -> None:
    """Raise InputError when the cohort in `out` was made with other options, or has more items than `count`.

    asked: what `cohort.json` keeps of the work. Without this, one wrong option would replace every item.
    """
    if not (out / JSON).is_file():
        return
    found = read_json(out / JSON)
    changed = _changed(found, asked)
    if changed:
        raise InputError(
            "cohort",
            expected="the options of the run that is resumed",
            got=f"other values of {', '.join(changed)}",
            fix="Give the same options, or another --out.",
        )
    before = found.get("count")
    if not isinstance(before, int) or before > count:
        raise InputError(
            "cohort",
            expected=f"the {before} scans of the run that is resumed, in the same order",
            got=f"{count}",
            fix="Give the same scans, or another --out.",
        )


@contextlib.contextmanager
def occupied(out: Path) -> Iterator[Path]:
    """Hold the folder, made where absent, and give the marker; half-written rests go at the end.

    Folders that were made and stayed empty go too. Raises OutputError when another run holds it.
    """
    with writable(out):
        made = [folder for folder in (out, *out.parents) if not folder.exists()]
        out.mkdir(parents=True, exist_ok=True)
        _refuse_second_run(out)
        marker = out / f"{_MARKER}{uuid.uuid4().hex}"
        held = marker.open("w")
    try:
        _lock(held.fileno())
        _sweep(out)  # what a run left that was killed
        yield marker
    finally:
        marker.unlink(missing_ok=True)
        held.close()
        _sweep(out)
        for folder in made:
            with contextlib.suppress(OSError):  # it holds something
                folder.rmdir()


def _holds_something(out: Path) -> bool:
    with writable(out):
        return out.is_dir() and any(out.iterdir())


def _changed(found: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    names = []
    for part, value in asked.items():
        old, new = found.get(part), value
        if isinstance(old, dict) and isinstance(new, dict):
            names += [key for key in {**old, **new} if old.get(key) != new.get(key)]
        elif old != new:
            names.append(part)
    return names


def _refuse_second_run(out: Path) -> None:
    """A marker that can be locked was left by a run that was killed: it goes."""
    for marker in out.glob(f"{_MARKER}*"):
        with marker.open("w") as held:
            if not _lock(held.fileno()):
                raise OutputError(
                    f"output {out.name}",
                    expected="a folder that no run is writing to",
                    got="one where a cohort is at work",
                    fix="Wait for it, or choose another --out.",
                )
        with contextlib.suppress(OSError):
            marker.unlink()


def _lock(descriptor: int) -> bool:
    """Whether the lock is ours; a file system without locks has no second run to tell of."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _sweep(out: Path) -> None:
    for path in out.iterdir():
        if _HALF_WRITTEN.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
