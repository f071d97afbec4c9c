"""Arrays in XML: base64 of little- or big-endian numbers, plain or in zlib, of a length that is declared.

The declared length is compared with what is there; nothing is allocated for it.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

from medidiff.domains.chromatography.files.content import Budget, inflate
from medidiff.errors import InputError


def decode_array(
    text: str, dtype: str, count: int, what: str, budget: Budget, *, zlib: bool = False
) -> NDArray[np.float64]:
    """(count,) float64 from base64; InputError for damaged text, a damaged stream or another count."""
    wanted = np.dtype(dtype).itemsize * count
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _bad(what, "base64", "damaged or truncated text") from None
    if zlib:
        budget.spend(wanted, what)
        data = inflate(data, wanted, what)
    if len(data) != wanted:
        raise _bad(what, f"{count} values in {wanted} bytes", f"{len(data)} bytes")
    return np.frombuffer(data, dtype).astype(np.float64)


def length(text: str | None, what: str) -> int:
    """A declared length; InputError for none, or no whole number from 0 to 10^12."""
    digits = (text or "").strip()
    if not digits.isascii() or not digits.isdigit() or len(digits) > 12:
        raise _bad(what, "a declared number of values", "none")
    return int(digits)


def _bad(what: str, expected: str, got: str) -> InputError:
    return InputError(what, expected=expected, got=got, fix="Copy or export the file again.")
