"""Which of the text formats a file is, by what its lines say."""

from __future__ import annotations

from medidiff.domains.chromatography.chromatogram import Chromatogram
from medidiff.domains.chromatography.files.content import Content
from medidiff.domains.chromatography.files.text.decoding import decode
from medidiff.domains.chromatography.files.text.ezchrom import is_ezchrom, read_ezchrom
from medidiff.domains.chromatography.files.text.labsolutions import is_labsolutions, read_labsolutions
from medidiff.domains.chromatography.files.text.table import read_tables


def read_text(content: Content, *, keep_metadata: bool) -> tuple[Chromatogram, ...]:
    """The traces of a text file; InputError names the line that is wrong."""
    lines = decode(content.data).split("\n")
    if is_labsolutions(lines):
        return read_labsolutions(lines, content.origin, keep_metadata=keep_metadata)
    if is_ezchrom(lines):
        return read_ezchrom(lines, content.origin, keep_metadata=keep_metadata)
    return read_tables(lines, content.origin, keep_metadata=keep_metadata)
