"""YAML that people write, as plain data: one small file, in which nothing can grow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from medidiff.errors import InputError
from medidiff.io.opening import regular_size

_MOST_BYTES = 1 << 20
_NO_TEXT = "no text file that can be read"


def read_yaml(path: Path, refused: Callable[[str], InputError]) -> Any:
    """What a YAML file holds, unchecked; None for an empty one.

    refused: the error for what was got in place of such a file. Raised for more than a megabyte, for what is
    no text or no YAML, and for aliases: with `<<` seven hundred bytes of them grow to half a gigabyte.
    """
    size = regular_size(path)
    if size > _MOST_BYTES:
        raise refused(f"{size} bytes")
    try:
        content = path.read_bytes()
    except OSError:
        raise refused(_NO_TEXT) from None
    return parse_yaml(content, refused)


def parse_yaml(content: bytes, refused: Callable[[str], InputError]) -> Any:
    """What these bytes of such a file hold."""
    import yaml

    try:
        text = content.decode("utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise refused("an alias (*), which it may not have")
        return yaml.safe_load(text)
    except UnicodeDecodeError:
        raise refused(_NO_TEXT) from None
    except (yaml.YAMLError, ValueError, RecursionError):  # a date that does not exist; brackets without end
        raise refused("something that is no YAML") from None
