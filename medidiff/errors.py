"""The three errors that a user of medidiff meets, each one sentence long.

    MedidiffError
     ├─ InputError     what was given cannot be used           (exit code 2 or 3)
     ├─ MissingError   an extra, weights or memory are absent   (exit code 4)
     └─ OutputError    a result could not be written            (exit code 5)

Each carries what was looked at, what was expected, what came and what to do; a door (command line,
transform, app) joins them to one line and tests compare the attributes, never the prose:

    try:
        result = medidiff.retrospective_ct(volume, views=0)
    except medidiff.InputError as error:
        error.expected, error.got, error.fix
"""

from __future__ import annotations


class MedidiffError(Exception):
    """The base of all errors raised on purpose; catch it to catch the three."""

    def __init__(self, what: str, *, expected: str, got: str, fix: str) -> None:
        self.what, self.expected, self.got, self.fix = what, expected, got, fix
        super().__init__(f"{what}: expected {expected}, got {got}. {fix}")

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the four parts, so that an error crosses a process border whole."""
        return _rebuild, (type(self), self.what, self.expected, self.got, self.fix, self.__dict__)


class InputError(MedidiffError):
    """Something given cannot be used as it is.

    `argument` is true when the value is wrong whatever the file (`views=0`: exit code 2) and false when
    a file is unreadable or does not fit (exit code 3).
    """

    def __init__(self, what: str, *, expected: str, got: str, fix: str, argument: bool = False) -> None:
        super().__init__(what, expected=expected, got=got, fix=fix)
        self.argument = argument


class MissingError(MedidiffError):
    """Something needed is absent: an optional package, weights, memory. `fix` says what mends it."""


class OutputError(MedidiffError):
    """A result could not be written; nothing half-written was left."""


def _rebuild(
    kind: type[MedidiffError], what: str, expected: str, got: str, fix: str, extra: dict[str, object]
) -> MedidiffError:
    error = kind(what, expected=expected, got=got, fix=fix)
    error.__dict__.update(extra)
    return error
