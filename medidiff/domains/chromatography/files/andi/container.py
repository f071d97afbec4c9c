"""A netCDF classic file opened by scipy, after its header was compared with the size of the file.

The grammar is that of the netCDF classic format specification (Unidata): magic, number of records, then the
lists of dimensions, attributes and variables; big-endian, everything padded to 4 bytes. scipy believes what a
header declares, so that each count, name, offset and size is checked here first.
"""

from __future__ import annotations

import math
import struct
import zlib
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medidiff.errors import InputError

_DIMENSIONS, _VARIABLES, _ATTRIBUTES = 10, 11, 12
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8}  # of byte, char, short, int, float, double
_MAGIC = 4  # bytes: CDF and the version
_RAISED_BY_SCIPY = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
    struct.error,
    zlib.error,
)


class NetCDF(NamedTuple):
    """Attributes (name -> text or number) and variables (name -> array; text as (n, length) of bytes)."""

    attributes: dict[str, Any]
    variables: dict[str, NDArray[Any]]
    variable_attributes: dict[str, dict[str, Any]]


def read_netcdf(data: bytes) -> NetCDF:
    """All of a netCDF classic file; InputError for one that is damaged, truncated or of another version."""
    _check_header(data)
    from scipy.io import netcdf_file

    try:
        with netcdf_file(BytesIO(data), "r", mmap=False) as file:
            attributes = {name: _plain(value) for name, value in file._attributes.items()}
            variables = {name: np.array(v.data) for name, v in file.variables.items()}
            about = {
                name: {key: _plain(value) for key, value in v._attributes.items()}
                for name, v in file.variables.items()
            }
    except _RAISED_BY_SCIPY:
        raise damaged("a header that contradicts itself") from None
    return NetCDF(attributes, variables, about)


def damaged(got: str) -> InputError:
    """The error for a file that is not whole."""
    return InputError("netCDF file", expected="a complete one", got=got, fix="Copy or export the file again.")


def text(value: Any) -> str:
    """The text of an attribute or of a row of characters: up to the first NUL, without blanks around."""
    if isinstance(value, np.ndarray):
        value = value.tobytes()
    if isinstance(value, bytes):
        value = value.split(b"\0")[0]
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            value = value.decode("latin-1")
    return str(value).strip()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return text(value)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    return value.item() if isinstance(value, np.generic) else value


class _Cursor:
    """Reads a header from left to right and never past the end of the file."""

    def __init__(self, data: bytes, wide: bool) -> None:
        self.data, self.at, self.wide = data, 4, wide

    def skip(self, count: int) -> None:
        if count < 0 or count > len(self.data) - self.at:
            raise damaged(f"a header that asks for {count} bytes at byte {self.at} of {len(self.data)}")
        self.at += count

    def integer(self, size: int = 4) -> int:
        start = self.at
        self.skip(size)
        return int.from_bytes(self.data[start : self.at], "big", signed=True)

    def name(self) -> str:
        length = self.integer()
        start = self.at
        self.skip(_padded(length))
        if length == 0:
            raise damaged(f"an empty name at byte {start}")
        return self.data[start : start + length].decode("latin-1")

    def count(self, tag: int, smallest: int) -> int:
        """How many items a list has; each takes at least `smallest` bytes."""
        found, count = self.integer(), self.integer()
        if (found, count) == (0, 0):
            return 0
        if found != tag or count < 0 or count > (len(self.data) - self.at) // smallest:
            raise damaged(f"a list of {count} at byte {self.at - 8} of {len(self.data)}")
        return count

    def rank(self) -> int:
        """How many dimensions a variable has."""
        count = self.integer()
        if not 0 <= count <= (len(self.data) - self.at) // 4:
            raise damaged(f"a variable of {count} dimensions")
        return count


def _padded(count: int) -> int:
    return count + -count % 4


def _check_header(data: bytes) -> None:
    if len(data) < _MAGIC:
        raise damaged(f"one truncated after {len(data)} bytes")
    version = data[3]
    if data[:3] != b"CDF" or version not in (1, 2):
        raise InputError(
            "netCDF file",
            expected="the classic format (CDF-1 or CDF-2)",
            got=f"version {version}",
            fix="Convert it with nccopy -k classic.",
        )
    cursor = _Cursor(data, wide=version == 2)
    records = cursor.integer()
    if records < 0:
        raise damaged("one that was never closed by its writer")
    lengths = _dimensions(cursor)
    _attributes(cursor)
    _check_variables(cursor, lengths, records)


def _dimensions(cursor: _Cursor) -> list[int]:
    lengths = []
    for _ in range(cursor.count(_DIMENSIONS, 12)):
        cursor.name()
        lengths.append(cursor.integer())
    if min(lengths, default=0) < 0 or lengths.count(0) > 1:
        raise damaged("a dimension of impossible length")
    return lengths


def _attributes(cursor: _Cursor) -> None:
    for _ in range(cursor.count(_ATTRIBUTES, 16)):
        cursor.name()
        size, count = _item_bytes(cursor), cursor.integer()
        if count < 0:
            raise damaged(f"an attribute of {count} values")
        cursor.skip(_padded(count * size))


def _item_bytes(cursor: _Cursor) -> int:
    kind = cursor.integer()
    if kind not in _BYTES:
        raise damaged(f"values of unknown type {kind} at byte {cursor.at - 4}")
    return _BYTES[kind]


def _check_variables(cursor: _Cursor, lengths: list[int], records: int) -> None:
    """Every variable's values must lie inside the file, those of a record variable for every record.

    Variables do not overlap, so that together they are no larger than the file either.
    """
    ends, total = [0], 0
    record_bytes: list[int] = []
    record_starts: list[int] = []
    for _ in range(cursor.count(_VARIABLES, 28)):
        cursor.name()
        places = [cursor.integer() for _ in range(cursor.rank())]
        if any(not 0 <= place < len(lengths) for place in places):
            raise damaged("a variable over a dimension that does not exist")
        shape = [lengths[place] for place in places]
        _attributes(cursor)
        size = _item_bytes(cursor)
        cursor.integer()  # vsize: redundant, and wrong in some files
        begin = cursor.integer(8 if cursor.wide else 4)
        if begin < 0 or 0 in shape[1:]:
            raise damaged("a variable in an impossible place")
        if shape and shape[0] == 0:
            record_bytes.append(size * math.prod(shape[1:]))
            record_starts.append(begin)
        else:
            total += size * math.prod(shape)
            ends.append(begin + size * math.prod(shape))
    if record_bytes and records:
        step = record_bytes[0] if len(record_bytes) == 1 else sum(map(_padded, record_bytes))
        whole = (start + count for start, count in zip(record_starts, record_bytes, strict=True))
        ends.append(step * (records - 1) + max(whole))
        total += sum(record_bytes) * records
    if (needed := max(total, *ends)) > len(cursor.data):
        raise damaged(f"{len(cursor.data)} bytes for {needed}")
