"""Packed voxels for the browser, each under a token that cannot be guessed and says nothing.

    GET /medidiff/voxels/<token>            the whole of it
    GET /medidiff/voxels/<token>/<a>/<b>    slices a to b-1 of it

A packed volume is a header (4 bytes, little-endian: the length of the JSON text that follows, padded to a
multiple of 4; the text has "shape": [z, y, x]) and then the voxels, z slowest, int16. What was used least
recently goes when the whole passes `MOST_BYTES`; serving it again gives the same address.
"""

from __future__ import annotations

import json
import math
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

from streamlit.runtime.scriptrunner import get_script_run_ctx

MOST_BYTES = 1 << 30
MOST_TOKENS = 4096
ROUTE = "/medidiff/voxels"


@dataclass(frozen=True)
class _Owner:
    """Who may know a token: one key within one session of a browser."""

    session: str
    key: str


class Store:
    """Packed volumes by key, tokens by session and key."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._packed: OrderedDict[str, bytes] = OrderedDict()
        self._tokens: OrderedDict[str, _Owner] = OrderedDict()
        self._token_of: dict[_Owner, str] = {}

    def serve(self, packed: bytes, *, key: str, session: str) -> str:
        """The token of a packed volume: always the same for a key within a session, another elsewhere."""
        owner = _Owner(session, key)
        with self._lock:
            self._packed[key] = packed
            self._packed.move_to_end(key)
            while len(self._packed) > 1 and sum(map(len, self._packed.values())) > self.most_bytes:
                self._packed.popitem(last=False)
            token = self._token_of.get(owner) or secrets.token_urlsafe(24)
            self._token_of[owner], self._tokens[token] = token, owner
            self._tokens.move_to_end(token)
            while len(self._tokens) > MOST_TOKENS:
                del self._token_of[self._tokens.popitem(last=False)[1]]
        return token

    def whole(self, token: str) -> memoryview | None:
        """The packed volume of a token; None for an unknown one, and for one that was let go."""
        with self._lock:
            owner = self._tokens.get(token)
            if owner is None or owner.key not in self._packed:
                return None
            self._packed.move_to_end(owner.key)
            return memoryview(self._packed[owner.key])

    def slices(self, token: str, a: int, b: int) -> memoryview | None:
        """The voxels of slices a to b-1, without header; None also where there are no such slices."""
        packed = self.whole(token)
        if packed is None:
            return None
        start, shape = _layout(packed)
        plane = 2 * math.prod(shape[1:])
        if not 0 <= a < b <= shape[0]:
            return None
        return packed[start + a * plane : start + b * plane]


def _layout(packed: memoryview) -> tuple[int, list[int]]:
    """(where the voxels begin, their shape (z, y, x))."""
    length = int.from_bytes(packed[:4], "little")
    shape = json.loads(bytes(packed[4 : 4 + length]).decode("utf-8"))["shape"]
    return 4 + -(-length // 4) * 4, shape


STORE = Store()


def serve(packed: bytes, *, key: str) -> str:
    """The token under which this session's browser fetches a packed volume.

    key: digest and role. In blinded reading it must hold the number of the presentation too: the same token
    twice would tell that the same case came back.
    """
    context = get_script_run_ctx()
    return STORE.serve(packed, key=key, session=context.session_id if context else "")
