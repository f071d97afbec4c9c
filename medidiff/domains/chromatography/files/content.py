"""The bytes of a file, unpacked where it is gzipped, within a budget.

Whether a file is gzipped is seen from its first two bytes (RFC 1952), never from its name. It is unpacked
piece by piece, so that a file that unpacks without end is refused before it fills the memory.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from medidiff.errors import InputError
from medidiff.io.limits import GIB, MIB, Limits
from medidiff.io.opening import regular_size, unreadable

LIMITS = Limits(file_bytes=GIB)
"""What a trace may ask for unless the caller says otherwise: readers here hold the whole file."""

_GZIP = b"\x1f\x8b"
LARGEST_TEXT = 256 * MIB
"""Bytes of a text: lines and numbers take ten times as much while they are read."""

_FREE_BYTES = 256 * MIB  # below, any ratio is legal: an hour of zeros packs well
_PIECE = MIB


@dataclass
class Budget:
    """How many more bytes the arrays inside one file may unpack to."""

    left: int

    def spend(self, count: int, what: str) -> None:
        """Take `count` bytes; InputError when that is more than what is left."""
        if count > self.left:
            raise InputError(
                what,
                expected="data within the limit of one file",
                got=f"{count} bytes more, with {self.left} left",
                fix="Raise Limits.file_bytes from Python if you trust the file.",
            )
        self.left -= count


@dataclass(frozen=True)
class Content:
    """The unpacked bytes of a file, and what readers need to speak of it.

    name: base name. origin: "sha256:..." of `data`, so that a gzipped copy has the same. limits: what the
    caller allowed. budget: shared by all arrays of the file.
    """

    name: str
    data: bytes
    limits: Limits = LIMITS
    budget: Budget = field(default_factory=lambda: Budget(LIMITS.file_bytes))

    @property
    def origin(self) -> str:
        """The digest of the content."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"


def read_content(path: Path, limits: Limits) -> Content:
    """Read and unpack a regular file.

    Raises InputError when it is absent, empty, larger than `limits.file_bytes` (packed or unpacked),
    truncated, gzipped twice, or unpacks to more than `limits.ratio` times itself.
    """
    size = regular_size(path)
    limits.check_file_bytes(path.name, size)
    try:
        data = path.read_bytes()
    except OSError:
        raise unreadable(path.name, "a file that cannot be read") from None
    if data[:2] == _GZIP:
        data = _unpack(data, limits)
        if data[:2] == _GZIP:
            raise _bad("a file gzipped once", "gzip inside gzip", "Unpack it once, with gunzip.")
    if not data:
        raise _bad("a file with a trace", "0 bytes", "Copy or export it again.")
    return Content(path.name, data, limits, Budget(limits.file_bytes))


def check_text(data: bytes) -> None:
    """Raise InputError for more text than is read at once."""
    if len(data) > LARGEST_TEXT:
        fix = "Cut it, or export fewer traces."
        raise _bad(f"a text of at most {LARGEST_TEXT} bytes", f"{len(data)} bytes", fix)


def inflate(packed: bytes, wanted: int, what: str) -> bytes:
    """Exactly `wanted` bytes of a zlib stream; InputError for more, fewer or a damaged one."""
    engine = zlib.decompressobj()
    try:
        data = engine.decompress(packed, wanted + 1)
    except zlib.error:
        data = b""
    if len(data) != wanted:
        got = "more" if len(data) > wanted else f"{len(data)}, or a damaged stream"
        raise InputError(
            what, expected=f"{wanted} unpacked bytes", got=got, fix="Copy or export the file again."
        )
    return data


def _unpack(packed: bytes, limits: Limits) -> bytes:
    """All members of a gzip file, one after the other."""
    most = min(limits.file_bytes, max(_FREE_BYTES, int(limits.ratio * len(packed))))
    pieces: list[bytes] = []
    total, rest = 0, packed
    while rest[:2] == _GZIP:
        engine = zlib.decompressobj(16 + zlib.MAX_WBITS)
        while not engine.eof:
            try:
                piece = engine.decompress(rest, _PIECE)
            except zlib.error:
                raise _damaged("a damaged one") from None
            rest = engine.unconsumed_tail
            if not piece and not rest and not engine.eof:
                raise _damaged("one that ends early")
            pieces.append(piece)
            total += len(piece)
            if total > most:
                fix = "Unpack it first, with gunzip, if you trust the file."
                raise _bad(f"a file that unpacks to at most {most} bytes", "one that unpacks to more", fix)
        rest = engine.unused_data.lstrip(b"\0")
    if rest:
        raise _damaged("one with other bytes after its end")
    return b"".join(pieces)


def _damaged(got: str) -> InputError:
    return _bad("a complete gzip file", got, "Copy or download it again.")


def _bad(expected: str, got: str, fix: str) -> InputError:
    return InputError("file", expected=expected, got=got, fix=fix)
