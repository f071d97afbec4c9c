"""JSON in and out: strict (no NaN), small enough to read whole, and pleasant for a person to look at."""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medidiff.atomic import writing_file
from medidiff.errors import InputError

LARGEST_BYTES = 64 << 20
"""A report or a provenance larger than this is refused unread."""

_LIST_OF_NUMBERS = re.compile(r"\[\n([^\[\]{}\"]*)\]")


def to_plain(value: Any, missing: list[str] | None = None, *, where: str = "") -> Any:
    """`value` in what JSON knows: numpy becomes Python, a tuple a list, NaN and infinity None.

    The place of each number that was not finite ("methods.tv.seconds") is appended to `missing`.
    Raises TypeError for anything else (a path, an object): reports hold facts only.
    """
    missing = [] if missing is None else missing
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        missing.append(where)
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(k): to_plain(v, missing, where=f"{where}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [to_plain(item, missing, where=f"{where}[{i}]") for i, item in enumerate(value)]
    raise TypeError(f"{where or 'value'}: {type(value).__name__} has no place in JSON")


def to_json(value: Any) -> str:
    """Indented JSON text, lists of numbers on one line; ValueError for NaN."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return _LIST_OF_NUMBERS.sub(lambda found: "[" + " ".join(found[1].split()) + "]", text) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write `value` whole or not at all; OutputError when the place cannot be written."""
    with writing_file(path) as temporary:
        temporary.write_text(to_json(value), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file. InputError for a link, a huge or damaged file, or JSON of another kind.

    NaN and numbers that are infinite as floats are refused too: arithmetic with them would fail, or promise
    what is not so.
    """
    check_regular(path, LARGEST_BYTES)
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_int=_finite(int), parse_float=_finite(float)
        )
    except (OSError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(path.name, expected="a JSON object", got="something else", fix=_RUN_AGAIN)
    return value


_RUN_AGAIN = "Run it again: this folder was damaged or made by another program."


def check_regular(path: Path, largest: int | None = None) -> None:
    """Raise InputError unless `path` is a plain file (no link), of at most `largest` bytes."""
    try:
        status = path.lstat()
    except OSError:
        raise InputError(
            path.name, expected="a file", got="nothing that can be read", fix=_RUN_AGAIN
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(path.name, expected="a plain file", got="a link, folder or device", fix=_RUN_AGAIN)
    if largest is not None and status.st_size > largest:
        got = f"{status.st_size} bytes"
        raise InputError(path.name, expected=f"at most {largest} bytes", got=got, fix=_RUN_AGAIN)


def _finite(kind: Callable[[str], int | float]) -> Callable[[str], int | float]:
    def number(text: str) -> int | float:
        if not math.isfinite(float(text)):
            raise ValueError("a number without a finite float in JSON")
        return kind(text)

    return number


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} in JSON")
