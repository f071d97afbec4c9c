"""Readers: a code and a PIN, so that nobody answers under another's code by mistake.

Codes are pseudonyms that a study's coordinator hands out; names do not belong in them. A PIN is kept as its
scrypt hash (RFC 7914; N = 2^14, r = 8, p = 1) with its own salt. After three wrong ones in a row each
further attempt waits twice as long, up to ten minutes; attempts are rows of the log.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medidiff.errors import InputError
from medidiff.review.store.chain import Row
from medidiff.review.store.log import Log, Reading

FREE_ATTEMPTS = 3
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 600.0
_COST = {"n": 1 << 14, "r": 8, "p": 1}


@dataclass(frozen=True)
class Reader:
    """A reader who signed in. number: in this database. order: which order of the schedule is theirs.

    session: row number of the sign-in; started: its time, in seconds since 1970 UTC.
    """

    number: int
    code: str
    order: int
    session: int
    started: float


def normalised_code(code: str) -> str:
    """The code in capitals; InputError unless it is 2 to 20 letters A-Z, digits, "-" or "_"."""
    text = unicodedata.normalize("NFKC", code).strip().upper() if isinstance(code, str) else ""
    if re.fullmatch(r"[A-Z0-9][A-Z0-9_-]{1,19}", text) is None:
        raise InputError(
            "reader code",
            expected="2 to 20 letters A-Z, digits, - or _",
            got="other characters or another length",
            fix="Use the code that you were given.",
            argument=True,
        )
    return text


def register(log: Log, code: str, pin: str, *, first_order: int, now: float) -> Reader:
    """Add a reader and sign in; InputError for a code that is taken, an odd code or a weak PIN."""
    code, pin = normalised_code(code), _checked_pin(pin)
    salt = secrets.token_bytes(16)
    hashed = _hashed(pin, salt)

    def body(reading: Reading) -> Mapping[str, Any]:
        refuse_unblinded(reading)
        known = reading.rows("reader")
        if any(row.data["code"] == code for row in known):
            raise InputError(
                f"reader code {code}",
                expected="one that is not taken",
                got="one that has answers or a PIN already",
                fix="Sign in with your PIN, or ask for another code.",
            )
        number = len(known) + 1
        used = [int(row.data["order"]) for row in known]
        order = max((o for o in used if o >= first_order), default=first_order - 1) + 1
        return {"number": number, "code": code, "order": order, "salt": salt.hex(), "pin": hashed}

    row = log.append("reader", body)
    return _begin(log, row, now)


def sign_in(log: Log, code: str, pin: str, *, now: float) -> Reader:
    """Begin a session; InputError for a wrong code or PIN, and while attempts are held back."""
    code = normalised_code(code)
    with log.reading() as reading:
        refuse_unblinded(reading)
        wait = _wait(reading, code, now)
        found = next((row for row in reading.rows("reader") if row.data["code"] == code), None)
    if wait > 0:
        raise InputError(
            "sign-in",
            expected=f"a pause of {wait:.0f} s after several wrong attempts",
            got="an attempt before",
            fix="Wait, then try again; the coordinator can tell you your code.",
        )
    facts = found.data if found is not None else {"salt": "00" * 16, "pin": ""}
    # An unknown code takes as long as a wrong PIN and is refused in the same words.
    right = hmac.compare_digest(_hashed(str(pin)[:64], bytes.fromhex(facts["salt"])), facts["pin"])
    if found is None or not right:
        log.append("refused", {"code": code, "utc": now})
        raise InputError(
            "sign-in", expected="a code and its PIN", got="a pair that does not fit", fix="Try again."
        )
    return _begin(log, found, now)


def refuse_unblinded(reading: Reading) -> None:
    """Raise InputError when the study was unblinded: it takes no more answers."""
    if reading.rows("unblind"):
        raise InputError(
            "study",
            expected="one that takes answers",
            got="one that was unblinded and is closed",
            fix="Start a new study for more answers.",
        )


def _begin(log: Log, row: Row, now: float) -> Reader:
    facts = row.data
    number = int(facts["number"])
    session = log.append("session", {"code": facts["code"], "utc": now}, reader=number)
    return Reader(number, facts["code"], int(facts["order"]), session.number, now)


def _wait(reading: Reading, code: str, now: float) -> float:
    """Seconds until the next attempt is allowed, from the wrong ones since the last right one."""
    failures: list[float] = []
    for row in reading.rows("refused", "session"):
        if row.data["code"] == code:
            failures = [*failures, float(row.data["utc"])] if row.kind == "refused" else []
    if len(failures) < FREE_ATTEMPTS:
        return 0.0
    pause = min(_FIRST_WAIT_S * 2.0 ** (len(failures) - FREE_ATTEMPTS), _LONGEST_WAIT_S)
    return failures[-1] + pause - now


def _checked_pin(pin: str) -> str:
    if not isinstance(pin, str) or re.fullmatch(r"[0-9]{4,12}", pin) is None:
        raise InputError(
            "PIN", expected="4 to 12 digits", got="something else", fix="Choose another.", argument=True
        )
    return pin


def _hashed(pin: str, salt: bytes) -> str:
    return hashlib.scrypt(pin.encode("utf-8", "replace"), salt=salt, dklen=32, **_COST).hex()
