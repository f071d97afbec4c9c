"""The hash chain that makes a changed log show.

    mac_n = HMAC-SHA256(key, [n, kind, reader, session, seconds, body, mac_(n-1)])      as canonical JSON
    mac_0 = HMAC-SHA256(key, [study, database])
    seal  = HMAC-SHA256(key, ["manifest", what frozen.json holds])

The key is a secret of 32 bytes, one per study, in the user's data folder and never in the study's. A head
is "n:mac_n", printed with every export.

What the chain shows, to whoever holds the key: a row that was changed, removed, added or put elsewhere by
anybody without the key, and a row of another study or database put here. What it cannot show by itself:
rows cut from the end (also a whole older copy put back), because what is left is a whole chain; for that, a
head that was written down or sent away earlier is compared (`verify(expect=...)`). Whoever holds the key
can write another history; only heads that others keep contradict it. Without the key nothing is shown.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medidiff.atomic import writable
from medidiff.errors import InputError, MissingError
from medidiff.runs.home import home_folder

_KEY_BYTES = 32


@dataclass(frozen=True)
class Row:
    """One row of the log. reader, session: numbers, 0 where there is none. seconds: since the session began.

    body: canonical JSON text. mac: hex.
    """

    number: int
    kind: str
    reader: int
    session: int
    seconds: float
    body: str
    mac: str

    @property
    def data(self) -> dict[str, Any]:
        """The body as an object; InputError where another program wrote something else there."""
        try:
            found = json.loads(self.body)
        except (TypeError, ValueError):
            found = None
        if not isinstance(found, dict):
            raise InputError(
                f"row {self.number} of the log",
                expected="an entry as it was written",
                got="something else",
                fix="Put back a whole copy: 'medidiff review verify' names what was changed.",
            )
        return found


@dataclass(frozen=True)
class Head:
    """The last row of a log: how many rows there are, and its mac."""

    count: int
    mac: str

    def __str__(self) -> str:
        """As it is printed and expected back."""
        return f"{self.count}:{self.mac}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """A head that was printed; InputError for anything else."""
        found = re.fullmatch(r"(\d{1,12}):([0-9a-f]{64})", text.strip())
        if found is None:
            raise InputError(
                "head",
                expected="a count and 64 hex digits, as 152:9f3a...",
                got="something else",
                fix="Copy the whole head that an export or 'medidiff review status' printed.",
                argument=True,
            )
        return cls(int(found[1]), found[2])


def canonical(value: object) -> str:
    """JSON text that is the same for the same value: sorted keys, no spaces, ASCII; ValueError for NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def seal(key: bytes, manifest: Mapping[str, object]) -> str:
    """What makes a changed manifest show, also where no database knows it yet. manifest: plain JSON."""
    return _mac(key, ["manifest", dict(manifest)])


def start_mac(key: bytes, study: str, database: str) -> str:
    """What the first row follows."""
    return _mac(key, [study, database])


def row_mac(key: bytes, before: str, row: Row) -> str:
    """The mac that a row has when it follows the one with mac `before`."""
    return _mac(key, [row.number, row.kind, row.reader, row.session, row.seconds, row.body, before])


def _mac(key: bytes, content: list[object]) -> str:
    return hmac.new(key, canonical(content).encode("ascii"), hashlib.sha256).hexdigest()


def key_path(study: str) -> Path:
    """Where the key of a study lies."""
    return home_folder("review", "keys", f"{study}.key")


def new_key(study: str) -> bytes:
    """Make the key of a study, readable by its owner only; OutputError when that cannot be written."""
    path, key = key_path(study), secrets.token_bytes(_KEY_BYTES)
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(OSError):  # a data folder on a file system without permissions
            path.parent.chmod(0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
    return key


def read_key(study: str) -> bytes:
    """The key of a study; MissingError when it is not on this machine."""
    path = key_path(study)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise MissingError(
            "key of the study",
            expected=f"the file {path.name} in medidiff's data folder",
            got="none that can be read",
            fix="Copy it from where the study was frozen (by default ~/.local/share/medidiff/review/keys).",
        )
    return key
