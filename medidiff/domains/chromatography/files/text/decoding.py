"""Characters from bytes: a byte order mark decides, then UTF-16 by its zeros, then UTF-8, then Latin-1."""

from __future__ import annotations

import codecs
import re

from medidiff.domains.chromatography.files.content import check_text
from medidiff.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_SNIFFED = 4096


def decode(data: bytes) -> str:
    """The text with every line end as a line feed; InputError for bytes that are no text."""
    check_text(data)
    text = _characters(data)
    if _CONTROL.search(text):
        raise InputError(
            "file",
            expected="ANDI, GAML, mzML, JCAMP-DX, medidiff's JSON, or text",
            got="a binary file of another kind",
            fix="Export the trace as ANDI (.cdf) or CSV from the instrument's software.",
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _characters(data: bytes) -> str:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    start = data[:_SNIFFED]
    if encoding is None and len(start) > 3:
        odd, even = start[1::2].count(0), start[::2].count(0)
        if max(odd, even) > len(start) // 3:
            encoding = "utf-16-le" if odd > even else "utf-16-be"
    for name in (encoding,) if encoding else ("utf-8", "latin-1"):
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    raise InputError("file", expected="text", got=f"damaged {encoding}", fix="Export or copy the file again.")
