"""The demo volumes that the package ships, each checked against its card."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import as_file, files
from typing import Any

from medidiff.errors import MissingError
from medidiff.io.reading import read_volume
from medidiff.io.volume import Volume

DEMOS = ("ct",)


def demo_volume(name: str = "ct", *, slices: tuple[int, int] | None = None) -> Volume:
    """The shipped volume "ct": 24 slices of 512 x 512, 2.5 x 0.703 x 0.703 mm, HU, of a real chest.

    slices: a block (a, b) of them, a <= k < b. Source and licence: `demo_card`. Raises MissingError for
    another name, and when the installation lacks the file or holds another one than its card describes.
    """
    card = demo_card(name)
    with as_file(files("medidiff") / "assets" / card["file"]) as path:
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != card["file_sha256"]:
            raise _missing(name, "a file of another digest" if data else "no such file in the package")
        return read_volume(path, slices=slices)


def demo_card(name: str = "ct") -> dict[str, Any]:
    """The card of a demo volume: source, licence, attribution, what was changed, digests.

    Raises MissingError for a name that is not in `DEMOS` and when the installation lacks the card.
    """
    if name not in DEMOS:  # it becomes part of a file's name
        raise _missing(name, "no card in the package")
    try:
        text = (files("medidiff") / "assets" / f"demo-{name}.json").read_text(encoding="utf-8")
    except OSError:
        raise _missing(name, "no card in the package") from None
    card: dict[str, Any] = json.loads(text)
    return card


def _missing(name: str, got: str) -> MissingError:
    return MissingError(
        f"demo data {name}",
        expected="the volume that its card describes",
        got=got,
        fix="Install medidiff again.",
    )
