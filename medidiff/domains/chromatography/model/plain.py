"""Systems and injections as plain data, for a provenance; `stored/from_plain.py` brings them back.

An object is a mapping of its fields, and its class stands as `kind` beside them.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from medidiff.runs.plain import to_plain


def plain(value: Any) -> Any:
    """A system, or a part of one, as plain data."""
    return to_plain(_taken_apart(value))


def _taken_apart(value: Any) -> Any:
    if is_dataclass(value):
        parts = {field.name: _taken_apart(getattr(value, field.name)) for field in fields(value)}
        return {"kind": type(value).__name__, **parts}
    return [_taken_apart(item) for item in value] if isinstance(value, tuple) else value
