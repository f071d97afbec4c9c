"""A file from elsewhere, unpacked where nothing can be overwritten: a zip, or an image itself.

A zip may claim and hide anything. Every name is judged (absolute, `..`, links and devices are refused) and
then dropped: files are written as 000001, 000002 ..., because names are often names of patients. What a
header says of sizes is only a first look; bytes are counted while they are inflated.
Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from medidiff.atomic import writable
from medidiff.errors import InputError
from medidiff.io.child import memory_folder
from medidiff.io.limits import MIB, Limits

_ZIP = b"PK\x03\x04"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the dictionary of others may ask for gigabytes
_ENTRY_BYTES = 512  # of the table at the end: a name and its facts
_BOMB_BYTES = 256 * MIB
_CHUNK = MIB
_ENCRYPTED = 1
_NAME = "upload"


@contextlib.contextmanager
def unpacked(content: IO[bytes], limits: Limits | None = None) -> Iterator[Path]:
    """A path to read the content at: a folder for a zip of several files, else one file; gone afterwards.

    It lies in shared memory where that has room for all of it. A zip of a single file is that file. Raises
    InputError for an archive that is damaged, encrypted, hostile or passes `limits` (files, file_bytes in
    all, ratio, seconds), OutputError where the disk is full.
    """
    limits = limits or Limits()
    size = content.seek(0, os.SEEK_END)
    content.seek(0)
    limits.check_file_bytes(_NAME, size)
    packed = content.read(4) == _ZIP
    content.seek(0)
    archive = _Archive.of(content, size, limits) if packed else None
    needed = size if archive is None else archive.claimed
    with tempfile.TemporaryDirectory(prefix="medidiff-", dir=memory_folder(needed)) as temporary:
        target = Path(temporary) / _NAME
        with writable(target):
            path = _copy(content, target) if archive is None else archive.unzip(target, limits.seconds)
        yield path


def _copy(content: IO[bytes], path: Path) -> Path:
    with path.open("wb") as file:
        while block := content.read(_CHUNK):
            file.write(block)
    return path


@dataclass(frozen=True)
class _Archive:
    """A zip whose names are harmless. claimed: bytes, as its headers say; budget: that it may inflate to."""

    packed: zipfile.ZipFile
    entries: list[zipfile.ZipInfo]
    claimed: int
    budget: int

    @classmethod
    def of(cls, content: IO[bytes], size: int, limits: Limits) -> _Archive:
        """The archive in `content`, of `size` bytes."""
        budget = min(limits.file_bytes, max(_BOMB_BYTES, int(limits.ratio * size)))
        with _damage_refused():
            packed = zipfile.ZipFile(_Table(content, limits.files * _ENTRY_BYTES))
            entries = _entries(packed, limits)
        claimed = sum(entry.file_size for entry in entries)
        if claimed > budget:
            raise _too_much()
        return cls(packed, entries, claimed, budget)

    def unzip(self, folder: Path, seconds: float) -> Path:
        """Write all files into a new folder; the only file where there is one."""
        deadline, budget = time.monotonic() + seconds, self.budget
        folder.mkdir()
        with _damage_refused():
            for number, entry in enumerate(self.entries, 1):
                budget -= _inflate(self.packed, entry, folder / f"{number:06d}", budget, deadline)
        return folder / "000001" if len(self.entries) == 1 else folder


@contextlib.contextmanager
def _damage_refused() -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, struct.error, zlib.error, EOFError, RuntimeError, ValueError, OverflowError):
        raise _refused("a zip that can be unpacked", "a damaged one", "Pack the folder again.") from None


class _Table:
    """The file below an archive; one read is bounded, since its table of entries is read at once."""

    def __init__(self, content: IO[bytes], most: int) -> None:
        self._content, self._most = content, most
        self.seek, self.tell, self.seekable = content.seek, content.tell, content.seekable

    def read(self, count: int = -1) -> bytes:
        data = self._content.read(self._most + 1 if count < 0 else min(count, self._most + 1))
        if len(data) > self._most:
            raise _refused("fewer files", "a table of files larger than allowed", "Pack one scan alone.")
        return data


def _entries(archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    """The files of an archive, once all its names are known to be harmless."""
    found = archive.infolist()
    if len(found) > limits.files:
        raise _refused(f"at most {limits.files} files", f"{len(found)}", "Pack one scan alone.")
    for entry in found:
        _judge(entry)
    files = [entry for entry in found if not entry.is_dir() and not _of_the_system(entry.filename)]
    if not files:
        raise _refused("a zip of a DICOM folder", "an empty one", "Pack the folder of one scan.")
    return files


def _judge(entry: zipfile.ZipInfo) -> None:
    name = entry.orig_filename.replace("\\", "/")
    mode = entry.external_attr >> 16
    again = "Pack the folder of one scan again."
    if name.startswith("/") or name[1:2] == ":" or ".." in name.split("/") or "\0" in name:
        raise _refused("names inside the archive", "a name that leads out of it", again)
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused("files and folders alone", "a link or a device", again)
    if entry.flag_bits & _ENCRYPTED:
        raise _refused("an archive without password", "an encrypted one", "Unpack it, and pack it again.")
    if entry.compress_type not in _METHODS:
        raise _refused("a zip by deflate", "another compression", again)


def _of_the_system(name: str) -> bool:
    """What macOS and Windows pack beside the files of a folder."""
    parts = name.replace("\\", "/").split("/")
    return parts[0] == "__MACOSX" or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _inflate(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, budget: int, deadline: float
) -> int:
    """Write one file of at most `budget` bytes and return how many; the stream is read by small blocks."""
    written = 0
    with archive.open(entry) as packed, path.open("wb") as file:
        while block := packed.read(_CHUNK):
            written += len(block)
            if written > budget:
                raise _too_much()
            if time.monotonic() > deadline:
                raise _refused("one that unpacks in time", "one that takes too long", _TRUST)
            file.write(block)
    return written


def _too_much() -> InputError:
    return _refused("a scan", "an archive that unpacks to more than allowed", _TRUST)


_TRUST = "Unpack it yourself, if you trust it, and give the folder with --data."


def _refused(expected: str, got: str, fix: str) -> InputError:
    return InputError(_NAME, expected=expected, got=got, fix=fix)
