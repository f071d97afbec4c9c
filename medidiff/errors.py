"""The three errors that a user of medidiff meets, each one sentence long.

    MedidiffError
     ├─ InputError     what was given cannot be used           (exit code 2 or 3)
     ├─ MissingError   an extra, weights or memory are absent   (exit code 4)
     └─ OutputError    a result could not be written            (exit code 5)

Each carries what was looked at, what was expected, what came and what to do; a door (command line,
transform, app) joins them to one line and tests compare the attributes, never the prose:

    try:
        result = medidiff.retrospective_ct(volume, views=0)
    except medidiff.InputError as error:
        error.expected, error.got, error.fix

`recognised` turns what Python, a library or the system raises into one of the three where it is one, and
`places` tells a bug without quoting anybody's file; both serve every door and every worker.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path

ONLY_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""What the system says to a writer alone; the other refusals may come from reading as well."""

_NO_SPACE = "No space left on device"  # as safetensors and HDF5 put it, in errors of their own
_NO_MEMORY = ("can't allocate memory", "not enough memory", "CUDA out of memory")
_DISTRIBUTIONS = {"skimage": "scikit-image", "yaml": "PyYAML"}  # where pip knows a package by another name


class MedidiffError(Exception):
    """The base of all errors raised on purpose; catch it to catch the three."""

    def __init__(self, what: str, *, expected: str, got: str, fix: str) -> None:
        self.what, self.expected, self.got, self.fix = what, expected, got, fix
        super().__init__(f"{what}: expected {expected}, got {got}. {fix}")

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the four parts, so that an error crosses a process border whole."""
        return _rebuild, (type(self), self.what, self.expected, self.got, self.fix, self.__dict__)


class InputError(MedidiffError):
    """Something given cannot be used as it is.

    `argument` is true when the value is wrong whatever the file (`views=0`: exit code 2) and false when
    a file is unreadable or does not fit (exit code 3).
    """

    def __init__(self, what: str, *, expected: str, got: str, fix: str, argument: bool = False) -> None:
        super().__init__(what, expected=expected, got=got, fix=fix)
        self.argument = argument


class MissingError(MedidiffError):
    """Something needed is absent: an optional package, weights, memory. `fix` says what mends it."""


class OutputError(MedidiffError):
    """A result could not be written; nothing half-written was left."""


def _rebuild(
    kind: type[MedidiffError], what: str, expected: str, got: str, fix: str, extra: dict[str, object]
) -> MedidiffError:
    error = kind(what, expected=expected, got=got, fix=fix)
    error.__dict__.update(extra)
    return error


def recognised(error: BaseException) -> MedidiffError | None:
    """The error of ours that this one is: itself, an absent package, too little memory, a full disk.

    None for a bug.
    """
    if isinstance(error, MedidiffError):
        return error
    if isinstance(error, ImportError):
        return missing_package(error)
    if _is_memory(error):
        return MissingError(
            "memory",
            expected="enough for this",
            got="less",
            fix="Take fewer --slices or a smaller --matrix.",
        )
    if _is_writing(error):
        number = error.errno if isinstance(error, OSError) else None
        return OutputError(
            "output",
            expected="a place that can be written",
            got=os.strerror(number).lower() if number else "no space",
            fix="Choose another --out.",
        )
    return None


def missing_package(error: ImportError) -> MissingError | None:
    """The error that names the package to install; None where what is missing is ours or Python's own."""
    package = (error.name or "medidiff").partition(".")[0]
    if package == "medidiff" or package in sys.stdlib_module_names:
        return None
    name = _DISTRIBUTIONS.get(package, package)
    return MissingError(
        f"package {name}",
        expected="an installed package",
        got="none that can be imported",
        fix=f"Install it: pip install {name}",
    )


def places(error: BaseException) -> list[str]:
    """Kinds and places of the error and its causes; neither messages nor folders outside the packages."""
    lines = []
    seen: BaseException | None = error
    while seen is not None:
        lines.append(f"{type(seen).__module__}.{type(seen).__qualname__}")
        frames = traceback.extract_tb(seen.__traceback__)
        lines += [f"  {_place(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
        seen = seen.__cause__ or seen.__context__
    return lines


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _NO_MEMORY)


def _is_writing(error: BaseException) -> bool:
    return (isinstance(error, OSError) and error.errno in ONLY_WRITING) or _NO_SPACE in str(error)


def _place(filename: str) -> str:
    """The path below site-packages or from `medidiff/` on, else the base name."""
    parts = Path(filename).parts
    for anchor, keep in (("site-packages", 1), ("medidiff", 0)):
        if anchor in parts:
            return "/".join(parts[len(parts) - 1 - parts[::-1].index(anchor) + keep :])
    return parts[-1] if parts else "?"
