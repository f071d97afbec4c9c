"""Crash-safe writing: a file or folder appears whole under its name, or not at all.

Both context managers write to a temporary sibling, fsync, then rename; on any exception (Ctrl-C and
a full disk included) the sibling is removed and what stood under the name before stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from medidiff.errors import OutputError

_CANNOT_WRITE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
}
_ADVICE = {
    errno.ENOSPC: "Free some space or choose another place.",
    errno.EDQUOT: "Your quota is used up: free some space or choose another place.",
}


@contextlib.contextmanager
def writing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on leaving, it replaces `path`.

    Raises OutputError when the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        with writable(path):
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
    finally:
        with contextlib.suppress(OSError):  # the error that brought us here says more
            temporary.unlink()


@contextlib.contextmanager
def writing_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling folder; on leaving, it becomes `path`.

    A `path` that exists and is not empty is refused without `overwrite`, before anything is computed.
    Raises OutputError for that and when the place cannot be written.
    """
    path = Path(os.path.abspath(path))
    refuse_occupied(path, overwrite=overwrite)
    stem = f".{path.name}.partial-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    temporary, old = path.with_name(stem), path.with_name(stem + "-old")
    try:
        with writable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                _sync(file)
            if path.exists():
                path.rename(old)
            temporary.rename(path)
            _sync(path.parent)
    finally:
        # An interrupt may fall between the two renames: then the old folder goes back, and only then is
        # anything removed.
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def refuse_occupied(path: Path, *, overwrite: bool) -> None:
    """Raise OutputError when `path` is a file, or a folder with content and `overwrite` is false."""
    if path.is_dir():
        if overwrite or not any(path.iterdir()):
            return
        got, fix = "a folder that is not empty", "Give --overwrite, or another --out."
    elif path.exists() or path.is_symlink():
        got, fix = "a file", "Choose another --out."
    else:
        return
    raise OutputError(f"output {path.name}", expected="a new or empty folder", got=got, fix=fix)


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write at `path` into an OutputError; others pass through."""
    try:
        yield
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        raise OutputError(
            f"output {path.name}",
            expected="a place that can be written",
            got=os.strerror(error.errno).lower(),
            fix=_ADVICE.get(error.errno, "Choose a folder that you may write to."),
        ) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
