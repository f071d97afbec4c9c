"""Crash-safe writing: a file or folder appears whole under its name, or not at all.

Both context managers write to a temporary sibling, fsync, then rename; on any exception (Ctrl-C and
a full disk included) the sibling is removed and what stood under the name before stays. A link is
followed: what it points to is replaced, the link stays.

A folder is replaced only if medidiff wrote it, and wrote all of it: one forgotten `--overwrite` must not
cost a patient's only scan.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from medidiff.errors import ONLY_WRITING, OutputError

_CANNOT_WRITE = ONLY_WRITING | {
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.EBUSY,  # a mount point cannot be renamed
    errno.EXDEV,  # nor can a folder of a container's image
}
_ADVICE = {
    errno.ENOSPC: "Free some space or choose another place.",
    errno.EDQUOT: "Your quota is used up: free some space or choose another place.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.EBUSY: "Choose a new folder inside it.",
    errno.EXDEV: "Choose a new folder inside it.",
}

# What medidiff writes into a folder: the file that says so, with the start of its schema, and what may lie
# beside it apart from the `outputs` that it names.
_RECORDS = {
    "report.json": ("medidiff.report/", {"provenance.json", "figure.png"}),
    "bench.json": ("medidiff.bench/", {"table.md"}),
}
_CHECKPOINT = {
    "state.json",
    *(f"{part}.safetensors" for part in ("weights", "ema", "optimiser", "objective")),
}


@contextlib.contextmanager
def writing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`; on leaving, it replaces `path`.

    Raises OutputError when the place cannot be written.
    """
    temporary = _beside(path)
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

    `refuse_occupied` says which `path` is refused, before anything is computed. Raises OutputError for
    that and when the place cannot be written.
    """
    refuse_occupied(path, overwrite=overwrite)
    path = Path(os.path.realpath(path))
    temporary = _beside(path)
    old = _old(temporary)
    with writable(path), _parents(path):
        try:
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                _sync(file)
            if path.exists():
                path.rename(old)
            temporary.rename(path)
            _sync(path.parent)
        finally:
            # An interrupt may fall between the two renames: then the old folder goes back, and only then
            # is anything removed.
            if old.exists() and not path.exists():
                old.rename(path)
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def rehearse_folder(path: Path, *, overwrite: bool = False) -> None:
    """Raise OutputError now for what would stop `writing_folder` only after the work; nothing is changed.

    Makes and renames as it will: only that shows a mount point, or a name that is too long.
    """
    with contextlib.suppress(_Rehearsed), writing_folder(path, overwrite=overwrite) as temporary:
        path = Path(os.path.realpath(path))
        moved, aside = (path, _old(temporary)) if path.exists() else (temporary, path)
        try:
            moved.rename(aside)
        finally:
            if not moved.exists():
                aside.rename(moved)
        _sync(path.parent)
        raise _Rehearsed


def rehearse_files(folder: Path) -> None:
    """Raise OutputError now when files could not be written into `folder`, which may be absent."""
    inside = _beside(folder / "file")
    with contextlib.suppress(_Rehearsed), writable(folder), _parents(inside):
        inside.touch()
        inside.unlink()
        raise _Rehearsed


def refuse_occupied(path: Path, *, overwrite: bool) -> None:
    """Raise OutputError unless `path` is new, an empty folder or, with `overwrite`, one that medidiff wrote.

    A folder of ours with a file of somebody else in it is refused too. So are, whatever they hold, the
    current folder, those above it and the home folder.
    """
    with writable(path):
        path = Path(os.path.realpath(path))
        here = Path.cwd()
        home = Path(os.path.realpath(os.path.expanduser("~")))  # Path.home() fails where there is none
        fix = "Choose another --out."
        if path in (here, *here.parents, home):
            got = "the folder you are in, one above it, or your home folder"
        elif path.is_symlink():  # what can be followed was followed
            got = "a link that leads nowhere"
        elif path.exists() and not path.is_dir():
            got = "a file"
        elif not path.exists() or not any(path.iterdir()):
            return
        elif not overwrite:
            got, fix = "a folder that is not empty", "Give --overwrite, or another --out."
        elif not _ours(path):
            got = "a folder that medidiff did not write, or not alone"
            fix = "Choose another --out, or remove that folder yourself."
        else:
            return
    raise OutputError(f"output {path.name or path}", expected="a new or empty folder", got=got, fix=fix)


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


class _Rehearsed(Exception):  # noqa: N818  not an error: it takes back what the rehearsal made
    pass


def _beside(path: Path) -> Path:
    """A short hidden name in the folder of `path`: with the name itself in it, it could be too long."""
    return path.with_name(f".medidiff-{uuid.uuid4().hex}")


def _old(temporary: Path) -> Path:
    return temporary.with_name(f"{temporary.name}-old")


@contextlib.contextmanager
def _parents(path: Path) -> Iterator[None]:
    """Make the folders above `path`; those that were made go again when the body fails."""
    made = [folder for folder in path.parents if not folder.exists()]  # the deepest first
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):  # somebody else may have written there by now
                folder.rmdir()
        raise


def _ours(folder: Path) -> bool:
    """Whether medidiff wrote all files of a folder. A checkpoint is known by its names: it may be damaged."""
    if re.fullmatch(r"checkpoint-\d{8,18}", folder.name):
        return _files(folder) <= _CHECKPOINT
    for record, (schema, beside) in _RECORDS.items():
        found = _read(folder / record)
        if str(found.get("schema")).startswith(schema):
            outputs = found.get("outputs")
            named = {str(name) for name in outputs} if isinstance(outputs, list) else set()
            return _files(folder) <= {record, *beside, *named}
    return False


def _files(folder: Path) -> set[str]:
    """All that is no plain folder, by its path from `folder`."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def _read(record: Path) -> dict[str, object]:
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
